package smpload

import (
	"context"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

// creating is the workload Create.
type creating struct{ l *Load }

func openCreate(ctx context.Context, l *Load) (*creating, error) {
	return &creating{l}, l.connect(ctx, nil)
}

func (*creating) begin() func() { return func() {} }

func (w *creating) op(ctx context.Context, worker int, start time.Time, r *recorder) error {
	c := w.l.clients[worker/w.l.o.Depth]
	ids, _, _, err := w.l.create(ctx, c, true)
	if err != nil {
		return err
	}
	if err := c.SecureSender(ctx, ids.SenderID, key.GenerateX25519()); err != nil {
		return fmt.Errorf("secure a queue: %w", err)
	}
	r.add(1, time.Since(start))
	return nil
}

// connecting is the workload Connect.
type connecting struct{ l *Load }

func (*connecting) begin() func() { return func() {} }

func (w *connecting) op(ctx context.Context, _ int, start time.Time, r *recorder) error {
	c, err := w.l.dial(ctx, nil)
	if err != nil {
		return err
	}
	r.add(1, time.Since(start))
	return c.Close()
}
