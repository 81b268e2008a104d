package chat

import (
	"context"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Joined is a [Store] that shares its file with the agent's.
type Joined interface {
	// Joined tells whether ctx carries a transaction of the agent, of which
	// Update and View are then a part.
	Joined(ctx context.Context) bool
}

// batcher is an agent that lets us write in its transactions; [agent.Agent] is
// one.
type batcher interface {
	Batch(ctx context.Context, id agent.ConnID, fn func(ctx context.Context, send func(agent.Outgoing) (msgID int64, err error)) error) error
}

var _ agent.Storer = (*Core)(nil)

func (c *Core) joined(ctx context.Context) bool {
	s, ok := c.cfg.Store.(Joined)
	return ok && s.Joined(ctx)
}

// errNotNow takes back an attempt to do with one transaction what then takes
// several.
var errNotNow = errors.New("chat: not in one transaction")

// line is a connection on whose agent the work's transaction sends.
type line struct {
	conn api.ConnID
	send func(agent.Outgoing) (msgID int64, err error)
}

// sendNow runs fn in a transaction of the agent, so that what fn stores for
// the contact's connection is encrypted and queued with the same commit. The
// error is errNotNow, and nothing of fn is written, when the agent is not
// ready for it or messages wait: they go first.
func (c *Core) sendNow(ctx context.Context, find func(Tx, *User) (*Contact, error), fn func(*work) error) error {
	b, ok := c.cfg.Agent.(batcher)
	if _, joined := c.cfg.Store.(Joined); !ok || !joined {
		return errNotNow
	}
	var cn *Conn
	err := c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		ct, err := find(tx, u)
		if err != nil {
			return err
		}
		cn, err = tx.Conn(ct.ConnID)
		return err
	})
	if err != nil {
		return errNotNow // with the same error
	}
	err = b.Batch(ctx, cn.AgentID, func(ctx context.Context, send func(agent.Outgoing) (int64, error)) error {
		if !c.joined(ctx) {
			return errNotNow
		}
		return c.update(ctx, func(w *work) error {
			if waiting, err := w.Outs(cn.ID); err != nil || len(waiting) > 0 {
				return errors.Join(errNotNow, err)
			}
			w.line = line{cn.ID, send}
			return fn(w)
		})
	})
	if errors.Is(err, agent.ErrNotFound) || errors.Is(err, errors.ErrUnsupported) {
		return errNotNow
	}
	if err == nil {
		c.bell.ring()
		c.timers.ring() // one may have been set
	}
	return err
}

// pass gives a message to the agent inside the transaction.
func (l line) pass(w *work, o *Out) error {
	msgID, err := l.send(agent.Outgoing{Body: o.Body, Notify: o.Notify, Key: o.Key})
	if err != nil {
		return errors.Join(errNotNow, err)
	}
	return w.PutDelivery(o.ConnID, msgID, o.ItemID)
}

// StoreEvent implements [agent.Storer].
func (c *Core) StoreEvent(ctx context.Context, id agent.ConnID, ev agent.Event) (s agent.Stored, err error) {
	s.Done = c.bell.ring
	if !c.joined(ctx) || c.isStopped() {
		return s, agent.ErrLater
	}
	switch ev := ev.(type) {
	case agent.Message:
		in := &inbound{msg: ev}
		err = c.storeMessage(ctx, id, in, true)
		s.Receipt = err == nil && in.receipt && in.user.Receipts
	case agent.Sent:
		err = c.storeDelivery(ctx, id, ev.MsgID, sent)
	case agent.SendError:
		err = c.storeDelivery(ctx, id, ev.MsgID, sendFailed(ev))
	case agent.Receipt:
		err = c.storeDelivery(ctx, id, ev.MsgID, received(ev))
	default:
		err = agent.ErrLater
	}
	if errors.Is(err, errUnknownConn) || errors.Is(err, errNotNow) {
		err = agent.ErrLater
	}
	return s, err
}

// storeDelivery follows a message that the agent carries, if all that takes is
// to store it.
func (c *Core) storeDelivery(ctx context.Context, id agent.ConnID, msgID int64, t transition) error {
	return c.onConn(ctx, id, func(w *work, cn *Conn, _ *User) error {
		it, err := w.Delivery(cn.ID, msgID)
		switch {
		case errors.Is(err, ErrNotFound), cn.Status == ConnDeleted:
			return errNotNow
		case err != nil || it == 0:
			return err
		}
		return w.setStatus(it, t)
	})
}
