package smpserver

import (
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// Limits of notifications that wait for a notification server, which are in
// memory only: they ask somebody to look, and one is as good as many.
const (
	maxNtfsOfQueue = 4
	maxNtfs        = 100_000
	ntfTTL         = 24 * time.Hour
)

// ntfs are the notifications that wait. Guarded by table.mu.
type ntfs struct {
	pending map[smp.NotifierID]*waiting
	count   int
}

// waiting are the notifications of one notifier, at least one.
type waiting struct {
	service smp.ServiceID // whose connection gets them; or empty
	list    []ntf
	told    uint64 // conn.no of the connection whose writer was told to look
}

type ntf struct {
	smp.NMSG
	seq queuestore.Seq // of the message
	at  int64          // Unix time
}

func (n *ntfs) init() { n.pending = map[smp.NotifierID]*waiting{} }

func (n *ntfs) addLocked(id smp.NotifierID, service smp.ServiceID, m ntf) {
	for n.count >= maxNtfs {
		for victim := range n.pending {
			n.deleteLocked(victim)
			break
		}
	}
	w := n.pending[id]
	if w == nil {
		w = &waiting{}
		n.pending[id] = w
	}
	w.service = service
	w.list = append(w.list, m)
	n.count++
	if len(w.list) > maxNtfsOfQueue {
		w.list = append(w.list[:0], w.list[1:]...)
		n.count--
	}
}

func (n *ntfs) takeLocked(id smp.NotifierID, w *waiting) smp.NMSG {
	m := w.list[0].NMSG
	w.list = append(w.list[:0], w.list[1:]...)
	n.count--
	if len(w.list) == 0 {
		delete(n.pending, id)
	}
	return m
}

// dropLocked forgets the notifications of messages up to a number, which
// another relay sends.
func (n *ntfs) dropLocked(id smp.NotifierID, upTo queuestore.Seq) {
	w := n.pending[id]
	if w == nil {
		return
	}
	all := len(w.list)
	w.list = slices.DeleteFunc(w.list, func(m ntf) bool { return m.seq <= upTo })
	n.count -= all - len(w.list)
	if len(w.list) == 0 {
		delete(n.pending, id)
	}
}

func (n *ntfs) deleteLocked(id smp.NotifierID) {
	if w := n.pending[id]; w != nil {
		n.count -= len(w.list)
		delete(n.pending, id)
	}
}

// expireNtfs forgets notifications that nobody has asked for in time.
func (s *Server) expireNtfs() {
	before := s.cfg.Now().Add(-ntfTTL).Unix()
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for id, w := range s.ntfs.pending {
		if w.list[len(w.list)-1].at < before {
			s.ntfs.deleteLocked(id)
		}
	}
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
	t.leaveServiceLocked(notifier, smp.DELD{})
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
	s.ntfs.addLocked(rec.Notifier.ID, rec.Notifier.ServiceID,
		ntf{smp.NMSG{Nonce: nonce, Meta: meta}, m.Seq, s.cfg.Now().Unix()})
	s.offerNtfLocked(rec.Notifier.ID)
}

// notifiedLocked is the connection that a notifier's notifications go to, or
// nil.
func (t *table) notifiedLocked(id smp.NotifierID, service smp.ServiceID) *conn {
	if s := t.nsubs[id]; s != nil {
		return s.conn
	}
	if service == "" {
		return nil
	}
	return t.nservices[service]
}

// offerNtfLocked lets the writer of a notifier's subscriber look.
func (s *Server) offerNtfLocked(id smp.NotifierID) {
	w := s.ntfs.pending[id]
	if w == nil {
		return
	}
	if c := s.table.notifiedLocked(id, w.service); c != nil && w.told != c.no {
		w.told = c.no
		c.out.add(outItem{entity: smp.EntityID(id), pull: pullNtf})
	}
}

func (c *conn) pullNtf(it outItem) smp.Message {
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	id := smp.NotifierID(it.entity)
	w := c.s.ntfs.pending[id]
	if w == nil || w.told != c.no {
		return nil
	}
	w.told = 0
	if t.notifiedLocked(id, w.service) != c {
		return nil
	}
	m := c.s.ntfs.takeLocked(id, w)
	c.s.offerNtfLocked(id)
	c.s.stats.notified.Add(1)
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
