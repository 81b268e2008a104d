// Package queuedb keeps a relay's queues and messages in SQLite: the
// implementation of [queuestore.Store] on the engine of lib/store.
//
// Messages lie in the order of their arrival, so that adding one writes to
// the end of the table and of the file, and expiry reads from its beginning.
// An index finds those of one queue. Nothing is read at start but the last
// numbers, so a store opens equally fast whatever it holds.
package queuedb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open store.
type DB struct {
	db *store.DB
	// The last numbers used; owned by the update that runs.
	num queuestore.Num
	seq queuestore.Seq
}

var _ queuestore.Store = (*DB)(nil)

// Open opens or makes a store in the file. The errors are those of
// [store.Open] and of its Migrate.
func Open(ctx context.Context, path string, o store.Options) (*DB, error) {
	db, err := store.Open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("queuedb: %w", err)
	}
	s := &DB{db: db}
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("queuedb: %w", err), db.Close())
	}
	return s, nil
}

func (s *DB) load(ctx context.Context) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := s.db.Migrate(ctx, store.Migrations{Component: "queue", FS: dir}); err != nil {
		return err
	}
	return s.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT (SELECT coalesce(max(num), 0) FROM queues), (SELECT coalesce(max(seq), 0) FROM messages)`).
			Scan(&s.num, &s.seq)
	})
}

// Close waits for calls under way and closes the file.
func (s *DB) Close() error { return s.db.Close() }

// Backup writes a whole copy to a file that must not exist, while updates go
// on.
func (s *DB) Backup(ctx context.Context, path string) error { return s.db.Backup(ctx, path) }

// Update implements [queuestore.Store].
func (s *DB) Update(ctx context.Context, fn func(queuestore.Tx) error) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error { return fn(&update{s, tx}) })
}

const selectQueue = `SELECT num, ` + queuerow.Columns + ` FROM queues WHERE `

// Next implements [queuestore.Reader].
func (s *DB) Next(ctx context.Context, n queuestore.Num, after queuestore.Seq) (*queuestore.Message, error) {
	m := new(queuestore.Message)
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		return queuerow.ScanMessage(tx.QueryRow(`SELECT seq, sent, notify, quota, id, body FROM messages
			WHERE queue = ? AND seq > ? ORDER BY seq LIMIT 1`, n, after), m)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("queuedb: read message: %w", err)
	}
	return m, nil
}

// LinkData implements [queuestore.Reader].
func (s *DB) LinkData(ctx context.Context, n queuestore.Num) (d smp.LinkData, err error) {
	err = s.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT fixed, mutable FROM links WHERE queue = ?`, n).Scan(&d.Fixed, &d.User)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return d, queuestore.ErrNotFound
	}
	if err != nil {
		return d, fmt.Errorf("queuedb: read link: %w", err)
	}
	return d, nil
}

// OldMessages implements [queuestore.Reader]. The clock hardly ever goes back,
// so the oldest messages come first, and the first young one ends the search.
func (s *DB) OldMessages(ctx context.Context, before time.Time, limit int) (out []queuestore.Old, err error) {
	err = s.db.View(ctx, func(tx *sql.Tx) (err error) {
		rows, err := tx.Query(`SELECT m.seq, m.sent, q.recipient_id
			FROM messages m JOIN queues q ON q.num = m.queue ORDER BY m.seq LIMIT ?`, limit)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var o queuestore.Old
			var sent int64
			var id []byte
			if err := rows.Scan(&o.Seq, &sent, &id); err != nil {
				return err
			}
			if sent >= before.Unix() {
				break
			}
			o.RecipientID = smp.RecipientID(id)
			out = append(out, o)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("queuedb: look for old messages: %w", err)
	}
	return out, nil
}

// NotifierQueues implements [queuestore.Reader].
func (s *DB) NotifierQueues(ctx context.Context, id smp.ServiceID) (n int64, err error) {
	err = s.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM queues WHERE notifier_service_id = ?`, []byte(id)).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("queuedb: count a service's queues: %w", err)
	}
	return n, nil
}

// Counts implements [queuestore.Reader].
func (s *DB) Counts(ctx context.Context) (c queuestore.Counts, err error) {
	err = s.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRow(`SELECT (SELECT count(*) FROM queues), (SELECT count(*) FROM messages)`).
			Scan(&c.Queues, &c.Messages)
	})
	if err != nil {
		return c, fmt.Errorf("queuedb: count: %w", err)
	}
	return c, nil
}
