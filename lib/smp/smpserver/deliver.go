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
	if q := t.queues[recipientRef(smp.RecipientID(s.id))]; q != nil {
		q.head = nil
	}
	if msg != nil {
		s.conn.out.add(outItem{entity: s.id, msg: msg})
	}
}

func (t *table) subscriptions(c *conn) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.nsubs
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
	if c.service != nil && t.nservices[c.service.ServiceID] == c {
		delete(t.nservices, c.service.ServiceID)
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

// pull takes what an item asks for: the first message of a queue for its
// subscriber, who has acknowledged the one before. Without a message the
// answer to a command is OK, and an event is nil.
func (c *conn) pull(it outItem) smp.Message {
	if it.pull == pullNtf {
		return c.pullNtf(it)
	}
	m, rec, err := c.takeHead(it)
	var msg smp.Message
	if err == nil && m != nil {
		msg, err = seal(rec, m)
	}
	switch {
	case err != nil:
		// In an event too it lets the client subscribe again.
		c.s.cfg.Logger.Error("reading a message", "err", err)
		return smp.ERR{Err: smp.ErrInternal}
	case m != nil:
		c.s.stats.delivered.Add(1)
		return msg
	case it.pull == pullEvent:
		return nil
	}
	return smp.OK{}
}

// takeHead gives the first message and notes that it is delivered.
func (c *conn) takeHead(it outItem) (*queuestore.Message, *queuestore.Queue, error) {
	t := c.s.table
	found, err := t.find(c.s.work, []queuestore.Ref{{Kind: queuestore.ByRecipient, ID: it.entity}})
	if err != nil || found[0] == nil {
		return nil, nil, err
	}
	q := found[0]
	defer t.unpin(q)
	var read *queuestore.Message // from the store, the first after gone
	var gone queuestore.Seq
	for {
		t.mu.Lock()
		s := c.subOfLocked(smp.RecipientID(it.entity))
		if s != nil && it.pull == pullEvent {
			s.queued = false
		}
		if s == nil || (s.kind == subGet) != (it.pull == pullGet) || s.hasDelivered ||
			q.dead || q.size == 0 || q.rec.Status == queuestore.Blocked || q.head != nil && !q.ready {
			t.mu.Unlock()
			return nil, nil, nil
		}
		m, rec := q.head, q.rec
		if m == nil && read != nil && gone == q.gone {
			m = read
		}
		if m != nil {
			q.head = nil // memory holds no message that was delivered
			s.delivered, s.deliveredID, s.hasDelivered = m.Seq, m.ID, true
			t.mu.Unlock()
			return m, rec, nil
		}
		gone = q.gone
		t.mu.Unlock()
		if read, err = t.store.Next(c.s.work, rec.Num, gone); read == nil || err != nil {
			return nil, nil, err
		}
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
