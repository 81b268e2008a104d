package smpserver

import (
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// subscribeNotifier is NSUB. In a service's session the notifier becomes
// associated with the service, in another it is no longer.
// smp: Subscribe to queue notifications
func (c *conn) subscribeNotifier(g *group, r request) {
	n := c.s.table.record(r.q).Notifier
	if n == nil || smp.EntityID(n.ID) != r.EntityID {
		c.fail(r, smp.ErrAuth)
		return
	}
	var id smp.ServiceID
	if c.service != nil {
		id = c.service.ServiceID
	}
	cls := claims{c.claim(queuestore.ByNotifier, r.EntityID)}
	if id != "" {
		cls = append(cls, c.claim(queuestore.ByNotifierService, smp.EntityID(id)))
	}
	if n.ServiceID == id {
		g.afterClaims(r, cls, func() { c.subscribeNotifications(r, id, false) })
		return
	}
	ch := &change{
		edit: func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
			if rec.Notifier == nil || smp.EntityID(rec.Notifier.ID) != r.EntityID {
				return smp.ErrAuth
			}
			n := *rec.Notifier
			n.ServiceID = id
			rec.Notifier = &n
			return nil
		},
		then: func(tx queuestore.Tx, _ *queuestore.Queue) error { return cls.apply(tx) },
	}
	g.change(r, ch, func() smp.Message {
		c.s.table.mu.Lock()
		c.s.table.leaveServiceLocked(ch.old.Notifier, smp.END{})
		c.s.table.mu.Unlock()
		c.subscribeNotifications(r, id, true)
		cls.subscribed(c)
		return nil
	})
	last := &g.steps[len(g.steps)-1]
	last.failed = func() {
		ch.failed(c.s)
		cls.failed()
	}
}

// subscribeNotifications subscribes and answers. associated tells that the
// notifier has just become one of the service's.
func (c *conn) subscribeNotifications(r request, service smp.ServiceID, associated bool) {
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	n := r.q.rec.Notifier
	if r.q.dead || n == nil || smp.EntityID(n.ID) != r.EntityID || n.ServiceID != service {
		c.fail(r, smp.ErrAuth)
		return
	}
	if service == "" {
		if _, ok := t.subscribeLocked(c, r.EntityID, subNotifier); !ok {
			c.fail(r, smp.ErrQuota)
			return
		}
	} else {
		if s := t.nsubs[n.ID]; s != nil {
			t.endLocked(s, smp.END{})
		}
		t.serveLocked(c)
		if associated || c.served == 0 {
			c.served++
		}
	}
	if w := c.s.ntfs.pending[n.ID]; w != nil {
		w.service = service
	}
	c.reply(r, smp.SOK{ServiceID: service})
	c.s.offerNtfLocked(n.ID)
}

// subscribeService is NSUBS: the connection gets the notifications of all
// queues of its service, in place of another one that did.
// smp: Subscribe to multiple queue notifications
func (c *conn) subscribeService(g *group, r request) {
	g.commit() // associations are counted
	t, id := c.s.table, c.service.ServiceID
	t.mu.Lock()
	count, all := c.served, c.servesAll
	t.mu.Unlock()
	if all {
		c.reply(r, smp.SOKS{Count: count})
		return
	}
	count, err := c.s.cfg.Store.NotifierQueues(c.s.work, id)
	if err != nil {
		c.s.cfg.Logger.Error("counting a service's queues", "err", err)
		c.fail(r, storeError(err))
		return
	}
	g.afterClaims(r, claims{c.claim(queuestore.ByNotifierService, smp.EntityID(id))}, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.serveLocked(c)
		c.served, c.servesAll = count, true
		c.reply(r, smp.SOKS{Count: count})
		for nid, w := range c.s.ntfs.pending {
			if w.service == id {
				c.s.offerNtfLocked(nid)
			}
		}
	})
}

// serveLocked makes c the connection of its service; who was before gets ENDS.
func (t *table) serveLocked(c *conn) {
	id := c.service.ServiceID
	old := t.nservices[id]
	if old == c || c.gone {
		return
	}
	if old != nil {
		t.endServiceLocked(old)
	}
	t.nservices[id] = c
}

// endServiceLocked takes its service from a connection, if it has one, and
// tells it. smp: Service subscription END notification
func (t *table) endServiceLocked(c *conn) {
	if id := c.service.ServiceID; t.nservices[id] == c {
		delete(t.nservices, id)
		c.out.add(outItem{entity: smp.EntityID(id), msg: smp.ENDS{Count: c.served}})
	}
	c.served, c.servesAll = 0, false
}

// leaveServiceLocked tells the connection of a notifier's service, if it has
// any, that the notifier is no longer one of the service's.
func (t *table) leaveServiceLocked(n *queuestore.Notifier, msg smp.Message) {
	if n == nil || n.ServiceID == "" {
		return
	}
	if c := t.nservices[n.ServiceID]; c != nil {
		c.served = max(0, c.served-1)
		c.out.add(outItem{entity: smp.EntityID(n.ID), msg: msg})
	}
}
