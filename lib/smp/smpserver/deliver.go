package smpserver

import (
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// subscribeLocked makes c the one that receives from the queue; who did
// before gets END. It is false if c may not have more subscriptions.
func (t *table) subscribeLocked(c *conn, id smp.EntityID, kind subKind) (*sub, bool) {
	var old *sub
	if kind == subRecipient {
		old = t.subs[smp.RecipientID(id)]
	} else {
		old = t.nsubs[smp.NotifierID(id)]
	}
	if old != nil && old.conn == c {
		return old, true
	}
	if c.gone || c.nsubs >= c.s.cfg.MaxSubscriptions {
		return nil, false
	}
	if old != nil {
		t.endLocked(old, smp.END{})
	}
	n := &sub{conn: c, id: id, kind: kind, next: c.subs}
	if n.next != nil {
		n.next.prev = n
	}
	c.subs = n
	c.nsubs++
	if kind == subRecipient {
		t.subs[smp.RecipientID(id)] = n
	} else {
		t.nsubs[smp.NotifierID(id)] = n
	}
	return n, true
}

// endLocked takes a subscription away and tells its connection why, unless
// msg is nil.
func (t *table) endLocked(s *sub, msg smp.Message) {
	if s.kind == subRecipient {
		delete(t.subs, smp.RecipientID(s.id))
	} else {
		delete(t.nsubs, smp.NotifierID(s.id))
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		s.conn.subs = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
	s.conn.nsubs--
	if msg != nil {
		s.conn.out.add(outItem{entity: s.id, msg: msg})
	}
}

// unsubscribeAll is the end of a connection.
func (c *conn) unsubscribeAll() {
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	c.gone = true
	for c.subs != nil {
		t.endLocked(c.subs, nil)
	}
	c.gets = nil
}

// subOfLocked is c's subscription to the queue, or what GET has left.
func (c *conn) subOfLocked(id smp.RecipientID) *sub {
	if s := c.s.table.subs[id]; s != nil && s.conn == c {
		return s
	}
	return c.gets[id]
}

// offerLocked lets the writer of a queue's subscriber look for a message.
func (t *table) offerLocked(id smp.RecipientID) {
	if s := t.subs[id]; s != nil && !s.hasDelivered && !s.queued {
		s.queued = true
		s.conn.out.add(outItem{entity: s.id})
	}
}

// pull takes the first message of a queue for its subscriber, who has not
// acknowledged the one before otherwise. Without a message the answer to a
// command is OK, and an event is nil.
func (c *conn) pull(it outItem) smp.Message {
	nothing := func() smp.Message {
		if it.corr == "" && !it.get {
			return nil
		}
		return smp.OK{}
	}
	found, err := c.s.table.find(c.s.work, []queuestore.Ref{{Kind: queuestore.ByRecipient, ID: it.entity}})
	if err != nil {
		c.s.cfg.Logger.Error("looking for a queue", "err", err)
		return c.failedPull(it)
	}
	q := found[0]
	if q == nil {
		return nothing()
	}
	defer c.s.table.unpin(q)
	m, rec, err := c.takeHead(q, it)
	if err != nil {
		c.s.cfg.Logger.Error("reading a message", "err", err)
		return c.failedPull(it)
	}
	if m == nil {
		return nothing()
	}
	msg, err := seal(rec, m)
	if err != nil {
		c.s.cfg.Logger.Error("encrypting a message", "err", err)
		return c.failedPull(it)
	}
	c.s.stats.delivered.Add(1)
	return msg
}

// failedPull is the answer if the store failed: an error to a command. In an
// event it is an error as well, so that the client subscribes again.
func (c *conn) failedPull(outItem) smp.Message { return smp.ERR{Err: smp.ErrInternal} }

// takeHead gives the first message and notes that it is delivered.
func (c *conn) takeHead(q *queue, it outItem) (*queuestore.Message, *queuestore.Queue, error) {
	t := c.s.table
	for {
		t.mu.Lock()
		s := c.subOfLocked(smp.RecipientID(it.entity))
		if s != nil && !it.get && it.corr == "" {
			s.queued = false
		}
		if s == nil || (s.kind == subGet) != it.get || s.hasDelivered || q.dead || q.size == 0 ||
			q.rec.Status == queuestore.Blocked {
			t.mu.Unlock()
			return nil, nil, nil
		}
		m, rec, gone := q.head, q.rec, q.gone
		if m != nil {
			if !q.ready {
				m = nil
			} else {
				s.delivered, s.deliveredID, s.hasDelivered = m.Seq, m.ID, true
			}
			t.mu.Unlock()
			return m, rec, nil
		}
		t.mu.Unlock()

		m, err := t.store.Next(c.s.work, rec.Num, gone)
		if m == nil || err != nil {
			return nil, nil, err
		}
		t.mu.Lock()
		if q.gone == gone && q.head == nil && !q.dead {
			q.head, q.ready = m, true
		}
		t.mu.Unlock()
	}
}

// seal encrypts a message for the recipient.
func seal(rec *queuestore.Queue, m *queuestore.Message) (smp.Message, error) {
	k, err := box.NewKey(rec.Secret[:])
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	body, err := smp.SealMsg(k, m.ID, smp.RcvBody{
		Time: m.Time, Flags: smp.MsgFlags{Notify: m.Notify}, Body: m.Body, Quota: m.Quota})
	if err != nil {
		return nil, err
	}
	return smp.MSG{ID: m.ID, Body: body}, nil
}
