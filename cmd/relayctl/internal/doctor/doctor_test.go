package doctor

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

func state(t *testing.T, all []Finding, name string, want relaycheck.State) {
	t.Helper()
	for _, f := range all {
		if f.Name == name {
			if f.State != want || want != relaycheck.OK && f.Hint == "" {
				t.Errorf("%+v, want %v", f, want)
			}
			return
		}
	}
	t.Errorf("nothing is said of %s: %+v", name, all)
}

// TestLook looks at a relay before, while and after it runs.
func TestLook(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, err := relayhome.Init(filepath.Join(t.TempDir(), "R"), relayhome.Options{Hosts: []string{"localhost", "abc.onion", "192.0.2.1"}, Listen: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	all := Look(t.Context(), h)
	state(t, all, "process", relaycheck.Critical)
	state(t, all, "offline key", relaycheck.Warning)
	state(t, all, "certificate", relaycheck.OK)
	state(t, all, "store", relaycheck.OK)
	state(t, all, "name abc.onion", relaycheck.OK)
	state(t, all, "name 192.0.2.1", relaycheck.Warning)
	if Worst(all) != relaycheck.Critical {
		t.Errorf("all is %v", Worst(all))
	}

	ctx, cancel := context.WithCancel(t.Context())
	done, up := make(chan error, 1), make(chan struct{})
	admin := make(chan error, 1)
	go func() {
		done <- h.Serve(ctx, relayhome.ServeOptions{Listener: l, Ready: func(r *relayhome.Relay) {
			go func() { admin <- relayadmin.New(r, "v", 1, nil).Run(ctx, func() { close(up) }) }()
		}})
	}()
	<-up
	all = Look(t.Context(), h)
	state(t, all, "process", relaycheck.OK)
	state(t, all, "port", relaycheck.OK)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-admin; err != nil {
		t.Error(err)
	}
	f := port(t.Context(), h)
	state(t, []Finding{f}, "port", relaycheck.Critical)
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		free, all uint64
		want      relaycheck.State
	}{{50 << 30, 100 << 30, relaycheck.OK}, {5 << 30, 100 << 30, relaycheck.Warning}, {900 << 20, 5 << 30, relaycheck.Warning},
		{1 << 30, 100 << 30, relaycheck.Critical}, {100 << 20, 300 << 20, relaycheck.Critical}} {
		if got, _ := space(c.free, c.all); got != c.want {
			t.Errorf("%d of %d free: %v", c.free, c.all, got)
		}
	}
	for _, c := range []struct {
		open, limit, conns int
		want               relaycheck.State
	}{{10, 1000, 900, relaycheck.OK}, {10, 1000, 1100, relaycheck.Warning}, {850, 1000, 900, relaycheck.Warning}, {990, 1000, 900, relaycheck.Critical}} {
		if got, _ := fileState(c.open, c.limit, c.conns); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if n, err := openFiles("Limit  Soft Limit\nMax open files            1024                 524288               files\n"); n != 1024 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := openFiles("Limit\n"); err == nil {
		t.Error("a limit out of nothing")
	}
}
