package smpload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// subscribing is the workload Subscribe.
type subscribing struct {
	l      *Load
	shares [][]smpclient.Queue // of each connection
}

func openSubscribe(ctx context.Context, l *Load) (*subscribing, error) {
	if err := l.connect(ctx, nil); err != nil {
		return nil, err
	}
	err := each(l.o.Queues, func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, _, _, err := l.create(ctx, l.clients[i%l.o.Conns], false)
		return err
	})
	if err != nil {
		return nil, err
	}
	w := &subscribing{l: l, shares: make([][]smpclient.Queue, l.o.Conns)}
	for i, q := range l.made {
		w.shares[i%l.o.Conns] = append(w.shares[i%l.o.Conns], q)
	}
	return w, nil
}

func (*subscribing) begin() func() { return func() {} }

func (w *subscribing) op(ctx context.Context, worker int, _ time.Time, r *recorder) error {
	c, err := w.l.dial(ctx, nil)
	if err != nil {
		return err
	}
	qs := w.shares[worker]
	start := time.Now()
	if err := errors.Join(c.Subscribe(ctx, qs)...); err != nil {
		return errors.Join(fmt.Errorf("subscribe: %w", err), c.Close())
	}
	r.add(len(qs), time.Since(start))
	return c.Close()
}
