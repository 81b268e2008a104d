// Package agentdb keeps an agent's connections, queues, ratchets and messages
// in SQLite: agent.Store over the engine of package store. Its tables begin
// with agent_ and may share a file with those of other components.
//
// In an encrypted database the columns of [Sealed] are sealed. In one that is
// not, private keys and ratchet states lie in the file as they are, and who
// can read the file can read what is sent from then on.
package agentdb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema, for store.DB.Migrate.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // unreachable: the folder is embedded
	}
	return store.Migrations{Component: "agent", FS: sub}
}

// DB is an agent.Store. Safe for concurrent use.
type DB struct{ db *store.DB }

var _ agent.Store = (*DB)(nil)

// New uses an open database with the schema of [Migrations]. Closing it stays
// with the caller.
func New(db *store.DB) *DB { return &DB{db: db} }

// View implements agent.Store.
func (d *DB) View(ctx context.Context, fn func(agent.Tx) error) error {
	return d.db.View(ctx, func(t *sql.Tx) error { return fn(tx{t}) })
}

// Update implements agent.Store.
func (d *DB) Update(ctx context.Context, fn func(agent.Tx) error) error {
	return d.db.Update(ctx, func(t *sql.Tx) error { return fn(tx{t}) })
}

// tx is an agent.Tx.
type tx struct{ *sql.Tx }

var _ agent.Tx = tx{}

// exec runs a statement; what names it in the error.
func (t tx) exec(what, query string, args ...any) error {
	if _, err := t.Exec(query, args...); err != nil {
		return fmt.Errorf("agentdb: %s: %w", what, err)
	}
	return nil
}

// one scans one row; none is agent.ErrNotFound.
func (t tx) one(what, query string, args []any, dest ...any) error {
	err := t.QueryRow(query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("agentdb: %s: %w", what, agent.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("agentdb: %s: %w", what, err)
	}
	return nil
}

// each calls scan for every row.
func (t tx) each(what, query string, args []any, scan func(*sql.Rows) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("agentdb: %s: %w", what, err)
		}
	}()
	rows, err := t.Query(query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// list collects one value of every row.
func list[T any](t tx, what, query string, args ...any) (out []T, err error) {
	err = t.each(what, query, args, func(r *sql.Rows) error {
		var v T
		if err := r.Scan(&v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

func ms(t time.Time) int64 { return t.UnixMilli() }

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// notNull is for columns that are never NULL.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
