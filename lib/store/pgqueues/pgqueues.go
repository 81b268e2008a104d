// Package pgqueues keeps a relay's queues and messages in PostgreSQL: the
// implementation of [queuestore.Store], and of [queuestore.Shared] for several
// relays on one database.
//
// # Writing
//
// Updates that arrive while a commit is under way form the next group, one
// transaction. Its statements are sent when an answer is needed, and else
// together with the commit, so that a group of messages costs two round trips
// and one wait for the disk, and all messages of the group are one statement:
//
//	begin, lock, read changes ─> functions ─> insert, delete, notify, commit
//
// An update that is taken back leaves out its statements, or goes back to a
// savepoint if some were sent.
//
// # Several relays
//
// A group begins by locking the only row of the table state, which also has
// the last numbers given to queues and messages. So the updates of all relays
// have one order, which is that of the messages in each queue. After the lock
// the relay reads from the table changes what others did since its last group
// and tells it to the function that Watch was given; updates therefore decide
// upon quotas, states and owners as they are. NOTIFY makes a relay without
// updates look at the table too, and where notifications are lost, as behind
// a pooler, it looks every few seconds.
//
// A relay that hangs inside a transaction loses the lock after 10 s. Changes
// are kept for 10 minutes; a relay that was away for longer is told so.
//
// # Durability
//
// Update returns nil after a commit that the server has made durable, which
// is as much as its settings say: synchronous_commit is not left off, and what
// a standby has by then follows from synchronous_standby_names.
package pgqueues

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store"
)

// Options of a store; the zero value is fit for use.
type Options struct {
	// Readers is how many connections read at once. 0 is 4. Two more write
	// and listen.
	Readers int
	// GroupLimit is how many updates one commit serves at most. 0 is 256.
	GroupLimit int
}

// DB is an open store.
type DB struct {
	config  *pgx.ConnConfig
	opts    Options
	token   string         // of this process, in notifications
	readers chan *pgx.Conn // idle connections, nil for one to be made
	changed func(context.Context, []queuestore.Change) error

	// Owned by the update that leads.
	w *pgx.Conn // nil: to be made
	// cursor is the last change that this relay knows of, or has made.
	cursor atomic.Int64

	closing sync.Once
	closed  chan struct{}
	err     error // of Close

	mu      sync.Mutex // guards what follows
	queue   []*job
	busy    bool // an update leads
	users   int  // calls under way
	shut    bool
	drained chan struct{}
	stats   Stats
}

// Stats counts what a store did since it was opened.
type Stats struct {
	Updates, Commits uint64 // updates that were committed, and in how many commits
}

var _ queuestore.Shared = (*DB)(nil)

// Open opens the store in a database, and makes its tables if there are none.
// The connection string is a URL or a list of keywords; what it does not say
// is taken from the environment, as by any client of PostgreSQL. The errors
// are [store.ErrNewerSchema], [store.ErrBusy] and those of the network.
func Open(ctx context.Context, dsn string, o Options) (*DB, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The parser's error may quote the string, which may have a password.
		return nil, errors.New("pgqueues: open: cannot read the connection string")
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.GroupLimit == 0 {
		o.GroupLimit = 256
	}
	s := &DB{config: config, opts: o, token: rand.Text(), readers: make(chan *pgx.Conn, o.Readers),
		closed: make(chan struct{}), drained: make(chan struct{})}
	for range o.Readers {
		s.readers <- nil
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("pgqueues: open: %w", kindOf(err))
	}
	return s, nil
}

func (s *DB) open(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if s.w, err = s.connect(ctx); err != nil {
		return err
	}
	var change int64
	if err = migrate(ctx, s.w, files); err == nil {
		err = s.w.QueryRow(ctx, `SELECT change FROM state`).Scan(&change)
	}
	if err != nil {
		return errors.Join(err, hangUp(s.w))
	}
	s.cursor.Store(change)
	return nil
}

// Stats counts updates and commits up to now.
func (s *DB) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *DB) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return store.ErrClosed
	}
	s.users++
	return nil
}

func (s *DB) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.shut && s.users == 0 {
		close(s.drained)
	}
}

// Close waits for calls under way and closes the connections.
func (s *DB) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.shut = true
		if s.users == 0 {
			close(s.drained)
		}
		s.mu.Unlock()
		<-s.drained
		for range s.opts.Readers {
			if c := <-s.readers; c != nil {
				s.err = errors.Join(s.err, hangUp(c))
			}
		}
		if s.w != nil {
			s.err = errors.Join(s.err, hangUp(s.w))
		}
		close(s.closed)
	})
	<-s.closed
	return s.err
}
