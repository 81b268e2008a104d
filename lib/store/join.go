package store

import (
	"context"
	"database/sql"
	"fmt"
)

// joinedKey is the key of a context's transaction.
type joinedKey struct{}

type joined struct {
	db *DB
	tx *sql.Tx
}

// Join returns a context that carries the transaction of an update under way:
// with it, [DB.Update] and [DB.View] of the same database run their function
// inside that transaction, at once, and nothing of it is on disk before the
// outer update has returned. It lets two components that share a file write
// with one commit. The context must not outlive the update's function nor go
// to another goroutine.
func (db *DB) Join(ctx context.Context, tx *sql.Tx) context.Context {
	return context.WithValue(ctx, joinedKey{}, joined{db, tx})
}

// Joined tells whether ctx carries a transaction of this database.
func (db *DB) Joined(ctx context.Context) bool { return db.outer(ctx) != nil }

func (db *DB) outer(ctx context.Context) *sql.Tx {
	if j, ok := ctx.Value(joinedKey{}).(joined); ok && j.db == db {
		return j.tx
	}
	return nil
}

// nest runs fn in the outer update's transaction. An error of fn takes back
// what fn wrote and leaves the rest to the outer update, unless the database
// has ended the transaction: then the outer update fails whatever it does.
func (db *DB) nest(tx *sql.Tx, fn func(*sql.Tx) error) (err error) {
	if !db.wc.inTransaction() {
		return ErrAborted
	}
	if _, err := tx.Exec(`SAVEPOINT inner`); err != nil {
		return db.wrap(fmt.Errorf("savepoint: %w", err))
	}
	returned := false
	defer func() {
		if returned && err == nil || !db.wc.inTransaction() {
			return
		}
		_, _ = tx.Exec(`ROLLBACK TO inner`) // if it fails, so does what follows
		_, _ = tx.Exec(`RELEASE inner`)
	}()
	err = fn(tx)
	returned = true
	if !db.wc.inTransaction() {
		if err == nil {
			err = ErrAborted
		}
		return db.wrap(err)
	}
	if err == nil {
		_, err = tx.Exec(`RELEASE inner`)
	}
	return db.wrap(err)
}
