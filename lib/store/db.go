package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Synchronous says what a commit waits for.
type Synchronous uint8

const (
	// Full, the default: what Update returned nil for survives a power cut.
	Full Synchronous = iota
	// Normal: it survives the end of the process, and a power cut may take
	// the latest updates; the database stays whole.
	Normal
)

// Options of a database; the zero value is what servers and profiles use.
type Options struct {
	Synchronous Synchronous
	// BusyTimeout is how long a transaction waits for another process to
	// finish writing before it fails with ErrBusy. 0 is 5 s.
	BusyTimeout time.Duration
	// Readers is how many views run at once; more wait. 0 is 4.
	Readers int
	// GroupLimit is how many updates one commit serves at most. 0 is 256.
	GroupLimit int
	// GroupTime is how long the first update of a group waits at most for
	// others to run before the commit begins. 0 is 5 ms.
	GroupTime time.Duration
	// SecureDelete overwrites deleted rows with zeros: for databases that
	// hold keys which must not outlive their use.
	SecureDelete bool
	// TestOnlyFault, for tests, is called before each step of a transaction;
	// an error takes the step's place. Not called at once from several
	// goroutines.
	TestOnlyFault func(FaultPoint) error
}

// FaultPoint is a place where a test can make a transaction fail.
type FaultPoint string

// The places, in their order.
const (
	FaultBegin     FaultPoint = "begin"     // before the group's transaction
	FaultCommit    FaultPoint = "commit"    // before its commit
	FaultCommitted FaultPoint = "committed" // after it; an error is ignored, so only for killing the process
)

// DB is an open database. All methods may be called at once from several
// goroutines, but none from inside a function given to Update; those use
// their transaction.
type DB struct {
	path    string
	opts    Options
	w, r    *sql.DB
	wc      *connector
	closing sync.Once
	closed  chan struct{} // closed when Close is done
	err     error         // of Close
	vault   atomic.Pointer[vault]

	group *group // owned by the update that has the turn

	mu      sync.Mutex // guards what follows
	users   int        // calls of Update and View under way
	shut    bool       // no more of them
	drained chan struct{}
	busy    bool // some update has the turn
	queue   []*waiter
	stats   Stats
}

// Stats counts what a database did since it was opened.
type Stats struct {
	Updates  uint64 // updates whose function returned nil
	Commits  uint64 // transactions that were committed for them
	Failed   uint64 // transactions that were not
	MaxGroup int    // the most updates that one commit served
}

// Open opens the database file at path and makes it, readable by its owner
// alone, if there is none. The directory must exist. An encrypted database is
// locked until [DB.Unlock]. The errors are [ErrCorrupt], [ErrBusy], [ErrFull],
// [ErrReadOnly] and [ErrNewerSchema].
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: path: %w", err)
	}
	db := &DB{path: abs, opts: o.withDefaults(), closed: make(chan struct{}), drained: make(chan struct{})}
	if err := db.open(ctx); err != nil {
		return nil, fmt.Errorf("store: open: %w", db.wrap(err))
	}
	return db, nil
}

func (o Options) withDefaults() Options {
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 5 * time.Second
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.GroupLimit == 0 {
		o.GroupLimit = 256
	}
	if o.GroupTime == 0 {
		o.GroupTime = 5 * time.Millisecond
	}
	return o
}

func (db *DB) open(ctx context.Context) error {
	if err := ownerOnly(db.path); err != nil {
		return err
	}
	db.wc = &connector{dsn: db.dsn(true), steady: true, vault: &db.vault}
	db.w = sql.OpenDB(db.wc)
	db.w.SetMaxOpenConns(1)
	db.r = sql.OpenDB(&connector{dsn: db.dsn(false), vault: &db.vault})
	db.r.SetMaxOpenConns(db.opts.Readers)
	db.r.SetMaxIdleConns(db.opts.Readers)
	var n int
	err := db.w.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&n)
	if err == nil {
		var w *wrapping
		if w, err = readWrapping(ctx, db.r); w != nil {
			db.vault.Store(new(vault))
		}
	}
	if err != nil {
		_ = db.r.Close()
		_ = db.w.Close()
	}
	return err
}

// ownerOnly makes the file, or takes from an existing one the permissions of
// group and others; SQLite gives the same mode to the files beside it.
func ownerOnly(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil && st.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(st.Mode().Perm() & 0o700)
	}
	return errors.Join(err, f.Close())
}

func (db *DB) dsn(writer bool) string {
	q := url.Values{
		"_busy_timeout":    {fmt.Sprint(db.opts.BusyTimeout.Milliseconds())},
		"_stmt_cache_size": {"256"},
	}
	if writer {
		q.Set("_journal_mode", "WAL")
		q.Set("_foreign_keys", "1")
		q.Set("_txlock", "immediate")
		q.Set("_synchronous", "FULL")
		if db.opts.Synchronous == Normal {
			q.Set("_synchronous", "NORMAL")
		}
		if db.opts.SecureDelete {
			q.Set("_secure_delete", "ON")
		}
	} else {
		q.Set("_query_only", "1")
	}
	u := url.URL{Path: db.path}
	return "file:" + u.EscapedPath() + "?" + q.Encode()
}

// Path is the absolute path of the database file.
func (db *DB) Path() string { return db.path }

// Stats counts updates and commits up to now.
func (db *DB) Stats() Stats {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.stats
}

// View runs fn on a snapshot, which begins with its first statement and which
// fn cannot write. Views are not nested. Errors of fn are returned as they are, those of the
// database with their kind: [ErrCorrupt], [ErrClosed]; a context that ends
// interrupts fn's statements. With a context of [DB.Join] fn sees what that
// transaction has written so far.
func (db *DB) View(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if tx := db.outer(ctx); tx != nil {
		return db.wrap(fn(tx))
	}
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	tx, err := db.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return db.wrap(err)
	}
	defer func() { _ = tx.Rollback() }()
	err = fn(tx)
	if interrupted(err) && ctx.Err() != nil {
		return ctx.Err()
	}
	return db.wrap(err)
}

func (db *DB) enter() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.shut {
		return &Error{Path: db.path, Kind: ErrClosed, Err: errors.New("no more transactions")}
	}
	db.users++
	return nil
}

func (db *DB) leave() {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.users--
	if db.shut && db.users == 0 {
		close(db.drained)
	}
}

// Close lets the transactions under way and the updates in the queue finish,
// and closes the file. Every call waits for that; later ones return the same
// error.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.mu.Lock()
		db.shut = true
		if db.users == 0 {
			close(db.drained)
		}
		db.mu.Unlock()
		<-db.drained
		db.err = db.wrap(errors.Join(db.r.Close(), db.w.Close()))
		close(db.closed)
	})
	<-db.closed
	return db.err
}
