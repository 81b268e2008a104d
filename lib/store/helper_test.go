package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if crashChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// schema is one table of numbers.
var schema = Migrations{Component: "numbers", FS: fstest.MapFS{
	"0001_numbers.sql": {Data: []byte(`CREATE TABLE numbers (n INTEGER PRIMARY KEY, word TEXT NOT NULL) STRICT`)},
}}

func open(t *testing.T, o Options) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "test.db"), o)
}

func openAt(t *testing.T, path string, o Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	return db
}

func put(db *DB, n int) error {
	return db.Update(context.Background(), insert(n))
}

func insert(n int) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO numbers (n, word) VALUES (?, ?)`, n, "word")
		return err
	}
}

// numbers is what is in the table.
func numbers(t *testing.T, db *DB) map[int]bool {
	t.Helper()
	out := map[int]bool{}
	err := db.View(context.Background(), func(tx *sql.Tx) error {
		rows, err := tx.Query(`SELECT n FROM numbers`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return err
			}
			out[n] = true
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// queued waits until n updates wait for the turn.
func queued(db *DB, n int) {
	for {
		db.mu.Lock()
		have := len(db.queue)
		db.mu.Unlock()
		if have >= n {
			return
		}
		pause()
	}
}

// hold takes the turn with an update that runs until release is called, which
// returns the update's error.
func hold(t *testing.T, db *DB, fn func(*sql.Tx) error) (release func() error) {
	t.Helper()
	in, out, result := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		result <- db.Update(context.Background(), func(tx *sql.Tx) error {
			close(in)
			<-out
			return fn(tx)
		})
	}()
	<-in
	return func() error {
		close(out)
		return <-result
	}
}
