package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

func TestViewIsASnapshot(t *testing.T) {
	db := open(t, Options{})
	if err := put(db, 1); err != nil {
		t.Fatal(err)
	}
	err := db.View(t.Context(), func(tx *sql.Tx) error {
		count := func() (n int) {
			if err := tx.QueryRow(`SELECT count(*) FROM numbers`).Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		before := count()
		if err := put(db, 2); err != nil {
			t.Error(err)
		}
		if after := count(); after != before {
			t.Errorf("%d numbers, then %d", before, after)
		}
		_, err := tx.Exec(`INSERT INTO numbers (n, word) VALUES (9, '')`)
		return err
	})
	if !errors.Is(err, ErrReadOnly) {
		t.Errorf("writing in a view: %v", err)
	}
	if len(numbers(t, db)) != 2 {
		t.Error("the update is not there")
	}
}

func TestViewIsInterrupted(t *testing.T) {
	db := open(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := db.View(ctx, func(tx *sql.Tx) error {
		var n int
		return tx.QueryRowContext(ctx, `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c`).Scan(&n)
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if n := len(numbers(t, db)); n != 0 {
		t.Error(n)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a name with ?#% in it.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db := openAt(t, path, Options{})
	if err := put(db, 1); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 3 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || st.Mode().Perm() != 0o600 || !strings.HasPrefix(e.Name(), filepath.Base(path)) {
			t.Errorf("%s: %v %v", e.Name(), st.Mode(), err)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, o := range []Options{{}, {Synchronous: Normal, SecureDelete: true}} {
		db := open(t, o)
		want := map[string]string{"journal_mode": "wal", "foreign_keys": "1", "synchronous": "2", "secure_delete": "0"}
		if o.SecureDelete {
			want["synchronous"], want["secure_delete"] = "1", "1"
		}
		err := db.Update(t.Context(), func(tx *sql.Tx) error {
			for name, v := range want {
				var got string
				if err := tx.QueryRow(`PRAGMA ` + name).Scan(&got); err != nil || got != v {
					t.Errorf("%s is %s, want %s (%v)", name, got, v, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestCorruptFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), path, Options{})
	var e *Error
	if !errors.Is(err, ErrCorrupt) || !errors.As(err, &e) || e.Path != path || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func TestDamagedPages(t *testing.T) {
	db := open(t, Options{})
	for i := range 2000 {
		if err := put(db, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	for i := 2 * 4096; i < len(b); i++ {
		b[i] ^= 0x5a
	}
	if err := os.WriteFile(db.Path(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged, err := Open(t.Context(), db.Path(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer damaged.Close()
	if err := damaged.Check(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("check: %v", err)
	}
	err = damaged.View(t.Context(), func(tx *sql.Tx) error {
		var s sql.NullString
		return tx.QueryRow(`SELECT max(word) FROM numbers`).Scan(&s)
	})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("view: %v", err)
	}
	if err := damaged.Update(t.Context(), insert(1_000_000)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("update: %v", err)
	}
}

func TestBusy(t *testing.T) {
	db := open(t, Options{})
	other := openAt(t, db.Path(), Options{BusyTimeout: time.Millisecond})
	release := hold(t, db, insert(1))
	if err := put(other, 2); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := put(other, 2); err != nil {
		t.Error(err)
	}
}

func TestDirectoryIsMissing(t *testing.T) {
	_, err := Open(t.Context(), filepath.Join(t.TempDir(), "none", "test.db"), Options{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestNoMorePages(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	limit := func(n int) {
		err := db.Update(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`PRAGMA max_page_count = ` + map[bool]string{true: "10", false: "1000000"}[n == 10])
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(10)
	big := func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO numbers (n, word) VALUES (100, ?)`, strings.Repeat("x", 100_000))
		return err
	}
	errs := inGroup(t, db, insert(0), big, insert(2))
	have := numbers(t, db)
	if !errors.Is(errs[1], ErrFull) || have[100] {
		t.Errorf("%v, there %v", errs[1], have[100])
	}
	for _, i := range []int{0, 2} { // the database decides whether others go with it
		if (errs[i] == nil) != have[i] || errs[i] != nil && !errors.Is(errs[i], ErrFull) {
			t.Errorf("update %d: %v, there %v", i, errs[i], have[i])
		}
	}
	limit(0)
	if err := db.Update(t.Context(), big); err != nil {
		t.Error(err)
	}
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs the right to mount a small disk: %v", err)
	}
	db, err := Open(t.Context(), filepath.Join(dir, "test.db"), Options{GroupTime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	if err := db.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 600_000), 0o600); err != nil {
		t.Fatal(err)
	}
	last, done := -1, 0
	for i := range 1000 {
		err = db.Update(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO numbers (n, word) VALUES (?, ?)`, i, strings.Repeat("x", 10_000))
			return err
		})
		if err != nil {
			last = i
			break
		}
		done++
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("after %d updates: %v", done, err)
	}
	if have := numbers(t, db); len(have) != done || have[last] {
		t.Errorf("%d numbers, want %d", len(have), done)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := put(db, last); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestMigrate(t *testing.T) {
	one := fstest.MapFS{"0001_a.sql": {Data: []byte(`CREATE TABLE a (x INTEGER) STRICT; CREATE TABLE b (x INTEGER) STRICT;`)}}
	two := fstest.MapFS{"0001_a.sql": one["0001_a.sql"], "0002_c.sql": {Data: []byte(`ALTER TABLE a ADD COLUMN y TEXT; -- a note`)}}
	db := open(t, Options{})
	version := func(want int) {
		t.Helper()
		if v, err := db.Version(t.Context(), "letters"); v != want || err != nil {
			t.Errorf("version %d (%v), want %d", v, err, want)
		}
	}
	version(0)
	for _, fsys := range []fstest.MapFS{one, one, two, two} {
		if err := db.Migrate(t.Context(), Migrations{"letters", fsys}, schema); err != nil {
			t.Fatal(err)
		}
		version(len(fsys))
	}
	err := db.Migrate(t.Context(), Migrations{"letters", one})
	var e *Error
	if !errors.Is(err, ErrNewerSchema) || !errors.As(err, &e) || e.Path != db.Path() {
		t.Errorf("an older release: %v", err)
	}
	version(2)
}

func TestMigrateAllOrNothing(t *testing.T) {
	db := open(t, Options{})
	good := Migrations{"good", fstest.MapFS{"0001_a.sql": {Data: []byte(`CREATE TABLE a (x INTEGER) STRICT`)}}}
	bad := Migrations{"bad", fstest.MapFS{"0001_b.sql": {Data: []byte(`CREATE TABLE b (x INTEGER) STRICT; CREATE NONSENSE`)}}}
	if err := db.Migrate(t.Context(), good, bad); err == nil || !strings.Contains(err.Error(), "0001_b.sql") {
		t.Error(err)
	}
	if v, err := db.Version(t.Context(), "good"); v != 0 || err != nil {
		t.Error(v, err)
	}
	if err := db.Migrate(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func TestMigrationNames(t *testing.T) {
	db := open(t, Options{})
	for _, names := range [][]string{{"0002_a.sql"}, {"0001_a.sql", "0003_b.sql"}, {"0001_a.sql", "0001_b.sql"}, {"1_a.sql"}, {"0001a.sql"}, {"0001_a.txt"}} {
		fsys := fstest.MapFS{}
		for _, n := range names {
			fsys[n] = &fstest.MapFile{Data: []byte(`SELECT 1`)}
		}
		if err := db.Migrate(t.Context(), Migrations{"x", fsys}); err == nil {
			t.Errorf("%v are accepted", names)
		}
	}
}

func TestBackup(t *testing.T) {
	db := open(t, Options{})
	if err := put(db, 1); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "copy.db")
	if err := db.Backup(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dest); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st, err)
	}
	if err := db.Backup(t.Context(), dest); !errors.Is(err, os.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
	if !numbers(t, openAt(t, dest, Options{}))[1] {
		t.Error("the copy is not whole")
	}
}
