package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/agent/work"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// deliverer sends what waits for a queue, one message after the other.
func (a *Agent) deliverer(id ConnID, queue int64) work.Job {
	return func(ctx context.Context) (work.Pause, bool) {
		for ctx.Err() == nil {
			c, q, d, err := a.nextDelivery(ctx, id, queue)
			if notFound(err) {
				break
			}
			var p work.Pause
			if err == nil {
				p, err = a.deliver(ctx, c, q, d)
			}
			switch {
			case err != nil && !notFound(err):
				a.log.Warn("delivery not stored", "err", err)
				return work.Pause{After: a.cfg.Timing.RetryMin}, true
			case p.After > 0:
				return p, true
			}
		}
		return work.Pause{}, false
	}
}

// nextDelivery returns [ErrNotFound] if nothing waits.
func (a *Agent) nextDelivery(ctx context.Context, id ConnID, queue int64) (c *Conn, q *SndQueue, d *Delivery, err error) {
	err = a.cfg.Store.View(ctx, func(tx Tx) error {
		if d, err = tx.NextDelivery(queue); err != nil {
			return err
		}
		if c, err = tx.Conn(id); err != nil {
			return err
		}
		queues, err := tx.SndQueues(id)
		if err != nil {
			return err
		}
		for _, have := range queues {
			if have.Row == queue {
				q = have
				return nil
			}
		}
		return fmt.Errorf("agent: sending queue: %w", ErrNotFound)
	})
	return c, q, d, err
}

// deliver makes one attempt. The error is of the store.
func (a *Agent) deliver(ctx context.Context, c *Conn, q *SndQueue, d *Delivery) (work.Pause, error) {
	err := a.sendTo(ctx, c, q, d)
	age := a.cfg.Now().Sub(d.CreatedAt)
	var full *smp.Error
	switch {
	case err == nil:
		return work.Pause{}, a.delivered(ctx, q, d)
	case ctx.Err() != nil:
		return work.Pause{}, nil
	case errors.As(err, &full) && full.Type == smp.TypeQuota && d.Kind != KindConnInfo && d.Kind != KindConnInfoReply:
		if age < a.cfg.Timing.QuotaFor {
			return a.retry(ctx, q, d, err, a.cfg.Timing.QuotaMin, a.cfg.Timing.QuotaMax)
		}
	case temporary(err):
		if age < a.cfg.Timing.SendFor {
			return a.retry(ctx, q, d, err, a.cfg.Timing.RetryMin, a.cfg.Timing.RetryMax)
		}
	}
	e := toError(err, q.Server)
	if temporary(err) {
		e.Code, e.Detail = CodeExpired, "given up after "+age.Round(time.Minute).String()+": "+e.Detail
	}
	return work.Pause{}, a.undeliverable(ctx, q, d, e)
}

// retry remembers the attempt, and tells the client the first time.
func (a *Agent) retry(ctx context.Context, q *SndQueue, d *Delivery, err error, lo, hi time.Duration) (work.Pause, error) {
	delay := nextDelay(d.Delay, lo, hi)
	stored := a.change(ctx, d.Conn, func(t *turn) error {
		t.write(func(tx Tx) error { return tx.RetryDelivery(q.Row, d.ID, d.Attempts+1, delay) })
		if d.Attempts == 0 && d.Kind == KindUser {
			t.emit(SendError{MsgID: d.ID, Err: toError(err, q.Server), Temporary: true})
		}
		return nil
	})
	p := work.Pause{After: delay, Until: q.Server}
	var e *smp.Error
	if errors.As(err, &e) {
		p.Until = ""
	}
	return p, stored
}

// sendTo seals a message with the queue's keys and sends it. What the ratchet
// made stays the same in every attempt.
func (a *Agent) sendTo(ctx context.Context, c *Conn, q *SndQueue, d *Delivery) error {
	k, err := box.NewKey(q.E2ESecret)
	if err != nil {
		return permanent(CodeInternal, err.Error())
	}
	m := smp.ClientMessage{Body: d.Body}
	var pub *key.X25519Public
	auth := q.AuthKey
	if d.Kind == KindConnInfo || d.Kind == KindConnInfoReply {
		pub = &q.E2EPublic
		if q.Mode != smp.Messaging { // not secured yet, so without authorization
			m.SenderKey, auth = q.AuthKey.PublicKey(), nil
		}
	}
	body, err := smp.SealClient(k, q.Version, pub, box.NewNonce(), m)
	if err != nil {
		return permanent(CodeTooLarge, err.Error())
	}
	return a.relays.Send(ctx, a.key(c, q.Server), func(s relays.Sender) error {
		return s.Send(ctx, q.SndID, auth, smp.SEND{Flags: smp.MsgFlags{Notify: d.Notify}, Body: body})
	})
}

// delivered is what follows when the relay has taken a message.
func (a *Agent) delivered(ctx context.Context, was *SndQueue, d *Delivery) error {
	return a.change(ctx, d.Conn, func(t *turn) error {
		q := t.sndQueue(was.Row)
		if q == nil {
			return nil
		}
		switch d.Kind {
		case KindConnInfoReply:
			if t.Phase == PhaseJoining {
				t.Phase = PhaseAccepted
			}
			q.Status = QueueConfirmed
			t.putSnd(q)
			t.forgetOpened(q)
		case KindConnInfo:
			q.Status = QueueConfirmed
			if q.Mode == smp.Messaging {
				q.Status = QueueActive
				t.connected()
			}
			t.putSnd(q)
			t.write(func(tx Tx) error { return tx.DeleteConfirmations(t.ID) })
		case KindHello:
			q.Status = QueueActive
			t.putSnd(q)
			if t.Role == Inviter {
				t.connected()
			}
		case KindUser:
			t.emit(Sent{MsgID: d.ID, PQ: d.PQ})
		case KindQKey:
			t.emit(Switched{Phase: SwitchConfirmed})
		case KindQTest:
			t.switchedSnd(q)
		}
		t.endDelivery(was, d)
		return nil
	})
}

func (t *turn) endDelivery(q *SndQueue, d *Delivery) {
	t.write(func(tx Tx) error { return tx.DeleteDelivery(t.ID, q.Row, d.ID, d.Kind == KindUser) })
	if t.Phase == PhaseDeleted {
		t.then(func() { t.a.kickCommands(t.ID) })
	}
}

// undeliverable gives a message up.
func (a *Agent) undeliverable(ctx context.Context, q *SndQueue, d *Delivery, e *Error) error {
	return a.change(ctx, d.Conn, func(t *turn) error {
		if q.Replaces != 0 && e.Code != CodeExpired && t.switchBack(q) {
			t.emit(ConnError{Err: e})
			return nil
		}
		if now := t.sndQueue(q.Row); now == nil || now.Switch == switchTest {
			t.endDelivery(q, d) // the new queue has it too
			return nil
		}
		switch d.Kind {
		case KindUser:
			t.emit(SendError{MsgID: d.ID, Err: e})
		case KindConnInfo, KindConnInfoReply, KindHello:
			t.fail(e)
		default:
			t.emit(ConnError{Err: e})
		}
		t.endDelivery(q, d)
		return nil
	})
}

// fail ends a handshake that cannot succeed.
func (t *turn) fail(e *Error) {
	if t.Phase == PhaseConnected || t.Phase == PhaseDeleted {
		t.emit(ConnError{Err: e})
		return
	}
	t.Phase = PhaseFailed
	t.emit(ConnError{Err: e, Fatal: true})
}
