package remotedb_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/remotedb"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// open opens a database, encrypted with a key if it is told so.
func open(t *testing.T, path string, key bool) *remotedb.DB {
	t.Helper()
	db, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if secret := store.RawKey([32]byte{1}); key && db.Encrypted() {
		err = db.Unlock(t.Context(), secret)
	} else if key {
		err = db.Protect(t.Context(), secret)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := remotedb.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPairings(t *testing.T) {
	for name, key := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) { pairings(t, filepath.Join(t.TempDir(), "r.db"), key) })
	}
}

func pairings(t *testing.T, path string, key bool) {
	ctx, now := t.Context(), time.Now().UTC()
	d := open(t, path, key)
	hp, err := xrcp.NewHostPairing(now)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := xrcp.NewControllerPairing(&xrcp.Invitation{CA: hp.CA.Fingerprint(), IDKey: hp.ID.Public()}, now)
	if err != nil {
		t.Fatal(err)
	}
	c := &remote.KnownCtrl{Pairing: cp, Name: "desk", Users: []api.UserID{2}, PairedAt: now, Invitation: "xrcp:/x"}
	if err := d.PutCtrl(ctx, c); err != nil || c.ID == 0 {
		t.Fatal(err, c.ID)
	}
	c.Pairing, c.Alias = cp.Confirm(), "my desk"
	h := &remote.KnownHost{Pairing: hp, Name: "phone", Seq: -1, Bind: &api.RemoteAddr{Address: "127.0.0.1", Interface: "lo"}}
	if err := errors.Join(d.PutCtrl(ctx, c), d.PutHost(ctx, h), d.PutSeq(ctx, h.ID, 7)); err != nil {
		t.Fatal(err)
	}
	d = open(t, path, key) // as another process would
	ctrls, err := d.Ctrls(ctx)
	if err != nil || len(ctrls) != 1 || ctrls[0].Label() != "my desk" || !ctrls[0].Pairing.Confirmed || ctrls[0].Users[0] != 2 ||
		ctrls[0].Pairing.CA.Fingerprint() != cp.CA.Fingerprint() || !ctrls[0].PairedAt.Equal(now) || ctrls[0].Invitation != "xrcp:/x" {
		t.Fatalf("%v %+v", err, ctrls)
	}
	hosts, err := d.Hosts(ctx)
	if err != nil || len(hosts) != 1 || hosts[0].Seq != 7 || hosts[0].Bind.Interface != "lo" {
		t.Fatalf("%v %+v", err, hosts)
	}
	if err := errors.Join(d.DeleteCtrl(ctx, c.ID), d.DeleteHost(ctx, h.ID)); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteCtrl(ctx, c.ID); !errors.Is(err, remote.ErrNotFound) {
		t.Error(err)
	}
	if err := d.PutCtrl(ctx, c); !errors.Is(err, remote.ErrNotFound) {
		t.Errorf("a controller that was forgotten comes back: %v", err)
	}
}

func TestCommands(t *testing.T) {
	ctx := t.Context()
	d := open(t, filepath.Join(t.TempDir(), "r.db"), true)
	hp, err := xrcp.NewHostPairing(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cp, err := xrcp.NewControllerPairing(&xrcp.Invitation{IDKey: hp.ID.Public()}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := &remote.KnownCtrl{Pairing: cp}
	if err := d.PutCtrl(ctx, c); err != nil {
		t.Fatal(err)
	}
	begin := func(name string) remote.Outcome {
		t.Helper()
		o, err := d.Begin(ctx, c.ID, name, 2)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if begin("a").Known {
		t.Error("known before it came")
	}
	if o := begin("a"); !o.Known || o.Result != nil {
		t.Errorf("%+v", o)
	}
	if err := d.Finish(ctx, c.ID, "a", []byte(`{"result":{}}`)); err != nil {
		t.Fatal(err)
	}
	if o := begin("a"); string(o.Result) != `{"result":{}}` {
		t.Errorf("%+v", o)
	}
	begin("b")
	begin("c")
	if begin("a").Known {
		t.Error("more is kept than asked for")
	}
	if _, err := d.Begin(context.Background(), c.ID+1, "a", 2); err == nil {
		t.Error("a command of nobody is noted")
	}
}
