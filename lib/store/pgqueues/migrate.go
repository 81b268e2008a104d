package pgqueues

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/simplexkit/simplexkit/lib/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// component is the name of this schema in schema_migrations; other components
// may share the database.
const component = "queue"

const migrationsTable = `CREATE TABLE IF NOT EXISTS schema_migrations (
	component  text    NOT NULL, -- whose tables
	version    integer NOT NULL, -- the number of the file, from 1
	name       text    NOT NULL, -- the file
	applied_at bigint  NOT NULL DEFAULT extract(epoch FROM now()), -- Unix seconds
	PRIMARY KEY (component, version)
)`

// migrationLock is the key of the advisory lock of those who migrate: no two
// at once.
const migrationLock = 0x73696d706c6578 // "simplex"

// migrate brings the schema up to date, all of it or nothing.
func migrate(ctx context.Context, c *pgx.Conn, files fs.FS) error {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		return err
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // of no effect after Commit
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, migrationsTable); err != nil {
		return err
	}
	var have int
	err = tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations WHERE component = $1`, component).Scan(&have)
	if err != nil {
		return err
	}
	if have > len(names) {
		return fmt.Errorf("%w: %s is at version %d, this release knows %d", store.ErrNewerSchema, component, have, len(names))
	}
	for i, name := range names[have:] {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		// Without arguments it is one simple query of many statements.
		if _, err := tx.Conn().PgConn().Exec(ctx, string(text)).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO schema_migrations (component, version, name) VALUES ($1, $2, $3)`, component, have+i+1, name)
		if err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}
