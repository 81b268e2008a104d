// Package swarmkv keeps what a profile knows of the swarm beside its
// repositories, as values under names: [swarm.Values] on the profile's
// database. In an encrypted profile the values are sealed, and bound to their
// names.
package swarmkv

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/swarm"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the component's, for [store.DB.Migrate].
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic("swarmkv: unreachable: the folder is embedded: " + err.Error())
	}
	return store.Migrations{Component: "swarm", FS: sub}
}

// Sealed are the columns that are sealed in an encrypted database.
func Sealed() store.Columns { return sealed }

var sealed = store.Columns{{Name: "swarm_values.data", Row: []string{"kind", "conv", "key"}}}

var (
	get  = `SELECT ` + sealed.Open("swarm_values.data") + ` FROM swarm_values WHERE kind = ? AND conv = ? AND key = ?`
	list = `SELECT key, ` + sealed.Open("swarm_values.data") + ` FROM swarm_values WHERE kind = ? AND conv = ? ORDER BY key`
	put  = `INSERT INTO swarm_values (kind, conv, key, data) VALUES (?1, ?2, ?3, ` + sealed.Seal("swarm_values.data", "?4", "?1", "?2", "?3") + `)
		ON CONFLICT DO UPDATE SET data = excluded.data`
)

// DB is the swarm's part of a database. It holds nothing of its own: close the
// [store.DB].
type DB struct{ db *store.DB }

var _ swarm.Values = (*DB)(nil)

// New is the swarm's part of db, which must have been migrated.
func New(db *store.DB) *DB { return &DB{db} }

// Get implements [swarm.Values].
func (d *DB) Get(ctx context.Context, kind, conv, key string) (data []byte, err error) {
	err = d.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, get, kind, conv, key).Scan(&data)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, swarm.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("swarmkv: reading %s: %w", kind, err)
	}
	return data, nil
}

// List implements [swarm.Values].
func (d *DB) List(ctx context.Context, kind, conv string) (out []swarm.Value, err error) {
	err = d.db.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, list, kind, conv)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			v := swarm.Value{Kind: kind, Conv: conv}
			if err := rows.Scan(&v.Key, &v.Data); err != nil {
				return err
			}
			out = append(out, v)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("swarmkv: listing %s: %w", kind, err)
	}
	return out, nil
}

// Put implements [swarm.Values].
func (d *DB) Put(ctx context.Context, values ...swarm.Value) error {
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		for _, v := range values {
			var err error
			if v.Data == nil {
				_, err = tx.ExecContext(ctx, `DELETE FROM swarm_values WHERE kind = ? AND conv = ? AND key = ?`, v.Kind, v.Conv, v.Key)
			} else {
				_, err = tx.ExecContext(ctx, put, v.Kind, v.Conv, v.Key, v.Data)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("swarmkv: writing: %w", err)
	}
	return nil
}

// Forget implements [swarm.Values].
func (d *DB) Forget(ctx context.Context, conv string) error {
	err := d.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM swarm_values WHERE conv = ?`, conv)
		return err
	})
	if err != nil {
		return fmt.Errorf("swarmkv: forgetting a conversation: %w", err)
	}
	return nil
}
