package smpserver

import (
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// subscribeAs is SUB. In a service's session the queue becomes associated
// with the service, in another it is no longer.
func (c *conn) subscribeAs(g *group, r request) {
	var id smp.ServiceID
	if c.service != nil {
		id = c.service.ServiceID
	}
	if c.s.table.record(r.q).ServiceID == id {
		g.claimed(r, queuestore.ByRecipient, func() { c.subscribe(r, id) })
		return
	}
	cl := c.claim(queuestore.ByRecipient, r.EntityID)
	ch := &change{
		edit: func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
			rec.ServiceID = id
			return nil
		},
		then: func(tx queuestore.Tx, _ *queuestore.Queue) error { return cl.apply(tx) },
	}
	g.change(r, ch, func() smp.Message {
		c.subscribe(r, id)
		cl.subscribed(c)
		return nil
	})
	last := &g.steps[len(g.steps)-1]
	last.failed = func() {
		ch.failed(c.s)
		cl.failed()
	}
}

// subscribe is SUB: the answer, and then the first message as an event.
// smp: Subscribe to queue
func (c *conn) subscribe(r request, service smp.ServiceID) {
	id := smp.RecipientID(r.EntityID)
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.gets[id] != nil {
		c.fail(r, smp.ErrProhibited)
		return
	}
	if r.q.dead {
		c.fail(r, smp.ErrAuth)
		return
	}
	s, ok := t.subscribeLocked(c, r.EntityID, subRecipient)
	if !ok {
		c.fail(r, smp.ErrQuota)
		return
	}
	s.hasDelivered = false // what was not acknowledged comes again
	c.reply(r, smp.SOK{ServiceID: service})
	if r.q.size > 0 {
		t.offerLocked(id)
	}
}

// get is GET: the first message, without a subscription. smp: Get message command
func (c *conn) get(r request) {
	id := smp.RecipientID(r.EntityID)
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.subs[id]; s != nil && s.conn == c {
		c.fail(r, smp.ErrProhibited)
		return
	}
	s := c.gets[id]
	if s == nil {
		if len(c.gets) >= c.s.cfg.MaxSubscriptions {
			c.fail(r, smp.ErrQuota)
			return
		}
		if c.gets == nil {
			c.gets = map[smp.RecipientID]*sub{}
		}
		s = &sub{conn: c, id: r.EntityID, kind: subGet}
		c.gets[id] = s
	}
	s.hasDelivered = false
	c.out.add(outItem{corr: r.CorrID, entity: r.EntityID, pull: pullGet})
}

// acknowledge is ACK: the answer is the next message or OK. An empty ID
// delivers the same message again. smp: Acknowledge message delivery
func (c *conn) acknowledge(r request, cmd smp.ACK) {
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	q := r.q
	s := c.subOfLocked(smp.RecipientID(r.EntityID))
	if s == nil || !s.hasDelivered || cmd.ID != "" && cmd.ID != s.deliveredID {
		c.fail(r, smp.ErrNoMsg)
		return
	}
	s.hasDelivered = false
	if cmd.ID != "" && s.delivered > q.gone && !q.dead {
		q.removeLocked(s.delivered)
		c.s.acks.addLocked(q, s.delivered)
		c.s.stats.acked.Add(1)
	}
	if s.kind == subGet || q.size == 0 {
		c.reply(r, smp.OK{})
		return
	}
	c.out.add(outItem{corr: r.CorrID, entity: r.EntityID, pull: pullAnswer})
}

// removeLocked forgets the first message.
func (q *queue) removeLocked(seq queuestore.Seq) {
	q.gone = seq
	if q.size > 0 { // it is not if another relay has deleted the message
		q.size--
	}
	if q.head != nil && q.head.Seq <= seq {
		q.head = nil
	}
	if q.size == 0 {
		q.full = false
	}
}

// sending is a SEND on its way to the store.
type sending struct {
	c    *conn
	r    request
	m    *queuestore.Message
	unlk *change // removes the link of a queue that has come into use

	senderKey key.Public // that the command was checked with

	err        *smp.Error
	stored     bool
	quota      bool // the marker was stored, m was not
	generation int  // of the queue's size
}

// sendMessage is SEND. smp: Send message
func (c *conn) sendMessage(g *group, r request, cmd smp.SEND) {
	if len(cmd.Body) > smp.MaxBody(r.p.Version) {
		c.fail(r, smp.ErrLargeMsg)
		return
	}
	s := &sending{c: c, r: r, m: &queuestore.Message{
		ID: newID[smp.MsgID](), Time: c.s.cfg.Now().Truncate(time.Second).UTC(),
		Notify: cmd.Flags.Notify, Body: cloneBody(cmd.Body)}}
	rec := c.s.table.record(r.q)
	s.senderKey = rec.SenderKey
	if rec.LinkID != "" && isSecuredMessaging(rec) {
		s.unlk = &change{q: r.q, edit: removeLink}
	}
	g.add(step{req: r, apply: s.apply, after: s.committed, failed: s.failed})
}

// apply decides whether there is room, and stores the message or the marker.
// Updates run one after another, so the messages of a queue have the order of
// their commits.
func (s *sending) apply(tx queuestore.Tx) error {
	if !s.reserve() {
		return nil
	}
	if s.unlk != nil {
		if err := s.unlk.apply(s.c.s.table)(tx); err != nil {
			return err
		}
	}
	t := s.c.s.table
	t.mu.Lock()
	num := s.r.q.rec.Num
	t.mu.Unlock()
	if err := tx.AddMessage(num, s.m); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	q := s.r.q
	if q.size == 1 {
		// The only one: the subscriber need not read it from the store.
		if sub := t.subs[q.rec.RecipientID]; sub != nil && !sub.hasDelivered {
			q.head, q.ready = s.m, false
		}
	}
	return nil
}

// reserve counts the message in; it is false with the answer in s.err.
func (s *sending) reserve() bool {
	t := s.c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	q := s.r.q
	switch {
	case q.dead || q.rec.Status == queuestore.Off || q.rec.SenderKey != s.senderKey:
		s.err = smp.ErrAuth
		return false
	case q.rec.Status == queuestore.Blocked:
		s.err = smp.BlockedError(*q.rec.Blocking)
		return false
	case q.full:
		s.err = smp.ErrQuota
		return false
	}
	if q.size >= s.c.s.cfg.Quota {
		s.err, s.quota, q.full = smp.ErrQuota, true, true
		s.m.Quota, s.m.Notify, s.m.Body = true, false, []byte{}
	}
	q.size++
	s.stored, s.generation = true, q.generation
	return true
}

// committed lets the recipient have the message.
func (s *sending) committed() smp.Message {
	srv := s.c.s
	if s.stored {
		t := srv.table
		t.mu.Lock()
		q := s.r.q
		if q.head == s.m {
			q.ready = true
		} else { // its recipient will read it from the store
			putBody(s.m)
		}
		t.offerLocked(q.rec.RecipientID)
		rec := q.rec
		t.mu.Unlock()
		if s.m.Notify && rec.Notifier != nil {
			srv.notify(rec, s.m)
		}
	}
	if s.err != nil {
		if s.err == smp.ErrQuota {
			srv.stats.quotaExceeded.Add(1)
		}
		return smp.ERR{Err: s.err}
	}
	srv.stats.sent.Add(1)
	return smp.OK{}
}

// failed takes reserve back.
func (s *sending) failed() {
	t := s.c.s.table
	t.mu.Lock()
	if q := s.r.q; s.stored && s.generation == q.generation {
		q.size--
		if q.head == s.m {
			q.head = nil
		}
		if s.quota {
			q.full = false
		}
	}
	t.mu.Unlock()
	if s.unlk != nil {
		s.unlk.failed(s.c.s)
	}
}
