package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Backup writes a whole copy of the database to the file dest, which must not
// exist, while updates go on. It is on disk when Backup returns nil; after an
// error there is no file.
func (db *DB) Backup(ctx context.Context, dest string) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	f, err := os.OpenFile(dest, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("store: backup: %w", err)
	}
	// The readers may not write at all; a connection of its own may, and the
	// source is only read.
	c := sql.OpenDB(&connector{dsn: db.dsn(true), vault: &db.vault})
	if _, err = c.ExecContext(ctx, `VACUUM INTO ?`, dest); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, c.Close())
	err = errors.Join(err, f.Close())
	if err == nil {
		err = syncDir(filepath.Dir(dest))
	}
	if err != nil {
		_ = os.Remove(dest)
		return fmt.Errorf("store: backup to %s: %w", dest, db.wrap(err))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Check reads the whole database and returns [ErrCorrupt] if it is damaged.
// It takes time in proportion to the size of the file.
func (db *DB) Check(ctx context.Context) error {
	return db.View(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `PRAGMA quick_check(10)`)
		if err != nil {
			return err
		}
		defer rows.Close()
		var found []string
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			found = append(found, s)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if len(found) == 1 && found[0] == "ok" {
			return nil
		}
		return &Error{Path: db.path, Kind: ErrCorrupt, Err: errors.New(strings.Join(found, "; "))}
	})
}
