package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpload"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
)

func agentRows() []row {
	var out []row
	for _, n := range []int{10, 1000, 10_000} {
		out = append(out, row{
			name: "agent_start_" + strconv.Itoa(n), round: 2 * time.Second, long: n > 1000,
			unit:    "ms from opening an agent's store until all its queues are subscribed to",
			floorIs: "a new session that subscribes to as many queues",
			open:    func(ctx context.Context, o *options) (*sides, error) { return openAgentStart(ctx, o, n) },
		})
	}
	return out
}

// watcher takes news of relays, and nothing else.
type watcher struct{ up chan int }

func (watcher) HandleEvent(context.Context, agent.ConnID, agent.Event) error { return nil }

func (w watcher) HandleStatus(ctx context.Context, st agent.Status) {
	if st.Up {
		select {
		case w.up <- len(st.Conns):
		case <-ctx.Done():
		}
	}
}

// openAgentStart makes invitations: connections that wait for somebody.
func openAgentStart(ctx context.Context, o *options, n int) (*sides, error) {
	relay, err := startRelay(ctx, o, "AS"+strconv.Itoa(n))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(o.dir, "agent"+strconv.Itoa(n)+".db")
	run := func(ctx context.Context, fn func(*agent.Agent, watcher) error) (err error) {
		db, err := store.Open(ctx, path, store.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		if err := db.Migrate(ctx, agentdb.Migrations()); err != nil {
			return err
		}
		a, err := agent.New(agent.Config{Store: agentdb.New(db), Dial: agent.DialSMP(smpclient.Options{}), Servers: []string{relay.addr.String()}})
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		w, ended := watcher{make(chan int)}, make(chan error, 1)
		go func() { ended <- a.Run(ctx, w) }()
		defer func() {
			stop()
			err = errors.Join(err, <-ended)
		}()
		return fn(a, w)
	}
	err = run(ctx, func(a *agent.Agent, _ watcher) error {
		for range n {
			if _, err := a.CreateInvitation(ctx, agent.NewConnID(), agent.InviteOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	load, err := smpload.Open(ctx, smp.AuthServer{ServerAddr: relay.addr}, smpload.Options{Workload: smpload.Subscribe, Queues: n})
	if err != nil {
		return nil, err
	}
	return &sides{
		ours: func(ctx context.Context, _ time.Duration) (took float64, err error) {
			start := time.Now()
			err = run(ctx, func(_ *agent.Agent, w watcher) error {
				for got := 0; got < n; {
					select {
					case more := <-w.up:
						got += more
					case <-time.After(time.Minute):
						return errors.New("not all queues were subscribed to")
					}
				}
				took = float64(time.Since(start).Microseconds()) / 1000
				return nil
			})
			return took, err
		},
		floor: func(ctx context.Context, _ time.Duration) (float64, error) {
			r, err := load.Run(ctx, smpload.Bounds{Count: 1})
			return r.Seconds * 1000, err
		},
		close: func() error { return firstError(load.Close(ctx), relay.Stop(10*time.Second)) },
	}, nil
}
