package smpserver

import (
	"crypto/rand"
	"errors"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// idSize is that of the relay's random IDs, in bytes.
const idSize = 24

func newID[T ~string]() T {
	b := make([]byte, idSize)
	_, _ = rand.Read(b) // crypto/rand.Read never returns an error
	return T(b)
}

// command runs a command that was checked: it answers, or adds a step to the
// group, which answers after the commit.
func (c *conn) command(g *group, r request) {
	switch cmd := r.Command.(type) {
	case smp.PING:
		c.out.add(outItem{corr: r.CorrID, msg: smp.PONG{}})
	case smp.NEW:
		c.create(g, r, cmd)
	case smp.SUB:
		c.subscribeAs(g, r)
	case smp.SEND:
		c.sendMessage(g, r, cmd)
	case smp.ACK:
		c.acknowledge(r, cmd)
	case smp.GET:
		c.get(r)
	case smp.KEY:
		g.change(r, &change{edit: secure(cmd.Key)}, nil)
	case smp.SKEY:
		g.change(r, &change{edit: secure(cmd.Key)}, nil)
	case smp.RKEY:
		g.change(r, &change{edit: setRecipientKeys(cmd.Keys)}, nil)
	case smp.OFF:
		g.change(r, &change{edit: suspend}, nil)
	case smp.DEL:
		c.deleteQueue(g, r)
	case smp.QUE:
		c.queueInfo(r)
	case smp.LSET:
		c.setLink(g, r, cmd)
	case smp.LDEL:
		g.change(r, &change{edit: removeLink}, nil)
	case smp.LGET:
		c.getLink(r)
	case smp.LKEY:
		c.secureByLink(g, r, cmd)
	case smp.NKEY:
		c.enableNotifications(g, r, cmd)
	case smp.NDEL:
		c.disableNotifications(g, r)
	case smp.NSUB:
		c.subscribeNotifier(g, r)
	case smp.NSUBS:
		c.subscribeService(g, r)
	case smp.PRXY:
		c.proxySession(g, r, cmd)
	case smp.PFWD:
		c.proxyForward(g, r, cmd)
	default: // SUBS: up to version 18 services subscribe to queues one by one
		c.fail(r, smp.ErrProhibited)
	}
}

// create runs NEW. smp: Create queue command
func (c *conn) create(g *group, r request, cmd smp.NEW) {
	cfg := &c.s.cfg
	if cfg.NoNewQueues || !c.s.mayCreate(cmd.BasicAuth) {
		c.fail(r, smp.ErrAuth)
		return
	}
	if r.service != nil && cmd.Create {
		c.fail(r, smp.ErrProhibited)
		return
	}
	if c.newQueues >= cfg.MaxCreated || !cmd.Create && c.s.table.subscriptions(c) >= cfg.MaxSubscriptions {
		c.fail(r, smp.ErrQuota)
		return
	}
	rec, ids, link, perr := c.newRecord(r, cmd)
	if perr != nil {
		c.fail(r, perr)
		return
	}
	c.newQueues++
	chosen := cmd.Queue != nil && cmd.Queue.Data != nil // the client chose an ID
	var err error
	g.add(step{
		req: r,
		apply: func(tx queuestore.Tx) error {
			for range 3 {
				if err = tx.AddQueue(rec, link); !errors.Is(err, queuestore.ErrDuplicate) {
					return err
				}
				if chosen {
					return nil // answered with AUTH
				}
				rec.RecipientID, rec.SenderID = newID[smp.RecipientID](), newID[smp.SenderID]()
				if rec.Notifier != nil {
					rec.Notifier.ID = newID[smp.NotifierID]()
				}
			}
			return nil
		},
		failed: func() {},
		after: func() smp.Message {
			if err != nil {
				return smp.ERR{Err: smp.ErrAuth}
			}
			c.created(r, rec, ids, !cmd.Create)
			return nil
		},
	})
}

// newRecord makes the record and its part of the answer.
func (c *conn) newRecord(r request, cmd smp.NEW) (*queuestore.Queue, smp.IDS, smp.LinkData, *smp.Error) {
	var link smp.LinkData
	rec := &queuestore.Queue{
		RecipientID: newID[smp.RecipientID](), SenderID: newID[smp.SenderID](),
		RecipientKeys: []key.Public{cmd.AuthKey},
	}
	ids := smp.IDS{}
	var ok bool
	if ids.DHKey, rec.Secret, ok = agree(cmd.DHKey); !ok {
		return nil, ids, link, smp.ErrSyntax
	}
	if q := cmd.Queue; q != nil {
		rec.Mode = q.Mode
		if q.Data != nil {
			// An ID that follows from the request cannot be used to find out
			// whether a queue exists.
			if q.Data.SenderID != smp.SenderIDFrom(r.CorrID) {
				return nil, ids, link, smp.ErrProhibited
			}
			rec.SenderID, link = q.Data.SenderID, cloneLink(q.Data.Data)
			if rec.LinkID = q.Data.LinkID; q.Mode == smp.Messaging {
				rec.LinkID = newID[smp.LinkID]()
			}
			if rec.LinkID == "" {
				return nil, ids, link, smp.ErrSyntax
			}
		}
	}
	if n := cmd.NtfCreds; n != nil {
		ntf, pub, ok := newNotifier(*n)
		if !ok {
			return nil, ids, link, smp.ErrSyntax
		}
		rec.Notifier, ids.NtfCreds = ntf, &smp.NtfIDs{DHKey: pub}
	}
	if r.service != nil {
		rec.ServiceID = r.service.ServiceID
	}
	return rec, ids, link, nil
}

// agree makes a key pair and the DH of it with the client's key. It is false
// for a key of low order.
func agree(client key.X25519Public) (pub key.X25519Public, secret [32]byte, ok bool) {
	k := key.GenerateX25519()
	defer k.Wipe()
	b, err := k.DH(client)
	copy(secret[:], b)
	return k.Public(), secret, err == nil
}

func newNotifier(n smp.NtfReq) (*queuestore.Notifier, key.X25519Public, bool) {
	pub, secret, ok := agree(n.DHKey)
	return &queuestore.Notifier{ID: newID[smp.NotifierID](), Key: n.AuthKey, Secret: secret}, pub, ok
}

// created makes a new queue known, subscribes and answers.
func (c *conn) created(r request, rec *queuestore.Queue, ids smp.IDS, subscribe bool) {
	c.s.stats.created.Add(1)
	ids.RecipientID, ids.SenderID, ids.Mode = rec.RecipientID, rec.SenderID, rec.Mode
	ids.LinkID, ids.ServiceID = rec.LinkID, rec.ServiceID
	if ids.NtfCreds != nil {
		ids.NtfCreds.NotifierID = rec.Notifier.ID
	}
	t := c.s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queues[recipientRef(rec.RecipientID)] == nil {
		t.addLocked(&queue{rec: rec})
	}
	c.reply(r, ids)
	if subscribe {
		t.subscribeLocked(c, smp.EntityID(rec.RecipientID), subRecipient)
	}
}

// secure is KEY and SKEY. smp: Secure queue by recipient; Secure queue by sender
func secure(k key.Public) func(queuestore.Tx, *queuestore.Queue) *smp.Error {
	return func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
		switch rec.SenderKey {
		case nil:
			rec.SenderKey = k
			return nil
		case k:
			return errUnchanged
		}
		return smp.ErrAuth
	}
}

// setRecipientKeys is RKEY. smp: Add recipient keys
func setRecipientKeys(keys []key.Public) func(queuestore.Tx, *queuestore.Queue) *smp.Error {
	return func(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
		if rec.Mode != smp.Contact {
			return smp.ErrAuth
		}
		rec.RecipientKeys = keys
		return nil
	}
}

// suspend is OFF. What the operator has blocked stays so. smp: Suspend queue
func suspend(_ queuestore.Tx, rec *queuestore.Queue) *smp.Error {
	if rec.Status != queuestore.Active {
		return errUnchanged
	}
	rec.Status = queuestore.Off
	return nil
}

// deleteQueue is DEL. smp: Delete queue
func (c *conn) deleteQueue(g *group, r request) {
	ch := &change{deletes: true, edit: func(tx queuestore.Tx, rec *queuestore.Queue) *smp.Error {
		if err := tx.DeleteQueue(rec.Num); err != nil {
			return smp.ErrInternal
		}
		return nil
	}}
	g.change(r, ch, func() smp.Message {
		t := c.s.table
		t.mu.Lock()
		defer t.mu.Unlock()
		if s := t.subs[ch.old.RecipientID]; s != nil {
			t.endLocked(s, deletedFor(s, c))
		}
		delete(c.gets, ch.old.RecipientID)
		c.s.ntfs.endLocked(t, ch.old.Notifier, c)
		return smp.OK{}
	})
}

// deletedFor is what the subscriber of a deleted queue is told: nothing if it
// has deleted the queue itself.
func deletedFor(s *sub, by *conn) smp.Message {
	if s.conn == by && s.kind == subRecipient {
		return nil
	}
	return smp.DELD{}
}

// queueInfo is QUE. smp: Get queue state
func (c *conn) queueInfo(r request) {
	t := c.s.table
	t.mu.Lock()
	rec, gone := r.q.rec, r.q.gone
	info := smp.QueueInfo{Snd: rec.SenderKey != nil, Ntf: rec.Notifier != nil, Size: r.q.size}
	if s := c.subOfLocked(rec.RecipientID); s != nil {
		info.Sub = &smp.QueueSub{Thread: "noSub"}
		if s.kind == subGet {
			info.Sub.Thread = "prohibitSub"
		}
		if s.hasDelivered {
			id := wire.Base64(s.deliveredID)
			info.Sub.Delivered = &id
		}
	}
	t.mu.Unlock()
	m, err := t.store.Next(c.s.work, rec.Num, gone)
	if err != nil {
		c.s.cfg.Logger.Error("reading a message", "err", err)
		c.fail(r, storeError(err))
		return
	}
	if m != nil {
		info.Msg = &smp.QueueHead{ID: wire.Base64(m.ID), Time: m.Time, Type: "message"}
		if m.Quota {
			info.Msg.Type = "quota"
		}
	}
	c.reply(r, smp.INFO{Info: info})
}
