package smpserver

import (
	"errors"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// errUnchanged tells from edit that the record is as it should be.
var errUnchanged = &smp.Error{Type: "unchanged"}

// change is a change of a queue's record.
type change struct {
	q *queue
	// edit changes a copy of the record in an update, or returns an error of
	// the protocol, or errUnchanged. It may change other things of the store.
	edit func(tx queuestore.Tx, rec *queuestore.Queue) *smp.Error
	// then, if not nil, runs after the record was changed.
	then    func(tx queuestore.Tx, rec *queuestore.Queue) error
	deletes bool // edit has deleted the queue

	old, new *queuestore.Queue
	err      *smp.Error // the answer, if not nil
	touched  bool       // memory was changed
}

// apply is the function for Update. Errors of the protocol are in ch.err.
func (ch *change) apply(t *table) func(queuestore.Tx) error {
	return func(tx queuestore.Tx) error {
		t.mu.Lock()
		dead := ch.q.dead
		ch.old = ch.q.rec
		t.mu.Unlock()
		if dead {
			ch.err = smp.ErrAuth
			return nil
		}
		rec := *ch.old
		if ch.err = ch.edit(tx, &rec); ch.err != nil {
			if ch.err == errUnchanged {
				ch.err = nil
			}
			return nil
		}
		ch.new = &rec
		if !ch.deletes {
			err := tx.PutQueue(&rec)
			if errors.Is(err, queuestore.ErrDuplicate) {
				ch.err = smp.ErrAuth
				return nil
			}
			if err == nil && ch.then != nil {
				err = ch.then(tx, &rec)
			}
			if err != nil {
				return err
			}
		}
		ch.remember(t)
		return nil
	}
}

func (ch *change) remember(t *table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ch.touched = true
	if ch.deletes {
		t.removeLocked(ch.q)
		ch.q.dead = true
		return
	}
	t.replaceLocked(ch.q, ch.new)
}

// failed is called if the update was not committed.
func (ch *change) failed(s *Server) {
	if !ch.touched {
		return
	}
	if err := s.table.reload(s.work, ch.q); err != nil {
		s.cfg.Logger.Error("queue record may be out of date until restart", "err", err)
	}
}
