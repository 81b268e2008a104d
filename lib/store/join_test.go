package store

import (
	"context"
	"database/sql"
	"errors"
	"testing"
)

func TestJoinedUpdatesShareTheCommit(t *testing.T) {
	db := open(t, Options{})
	own := errors.New("own")
	before := db.Stats().Commits
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		if db.Joined(t.Context()) {
			t.Error("joined without Join")
		}
		ctx := db.Join(t.Context(), tx)
		if err := insert(1)(tx); err != nil {
			return err
		}
		if err := db.Update(ctx, func(tx *sql.Tx) error { return insert(2)(tx) }); err != nil {
			return err
		}
		err := db.Update(ctx, func(tx *sql.Tx) error { return errors.Join(insert(3)(tx), own) })
		if !errors.Is(err, own) {
			t.Errorf("inner update: %v", err)
		}
		return db.View(ctx, func(tx *sql.Tx) error {
			var n int
			if err := tx.QueryRow(`SELECT count(*) FROM numbers`).Scan(&n); err != nil || n != 2 {
				t.Errorf("%d rows inside, %v", n, err)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := db.Stats().Commits - before; n != 1 {
		t.Errorf("%d commits", n)
	}
	if n := len(numbers(t, db)); n != 2 {
		t.Errorf("%d rows", n)
	}
}

func TestJoinedUpdateGoesBackWithTheOuterOne(t *testing.T) {
	db := open(t, Options{})
	own := errors.New("own")
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		if err := db.Update(db.Join(t.Context(), tx), func(tx *sql.Tx) error { return insert(1)(tx) }); err != nil {
			t.Error(err)
		}
		return own
	})
	if !errors.Is(err, own) {
		t.Error(err)
	}
	lost := db.Update(t.Context(), func(tx *sql.Tx) error {
		ctx := db.Join(t.Context(), tx)
		err := db.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec(`ROLLBACK`)
			return err
		})
		if !errors.Is(err, ErrAborted) {
			t.Errorf("inner update that ended the transaction: %v", err)
		}
		if err := db.Update(ctx, func(tx *sql.Tx) error { return insert(2)(tx) }); !errors.Is(err, ErrAborted) {
			t.Errorf("inner update after it: %v", err)
		}
		return nil
	})
	if !errors.Is(lost, ErrAborted) {
		t.Error(lost)
	}
	other := open(t, Options{})
	if err := db.Update(t.Context(), func(tx *sql.Tx) error {
		if other.Joined(db.Join(context.Background(), tx)) {
			t.Error("another database joined")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if n := len(numbers(t, db)); n != 0 {
		t.Errorf("%d rows", n)
	}
}
