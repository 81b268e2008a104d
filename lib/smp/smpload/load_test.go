package smpload_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpload"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relay is one whose store is looked into.
func relay(t *testing.T) (smp.AuthServer, *queuestore.Mem) {
	t.Helper()
	store := queuestore.NewMem()
	r := smptest.Start(t, smptest.WithStore(store))
	return smp.AuthServer{ServerAddr: r.Addr}, store
}

func queues(t *testing.T, s *queuestore.Mem) int64 {
	t.Helper()
	n, err := s.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n.Queues
}

func TestWorkloadsCountAndLeaveNoQueue(t *testing.T) {
	for _, o := range []smpload.Options{
		{Workload: smpload.Create, Conns: 2, Depth: 4},
		{},
		{Workload: smpload.Send, Conns: 3, Depth: 5, Body: 100},
		{Workload: smpload.Send, Conns: 2, Rate: 400},
		{Workload: smpload.Connect, Conns: 2},
	} {
		t.Run(string(o.Workload), func(t *testing.T) {
			addr, store := relay(t)
			l, err := smpload.Open(t.Context(), addr, o)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				r, err := l.Run(t.Context(), smpload.Bounds{Count: 40})
				if err != nil {
					t.Fatal(err)
				}
				if r.Operations != 40 || r.PerSecond <= 0 || r.Interrupted {
					t.Errorf("result %+v", r)
				}
				if q := r.Latency; q.P50 <= 0 || q.P50 > q.P90 || q.P90 > q.P99 || q.P99 > q.Max {
					t.Errorf("latency %+v", q)
				}
				if _, err := json.Marshal(r); err != nil {
					t.Error(err)
				}
			}
			if err := l.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := queues(t, store); n != 0 {
				t.Errorf("%d queues are left", n)
			}
		})
	}
}

func TestSubscribeCountsQueues(t *testing.T) {
	addr, store := relay(t)
	l, err := smpload.Open(t.Context(), addr, smpload.Options{Workload: smpload.Subscribe, Conns: 3, Queues: 500})
	if err != nil {
		t.Fatal(err)
	}
	if n := queues(t, store); n != 500 {
		t.Errorf("%d queues", n)
	}
	r, err := l.Run(t.Context(), smpload.Bounds{Count: 3})
	if err != nil || r.Operations < 3*166 || r.Operations > 3*167 || r.Queues != 500 {
		t.Errorf("result %+v, %v", r, err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := queues(t, store); n != 0 {
		t.Errorf("%d queues are left", n)
	}
}

func TestAnInterruptedRunDeletesItsQueues(t *testing.T) {
	addr, store := relay(t)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := smpload.Open(ctx, addr, smpload.Options{Workload: smpload.Create, Conns: 2, Depth: 8})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, cancel)
	r, err := l.Run(ctx, smpload.Bounds{Duration: time.Minute})
	if err != nil || !r.Interrupted {
		t.Errorf("result %+v, %v", r, err)
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := queues(t, store); n != 0 {
		t.Errorf("%d queues are left", n)
	}
}

func TestLostConnectionsLeaveNoQueue(t *testing.T) {
	store := queuestore.NewMem()
	r := smptest.Start(t, smptest.WithStore(store))
	l, err := smpload.Open(t.Context(), smp.AuthServer{ServerAddr: r.Addr}, smpload.Options{Conns: 4})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, r.Restart)
	if _, err := l.Run(t.Context(), smpload.Bounds{Duration: time.Minute}); err == nil {
		t.Error("no error from a run that lost its relay")
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := queues(t, store); n != 0 {
		t.Errorf("%d queues are left", n)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	here := smp.AuthServer{ServerAddr: smp.ServerAddr{Hosts: []string{"127.0.0.1"}}}
	there := smp.AuthServer{ServerAddr: smp.ServerAddr{Hosts: []string{"127.0.0.1", "relay.example.org"}}}
	for _, c := range []struct {
		name string
		addr smp.AuthServer
		o    smpload.Options
		want error
	}{
		{"remote", there, smpload.Options{}, smpload.ErrRemote},
		{"remote proxy", here, smpload.Options{Via: &there.ServerAddr}, smpload.ErrRemote},
		{"workload", here, smpload.Options{Workload: "flood"}, smpload.ErrOptions},
		{"connections", here, smpload.Options{Conns: smpload.MaxConns + 1}, smpload.ErrOptions},
		{"depth", here, smpload.Options{Depth: smpload.MaxDepth + 1}, smpload.ErrOptions},
		{"queues", here, smpload.Options{Workload: smpload.Subscribe, Conns: 9, Queues: 8}, smpload.ErrOptions},
		{"body", here, smpload.Options{Body: 3}, smpload.ErrOptions},
		{"proxy", here, smpload.Options{Workload: smpload.Connect, Via: &here.ServerAddr}, smpload.ErrOptions},
	} {
		if _, err := smpload.Open(t.Context(), c.addr, c.o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
