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

// delivery is a message that has been taken for a connection.
type delivery struct {
	m   *queuestore.Message
	rec *queuestore.Queue
	own bool // nobody else has m
}

// pull takes what an item asks for: the first message of a queue for its
// subscriber, who has acknowledged the one before. Without a message the
// answer to a command is OK, and an event is nil.
func (c *conn) pull(it outItem) (smp.Message, delivery) {
	if it.pull == pullNtf {
		return c.pullNtf(it), delivery{}
	}
	d, err := c.takeHead(it)
	switch {
	case err != nil:
		return c.unread(err), delivery{}
	case d.m != nil:
		return nil, d
	case it.pull == pullEvent:
		return nil, delivery{}
	}
	return smp.OK{}, delivery{}
}

// unread is the answer when a message cannot be read; as an event too, so
// that the client subscribes again.
func (c *conn) unread(err error) smp.Message {
	c.s.cfg.Logger.Error("reading a message", "err", err)
	return smp.ERR{Err: smp.ErrInternal}
}

// encode encrypts the message for the recipient, in the memory of buf.
func (d delivery) encode(c *conn, it outItem, buf []byte) (smp.Item, error) {
	k, err := box.NewKey(d.rec.Secret[:])
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	item, err := c.p.EncodeSealed(buf, it.corr, it.entity, k, d.m.ID, smp.RcvBody{
		Time: d.m.Time, Flags: smp.MsgFlags{Notify: d.m.Notify}, Body: d.m.Body, Quota: d.m.Quota})
	if d.own {
		putBody(d.m)
	}
	return item, err
}

// takeHead gives the first message and notes that it is delivered.
func (c *conn) takeHead(it outItem) (none delivery, err error) {
	t := c.s.table
	found, err := t.find(c.s.work, []queuestore.Ref{{Kind: queuestore.ByRecipient, ID: it.entity}})
	if err != nil || found[0] == nil {
		return none, err
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
			return none, nil
		}
		d := delivery{q.head, q.rec, q.head != nil}
		if d.m == nil && read != nil && gone == q.gone {
			d.m = read
		}
		if d.m != nil {
			q.head = nil // memory holds no message that was delivered
			s.delivered, s.deliveredID, s.hasDelivered = d.m.Seq, d.m.ID, true
			t.mu.Unlock()
			return d, nil
		}
		num := q.rec.Num
		gone = q.gone
		t.mu.Unlock()
		if read, err = t.store.Next(c.s.work, num, gone); read == nil || err != nil {
			return none, err
		}
	}
}
