package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// settingsTable holds what the program that opens the database keeps in it
// rather than in a file of settings.
const settingsTable = `CREATE TABLE IF NOT EXISTS store_settings (
	name  TEXT NOT NULL PRIMARY KEY,
	value ANY  NOT NULL -- [sealed]
) STRICT, WITHOUT ROWID`

var settingsColumns = Columns{{Name: "store_settings.value", Row: []string{"name"}}}

var (
	selectSetting = `SELECT ` + settingsColumns.Open("store_settings.value") + ` FROM store_settings WHERE name = ?`
	putSetting    = `INSERT OR REPLACE INTO store_settings (name, value)
		VALUES (?1, ` + settingsColumns.Seal("store_settings.value", "?2", "?1") + `)`
)

// Setting is a value that [DB.PutSetting] has put, sealed in an encrypted
// database. ok is false if there is none.
func (db *DB) Setting(ctx context.Context, name string) (value string, ok bool, err error) {
	err = db.View(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'store_settings'`).Scan(&n)
		if err != nil || n == 0 {
			return err
		}
		err = tx.QueryRowContext(ctx, selectSetting, name).Scan(&value)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("store: read setting: %w", err)
	}
	return value, ok, nil
}

// PutSetting keeps a value under a name, which is not sealed.
func (db *DB) PutSetting(ctx context.Context, name, value string) error {
	err := db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(settingsTable); err != nil {
			return err
		}
		_, err := tx.Exec(putSetting, name, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: write setting: %w", err)
	}
	return nil
}
