package pgqueues

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/simplexkit/simplexkit/lib/store"
)

// Limits that keep one relay from stopping all others on the same database.
const (
	dialTimeout  = 10 * time.Second
	groupTimeout = 30 * time.Second // of a transaction that writes, its wait for the lock included
	// After these the server takes the lock from a relay that hangs, and a
	// relay stops waiting for it.
	settings = `SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '20s'; SET statement_timeout = '60s'; ` + plans
	// plans are always the same: each row is found by an index, whatever the
	// statistics, which follow late when queues fill and empty quickly, say.
	plans = `SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off;
		SET plan_cache_mode = force_generic_plan; SET jit = off`
	// durably overrides a server's setting by which commits that were
	// reported may be lost; stronger settings than on stay.
	durably = `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`
)

func (s *DB) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, s.config.Copy())
	if err != nil {
		return nil, err
	}
	if _, err = c.PgConn().Exec(ctx, settings).ReadAll(); err == nil {
		_, err = c.Exec(ctx, durably)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	return c, nil
}

// hangUp closes a connection without waiting for a server that is gone.
func hangUp(c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return c.Close(ctx)
}

// read runs fn with a connection of the readers' pool. A query that failed
// because its connection had been lost is tried once more on a new one.
func (s *DB) read(ctx context.Context, fn func(*pgx.Conn) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	for retry := range 2 {
		var c *pgx.Conn
		select {
		case c = <-s.readers:
		case <-ctx.Done():
			return ctx.Err()
		}
		fresh := c == nil
		var err error
		if fresh {
			if c, err = s.connect(ctx); err != nil {
				s.readers <- nil
				return kindOf(err)
			}
		}
		err = fn(c)
		lost := c.IsClosed()
		if lost {
			c = nil
		}
		s.readers <- c
		if err == nil || !lost || fresh || retry > 0 || ctx.Err() != nil {
			return kindOf(err)
		}
	}
	return nil // unreachable
}

// kindOf marks errors of the database with the kinds of package store.
func kindOf(err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return err
	}
	switch pe.Code {
	case "53100": // disk_full
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case "55P03", "57P03", "53300": // lock_not_available, cannot_connect_now, too_many_connections
		return fmt.Errorf("%w: %w", store.ErrBusy, err)
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	case "25006": // read_only_sql_transaction, of a standby
		return fmt.Errorf("%w: %w", store.ErrReadOnly, err)
	}
	return err
}
