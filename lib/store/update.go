package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// waiter is an update in the queue.
type waiter struct {
	turn chan struct{} // closed when the turn is its own
	gone bool          // its context ended; guarded by DB.mu
}

// group is the updates of one transaction. Its fields belong to the update
// that has the turn, until done is closed.
type group struct {
	tx    *sql.Tx
	began time.Time
	n     int // updates that ran and were not taken back
	done  chan struct{}
	err   error // of the commit; read after done
}

// Update runs fn in a transaction and returns after the commit. The error is
// fn's, and then nothing of fn is written, or the commit's. Errors of the
// database carry their kind: [ErrFull], [ErrBusy], [ErrCorrupt],
// [ErrReadOnly], [ErrConflict], [ErrAborted], [ErrClosed]; those of the
// context are returned only if fn did not run. fn must not commit or roll back
// itself, nor keep the transaction. With a context of [DB.Join] fn runs inside
// that transaction.
func (db *DB) Update(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if tx := db.outer(ctx); tx != nil {
		return db.nest(tx, fn)
	}
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	if err := db.takeTurn(ctx); err != nil {
		return fmt.Errorf("store: waiting to write: %w", err)
	}
	g, err := db.run(fn)
	if err != nil {
		return db.wrap(err)
	}
	<-g.done
	return g.err
}

// takeTurn waits until no other update runs. If the context ends first it
// returns its error, and the turn is not the caller's.
func (db *DB) takeTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.mu.Lock()
	if !db.busy {
		db.busy = true
		db.mu.Unlock()
		return nil
	}
	w := &waiter{turn: make(chan struct{})}
	db.queue = append(db.queue, w)
	db.mu.Unlock()

	select {
	case <-w.turn:
	case <-ctx.Done():
		db.mu.Lock()
		select {
		case <-w.turn: // both at once: the turn is here and must go on
		default:
			w.gone = true
			db.mu.Unlock()
			return ctx.Err()
		}
		db.mu.Unlock()
	}
	if err := ctx.Err(); err != nil {
		db.passTurn()
		return err
	}
	return nil
}

// run runs fn as part of the group, a new one if need be, and passes the turn
// on, also if fn panics. With a nil error the update belongs to g.
func (db *DB) run(fn func(tx *sql.Tx) error) (g *group, err error) {
	defer db.passTurn()
	if db.group == nil {
		if db.group, err = db.begin(); err != nil {
			return nil, err
		}
	}
	g = db.group
	// The first of a group needs no savepoint: if it fails, there is nothing
	// to keep.
	first := g.n == 0
	if !first {
		if _, err := g.tx.Exec(`SAVEPOINT one`); err != nil {
			db.end(fmt.Errorf("savepoint: %w", err))
			return nil, err
		}
	}
	returned := false
	defer func() {
		if !returned || err != nil {
			db.takeBack(g, first, err)
		}
	}()
	err = fn(g.tx)
	returned = true
	if err == nil {
		err = db.keep(g, first)
	}
	return g, err
}

func (db *DB) begin() (*group, error) {
	if err := db.fault(FaultBegin); err != nil {
		return nil, err
	}
	tx, err := db.w.BeginTx(context.Background(), nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return &group{tx: tx, began: time.Now(), done: make(chan struct{})}, nil
}

// keep makes what an update wrote a part of the group's transaction.
func (db *DB) keep(g *group, first bool) error {
	if !db.wc.inTransaction() {
		return ErrAborted
	}
	if !first {
		if _, err := g.tx.Exec(`RELEASE one`); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	g.n++
	return nil
}

// takeBack undoes what an update wrote; cause is its error, nil after a panic.
// If the database has ended the transaction already, as it does when the disk
// is full, or if the savepoint is lost, the whole group fails.
func (db *DB) takeBack(g *group, first bool, cause error) {
	if db.wc.inTransaction() && !first {
		_, err := g.tx.Exec(`ROLLBACK TO one`)
		if err == nil {
			_, err = g.tx.Exec(`RELEASE one`)
		}
		if err == nil {
			return
		}
		cause = fmt.Errorf("rollback: %w", err)
	}
	if !fromEngine(cause) { // a function's own error is none of the others' business
		cause = ErrAborted
	}
	db.end(cause)
}

// end rolls the group's transaction back; the updates that ran in it get err.
func (db *DB) end(err error) {
	g := db.group
	db.group = nil
	_ = g.tx.Rollback() // may have been rolled back by the database
	g.err = db.wrap(fmt.Errorf("transaction of %d updates: %w", g.n, err))
	if g.n > 0 {
		db.count(func(s *Stats) { s.Failed++ })
	}
	close(g.done)
}

// commit commits the group's transaction; the updates that ran in it return.
func (db *DB) commit() {
	g := db.group
	if err := db.fault(FaultCommit); err != nil {
		db.end(err)
		return
	}
	if err := g.tx.Commit(); err != nil {
		db.end(fmt.Errorf("commit: %w", err))
		return
	}
	_ = db.fault(FaultCommitted)
	db.group = nil
	db.count(func(s *Stats) {
		s.Updates += uint64(g.n)
		s.Commits++
		s.MaxGroup = max(s.MaxGroup, g.n)
	})
	close(g.done)
}

// passTurn gives the turn to the next in the queue. If there is none, or the
// group is large or old enough, it commits before.
func (db *DB) passTurn() {
	db.mu.Lock()
	defer db.mu.Unlock()
	next := db.nextLocked()
	if g := db.group; g != nil && (next == nil || g.n >= db.opts.GroupLimit || time.Since(g.began) >= db.opts.GroupTime) {
		db.mu.Unlock()
		db.commit()
		db.mu.Lock()
		next = db.nextLocked()
	}
	if next == nil {
		db.busy = false
		return
	}
	db.queue[0] = nil
	db.queue = db.queue[1:]
	close(next.turn)
}

// nextLocked is the first in the queue, without those that have gone.
func (db *DB) nextLocked() *waiter {
	for len(db.queue) > 0 && db.queue[0].gone {
		db.queue[0] = nil
		db.queue = db.queue[1:]
	}
	if len(db.queue) == 0 {
		db.queue = nil
		return nil
	}
	return db.queue[0]
}

func (db *DB) count(add func(*Stats)) {
	db.mu.Lock()
	defer db.mu.Unlock()
	add(&db.stats)
}

func (db *DB) fault(p FaultPoint) error {
	if db.opts.TestOnlyFault == nil {
		return nil
	}
	if err := db.opts.TestOnlyFault(p); err != nil {
		return errors.Join(errors.New("store: fault at "+string(p)), err)
	}
	return nil
}
