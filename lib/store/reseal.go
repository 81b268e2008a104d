package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Resealing says what [Reseal] does.
type Resealing struct {
	Options    Options
	Migrations []Migrations
	Columns    Columns
	From, To   *Secret // nil: not encrypted
}

// Reseal writes the database file at path anew: encrypted with a new data key,
// or not encrypted. Nobody else may have it open. The new file is made beside
// the old one, compared with it value by value, and takes its name at once:
// whenever the process ends, path is the old database or the new one. What it
// left is removed by the next call. Errors of the key are those of
// [DB.Unlock].
//
// The old file is overwritten with zeros when it has lost its name, unless it
// has another. That does not reach copies that the file system or the disk
// keeps of their own accord.
func Reseal(ctx context.Context, path string, r Resealing) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: reseal: %w", err)
		}
	}()
	fresh := path + ".new"
	if err := removeDB(fresh); err != nil {
		return err
	}
	if err := r.write(ctx, path, fresh); err != nil {
		return errors.Join(err, removeDB(fresh))
	}
	for _, p := range []string{path, fresh} {
		// A log that is left would be taken for the new file's.
		if _, err := os.Stat(p + "-wal"); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(&Error{Path: p, Kind: ErrBusy, Err: errors.New("the write-ahead log is in use")}, err, removeDB(fresh))
		}
	}
	return replaceFile(path, fresh)
}

// write makes the new file, closed and on disk.
func (r *Resealing) write(ctx context.Context, path, fresh string) (err error) {
	old, err := Open(ctx, path, r.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	if err := r.unlock(ctx, old); err != nil {
		return err
	}
	if err := old.Migrate(ctx, r.Migrations...); err != nil {
		return err
	}
	next, err := Open(ctx, fresh, r.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, next.Close()) }()
	if r.To != nil {
		if err := next.Protect(ctx, r.To); err != nil {
			return err
		}
	}
	if err := next.Migrate(ctx, r.Migrations...); err != nil {
		return err
	}
	for _, db := range []*DB{old, next} {
		err := db.Update(ctx, func(tx *sql.Tx) error { _, err := tx.Exec(settingsTable); return err })
		if err != nil {
			return err
		}
	}
	err = old.View(ctx, func(src *sql.Tx) error {
		c := copying{columns: append(slices.Clone(settingsColumns), r.Columns...), from: old.sealer(), to: next.sealer(), src: src}
		if err := next.Update(ctx, c.copy); err != nil {
			return err
		}
		return next.View(ctx, c.compare)
	})
	if err != nil {
		return err
	}
	return errors.Join(next.Check(ctx), next.Checkpoint(ctx), old.Checkpoint(ctx))
}

// unlock opens old with From; a key where none is needed is an error too.
func (r *Resealing) unlock(ctx context.Context, old *DB) error {
	if r.From == nil && old.Encrypted() {
		return &Error{Path: old.path, Kind: ErrLocked, Err: errors.New("no key")}
	}
	if r.From == nil {
		return nil
	}
	return old.Unlock(ctx, r.From)
}

// sealer is nil without a key.
func (db *DB) sealer() *sealer {
	if v := db.vault.Load(); v != nil {
		return v.sealer
	}
	return nil
}

// copying is a copy of all rows from one database to another with its own key.
type copying struct {
	columns  Columns
	from, to *sealer // nil: not sealed
	src      *sql.Tx
}

// copy writes all rows.
func (c *copying) copy(dst *sql.Tx) error {
	if _, err := dst.Exec(`PRAGMA defer_foreign_keys = ON`); err != nil {
		return err
	}
	tables, err := tablesOf(c.src)
	if err != nil {
		return err
	}
	for _, table := range tables {
		put := ""
		err := c.rows(c.src, table, func(names []string, row []any) error {
			if put == "" {
				put = fmt.Sprintf(`INSERT INTO %s (%s) VALUES (?%s)`, table, strings.Join(names, ", "), strings.Repeat(", ?", len(names)-1))
			}
			if err := c.translate(table, names, row); err != nil {
				return err
			}
			_, err := dst.Exec(put, row...)
			return err
		})
		if err != nil {
			return fmt.Errorf("copy %s: %w", table, err)
		}
	}
	return copySequences(c.src, dst)
}

// compare reads both databases and finds the same rows.
func (c *copying) compare(dst *sql.Tx) error {
	tables, err := tablesOf(c.src)
	if err != nil {
		return err
	}
	there, err := tablesOf(dst)
	if err != nil {
		return err
	}
	if !slices.Equal(tables, there) {
		return errors.New("the new database has other tables")
	}
	var key [32]byte
	rand.Read(key[:])
	for _, table := range tables {
		was, n, err := c.digest(c.src, c.from, table, key[:])
		if err != nil {
			return fmt.Errorf("compare %s: %w", table, err)
		}
		is, m, err := c.digest(dst, c.to, table, key[:])
		if err != nil {
			return fmt.Errorf("compare %s: %w", table, err)
		}
		if n != m || was != is {
			return fmt.Errorf("compare %s: the new database has other rows", table)
		}
	}
	return nil
}

// digest sums up the opened rows of a table, in whatever order they come.
func (c *copying) digest(tx *sql.Tx, s *sealer, table string, key []byte) (sum [32]byte, n int, err error) {
	err = c.rows(tx, table, func(names []string, row []any) error {
		id := identity(names, slices.Clone(row))
		for _, col := range c.columns.of(table) {
			i := slices.Index(names, columnName(col))
			if s == nil {
				continue
			}
			v, err := s.open(col.Name, row[i], id(col))
			if err != nil {
				return err
			}
			row[i] = v
		}
		mac := hmac.New(sha256.New, key)
		for _, v := range row {
			fmt.Fprintf(mac, "%T %d:", v, len(fmt.Sprint(v)))
			fmt.Fprint(mac, v)
		}
		subtle.XORBytes(sum[:], sum[:], mac.Sum(nil))
		n++
		return nil
	})
	return sum, n, err
}

// translate opens the sealed values of a row and seals them for the other
// database.
func (c *copying) translate(table string, names []string, row []any) error {
	was := identity(names, slices.Clone(row))
	for _, col := range c.columns.of(table) {
		i := slices.Index(names, columnName(col))
		if i < 0 {
			return fmt.Errorf("no column %s", col.Name)
		}
		var err error
		if c.from != nil {
			if row[i], err = c.from.open(col.Name, row[i], was(col)); err != nil {
				return fmt.Errorf("%s: %w: %w", col.Name, ErrCorrupt, err)
			}
		}
		if c.to != nil {
			if row[i], err = c.to.seal(col.Name, row[i], col.Token, identity(names, row)(col)); err != nil {
				return err
			}
		}
	}
	return nil
}

func identity(names []string, row []any) func(Column) []any {
	return func(col Column) []any {
		id := make([]any, len(col.Row))
		for i, name := range col.Row {
			id[i] = row[slices.Index(names, name)]
		}
		return id
	}
}

func columnName(c Column) string {
	_, name, _ := strings.Cut(c.Name, ".")
	return name
}

// rows calls fn for each row of a table, as it is in the file.
func (c *copying) rows(tx *sql.Tx, table string, fn func(names []string, row []any) error) error {
	rows, err := tx.Query(`SELECT * FROM ` + table)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	row, at := make([]any, len(names)), make([]any, len(names))
	for i := range row {
		at[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(at...); err != nil {
			return err
		}
		if err := fn(names, row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// tablesOf are the tables with rows to copy.
func tablesOf(tx *sql.Tx) (out []string, err error) {
	rows, err := tx.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		AND name NOT IN ('schema_migrations', 'store_keys') ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, rows.Err()
}

// copySequences lets numbers go on where they were, also above deleted rows.
func copySequences(src, dst *sql.Tx) error {
	var n int
	err := dst.QueryRow(`SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'`).Scan(&n)
	if err != nil || n == 0 {
		return err
	}
	if _, err := dst.Exec(`DELETE FROM sqlite_sequence`); err != nil {
		return err
	}
	rows, err := src.Query(`SELECT name, seq FROM sqlite_sequence`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var seq int64
		if err := rows.Scan(&name, &seq); err != nil {
			return err
		}
		if _, err := dst.Exec(`INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)`, name, seq); err != nil {
			return err
		}
	}
	return rows.Err()
}

func removeDB(path string) error {
	for _, p := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// replaceFile gives fresh the name path and overwrites what had it.
func replaceFile(path, fresh string) error {
	old, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer old.Close()
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	// The new database is in place; whether the old one's blocks can be
	// overwritten does not matter to it.
	_ = overwrite(old)
	return nil
}

// overwrite writes zeros over a file that has no name any more; one that has
// another name is somebody's copy and stays.
func overwrite(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || sys.Nlink != 0 {
		return nil
	}
	if _, err := io.CopyN(f, zeros{}, st.Size()); err != nil {
		return err
	}
	return f.Sync()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
