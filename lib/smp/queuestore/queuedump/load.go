package queuedump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// linesInUpdate is how many lines are stored together.
const linesInUpdate = 200

// Load stores what a dump holds, and counts what was not there yet. It reads
// the dump twice, first to verify it. The store must be empty; with merge it
// need not be: queues that it has stay as they are, and get the messages that
// they lack, after those that they have. So a Load that was interrupted can be
// repeated with merge. The errors are those of [Verify], [ErrNotEmpty],
// [ErrConflict] and the store's.
func Load(ctx context.Context, r io.ReadSeeker, s queuestore.Store, merge bool) (Totals, error) {
	return LoadAndTell(ctx, r, s, merge, nil)
}

// LoadAndTell is [Load] that tells, now and then, how much of all it has read
// for storing.
func LoadAndTell(ctx context.Context, r io.ReadSeeker, s queuestore.Store, merge bool, tell func(read, all Totals)) (Totals, error) {
	all, err := Verify(r)
	if err != nil {
		return Totals{}, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Totals{}, fmt.Errorf("queuedump: read again: %w", err)
	}
	have, err := s.Counts(ctx)
	if err != nil {
		return Totals{}, fmt.Errorf("queuedump: look into the store: %w", err)
	}
	if !merge && have != (queuestore.Counts{}) {
		return Totals{}, ErrNotEmpty
	}
	l := &loader{ctx: ctx, s: s, all: all, tell: tell, nums: map[int64]queuestore.Num{}, known: map[queuestore.Num]map[smp.MsgID]struct{}{}}
	_, err = read(r, l.add)
	if err == nil {
		err = l.flush()
	}
	return l.n, err
}

type loader struct {
	ctx  context.Context
	s    queuestore.Store
	n    Totals
	nums map[int64]queuestore.Num // of queues, by their n
	// known are the messages of queues that the store had before.
	known map[queuestore.Num]map[smp.MsgID]struct{}

	lines []line // to be stored

	read, all Totals
	tell      func(read, all Totals) // or nil
}

func (l *loader) add(v line) error {
	if len(l.lines) > 0 && (v.Queue == nil) != (l.lines[0].Queue == nil) || len(l.lines) == linesInUpdate {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.lines = append(l.lines, v)
	return nil
}

// flush stores the lines that wait: queues, or services and messages.
func (l *loader) flush() error {
	lines := l.lines
	l.lines = nil
	if len(lines) == 0 {
		return nil
	}
	for _, v := range lines {
		l.read.add(v)
	}
	if l.tell != nil {
		defer func() { l.tell(l.read, l.all) }()
	}
	if lines[0].Queue != nil {
		return l.queues(lines)
	}
	var n Totals
	err := l.s.Update(l.ctx, func(tx queuestore.Tx) error {
		for _, v := range lines {
			if err := l.store(tx, v, &n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("queuedump: store: %w", err)
	}
	l.n.Services += n.Services
	l.n.Messages += n.Messages
	return nil
}

func (l *loader) store(tx queuestore.Tx, v line, n *Totals) error {
	if v.Service != nil {
		sv, err := v.Service.decode()
		if err != nil {
			return err
		}
		id, err := tx.Service(sv.Certificate, sv.Role, sv.ID)
		if errors.Is(err, queuestore.ErrDuplicate) || err == nil && id != sv.ID {
			return fmt.Errorf("%w: a service", ErrConflict)
		}
		n.Services++
		return err
	}
	m := v.Message
	num := l.nums[m.Queue]
	if _, have := l.known[num][smp.MsgID(m.ID)]; have {
		return nil
	}
	n.Messages++
	return tx.AddMessage(num, &queuestore.Message{ID: smp.MsgID(m.ID), Time: time.Unix(m.Time, 0).UTC(),
		Notify: m.Notify, Quota: m.Quota, Body: append([]byte{}, m.Body...)})
}

func (l *loader) queues(lines []line) error {
	refs := make([]queuestore.Ref, 0, len(lines))
	for _, v := range lines {
		refs = append(refs, queuestore.Ref{Kind: queuestore.ByRecipient, ID: smp.EntityID(v.Queue.RecipientID)})
	}
	have, err := l.s.Lookup(l.ctx, refs...)
	if err != nil {
		return fmt.Errorf("queuedump: look for queues: %w", err)
	}
	added := map[int64]*queuestore.Queue{}
	err = l.s.Update(l.ctx, func(tx queuestore.Tx) error {
		for i, v := range lines {
			if have[i] != nil {
				continue
			}
			q, data, err := v.Queue.decode()
			if err != nil {
				return err
			}
			if err := tx.AddQueue(q, data); errors.Is(err, queuestore.ErrDuplicate) {
				return ErrConflict
			} else if err != nil {
				return err
			}
			added[v.Queue.N] = q
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("queuedump: store: %w", err)
	}
	for i, v := range lines {
		if q := added[v.Queue.N]; q != nil {
			l.nums[v.Queue.N] = q.Num
			l.n.Queues++
		} else if err := l.knows(v.Queue, have[i].Queue); err != nil {
			return err
		}
	}
	return nil
}

// knows notes a queue that the store has already, with its messages.
func (l *loader) knows(v *queue, q *queuestore.Queue) error {
	if string(v.SenderID) != string(q.SenderID) {
		return ErrConflict
	}
	l.nums[v.N] = q.Num
	ids := map[smp.MsgID]struct{}{}
	l.known[q.Num] = ids
	m, err := l.s.Next(l.ctx, q.Num, 0)
	for ; m != nil; m, err = l.s.Next(l.ctx, q.Num, m.Seq) {
		ids[m.ID] = struct{}{}
	}
	if err != nil {
		return fmt.Errorf("queuedump: look into a queue: %w", err)
	}
	return nil
}
