package smpserver

import (
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// Limits of notifications that wait for a notification server, which are in
// memory only: they ask somebody to look, and one is as good as many.
const (
	maxNtfsOfQueue = 4
	maxNtfs        = 100_000
)

// ntfs are the notifications that wait. Guarded by table.mu.
type ntfs struct {
	pending map[smp.NotifierID][]smp.NMSG
	count   int
}

func (n *ntfs) init() { n.pending = map[smp.NotifierID][]smp.NMSG{} }

func (n *ntfs) addLocked(id smp.NotifierID, m smp.NMSG) {
	for n.count >= maxNtfs {
		for victim := range n.pending {
			n.deleteLocked(victim)
			break
		}
	}
	list := append(n.pending[id], m)
	n.count++
	if len(list) > maxNtfsOfQueue {
		list = append(list[:0], list[1:]...)
		n.count--
	}
	n.pending[id] = list
}

func (n *ntfs) takeLocked(id smp.NotifierID) (m smp.NMSG, more bool) {
	list := n.pending[id]
	m, list = list[0], append(list[:0], list[1:]...)
	n.count--
	if len(list) == 0 {
		delete(n.pending, id)
		return m, false
	}
	n.pending[id] = list
	return m, true
}

func (n *ntfs) deleteLocked(id smp.NotifierID) {
	n.count -= len(n.pending[id])
	delete(n.pending, id)
}

// endLocked forgets a notifier, if any, and tells its subscriber.
func (n *ntfs) endLocked(t *table, notifier *queuestore.Notifier, by *conn) {
	if notifier == nil {
		return
	}
	n.deleteLocked(notifier.ID)
	if s := t.nsubs[notifier.ID]; s != nil {
		t.endLocked(s, deletedFor(s, by))
	}
}

// notify makes a notification of a message and lets the notifier's
// subscriber have it. smp: Deliver message notification
func (s *Server) notify(rec *queuestore.Queue, m *queuestore.Message) {
	k, err := box.NewKey(rec.Notifier.Secret[:])
	if err != nil {
		s.cfg.Logger.Error("encrypting a notification", "err", err)
		return
	}
	defer k.Wipe()
	nonce := box.NewNonce()
	meta, err := smp.SealNMsgMeta(k, nonce, smp.NMsgMeta{ID: m.ID, Time: m.Time})
	if err != nil {
		s.cfg.Logger.Error("encrypting a notification", "err", err)
		return
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.ntfs.addLocked(rec.Notifier.ID, smp.NMSG{Nonce: nonce, Meta: meta})
	s.offerNtfLocked(rec.Notifier.ID)
}

func (s *Server) offerNtfLocked(id smp.NotifierID) {
	if sub := s.table.nsubs[id]; sub != nil && !sub.queued && len(s.ntfs.pending[id]) > 0 {
		sub.queued = true
		sub.conn.out.add(outItem{entity: sub.id, pull: pullNtf})
	}
}

func (c *conn) pullNtf(it outItem) smp.Message {
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	id := smp.NotifierID(it.entity)
	sub := t.nsubs[id]
	if sub == nil || sub.conn != c {
		return nil
	}
	sub.queued = false
	if len(c.s.ntfs.pending[id]) == 0 {
		return nil
	}
	m, more := c.s.ntfs.takeLocked(id)
	if more {
		c.s.offerNtfLocked(id)
	}
	return m
}

// enableNotifications is NKEY. smp: Enable notifications command
func (c *conn) enableNotifications(g *group, r request, cmd smp.NKEY) {
	notifier, pub, ok := newNotifier(cmd.NtfReq)
	if !ok {
		c.fail(r, smp.ErrSyntax)
		return
	}
	ch := &change{edit: func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
		rec.Notifier = notifier
		return nil
	}}
	g.change(r, ch, func() smp.Message {
		c.notifierGone(ch)
		return smp.NID{NtfIDs: smp.NtfIDs{NotifierID: notifier.ID, DHKey: pub}}
	})
}

// disableNotifications is NDEL. smp: Disable notifications command
func (c *conn) disableNotifications(g *group, r request) {
	ch := &change{edit: func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
		if rec.Notifier == nil {
			return errUnchanged
		}
		rec.Notifier = nil
		return nil
	}}
	g.change(r, ch, func() smp.Message {
		c.notifierGone(ch)
		return smp.OK{}
	})
}

func (c *conn) notifierGone(ch *change) {
	c.s.table.mu.Lock()
	defer c.s.table.mu.Unlock()
	c.s.ntfs.endLocked(c.s.table, ch.old.Notifier, c)
}

// subscribeNotifications is NSUB. smp: Subscribe to queue notifications
func (c *conn) subscribeNotifications(r request) {
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.q.dead || r.q.rec.Notifier == nil || smp.EntityID(r.q.rec.Notifier.ID) != r.EntityID {
		c.fail(r, smp.ErrAuth)
		return
	}
	if _, ok := t.subscribeLocked(c, r.EntityID, subNotifier); !ok {
		c.fail(r, smp.ErrQuota)
		return
	}
	c.reply(r, smp.SOK{})
	c.s.offerNtfLocked(smp.NotifierID(r.EntityID))
}
