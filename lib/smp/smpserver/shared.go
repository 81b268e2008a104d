package smpserver

import (
	"context"
	"slices"
	"sync"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// claim is a subscription on its way to a store that other relays use too. It
// is made in memory after the commit that tells them of it; if one of them
// has subscribed with a later commit, which may be known before, it ends at
// once.
type claim struct {
	t    *table
	ref  queuestore.Ref
	lost bool // guarded by table.mu
}

// claim is nil if no other relay uses the store.
func (c *conn) claim(kind queuestore.IDKind, id smp.EntityID) *claim {
	if _, shared := c.s.cfg.Store.(queuestore.Shared); !shared {
		return nil
	}
	return &claim{t: c.s.table, ref: queuestore.Ref{Kind: kind, ID: id}}
}

// apply is the function for Update.
func (cl *claim) apply(tx queuestore.Tx) error {
	if cl == nil {
		return nil
	}
	tx.(queuestore.Claimer).Claim(cl.ref)
	cl.t.mu.Lock()
	defer cl.t.mu.Unlock()
	cl.t.claims[cl.ref] = append(cl.t.claims[cl.ref], cl)
	return nil
}

// subscribed ends a subscription that was lost before it was made.
func (cl *claim) subscribed(c *conn) {
	if cl == nil {
		return
	}
	cl.t.mu.Lock()
	defer cl.t.mu.Unlock()
	cl.forgetLocked()
	if cl.lost {
		if cl.ref.Kind == queuestore.ByNotifierService {
			cl.t.endServiceLocked(c)
		} else if s := cl.t.subscriptionLocked(cl.ref); s != nil && s.conn == c {
			cl.t.endLocked(s, smp.END{})
		}
	}
}

func (cl *claim) failed() {
	if cl == nil {
		return
	}
	cl.t.mu.Lock()
	defer cl.t.mu.Unlock()
	cl.forgetLocked()
}

func (cl *claim) forgetLocked() {
	list := slices.DeleteFunc(cl.t.claims[cl.ref], func(o *claim) bool { return o == cl })
	if len(list) == 0 {
		delete(cl.t.claims, cl.ref)
		return
	}
	cl.t.claims[cl.ref] = list
}

func (t *table) subscriptionLocked(r queuestore.Ref) *sub {
	if r.Kind == queuestore.ByNotifier {
		return t.nsubs[smp.NotifierID(r.ID)]
	}
	return t.subs[smp.RecipientID(r.ID)]
}

// claimed runs fn, which subscribes and answers: at once, or after a commit
// that tells other relays.
func (g *group) claimed(r request, kind queuestore.IDKind, fn func()) {
	g.afterClaims(r, claims{g.c.claim(kind, r.EntityID)}, fn)
}

// claims are made together.
type claims []*claim

func (cls claims) apply(tx queuestore.Tx) error {
	for _, cl := range cls {
		if err := cl.apply(tx); err != nil {
			return err
		}
	}
	return nil
}

func (cls claims) subscribed(c *conn) {
	for _, cl := range cls {
		cl.subscribed(c)
	}
}

func (cls claims) failed() {
	for _, cl := range cls {
		cl.failed()
	}
}

// afterClaims is claimed with any claims, nil if no other relay uses the store.
func (g *group) afterClaims(r request, cls claims, fn func()) {
	if cls[0] == nil {
		fn()
		return
	}
	g.add(step{req: r, apply: cls.apply, failed: cls.failed, after: func() smp.Message {
		fn()
		cls.subscribed(g.c)
		return nil
	}})
}

// learn makes memory agree with what other relays did to the store.
func (s *Server) learn(ctx context.Context, changes []queuestore.Change) error {
	refs, notify, all := s.table.concerned(changes)
	s.table.mu.Lock()
	for _, c := range changes {
		if c.Kind == queuestore.ChangedNotified {
			s.ntfs.dropLocked(smp.NotifierID(c.Ref.ID), c.Notify)
		}
	}
	s.table.mu.Unlock()
	if all {
		s.cfg.Logger.Warn("this relay was away from its database for long; closing all connections")
		s.mu.Lock()
		for c := range s.conns {
			_ = c.t.Abort()
		}
		s.mu.Unlock()
	}
	if len(refs) == 0 {
		return nil
	}
	found, err := s.table.find(ctx, refs)
	if err != nil {
		return err
	}
	defer s.table.unpin(found...)
	entries, err := s.table.store.Lookup(ctx, refs...)
	if err != nil {
		return err
	}
	for i, q := range found {
		if q == nil {
			s.forget(queuestore.Queue{RecipientID: smp.RecipientID(refs[i].ID)})
			continue
		}
		if err := s.refresh(ctx, q, entries[i]); err != nil {
			return err
		}
		if entries[i] != nil {
			if err := s.notifyFrom(ctx, entries[i].Queue, notify[refs[i]]); err != nil {
				return err
			}
		}
	}
	return nil
}

// concerned ends subscriptions that others have taken, and gives the queues
// that memory knows something of, with the first message of each to notify of.
func (t *table) concerned(changes []queuestore.Change) (refs []queuestore.Ref, notify map[queuestore.Ref]queuestore.Seq, all bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.foreign++
	notify = map[queuestore.Ref]queuestore.Seq{}
	seen := map[queuestore.Ref]bool{}
	add := func(r queuestore.Ref) {
		if !seen[r] {
			seen[r] = true
			refs = append(refs, r)
		}
	}
	for _, c := range changes {
		switch c.Kind {
		case queuestore.ChangedOwner:
			if c.Ref.Kind == queuestore.ByNotifierService {
				if conn := t.nservices[smp.ServiceID(c.Ref.ID)]; conn != nil {
					t.endServiceLocked(conn)
				}
			} else if s := t.subscriptionLocked(c.Ref); s != nil {
				t.endLocked(s, smp.END{})
			}
			for _, cl := range t.claims[c.Ref] {
				cl.lost = true
			}
		case queuestore.ChangedQueue:
			wanted := c.Notify != 0 && len(t.nsubs)+len(t.nservices) > 0
			if wanted && notify[c.Ref] == 0 {
				notify[c.Ref] = c.Notify
			}
			if wanted || t.queues[c.Ref] != nil || t.subs[smp.RecipientID(c.Ref.ID)] != nil {
				add(c.Ref)
			}
		case queuestore.ChangedAny:
			all = true
			for _, q := range t.queues {
				add(recipientRef(q.rec.RecipientID))
			}
		}
	}
	return refs, notify, all
}

// refresh takes over what the store has of a queue. No update is under way.
func (s *Server) refresh(ctx context.Context, q *queue, e *queuestore.Entry) error {
	t := s.table
	for {
		t.mu.Lock()
		rec, gone, dead := q.rec, q.gone, q.dead
		t.mu.Unlock()
		if e == nil {
			t.mu.Lock()
			t.removeLocked(q)
			q.dead = true
			t.mu.Unlock()
			s.forget(*rec)
			return nil
		}
		if dead { // by an update that failed; reload comes
			return nil
		}
		// What was acknowledged here may still be in the store.
		acked := 0
		first, err := t.store.Next(ctx, e.Queue.Num, 0)
		for err == nil && first != nil && first.Seq <= gone {
			acked++
			first, err = t.store.Next(ctx, e.Queue.Num, first.Seq)
		}
		if err != nil {
			return err
		}
		t.mu.Lock()
		if q.gone == gone {
			q.size, q.full, q.head = e.Size-acked, e.Full && e.Size > acked, nil
			q.generation++
			if first != nil {
				q.gone = first.Seq - 1
			}
			s.replacedLocked(q, e.Queue, first)
			t.mu.Unlock()
			return nil
		}
		t.mu.Unlock() // something was acknowledged meanwhile
	}
}

// replacedLocked takes over a record, and tells the subscribers what follows
// from it.
func (s *Server) replacedLocked(q *queue, rec *queuestore.Queue, first *queuestore.Message) {
	t, old := s.table, q.rec
	t.replaceLocked(q, rec)
	if old.Notifier != nil && (rec.Notifier == nil || rec.Notifier.ID != old.Notifier.ID) {
		s.ntfs.endLocked(t, old.Notifier, nil)
	} else if old.Notifier != nil && old.Notifier.ServiceID != rec.Notifier.ServiceID {
		t.leaveServiceLocked(old.Notifier, smp.END{})
	}
	sub := t.subs[rec.RecipientID]
	if sub == nil {
		return
	}
	if rec.Status == queuestore.Blocked && old.Status != queuestore.Blocked {
		sub.conn.out.add(outItem{entity: sub.id, msg: smp.ERR{Err: smp.BlockedError(*rec.Blocking)}})
	}
	if sub.hasDelivered && (first == nil || first.Seq > sub.delivered) {
		sub.hasDelivered = false // it was acknowledged elsewhere
	}
	if q.size > 0 {
		t.offerLocked(rec.RecipientID)
	}
}

// forget ends the subscriptions of a queue that another relay has deleted.
func (s *Server) forget(rec queuestore.Queue) {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if sub := t.subs[rec.RecipientID]; sub != nil {
		t.endLocked(sub, smp.DELD{})
	}
	s.ntfs.endLocked(t, rec.Notifier, nil)
}

// notifyFrom notifies of a message that another relay has taken, if the
// notifier's subscriber is here.
func (s *Server) notifyFrom(ctx context.Context, rec *queuestore.Queue, seq queuestore.Seq) error {
	if seq == 0 || rec.Notifier == nil {
		return nil
	}
	s.table.mu.Lock()
	here := s.table.notifiedLocked(rec.Notifier.ID, rec.Notifier.ServiceID) != nil
	s.table.mu.Unlock()
	if !here {
		return nil
	}
	m, err := s.table.store.Next(ctx, rec.Num, seq-1)
	if err == nil && m != nil && m.Notify {
		s.foreign.add(foreignNtf{rec, m})
	}
	return err
}

// foreignNtf is a notification of a message that another relay has taken.
type foreignNtf struct {
	rec *queuestore.Queue
	m   *queuestore.Message
}

// foreignNtfs are those that wait for the other relays to know of them. They
// have them too, and forget them, so that a notification server that goes over
// to one of them does not get them again.
type foreignNtfs struct {
	mu   sync.Mutex
	list []foreignNtf
	wake chan struct{}
}

func (f *foreignNtfs) add(n foreignNtf) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) < maxNtfs {
		f.list = append(f.list, n)
	}
	signal(f.wake)
}

func (f *foreignNtfs) take() []foreignNtf {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.list
	f.list = nil
	return list
}

// notifyForeign tells the other relays, and then the notification servers.
func (s *Server) notifyForeign(ctx context.Context) {
	for {
		select {
		case <-s.foreign.wake:
		case <-ctx.Done():
			return
		}
		list := s.foreign.take()
		err := s.cfg.Store.Update(s.work, func(tx queuestore.Tx) error {
			for _, n := range list {
				tx.(queuestore.Claimer).Notified(n.rec.Notifier.ID, n.m.Seq)
			}
			return nil
		})
		if err != nil { // twice is better than not at all
			s.cfg.Logger.Warn("other relays may send notifications again", "err", err)
		}
		for _, n := range list {
			s.notify(n.rec, n.m)
		}
	}
}
