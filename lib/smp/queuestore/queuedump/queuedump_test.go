package queuedump_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/pgqueues"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
)

// fill puts some of everything into a store.
func fill(t testing.TB, s queuestore.Store) {
	t.Helper()
	ttl := int64(60)
	err := s.Update(t.Context(), func(tx queuestore.Tx) error {
		_, err := tx.Service("certificate", smp.RoleMessaging, "service")
		var qs []*queuestore.Queue
		for i := range 5 {
			q := storetest.NewQueue([]smp.QueueMode{smp.Messaging, smp.Contact, 0}[i%3])
			if i == 1 {
				q.LinkID, q.ServiceID, q.SenderKey = "link", "service", key.GenerateEd448().Public()
				q.Notifier = &queuestore.Notifier{ID: "notifier", Key: key.GenerateX25519().Public(), Secret: [32]byte{7}}
				q.RecipientKeys = append(q.RecipientKeys, key.GenerateEd25519().Public())
			}
			if i == 2 {
				q.Status, q.Blocking = queuestore.Blocked, &smp.BlockingInfo{Reason: smp.BlockedSpam, Notice: &smp.ClientNotice{TTL: &ttl}}
			}
			err = errors.Join(err, tx.AddQueue(q, smp.LinkData{Fixed: []byte("fixed"), User: []byte{}}))
			qs = append(qs, q)
		}
		err = errors.Join(err, tx.DeleteQueue(qs[3].Num))
		for i := range 12 {
			err = errors.Join(err, tx.AddMessage(qs[i%2].Num, storetest.NewMessage(fmt.Sprint("body ", i))))
		}
		quota := storetest.NewMessage("")
		quota.Quota = true
		return errors.Join(err, tx.AddMessage(qs[0].Num, quota))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func dump(t testing.TB, s queuedump.Store) string {
	t.Helper()
	var b bytes.Buffer
	n, err := queuedump.Write(t.Context(), &b, s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := queuedump.Verify(bytes.NewReader(b.Bytes())); err != nil || again != n {
		t.Fatalf("%+v, want %+v: %v", again, n, err)
	}
	return b.String()
}

// TestThroughAllStores moves the same queues from store to store.
func TestThroughAllStores(t *testing.T) {
	mem := queuestore.NewMem()
	fill(t, mem)
	sqlite, err := queuedb.Open(t.Context(), filepath.Join(t.TempDir(), "queues.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pg, err := pgqueues.Open(t.Context(), pgtest.Start(t, pgtest.Options{}).NewDatabase(t), pgqueues.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := dump(t, mem)
	// Numbers of queues start anew in each store; from the second on, they
	// are those of the dump.
	for i, to := range []queuedump.Store{sqlite, pg, queuestore.NewMem()} {
		n, err := queuedump.Load(t.Context(), strings.NewReader(text), to, false)
		if err != nil || n != (queuedump.Totals{Services: 1, Queues: 4, Messages: 13}) {
			t.Fatalf("store %d: %+v, %v", i, n, err)
		}
		next := dump(t, to)
		if i > 0 && next != text {
			t.Fatalf("store %d: another dump:\n%s\nwant\n%s", i, next, text)
		}
		text = next
		if _, err := queuedump.Load(t.Context(), strings.NewReader(text), to, false); !errors.Is(err, queuedump.ErrNotEmpty) {
			t.Fatalf("store %d, again: %v", i, err)
		}
		n, err = queuedump.Load(t.Context(), strings.NewReader(text), to, true)
		if err != nil || n != (queuedump.Totals{Services: 1}) {
			t.Fatalf("store %d, merge: %+v, %v", i, n, err)
		}
		if dump(t, to) != text {
			t.Fatalf("store %d: merging the same has changed it", i)
		}
	}
	if err := errors.Join(sqlite.Close(), pg.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestConflict(t *testing.T) {
	a, b := queuestore.NewMem(), queuestore.NewMem()
	fill(t, a)
	fill(t, b) // with the same link ID
	if _, err := queuedump.Load(t.Context(), strings.NewReader(dump(t, a)), b, true); !errors.Is(err, queuedump.ErrConflict) {
		t.Fatal(err)
	}
}

func TestDamaged(t *testing.T) {
	s := queuestore.NewMem()
	fill(t, s)
	text := dump(t, s)
	lines := strings.SplitAfter(text, "\n")
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty":        {"", queuedump.ErrFormat},
		"cut":          {strings.Join(lines[:5], ""), queuedump.ErrFormat},
		"line missing": {strings.Join(append(append([]string{}, lines[:5]...), lines[6:]...), ""), queuedump.ErrFormat},
		"changed":      {strings.Replace(text, `"notify":true`, `"notify":false`, 1), queuedump.ErrFormat},
		"more":         {text + "{}\n", queuedump.ErrFormat},
		"other":        {"{}\n", queuedump.ErrFormat},
		"newer":        {strings.Replace(text, `"v":1`, `"v":2`, 1), queuedump.ErrVersion},
	} {
		to := queuestore.NewMem()
		if _, err := queuedump.Load(t.Context(), strings.NewReader(c.text), to, false); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n, _ := to.Counts(t.Context()); n != (queuestore.Counts{}) {
			t.Errorf("%s: something was stored", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := queuestore.NewMem()
	fill(f, s)
	text := dump(f, s)
	f.Add([]byte(text))
	for _, l := range strings.SplitAfter(text, "\n") {
		f.Add([]byte(`{"format":"simplexkit-smp-queues","v":1}` + "\n" + l))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		to := queuestore.NewMem()
		n, err := queuedump.Load(t.Context(), bytes.NewReader(b), to, false)
		if err != nil {
			return
		}
		if c, err := to.Counts(t.Context()); err != nil || c.Queues != n.Queues || c.Messages != n.Messages {
			t.Fatalf("%+v of %+v: %v", c, n, err)
		}
	})
}
