package smpserver

import (
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// refOf is the queue to which a command is addressed, without an ID if it is
// not addressed to any.
func refOf(r *smp.Request) queuestore.Ref {
	ref := queuestore.Ref{ID: r.EntityID}
	if r.Command == nil {
		return queuestore.Ref{}
	}
	switch r.Command.Party() {
	case smp.Recipient:
		ref.Kind = queuestore.ByRecipient
	case smp.Sender:
		ref.Kind = queuestore.BySender
	case smp.Notifier:
		ref.Kind = queuestore.ByNotifier
	case smp.SenderLink:
		ref.Kind = queuestore.ByLink
	default:
		return queuestore.Ref{}
	}
	return ref
}

// check tells whether a command may run: nil, or the answer. Whether a queue
// does not exist, or has another key, or one of another kind, the work is the
// same. smp: Command authentication; Security of transport and timing
func (c *conn) check(r request) *smp.Error {
	if r.Err != nil {
		return r.Err
	}
	if refOf(r.Request).ID != "" && r.q == nil {
		r.p.VerifyNone(r.Request)
		return smp.ErrAuth
	}
	if err := c.checkService(r); err != nil {
		return err
	}
	rec := c.s.table.record(r.q)
	if !c.authorized(r, rec) {
		return smp.ErrAuth
	}
	if rec != nil && rec.Status == queuestore.Blocked {
		switch r.Command.(type) {
		case smp.SEND, smp.OFF, smp.DEL, smp.NSUB:
		default:
			return smp.BlockedError(*rec.Blocking)
		}
	}
	return nil
}

func (t *table) record(q *queue) *queuestore.Queue {
	if q == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return q.rec
}

// checkService checks what a service certificate asks for. smp: Service certificates
func (c *conn) checkService(r request) *smp.Error {
	if r.service != nil {
		if role, ok := r.Command.Party().ServiceRole(); ok && role != r.service.Role {
			return smp.ErrProhibited
		}
	}
	switch r.Command.Party() {
	case smp.RecipientService, smp.NotifierService:
		if r.service == nil || r.HasServiceSig() || r.EntityID != smp.EntityID(r.service.ServiceID) ||
			!r.p.VerifyServiceCommand(r.Request, r.service) {
			return smp.ErrService
		}
		return nil
	}
	wanted := r.service != nil && smp.SignedByService(r.Command)
	switch {
	case wanted != r.HasServiceSig():
		return smp.ErrService
	case wanted && !r.p.VerifyService(r.Request, r.service):
		return smp.ErrService
	}
	return nil
}

func (c *conn) authorized(r request, rec *queuestore.Queue) bool {
	switch cmd := r.Command.(type) {
	case smp.NEW:
		return c.verify(r, cmd.AuthKey)
	case smp.SKEY:
		return c.verifySecuring(r, rec, cmd.Key)
	case smp.LKEY:
		return c.verifySecuring(r, rec, cmd.Key)
	case smp.SEND:
		if rec.SenderKey == nil {
			return !r.HasAuth()
		}
		return c.verify(r, rec.SenderKey)
	case smp.NSUB:
		if rec.Notifier == nil {
			r.p.VerifyNone(r.Request)
			return false
		}
		return c.verify(r, rec.Notifier.Key)
	case smp.LGET:
		return isContact(rec)
	}
	if r.Command.Party() == smp.Recipient {
		for _, k := range rec.RecipientKeys {
			if c.verify(r, k) {
				return true
			}
		}
		return false
	}
	return true
}

func (c *conn) verify(r request, k key.Public) bool {
	svc := r.service
	if !r.HasServiceSig() {
		svc = nil
	}
	return r.p.Verify(r.Request, k, svc)
}

// verifySecuring is for SKEY and LKEY: the key that is to become the queue's,
// or is it already.
func (c *conn) verifySecuring(r request, rec *queuestore.Queue, k key.Public) bool {
	if rec.Mode != smp.Messaging || rec.SenderKey != nil && rec.SenderKey != k {
		r.p.VerifyNone(r.Request)
		return false
	}
	return c.verify(r, k)
}

// isContact tells whether anybody may see a queue's link data. Queues older
// than modes count until they are secured.
func isContact(rec *queuestore.Queue) bool {
	return rec.Mode == smp.Contact || rec.Mode == 0 && rec.SenderKey == nil
}

// isSecuredMessaging tells whether a queue's link has served its purpose.
func isSecuredMessaging(rec *queuestore.Queue) bool {
	return rec.Mode != smp.Contact && rec.SenderKey != nil
}
