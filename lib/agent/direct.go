package agent

import (
	"context"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// ErrLater is what [Storer.StoreEvent] returns for an event that it can only
// take outside the transaction.
var ErrLater = errors.New("agent: to be handled outside the transaction")

// SharedStore is a [Store] that shares its file with the client's, so that one
// commit can serve both.
type SharedStore interface {
	// Join returns a context with which the client's store writes inside tx.
	Join(ctx context.Context, tx Tx) context.Context
}

// Storer is a [Handler] that can take events inside the transaction in which
// the agent makes them, if the store is a [SharedStore]: what was received is then
// on disk in both with one commit, and the outbox is not used.
type Storer interface {
	// StoreEvent stores all of an event that matters, with ctx, and does
	// nothing else: the connection is locked and the transaction open, so it
	// must call no method of the agent. After [ErrLater] the event goes to
	// HandleEvent; any other error fails the change that made the event, which
	// is then made again with HandleEvent.
	StoreEvent(ctx context.Context, conn ConnID, ev Event) (Stored, error)
}

// Stored is what is left to do about an event that was stored.
type Stored struct {
	Receipt bool   // tell the other party that the [Message] was taken
	Done    func() // called after the commit, or nil
}

// storeNow offers an event to the client inside the transaction, if no earlier
// event of the connection waits.
func (t *turn) storeNow(tx Tx, ev Event, q *RcvQueue, broker smp.MsgID) (stored bool, err error) {
	switch ev.(type) {
	case Message, Sent, SendError, Receipt:
	default:
		return false, nil
	}
	h, storer := t.a.handler.(Storer)
	j, shared := t.a.cfg.Store.(SharedStore)
	if _, failed := t.a.outboxed.Load(t.ID); failed || !storer || !shared {
		return false, nil
	}
	if _, err := tx.NextEvent(t.ID); !notFound(err) {
		return false, err
	}
	ctx := t.ctx
	t.ctx = j.Join(ctx, tx)
	defer func() { t.ctx = ctx }()
	s, err := h.StoreEvent(t.ctx, t.ID, ev)
	if errors.Is(err, ErrLater) {
		return false, nil
	}
	if err != nil {
		t.a.outboxed.Store(t.ID, true)
		return false, err
	}
	if s.Done != nil {
		t.then(s.Done)
	}
	if conn := t.Conn; q != nil {
		t.then(func() { t.a.ack(ctx, conn, q, broker) })
	}
	if m, ok := ev.(Message); ok && s.Receipt {
		return true, t.receipt(m.SenderID, m.Hash)
	}
	return true, nil
}

// receipt tells the other party that a message was taken, if both can that now.
func (t *turn) receipt(senderID int64, hash []byte) error {
	if t.Phase != PhaseConnected || t.sendProhibited() || t.Version < VersionReceipts {
		return nil
	}
	_, err := t.send(outgoing{kind: KindReceipt, msg: envelope.Rcvd{
		Receipts: []envelope.Receipt{{ID: senderID, Hash: hash}},
	}})
	return err
}

// Batch calls fn, which may send any number of messages on a connection and
// write, with the context it gets, to a store that shares the agent's file: all
// of it, and the step of the ratchet, is one transaction. An error of fn takes
// everything back. fn calls no other method of the agent. The error is
// [errors.ErrUnsupported] if the store is no [SharedStore].
func (a *Agent) Batch(ctx context.Context, id ConnID, fn func(ctx context.Context, send func(Outgoing) (msgID int64, err error)) error) error {
	j, ok := a.cfg.Store.(SharedStore)
	if !ok {
		return errors.ErrUnsupported
	}
	return a.change(ctx, id, func(t *turn) error {
		t.write(func(tx Tx) error {
			ctx := t.ctx
			t.ctx = j.Join(ctx, tx)
			defer func() { t.ctx = ctx }()
			return fn(t.ctx, t.sendUser)
		})
		return nil
	})
}
