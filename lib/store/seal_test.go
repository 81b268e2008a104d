package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// notes is a schema with a sealed column and a token.
var (
	notes = Migrations{Component: "notes", FS: fstest.MapFS{"0001_notes.sql": {Data: []byte(
		`CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, name ANY UNIQUE, text ANY, data BLOB) STRICT;
		 CREATE TABLE parts (note INTEGER NOT NULL REFERENCES notes, n INTEGER, PRIMARY KEY (note, n)) STRICT, WITHOUT ROWID`)}}}
	noteColumns = Columns{
		{Name: "notes.name", Token: true},
		{Name: "notes.text", Row: []string{"id", "name"}},
		{Name: "notes.data", Row: []string{"id"}},
	}
	noteName = noteColumns.Seal("notes.name", "?2")
	addNote  = `INSERT INTO notes (id, name, text, data) VALUES (?1, ` + noteName + `, ` +
		noteColumns.Seal("notes.text", "?3", "?1", noteName) + `, ` + noteColumns.Seal("notes.data", "?4", "?1") + `)`
	readNote = `SELECT id, ` + noteColumns.Open("notes.text") + `, ` + noteColumns.Open("notes.data") +
		` FROM notes WHERE name = ` + noteColumns.Seal("notes.name", "?1")
	cheap = KDF{Time: 1, Memory: 8, Threads: 1}
)

func secret(s string) *Secret { return Passphrase([]byte(s), cheap) }

// openNotes opens a database that s protects; nil for none.
func openNotes(t *testing.T, path string, s *Secret) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, Options{SecureDelete: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	switch {
	case s == nil:
	case db.Encrypted():
		err = db.Unlock(t.Context(), s)
	default:
		err = db.Protect(t.Context(), s)
	}
	if err == nil {
		err = db.Migrate(t.Context(), notes)
	}
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func addNotes(t *testing.T, db *DB, n int) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		for i := 1; i <= n; i++ {
			if _, err := tx.Exec(addNote, i, fmt.Sprint("name ", i), fmt.Sprint("secret text ", i), []byte{byte(i), 0, 1, 2, 3, 4, 5, 6, 7}); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO parts (note, n) VALUES (?, 1)`, i); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`DELETE FROM parts WHERE note = ?; DELETE FROM notes WHERE id = ?`, n, n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func note(db *DB, name string) (id int, text string, data []byte, err error) {
	err = db.View(context.Background(), func(tx *sql.Tx) error { return tx.QueryRow(readNote, name).Scan(&id, &text, &data) })
	return id, text, data, err
}

func wantNotes(t *testing.T, db *DB, n int) {
	t.Helper()
	for i := 1; i < n; i++ {
		id, text, data, err := note(db, fmt.Sprint("name ", i))
		if err != nil || id != i || text != fmt.Sprint("secret text ", i) || !bytes.Equal(data, []byte{byte(i), 0, 1, 2, 3, 4, 5, 6, 7}) {
			t.Fatalf("note %d: %d %q %x %v", i, id, text, data, err)
		}
	}
}

// inFiles tells whether text is in the database's files.
func inFiles(t *testing.T, path, text string) bool {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(text)) {
			return true
		}
	}
	return false
}

func TestSealedValues(t *testing.T) {
	for name, s := range map[string]*Secret{"plain": nil, "passphrase": secret("p"), "raw key": RawKey([32]byte{7})} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "notes.db")
			db := openNotes(t, path, s)
			addNotes(t, db, 5)
			wantNotes(t, db, 5)
			if err := db.PutSetting(t.Context(), "colour", "dark green"); err != nil {
				t.Fatal(err)
			}
			if got := inFiles(t, path, "secret text") || inFiles(t, path, "name 1") || inFiles(t, path, "dark green"); got != (s == nil) {
				t.Errorf("readable in the files: %v", got)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			again := openNotes(t, path, s)
			wantNotes(t, again, 5)
			if v, ok, err := again.Setting(t.Context(), "colour"); v != "dark green" || !ok || err != nil {
				t.Errorf("setting: %q %v %v", v, ok, err)
			}
		})
	}
}

func TestKeyErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	db := openNotes(t, path, secret("right"))
	addNotes(t, db, 3)
	for _, wrong := range []*Secret{secret("wrong"), RawKey([32]byte{}), Passphrase(nil, cheap)} {
		if err := db.Unlock(t.Context(), wrong); !errors.Is(err, ErrWrongKey) {
			t.Errorf("wrong key: %v", err)
		}
	}
	if err := db.Protect(t.Context(), secret("x")); err == nil {
		t.Error("protected twice")
	}
	locked, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	if _, _, _, err := note(locked, "name 1"); !errors.Is(err, ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	err = locked.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(addNote, 9, "n", "t", []byte{1}); return err })
	if !errors.Is(err, ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	plain := openNotes(t, filepath.Join(t.TempDir(), "plain.db"), nil)
	if err := plain.Unlock(t.Context(), secret("x")); !errors.Is(err, ErrNotEncrypted) {
		t.Errorf("not encrypted: %v", err)
	}
	if err := plain.Protect(t.Context(), Passphrase(nil, cheap)); err == nil || plain.Encrypted() {
		t.Errorf("empty passphrase: %v", err)
	}
}

// TestTampering moves, swaps and changes sealed values.
func TestTampering(t *testing.T) {
	for name, change := range map[string]string{
		"swapped rows":    `UPDATE notes SET text = (SELECT text FROM notes WHERE id = 2) WHERE id = 1`,
		"swapped columns": `UPDATE notes SET text = data WHERE id = 1`,
		"another's name": `CREATE TABLE keep AS SELECT name FROM notes WHERE id = 2; DELETE FROM parts WHERE note = 2;
			DELETE FROM notes WHERE id = 2; UPDATE notes SET name = (SELECT name FROM keep) WHERE id = 1`,
		"plain text":       `UPDATE notes SET text = 'harmless' WHERE id = 1`,
		"a bit":            `UPDATE notes SET text = substr(text, 1, 50) || x'00' WHERE id = 1`,
		"cut":              `UPDATE notes SET text = substr(text, 1, 30) WHERE id = 1`,
		"empty":            `UPDATE notes SET text = x'' WHERE id = 1`,
		"another type":     `UPDATE notes SET text = 5 WHERE id = 1`,
		"token for sealed": `UPDATE notes SET text = name WHERE id = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "notes.db")
			db := openNotes(t, path, secret("p"))
			addNotes(t, db, 4)
			if err := db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(change); return err }); err != nil {
				t.Fatal(err)
			}
			_, text1, _, err1 := note(db, "name 1")
			_, text2, _, err2 := note(db, "name 2")
			if !errors.Is(err1, ErrCorrupt) && !errors.Is(err2, ErrCorrupt) {
				t.Errorf("read %q, %v and %q, %v", text1, err1, text2, err2)
			}
		})
	}
}

// TestSchemaCannotUnseal plants a trigger that copies what it can open.
func TestSchemaCannotUnseal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	db := openNotes(t, path, secret("p"))
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`CREATE TABLE loot (t ANY); CREATE TRIGGER thief AFTER INSERT ON notes BEGIN
			INSERT INTO loot VALUES (unseal('notes.text', new.text, new.id, new.name)); END`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(addNote, 1, "n", "secret text", []byte{1}); return err })
	if err == nil || inFiles(t, path, "secret text") {
		t.Errorf("the trigger ran: %v", err)
	}
}

func TestKeyRowTampering(t *testing.T) {
	for name, change := range map[string]string{
		"gone":      `DELETE FROM store_keys`,
		"costly":    `UPDATE store_keys SET memory = 4294967295`,
		"no passes": `UPDATE store_keys SET time = 0`,
		"kind":      `UPDATE store_keys SET kdf = 'none'`,
		"wrapped":   `UPDATE store_keys SET wrapped = zeroblob(72)`,
		"short":     `UPDATE store_keys SET wrapped = x'00'`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "notes.db")
			db := openNotes(t, path, secret("p"))
			if err := db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(change); return err }); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := Open(t.Context(), path, Options{})
			if err == nil {
				defer again.Close()
				err = again.Unlock(t.Context(), secret("p"))
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "notes.db")
	db := openNotes(t, path, secret("p"))
	if err := db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(`UPDATE store_keys SET version = 2`); return err }); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("newer: %v", err)
	}
}

func TestChangeSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	db := openNotes(t, path, secret("old"))
	addNotes(t, db, 3)
	if err := db.ChangeSecret(t.Context(), secret("not old"), secret("new")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("wrong key: %v", err)
	}
	old, err := readWrapping(t.Context(), db.r)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.ChangeSecret(t.Context(), secret("old"), RawKey([32]byte{1})); err != nil {
		t.Fatal(err)
	}
	wantNotes(t, db, 3)
	if inFiles(t, path, string(old.wrapped)) || inFiles(t, path, string(old.salt)) {
		t.Error("the old wrapping is still in the files")
	}
	if err := db.Unlock(t.Context(), secret("old")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("old key: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantNotes(t, openNotes(t, path, RawKey([32]byte{1})), 3)
}

func TestReseal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	db := openNotes(t, path, nil)
	addNotes(t, db, 6)
	if err := errors.Join(db.PutSetting(t.Context(), "colour", "dark green"), db.Close()); err != nil {
		t.Fatal(err)
	}
	var last *Secret
	for i, next := range []*Secret{secret("a"), RawKey([32]byte{2}), nil, secret("b")} {
		if err := os.WriteFile(path+".new", []byte("left by a crash"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := Resealing{Options: Options{SecureDelete: true}, Migrations: []Migrations{notes}, Columns: noteColumns, From: last, To: next}
		wrong := r
		wrong.From = secret("wrong")
		if err := Reseal(t.Context(), path, wrong); !errors.Is(err, ErrWrongKey) && !errors.Is(err, ErrNotEncrypted) {
			t.Fatalf("step %d with a wrong key: %v", i, err)
		}
		if err := Reseal(t.Context(), path, r); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		last = next
		db := openNotes(t, path, next)
		wantNotes(t, db, 6)
		if v, _, err := db.Setting(t.Context(), "colour"); v != "dark green" || err != nil {
			t.Errorf("setting: %q %v", v, err)
		}
		var seq int
		err := db.View(t.Context(), func(tx *sql.Tx) error {
			return tx.QueryRow(`SELECT seq FROM sqlite_sequence WHERE name = 'notes'`).Scan(&seq)
		})
		if err != nil || seq != 6 {
			t.Errorf("numbers go on after %d, %v", seq, err)
		}
		if got := inFiles(t, path, "secret text"); got != (next == nil) {
			t.Errorf("step %d: readable: %v", i, got)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
}

// TestResealOverwrites looks at the old file after it has lost its name.
func TestResealOverwrites(t *testing.T) {
	for _, copied := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "notes.db")
		db := openNotes(t, path, nil)
		addNotes(t, db, 6)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if copied {
			if err := os.Link(path, path+"-mine"); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := Reseal(t.Context(), path, Resealing{Migrations: []Migrations{notes}, Columns: noteColumns, To: secret("p")}); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1<<20)
		n, _ := f.ReadAt(b, 0)
		if n == 0 || bytes.Contains(b[:n], []byte("secret text")) != copied {
			t.Errorf("with another name %v: old file has %d bytes, with the text: %v", copied, n, !copied)
		}
	}
}

func TestResealKeepsWhatItCannotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	db := openNotes(t, path, secret("p"))
	addNotes(t, db, 3)
	err := db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(`UPDATE notes SET text = data WHERE id = 2`); return err })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = Reseal(t.Context(), path, Resealing{Migrations: []Migrations{notes}, Columns: noteColumns, From: secret("p")})
	if !errors.Is(err, ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
	// A table that has been made meanwhile is all that may be new.
	after, err := os.ReadFile(path)
	if err != nil || len(after) < len(before) {
		t.Errorf("the old file has changed: %v", err)
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("the new file is left")
	}
}

func TestPlainText(t *testing.T) {
	for _, tt := range [][2]string{
		{`SELECT unseal('a.b', b, id), x FROM a`, `SELECT b, x FROM a`},
		{`VALUES (seal('a.b', ?2, token('a.c', ?3, ?1), ?1), ?3)`, `VALUES (?2, ?3)`},
		{`VALUES (seal('a.b', json(?2, ')'), ?1))`, `VALUES (json(?2, ')'))`},
		{`VALUES (seal('a.b', token('a.c', ?3, ?1), ?1))`, `VALUES (?3)`},
		{`SELECT 'unseal(1, 2)', mytoken(3, 4)`, `SELECT 'unseal(1, 2)', mytoken(3, 4)`},
		{`SELECT seal(`, `SELECT seal(`},
	} {
		if got := plainText(tt[0]); got != tt[1] {
			t.Errorf("%s: got %s, want %s", tt[0], got, tt[1])
		}
	}
}

func FuzzUnseal(f *testing.F) {
	s, err := newSealer(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.seal("a.b", "text", false, []any{int64(1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.([]byte))
	f.Add([]byte{1, 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := s.open("a.b", b, []any{int64(1)}); err == nil && v != nil && !bytes.Equal(b, good.([]byte)) {
			t.Errorf("opened %x", b)
		}
	})
}

func FuzzPlainText(f *testing.F) {
	f.Add(`SELECT unseal('a.b', b, id), token('x', seal(')', ?1))`)
	f.Fuzz(func(t *testing.T, q string) {
		if got := plainText(q); len(got) > len(q) {
			t.Errorf("grew from %q to %q", q, got)
		}
	})
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := secret("hunter2")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "secret" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if strings.Contains(fmt.Sprint(*secret("hunter2")), "104") {
		t.Error("printed by value")
	}
	s.Wipe()
	if s.b != nil {
		t.Error("not wiped")
	}
}

func BenchmarkSealSQL(b *testing.B) {
	for _, size := range []int{64, 16 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "b.db")
			db, err := Open(b.Context(), path, Options{})
			if err == nil {
				err = db.Protect(b.Context(), RawKey([32]byte{}))
			}
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			v := make([]byte, size)
			b.ReportAllocs()
			err = db.View(b.Context(), func(tx *sql.Tx) error {
				for b.Loop() {
					if err := tx.QueryRow(`SELECT unseal('a.b', seal('a.b', ?1, 1), 1)`, v).Scan(new([]byte)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
