package queuestore

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// Mem is a store in memory, for tests and for relays that keep nothing. What
// it holds is lost with it.
type Mem struct {
	mu     sync.RWMutex
	queues map[Num]*memQueue
	ids    map[Ref]Num
	num    Num
	seq    Seq
	certs  map[smp.Fingerprint]memService
	undo   []func() // of the Update under way, last change last
}

type memService struct {
	id   smp.ServiceID
	role smp.ServiceRole
}

type memQueue struct {
	rec  *Queue
	link *smp.LinkData
	msgs []*Message
}

var _ Store = (*Mem)(nil)

// NewMem makes an empty store.
func NewMem() *Mem {
	return &Mem{queues: map[Num]*memQueue{}, ids: map[Ref]Num{}, certs: map[smp.Fingerprint]memService{}}
}

// Close does nothing.
func (s *Mem) Close() error { return nil }

// Update implements [Store].
func (s *Mem) Update(ctx context.Context, fn func(Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undo = nil
	err := fn((*memTx)(s))
	if err != nil {
		for _, u := range slices.Backward(s.undo) {
			u()
		}
	}
	s.undo = nil
	return err
}

// Lookup implements [Reader].
func (s *Mem) Lookup(_ context.Context, refs ...Ref) ([]*Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Entry, len(refs))
	for i, r := range refs {
		if n, ok := s.ids[r]; ok {
			q := s.queues[n]
			size := len(q.msgs)
			out[i] = &Entry{Queue: q.rec, Size: size, Full: size > 0 && q.msgs[size-1].Quota}
		}
	}
	return out, nil
}

// Next implements [Reader].
func (s *Mem) Next(_ context.Context, n Num, after Seq) (*Message, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q := s.queues[n]; q != nil {
		if i := q.find(after + 1); i < len(q.msgs) {
			return q.msgs[i], nil
		}
	}
	return nil, nil
}

// find is the index of the first message from a number on.
func (q *memQueue) find(from Seq) int {
	i, _ := slices.BinarySearchFunc(q.msgs, from, func(m *Message, s Seq) int { return cmp.Compare(m.Seq, s) })
	return i
}

// LinkData implements [Reader].
func (s *Mem) LinkData(_ context.Context, n Num) (smp.LinkData, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q := s.queues[n]; q != nil && q.link != nil {
		return *q.link, nil
	}
	return smp.LinkData{}, ErrNotFound
}

// NotifierQueues implements [Reader].
func (s *Mem) NotifierQueues(_ context.Context, id smp.ServiceID) (n int64, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, q := range s.queues {
		if q.rec.Notifier != nil && q.rec.Notifier.ServiceID == id {
			n++
		}
	}
	return n, nil
}

// Counts implements [Reader].
func (s *Mem) Counts(context.Context) (Counts, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := Counts{Queues: int64(len(s.queues))}
	for _, q := range s.queues {
		c.Messages += int64(len(q.msgs))
	}
	return c, nil
}

// OldMessages implements [Reader].
func (s *Mem) OldMessages(_ context.Context, before time.Time, limit int) ([]Old, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Old
	for _, q := range s.queues {
		for _, m := range q.msgs {
			if m.Time.Before(before) {
				out = append(out, Old{m.Seq, q.rec.RecipientID})
			}
		}
	}
	slices.SortFunc(out, func(a, b Old) int { return cmp.Compare(a.Seq, b.Seq) })
	return out[:min(limit, len(out))], nil
}

// memTx is a Mem that is locked by Update.
type memTx Mem

func refs(q *Queue) []Ref {
	r := []Ref{{ByRecipient, smp.EntityID(q.RecipientID)}, {BySender, smp.EntityID(q.SenderID)}}
	if q.Notifier != nil {
		r = append(r, Ref{ByNotifier, smp.EntityID(q.Notifier.ID)})
	}
	if q.LinkID != "" {
		r = append(r, Ref{ByLink, smp.EntityID(q.LinkID)})
	}
	return r
}

func (s *memTx) free(q *Queue) error {
	for _, r := range refs(q) {
		if n, ok := s.ids[r]; ok && n != q.Num {
			return ErrDuplicate
		}
	}
	return nil
}

func (s *memTx) index(q *Queue) {
	for _, r := range refs(q) {
		s.ids[r] = q.Num
	}
}

func (s *memTx) unindex(q *Queue) {
	for _, r := range refs(q) {
		delete(s.ids, r)
	}
}

// AddQueue implements [QueueTx].
func (s *memTx) AddQueue(q *Queue, link smp.LinkData) error {
	q.Num = 0
	if err := s.free(q); err != nil {
		return err
	}
	s.num++
	q.Num = s.num
	mq := &memQueue{rec: q}
	if q.LinkID != "" {
		mq.link = &link
	}
	s.queues[q.Num] = mq
	s.index(q)
	s.undo = append(s.undo, func() { delete(s.queues, q.Num); s.unindex(q) })
	return nil
}

// PutQueue implements [QueueTx].
func (s *memTx) PutQueue(q *Queue) error {
	mq := s.queues[q.Num]
	if mq == nil {
		return ErrNotFound
	}
	if err := s.free(q); err != nil {
		return err
	}
	rec, link := mq.rec, mq.link
	s.unindex(rec)
	s.index(q)
	mq.rec = q
	if q.LinkID == "" {
		mq.link = nil
	}
	s.undo = append(s.undo, func() { s.unindex(q); s.index(rec); mq.rec, mq.link = rec, link })
	return nil
}

// DeleteQueue implements [QueueTx].
func (s *memTx) DeleteQueue(n Num) error {
	mq := s.queues[n]
	if mq == nil {
		return nil
	}
	delete(s.queues, n)
	s.unindex(mq.rec)
	s.undo = append(s.undo, func() { s.queues[n] = mq; s.index(mq.rec) })
	return nil
}

// PutLinkData implements [QueueTx].
func (s *memTx) PutLinkData(n Num, d smp.LinkData) error {
	mq := s.queues[n]
	if mq == nil || mq.rec.LinkID == "" {
		return ErrNotFound
	}
	old := mq.link
	if d.Fixed == nil && old != nil {
		d.Fixed = old.Fixed
	}
	mq.link = &d
	s.undo = append(s.undo, func() { mq.link = old })
	return nil
}

// Service implements [QueueTx].
func (s *memTx) Service(cert smp.Fingerprint, role smp.ServiceRole, proposed smp.ServiceID) (smp.ServiceID, error) {
	known, ok := s.certs[cert]
	if !ok {
		s.certs[cert] = memService{proposed, role}
		s.undo = append(s.undo, func() { delete(s.certs, cert) })
		return proposed, nil
	}
	if known.role != role {
		return "", ErrDuplicate
	}
	return known.id, nil
}

// AddMessage implements [MessageTx].
func (s *memTx) AddMessage(n Num, m *Message) error {
	mq := s.queues[n]
	if mq == nil {
		return ErrNotFound
	}
	s.seq++
	m.Seq = s.seq
	kept := *m
	kept.Body = append([]byte{}, m.Body...)
	s.setMessages(mq, append(mq.msgs[:len(mq.msgs):len(mq.msgs)], &kept))
	return nil
}

func (s *memTx) setMessages(mq *memQueue, msgs []*Message) {
	old := mq.msgs
	mq.msgs = msgs
	s.undo = append(s.undo, func() { mq.msgs = old })
}

// DeleteMessages implements [MessageTx].
func (s *memTx) DeleteMessages(n Num, upTo Seq) error {
	if mq := s.queues[n]; mq != nil {
		s.setMessages(mq, mq.msgs[mq.find(upTo+1):])
	}
	return nil
}
