package relayhome

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/pgqueues"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
)

// The stores that the settings can name.
const (
	StoreSQLite   = "sqlite"   // queues.db in the home
	StorePostgres = "postgres" // a database, which several relays of one identity may use
)

// fileDSN is the credential of a systemd unit, and the file in the home, that
// has the connection string of the database.
const fileDSN = "store-dsn"

func (s Settings) checkStore() *wrong {
	switch {
	case s.Store != StoreSQLite && s.Store != StorePostgres:
		return &wrong{"store", fmt.Errorf("%s: neither %s nor %s", s.Store, StoreSQLite, StorePostgres)}
	case s.DSNFile != "" && s.Store != StorePostgres:
		return &wrong{"store_dsn_file", fmt.Errorf("is for store = %q", StorePostgres)}
	}
	return nil
}

// openStore opens the store that the settings name.
func (h *Home) openStore(ctx context.Context) (queuedump.Store, error) {
	if h.Settings.Store != StorePostgres {
		db, err := queuedb.Open(ctx, filepath.Join(h.Dir, fileQueues), store.Options{})
		if err != nil {
			return nil, storeError(err)
		}
		return db, nil
	}
	dsn, err := h.dsn()
	if err != nil {
		return nil, err
	}
	db, err := pgqueues.Open(ctx, dsn, pgqueues.Options{})
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return nil, storeError(err)
	case err != nil:
		return nil, exit.Errorf(exit.TempFail, "relay: %w", err).
			WithHint("see that PostgreSQL runs, and that the connection string in store_dsn_file is right")
	}
	return db, nil
}

// dsn reads the connection string: from the file in the settings, else from
// the unit's credential, else from the home. Without any it is empty, and the
// environment of PostgreSQL's clients says where the database is.
func (h *Home) dsn() (string, error) {
	if f := h.Settings.DSNFile; f != "" {
		if !filepath.IsAbs(f) {
			f = filepath.Join(h.Dir, f)
		}
		b, err := readSecret(filepath.Dir(f), filepath.Base(f))
		return strings.TrimSpace(string(b)), err
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		b, err := os.ReadFile(filepath.Join(dir, fileDSN)) // systemd minds its mode
		if err == nil {
			return strings.TrimSpace(string(b)), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", exit.Errorf(exit.IOErr, "relay store: %w", err)
		}
	}
	b, err := readSecret(h.Dir, fileDSN)
	var e *exit.Error
	if errors.As(err, &e) && e.Code == exit.NoInput {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// withStore runs fn on the home's store while no relay of this home serves it.
func (h *Home) withStore(ctx context.Context, fn func(queuedump.Store) error) error {
	lock, err := lockHome(h.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	db, err := h.openStore(ctx)
	if err != nil {
		return err
	}
	err = fn(db)
	if e := db.Close(); err == nil && e != nil {
		return storeError(e)
	}
	return err
}

// Export writes all queues and messages in the format of package queuedump.
// The home must not be served meanwhile, which is [exit.TempFail]; relays of
// other homes on the same database are for the operator to stop.
func (h *Home) Export(ctx context.Context, w io.Writer) (n queuedump.Totals, err error) {
	err = h.withStore(ctx, func(db queuedump.Store) error {
		if n, err = queuedump.Write(ctx, w, db); err != nil {
			return exit.Errorf(exit.IOErr, "relay: %w", err)
		}
		return nil
	})
	return n, err
}

// Import stores the queues and messages of an export, see [queuedump.Load].
// What comes from a pipe is kept in the home until it was read as a whole.
func (h *Home) Import(ctx context.Context, r io.Reader, merge bool) (n queuedump.Totals, err error) {
	file, ok := r.(*os.File)
	if !ok || !seekable(file) {
		if file, err = spool(h.Dir, r); err != nil {
			return n, exit.Errorf(exit.IOErr, "relay: read the import: %w", err)
		}
		defer file.Close()
	}
	err = h.withStore(ctx, func(db queuedump.Store) error {
		n, err = queuedump.LoadAndTell(ctx, file, db, merge, h.Progress)
		switch {
		case errors.Is(err, queuedump.ErrNotEmpty):
			return exit.Errorf(exit.CantCreate, "relay: %w", err).
				WithHint("--merge adds what is missing; queues that are there stay as they are")
		case errors.Is(err, queuedump.ErrFormat), errors.Is(err, queuedump.ErrVersion), errors.Is(err, queuedump.ErrConflict):
			return exit.Errorf(exit.DataErr, "relay: %w", err)
		case err != nil:
			return storeError(err)
		}
		return nil
	})
	return n, err
}

func seekable(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode().IsRegular()
}

// unnamed makes a file without a name.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".import-*") // mode 0600
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// spool copies to a file without a name.
func spool(dir string, r io.Reader) (*os.File, error) {
	f, err := unnamed(dir)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Backup writes a copy of the queues and messages to a file, which must not
// exist, whether the home is being served or not. It is for stores in SQLite:
// for others the error is [exit.Config].
func (h *Home) Backup(ctx context.Context, path string) error {
	if h.Settings.Store != StoreSQLite {
		return exit.Errorf(exit.Config, "relay: the store is not a file").WithHint("back the database up with pg_dump, or relayctl smp export")
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return exit.Errorf(exit.CantCreate, "%s: is there already", path)
	}
	db, err := queuedb.Open(ctx, filepath.Join(h.Dir, fileQueues), store.Options{})
	if err != nil {
		return storeError(err)
	}
	err = db.Backup(ctx, path)
	if e := db.Close(); err == nil {
		err = e
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return exit.Errorf(exit.CantCreate, "relay: %w", err)
	case err != nil:
		return storeError(err)
	}
	return nil
}

// Counts looks into the home's queues, whether it is being served or not.
func (h *Home) Counts(ctx context.Context) (queuestore.Counts, error) {
	if h.Settings.Store == StoreSQLite {
		if _, err := os.Stat(filepath.Join(h.Dir, fileQueues)); errors.Is(err, os.ErrNotExist) {
			return queuestore.Counts{}, nil
		}
	}
	db, err := h.openStore(ctx)
	if err != nil {
		return queuestore.Counts{}, err
	}
	c, err := db.Counts(ctx)
	if err = errors.Join(err, db.Close()); err != nil {
		return queuestore.Counts{}, storeError(fmt.Errorf("count: %w", err))
	}
	return c, nil
}
