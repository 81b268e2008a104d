package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/agent/work"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// The network steps.
const (
	commandJoin    CommandKind = "join"    // secure, make a reply queue, confirm
	commandRequest CommandKind = "request" // make a queue, ask an address
	commandAllow   CommandKind = "allow"   // secure both queues, confirm
	commandSecure  CommandKind = "secure"  // secure our queue, say HELLO
	commandDelete  CommandKind = "delete"  // delete a connection's queues
	commandQAdd    CommandKind = "qadd"    // make a queue to move to
	commandQSecure CommandKind = "qsecure" // secure it
	commandQDrain  CommandKind = "qdrain"  // empty the queue that we moved from
	commandQDelete CommandKind = "qdelete" // delete the queue that we moved from
	commandQAbort  CommandKind = "qabort"  // delete the queue that we meant to move to
	commandResolve CommandKind = "resolve" // open a short link and join
	commandSetLink CommandKind = "lset"    // set the data of a short link

	commandCreate   CommandKind = "create" // make the queue of an invitation or an address
	commandDelLink  CommandKind = "ldel"   // delete the data of a short link
	commandNotify   CommandKind = "nkey"   // enable notifications
	commandUnnotify CommandKind = "ndel"   // disable them
	commandFetch    CommandKind = "get"    // ask for one message
)

// joinData is what a join or a request remembers.
type joinData struct {
	Link   string `json:",omitempty"` // of the address, or short
	Server string `json:",omitempty"` // for our queue
	Info   []byte
	E2E    []byte `json:",omitempty"` // our ratchet parameters
	PQ     bool   `json:",omitempty"` // wanted, before the link is opened
}

// errNotYet makes a command wait for something other than a relay.
var errNotYet = errors.New("agent: not yet")

// commander does a connection's network steps in order. Steps are idempotent:
// all keys are on disk before a relay sees them, so that a step whose answer
// was lost can be repeated.
func (a *Agent) commander(id ConnID) work.Job {
	var delay time.Duration
	return func(ctx context.Context) (work.Pause, bool) {
		for ctx.Err() == nil {
			c, err := a.nextCommand(ctx, id)
			if notFound(err) {
				break
			}
			until := ""
			if err == nil {
				until, err = a.do(ctx, c)
			}
			switch {
			case err == nil:
				delay = 0
				continue
			case ctx.Err() != nil:
				return work.Pause{}, false
			case notFound(err):
				err = a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DeleteCommand(c.Row) })
			case !temporary(err):
				err = a.commandFailed(ctx, c, toError(err, until))
			}
			if err == nil {
				continue
			}
			a.log.Debug("network step to be repeated", "step", c.Kind, "err", err)
			delay = nextDelay(delay, a.cfg.Timing.RetryMin, a.cfg.Timing.RetryMax)
			return work.Pause{After: delay, Until: until}, true
		}
		return work.Pause{}, false
	}
}

func (a *Agent) nextCommand(ctx context.Context, id ConnID) (c *StoredCommand, err error) {
	err = a.cfg.Store.View(ctx, func(tx Tx) error {
		c, err = tx.NextCommand(id)
		return err
	})
	return c, err
}

// do does a step; until is the relay that an error is about.
func (a *Agent) do(ctx context.Context, c *StoredCommand) (until string, err error) {
	t := &turn{a: a, ctx: ctx} // to look at, not to change
	if err := t.load(c.Conn); err != nil {
		return "", err
	}
	switch c.Kind {
	case commandJoin:
		return a.doJoin(ctx, t, c)
	case commandRequest:
		return a.doRequest(ctx, t, c)
	case commandAllow:
		return a.doAllow(ctx, t, c)
	case commandSecure:
		return a.doSecure(ctx, t, c)
	case commandDelete:
		return a.doDelete(ctx, t, c)
	case commandQAdd:
		return a.doQueueAdd(ctx, t, c)
	case commandQSecure:
		return a.doQueueSecure(ctx, t, c)
	case commandQDrain:
		return a.doQueueDrain(ctx, t, c)
	case commandQDelete, commandQAbort:
		return a.doQueueDelete(ctx, t, c)
	case commandResolve:
		return a.doResolve(ctx, t, c)
	case commandSetLink:
		return a.doSetLink(ctx, t, c)
	case commandCreate:
		return a.doCreate(ctx, t, c)
	case commandDelLink, commandNotify, commandUnnotify, commandFetch:
		return a.doLater(ctx, t, c)
	}
	return "", permanent(CodeInternal, fmt.Sprintf("unknown step %q in the store", c.Kind))
}

func (a *Agent) commandFailed(ctx context.Context, c *StoredCommand, e *Error) error {
	return a.change(ctx, c.Conn, func(t *turn) error {
		switch q := t.rcvQueue(c.Queue); {
		case q == nil:
		case c.Kind == commandQAdd:
			q.Switch = "" // may be tried again
			t.put(q)
		case c.Kind == commandQSecure && t.rcvQueue(q.Replaces) != nil:
			old := t.rcvQueue(q.Replaces)
			old.Switch = ""
			t.put(old)
		}
		t.fail(e)
		t.done(c)
		return nil
	})
}

// doJoin: agent: Fast duplex connection procedure, steps 5 to 7.
func (a *Agent) doJoin(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	var d joinData
	if err := json.Unmarshal(c.Data, &d); err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	sq := t.primarySnd()
	if sq == nil {
		return "", permanent(CodeInternal, "join without a queue")
	}
	if err := a.secureSender(ctx, t.Conn, sq); err != nil {
		return sq.Server, err
	}
	e2e, err := ratchet.ParseParams(d.E2E)
	if err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	m, err := a.createSomewhere(ctx, t.Conn, queueSpec{server: d.Server, used: []string{sq.Server}, mode: smp.Messaging})
	if err != nil {
		return m.server.ServerAddr.String(), temporarily(err)
	}
	rq := m.queue
	rq.Version = sq.Version
	info, err := queueInfo(rq, m.server.ServerAddr)
	if err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		if t.Phase != PhaseJoining || len(t.rcv) > 0 {
			t.done(c)
			return nil
		}
		rq.Conn, rq.Primary = t.ID, true
		t.put(rq)
		// Before the confirmation is on its way: the answer may come at once.
		t.then(func() { a.subscribe(t.Conn, rq, m.session) })
		reply := envelope.ConnInfoReply{Queues: []link.QueueInfo{info}, Info: d.Info}
		if err := t.sendConfirmation(KindConnInfoReply, t.primarySnd(), reply, &e2e); err != nil {
			return err
		}
		t.done(c)
		return nil
	})
}

// secureSender sets our key on a queue that lets its sender do so. If the
// session is too old for that, the queue falls back to the standard handshake:
// its recipient gets the key in the confirmation.
func (a *Agent) secureSender(ctx context.Context, c *Conn, q *SndQueue) error {
	if q.Mode != smp.Messaging || q.Status != QueueNew {
		return nil
	}
	err := a.relays.Send(ctx, a.key(c, q.Server), func(s relays.Sender) error {
		return s.SecureSender(ctx, q.SndID, q.AuthKey)
	})
	switch {
	case errors.Is(err, smpclient.ErrOldVersion):
		q.Mode = 0
	case err != nil:
		return err
	default:
		q.Status = QueueSecured
	}
	return a.change(ctx, q.Conn, func(t *turn) error {
		t.putSnd(q)
		return nil
	})
}

// doRequest makes the queue for answers and sends our invitation to an
// address. agent: Contact addresses
func (a *Agent) doRequest(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	var d joinData
	if err := json.Unmarshal(c.Data, &d); err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	r, err := link.ParseRequest(d.Link)
	if err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	to := r.Queues[0]
	if len(t.rcv) == 0 {
		used := []string{to.Server.String()}
		m, err := a.createSomewhere(ctx, t.Conn, queueSpec{server: d.Server, used: used, mode: smp.Messaging})
		if err != nil {
			return m.server.ServerAddr.String(), temporarily(err)
		}
		rq := m.queue
		err = a.change(ctx, c.Conn, func(t *turn) error {
			if len(t.rcv) > 0 || t.Phase == PhaseDeleted {
				return errNotYet
			}
			rq.Conn, rq.Primary = t.ID, true
			t.put(rq)
			t.then(func() { a.subscribe(t.Conn, rq, m.session) })
			return nil
		})
		if err != nil {
			return "", err
		}
		t.rcv = []*RcvQueue{rq}
	}
	if err := a.sendRequest(ctx, t, to, r, d.Info); err != nil {
		return to.Server.String(), err
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.done(c)
		return nil
	})
}

// doAllow: agent: Fast duplex connection procedure, step 8.
func (a *Agent) doAllow(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	var p *PendingConfirmation
	err = a.cfg.Store.View(ctx, func(tx Tx) (err error) {
		p, err = tx.Confirmation(c.Conn, ConfirmationID(c.Data))
		return err
	})
	rq := t.primaryRcv()
	if err != nil || rq == nil {
		return "", err
	}
	if p.SenderKey != nil {
		if err := a.secure(ctx, t.Conn, rq, p.SenderKey); err != nil {
			return rq.Server, err
		}
	}
	sq := t.primarySnd()
	if sq == nil {
		info, err := link.ParseQueueInfo(p.ReplyQueue)
		if err != nil {
			return "", permanent(CodeInternal, err.Error())
		}
		if sq, err = a.newSndQueue(c.Conn, info, nil); err != nil {
			return "", err
		}
		err = a.change(ctx, c.Conn, func(t *turn) error {
			t.putSnd(sq)
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	if err := a.secureSender(ctx, t.Conn, sq); err != nil {
		return sq.Server, err
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		if t.Phase == PhaseAllowed {
			if err := t.sendConfirmation(KindConnInfo, sq, envelope.ConnInfo{Info: p.OwnInfo}, nil); err != nil {
				return err
			}
		}
		t.done(c)
		return nil
	})
}

// secure sets the sender's key on our queue.
func (a *Agent) secure(ctx context.Context, c *Conn, q *RcvQueue, spki []byte) error {
	if q.Status == QueueSecured || q.Status == QueueActive {
		return nil
	}
	sender, err := key.ParsePublic(spki)
	if err != nil {
		return permanent(CodeInternal, err.Error())
	}
	s, err := a.relays.Get(ctx, a.key(c, q.Server))
	if err != nil {
		return err
	}
	if err := s.Secure(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey}, sender); err != nil {
		return err
	}
	return a.change(ctx, q.Conn, func(t *turn) error {
		if now := t.rcvQueue(q.Row); now != nil && now.Status != QueueActive {
			now.Status = QueueSecured
			t.put(now)
		}
		return nil
	})
}

// doSecure: agent: Duplex connection procedure, step 8.
func (a *Agent) doSecure(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	q := t.rcvQueue(c.Queue)
	if q == nil {
		return "", ErrNotFound
	}
	if err := a.secure(ctx, t.Conn, q, c.Data); err != nil {
		return q.Server, err
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		_, err := t.send(outgoing{kind: KindHello, msg: envelope.Hello{}, notify: true})
		t.done(c)
		return err
	})
}

// doDelete deletes the queues on the relays, one after the other, waits for
// what is still to be sent, and says goodbye.
func (a *Agent) doDelete(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	for _, q := range t.rcv {
		if err := a.deleteQueue(ctx, t.Conn, q, c); err != nil {
			return q.Server, err
		}
	}
	waiting := false
	err = a.cfg.Store.View(ctx, func(tx Tx) error {
		queues, err := tx.DeliveryQueues()
		for _, id := range queues {
			waiting = waiting || id == c.Conn
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if waiting {
		return "", errNotYet
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.emit(Deleted{})
		t.done(c)
		return nil
	})
}

// deleteQueue deletes a queue on its relay and then here. That the relay does
// not know it is as good, and so is that it was away for longer than messages
// are tried.
func (a *Agent) deleteQueue(ctx context.Context, conn *Conn, q *RcvQueue, c *StoredCommand) error {
	s, err := a.relays.Get(ctx, a.key(conn, q.Server))
	if err == nil {
		err = s.Delete(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey})
	}
	if err != nil && temporary(err) && a.cfg.Now().Sub(c.CreatedAt) < a.cfg.Timing.SendFor {
		return err
	}
	a.relays.Forget(a.key(conn, q.Server), q.RcvID)
	return a.change(ctx, q.Conn, func(t *turn) error {
		t.write(func(tx Tx) error { return tx.DeleteRcvQueue(q.Row) })
		return nil
	})
}
