package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Migrations is the schema of one component of a database, "agent" for
// example: at the root of FS the files 0001_name.sql, 0002_name.sql, …
// without a gap, each run once, in that order. Other files are an error. A
// file that a release has shipped is never changed.
type Migrations struct {
	Component string
	FS        fs.FS
}

type migration struct {
	name, text string
}

// Migrate brings the schemas up to date, all of them or none. A component that
// the database has in a later version gives [ErrNewerSchema], and nothing is
// changed; components that are not named are left alone.
func (db *DB) Migrate(ctx context.Context, components ...Migrations) error {
	steps := make([][]migration, len(components))
	for i, c := range components {
		var err error
		if steps[i], err = c.read(); err != nil {
			return fmt.Errorf("store: migrations of %s: %w", c.Component, err)
		}
	}
	err := db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(migrationsTable); err != nil {
			return err
		}
		for i, c := range components {
			if err := c.apply(tx, steps[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && errors.Is(err, ErrNewerSchema) {
		return &Error{Path: db.path, Kind: ErrNewerSchema, Err: err}
	}
	if err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	return nil
}

const migrationsTable = `CREATE TABLE IF NOT EXISTS schema_migrations (
	component  TEXT    NOT NULL, -- whose tables: agent, chat, queues, ...
	version    INTEGER NOT NULL, -- the number of the file, from 1
	name       TEXT    NOT NULL, -- the file
	applied_at INTEGER NOT NULL, -- seconds since 1970 UTC
	PRIMARY KEY (component, version)
) STRICT, WITHOUT ROWID`

func (c Migrations) apply(tx *sql.Tx, steps []migration) error {
	var have int
	err := tx.QueryRow(`SELECT coalesce(max(version), 0) FROM schema_migrations WHERE component = ?`, c.Component).Scan(&have)
	if err != nil {
		return err
	}
	if have > len(steps) {
		return fmt.Errorf("%w: %s is at version %d, this release knows %d", ErrNewerSchema, c.Component, have, len(steps))
	}
	for i, m := range steps[have:] {
		if _, err := tx.Exec(m.text); err != nil {
			return fmt.Errorf("%s: %s: %w", c.Component, m.name, err)
		}
		_, err := tx.Exec(`INSERT INTO schema_migrations (component, version, name, applied_at) VALUES (?, ?, ?, ?)`,
			c.Component, have+i+1, m.name, time.Now().Unix())
		if err != nil {
			return err
		}
	}
	return nil
}

func (c Migrations) read() ([]migration, error) {
	if c.Component == "" {
		return nil, errors.New("no name")
	}
	entries, err := fs.ReadDir(c.FS, ".")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var out []migration
	for i, e := range entries {
		number, _, ok := strings.Cut(e.Name(), "_")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || len(number) != 4 || path.Ext(e.Name()) != ".sql" {
			return nil, fmt.Errorf("%s: want a name like 0001_name.sql", e.Name())
		}
		if n != i+1 {
			return nil, fmt.Errorf("%s: want number %04d", e.Name(), i+1)
		}
		text, err := fs.ReadFile(c.FS, e.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, migration{e.Name(), string(text)})
	}
	return out, nil
}

// Version is the version of a component's schema, 0 if the database does not
// have it.
func (db *DB) Version(ctx context.Context, component string) (v int, err error) {
	err = db.View(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'`).Scan(&n)
		if err != nil || n == 0 {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations WHERE component = ?`, component).Scan(&v)
	})
	return v, err
}
