package chatdb

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the component's, for [store.DB.Migrate].
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic("chatdb: unreachable: the folder is embedded: " + err.Error())
	}
	return store.Migrations{Component: "chat", FS: sub}
}

// DB is the chat's part of a database. It holds nothing of its own: close the
// [store.DB].
type DB struct{ db *store.DB }

var _ chat.Store = (*DB)(nil)

// Open migrates db and returns its chat part.
func Open(ctx context.Context, db *store.DB) (*DB, error) {
	if err := db.Migrate(ctx, Migrations()); err != nil {
		return nil, err
	}
	return &DB{db: db}, nil
}

// Update implements [chat.Store].
func (d *DB) Update(ctx context.Context, fn func(chat.Tx) error) error {
	return d.db.Update(ctx, func(tx *sql.Tx) error { return fn(&txn{ctx: ctx, tx: tx}) })
}

// View implements [chat.Store].
func (d *DB) View(ctx context.Context, fn func(chat.Tx) error) error {
	return d.db.View(ctx, func(tx *sql.Tx) error { return fn(&txn{ctx: ctx, tx: tx}) })
}

type txn struct {
	ctx context.Context
	tx  *sql.Tx
}

func (t *txn) exec(q string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(t.ctx, q, args...)
}

// put inserts a row when id is 0 and returns its new number, else replaces it.
// The number is ?1 in both statements, args follow: it is part of what sealed
// values are bound to.
func (t *txn) put(id int64, what, insert, update string, args ...any) (int64, error) {
	if id != 0 {
		res, err := t.exec(update, append([]any{id}, args...)...)
		if err == nil {
			var n int64
			if n, err = res.RowsAffected(); err == nil && n == 0 {
				err = chat.ErrNotFound
			}
		}
		if err != nil {
			return id, fmt.Errorf("chatdb: updating row %[2]d of %[1]s: %[3]w", what, id, err)
		}
		return id, nil
	}
	err := t.tx.QueryRowContext(t.ctx, nextID, what).Scan(&id)
	if err == nil {
		_, err = t.exec(insert, append([]any{id}, args...)...)
	}
	if err != nil {
		return 0, fmt.Errorf("chatdb: inserting into %s: %w", what, err)
	}
	return id, nil
}

// nextID is the number of a table's next row. None is given twice.
const nextID = `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0) + 1`

// get reads one doc into v.
func (t *txn) get(v any, what, query string, args ...any) error {
	var doc string
	err := t.tx.QueryRowContext(t.ctx, query, args...).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		err = chat.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), v)
	}
	if err != nil {
		return fmt.Errorf("chatdb: reading %s: %w", what, err)
	}
	return nil
}

// list reads all docs of a query.
func list[T any](t *txn, what, query string, args ...any) ([]*T, error) {
	rows, err := t.tx.QueryContext(t.ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("chatdb: listing %s: %w", what, err)
	}
	defer rows.Close()
	var out []*T
	for rows.Next() {
		var doc string
		v := new(T)
		if err := rows.Scan(&doc); err != nil {
			return nil, fmt.Errorf("chatdb: listing %s: %w", what, err)
		}
		if err := json.Unmarshal([]byte(doc), v); err != nil {
			return nil, fmt.Errorf("chatdb: listing %s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("chatdb: listing %s: %w", what, err)
	}
	return out, nil
}

func (t *txn) del(what, query string, args ...any) error {
	if _, err := t.exec(query, args...); err != nil {
		return fmt.Errorf("chatdb: deleting %s: %w", what, err)
	}
	return nil
}

func doc(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("chatdb: writing %T: %w", v, err)
	}
	return string(b), nil
}

func nullable(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
