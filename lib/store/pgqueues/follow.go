package pgqueues

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// channel is that of NOTIFY; it belongs to the database.
const channel = "simplexkit_queues"

const (
	lookEvery  = 5 * time.Second // without notifications
	pruneEvery = time.Minute
	keepFor    = 10 * time.Minute // changes
	retryAfter = time.Second
)

func notification(token string, change int64) string {
	return token + " " + strconv.FormatInt(change, 10)
}

// Watch implements [queuestore.Shared].
func (s *DB) Watch(changed func(context.Context, []queuestore.Change) error) { s.changed = changed }

// Run implements [queuestore.Shared]. It also deletes old changes. While the
// database cannot be reached it tries again each second; updates have the
// error meanwhile.
func (s *DB) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.listen(ctx); err == nil || ctx.Err() != nil {
			return nil
		}
		wait(ctx, retryAfter)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (s *DB) listen(ctx context.Context) (err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hangUp(c)) }()
	if _, err := c.Exec(ctx, `LISTEN `+channel); err != nil {
		return fmt.Errorf("pgqueues: listen: %w", err)
	}
	last, err := lastChange(ctx, c) // of those before, nobody tells
	pruned := time.Now()
	for ; err == nil && ctx.Err() == nil; last, err = s.news(ctx, c) {
		if time.Since(pruned) >= pruneEvery {
			pruned = time.Now()
			if err := s.prune(ctx, pruned.Add(-keepFor)); err != nil {
				return err
			}
		}
		if last <= s.cursor.Load() {
			continue
		}
		// A group begins with what is new; this one does nothing else.
		if err := s.Update(ctx, func(queuestore.Tx) error { return nil }); err != nil {
			return err
		}
	}
	return err
}

func lastChange(ctx context.Context, c *pgx.Conn) (n int64, err error) {
	err = c.QueryRow(ctx, `SELECT change FROM state`).Scan(&n)
	return n, err
}

// news waits for a notification of another relay and gives the number of its
// last change. Without one it looks at some time.
func (s *DB) news(ctx context.Context, c *pgx.Conn) (last int64, err error) {
	soon, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	n, err := c.WaitForNotification(soon)
	if err == nil {
		token, no, _ := strings.Cut(n.Payload, " ")
		if token == s.token {
			return 0, nil
		}
		if last, err = strconv.ParseInt(no, 10, 64); err == nil {
			return last, nil
		}
	} else if ctx.Err() != nil || c.IsClosed() {
		return 0, err
	}
	return lastChange(ctx, c)
}

// prune deletes changes that all relays have learned of by now.
func (s *DB) prune(ctx context.Context, before time.Time) error {
	return s.read(ctx, func(c *pgx.Conn) error {
		tx, err := c.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(ctx) }() // of no effect after Commit
		var last int64
		err = tx.QueryRow(ctx, `WITH old AS (DELETE FROM changes WHERE at < $1 RETURNING no) SELECT coalesce(max(no), 0) FROM old`,
			before.Unix()).Scan(&last)
		if err == nil && last > 0 {
			_, err = tx.Exec(ctx, `UPDATE state SET pruned = greatest(pruned, $1)`, last)
		}
		if err != nil {
			return err
		}
		return tx.Commit(ctx)
	})
}
