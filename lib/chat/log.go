package chat

import (
	"context"
	"errors"
	"fmt"
)

// ErrLagged says that events a consumer asks for have been deleted.
var ErrLagged = errors.New("chat: events are no longer in the log")

// LastSeq is the number of the last event logged, 0 if none.
func (c *Core) LastSeq(ctx context.Context) (last int64, err error) {
	err = c.view(ctx, func(tx Tx) error {
		_, last, err = tx.LogRange()
		return err
	})
	return last, err
}

// NextEvents returns up to limit events after seq, waiting for the first of
// them until ctx ends. Callers may be as slow as they like: events wait in the
// store. [ErrLagged] says that events after seq are gone from the log.
func (c *Core) NextEvents(ctx context.Context, after int64, limit int) (events []Event, err error) {
	for {
		news := c.bell.wait()
		err = c.view(ctx, func(tx Tx) error {
			first, _, err := tx.LogRange()
			if err == nil && after+1 < first {
				err = fmt.Errorf("%w: after %d, first %d", ErrLagged, after, first)
			}
			if err == nil {
				events, err = tx.Events(after, limit)
			}
			return err
		})
		if err != nil || len(events) > 0 {
			return events, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-news:
		}
	}
}

// trimLog deletes old events; see Config.KeepEvents.
func (c *Core) trimLog(ctx context.Context) error {
	keep := c.cfg.KeepEvents
	var upTo int64
	err := c.view(ctx, func(tx Tx) error {
		first, last, err := tx.LogRange()
		if err != nil {
			return err
		}
		cursor, named, err := tx.MinCursor()
		upTo = last - keep
		if named && cursor < upTo {
			upTo = max(cursor, last-10*keep)
		}
		if upTo < first {
			upTo = 0
		}
		return err
	})
	if err != nil || upTo <= 0 {
		return err
	}
	return c.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DeleteEvents(upTo) })
}

// Cursor is how far a named consumer has acknowledged the log.
func (c *Core) Cursor(ctx context.Context, consumer string) (seq int64, err error) {
	err = c.view(ctx, func(tx Tx) error {
		seq, err = tx.Cursor(consumer)
		return err
	})
	return seq, err
}

// Ack moves a consumer's cursor forward.
func (c *Core) Ack(ctx context.Context, consumer string, seq int64) error {
	return c.cfg.Store.Update(ctx, func(tx Tx) error {
		_, last, err := tx.LogRange()
		if err == nil && (seq < 0 || seq > last) {
			err = usage("ack: there is no event %d", seq)
		}
		if err == nil {
			err = tx.PutCursor(consumer, seq)
		}
		return err
	})
}

// DropCursor forgets a consumer, so that the log is not kept for it; one that is
// not known is no error.
func (c *Core) DropCursor(ctx context.Context, consumer string) error {
	return c.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DeleteCursor(consumer) })
}

// waitFor calls look until it is done, again after every change of the state.
func (c *Core) waitFor(ctx context.Context, look func(Tx) (done bool, err error)) error {
	for {
		news := c.bell.wait()
		var done bool
		err := c.view(ctx, func(tx Tx) (err error) {
			done, err = look(tx)
			return err
		})
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}
