package main

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

func memoryRows() []row {
	return []row{
		{name: "relay_memory_per_idle_queue", unit: "bytes of resident memory, embedded store", open: openQueueMemory},
		{name: "relay_memory_per_idle_connection", unit: "bytes of resident memory, TLS and SMP ready, no subscription", open: openConnMemory},
	}
}

// settle waits until the relay's collector had a chance, and measures.
func settle(ctx context.Context, pid int, d time.Duration) (float64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(d):
		return rss(pid)
	}
}

// openQueueMemory measures the growth of the relay beyond its first n queues,
// so that what grows once is not counted.
func openQueueMemory(ctx context.Context, o *options) (*sides, error) {
	relay, err := startRelay(ctx, o, "MQ")
	if err != nil {
		return nil, err
	}
	n := 10_000
	if o.short {
		n = 1_000
	}
	add := func() error {
		c, err := smpclient.Dial(ctx, relay.addr, smpclient.Options{})
		if err != nil {
			return err
		}
		defer c.Close()
		errs := make(chan error, 64)
		for range cap(errs) {
			go func() {
				for range n / cap(errs) {
					if _, _, err := create(ctx, c); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range cap(errs) {
			err = firstError(err, <-errs)
		}
		return err
	}
	if err := add(); err != nil {
		return nil, err
	}
	before, err := settle(ctx, relay.Pid(), 2*time.Second)
	if err != nil {
		return nil, err
	}
	added := 0
	return &sides{
		// The collector lets memory grow in steps, so each round counts from
		// the beginning.
		ours: func(ctx context.Context, _ time.Duration) (float64, error) {
			if err := add(); err != nil {
				return 0, err
			}
			added += n / 64 * 64
			after, err := settle(ctx, relay.Pid(), 2*time.Second)
			return max(0, after-before) / float64(added), err
		},
		more:  func() map[string]float64 { return map[string]float64{"queues": float64(added)} },
		close: func() error { return relay.Stop(10 * time.Second) },
	}, nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// openConnMemory measures the growth of the relay with each batch of
// connections.
func openConnMemory(ctx context.Context, o *options) (*sides, error) {
	relay, err := startRelay(ctx, o, "MC")
	if err != nil {
		return nil, err
	}
	n := 400
	if o.short {
		n = 100
	}
	var open []*smpclient.Client
	add := func() error {
		for range n {
			c, err := smpclient.Dial(ctx, relay.addr, smpclient.Options{})
			if err != nil {
				return err
			}
			open = append(open, c)
		}
		return nil
	}
	if err := add(); err != nil {
		return nil, err
	}
	return &sides{
		ours: func(ctx context.Context, _ time.Duration) (float64, error) {
			before, err := settle(ctx, relay.Pid(), time.Second)
			if err != nil {
				return 0, err
			}
			if err := add(); err != nil {
				return 0, err
			}
			after, err := settle(ctx, relay.Pid(), time.Second)
			return (after - before) / float64(n), err
		},
		close: func() error {
			for _, c := range open {
				c.Close()
			}
			return relay.Stop(10 * time.Second)
		},
	}, nil
}
