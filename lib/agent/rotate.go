package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// The states of a queue that is being replaced. A sending queue is moved by
// its recipient, a receiving one by us.
const (
	switchKey  SwitchState = "qkey"  // sending: our key for the new queue is on its way
	switchTest SwitchState = "qtest" // sending: the new queue is in use

	switchWanted SwitchState = "started" // receiving: the new queue is to be made
	switchAdd    SwitchState = "qadd"    // receiving: it is offered
	switchUse    SwitchState = "quse"    // receiving: it is secured, the other party told
	switchDrain  SwitchState = "drain"   // receiving: a message came on it, which waits until the old one is empty
	switchLate   SwitchState = "late"    // receiving: the new one is used; the old relay is away and may hold messages
	switchDone   SwitchState = "done"    // receiving: the old one is empty and to be deleted
)

// queueAdd: the other party offers a queue to move to; we answer with our
// key for it. agent: Rotating messaging queue
func (t *turn) queueAdd(m envelope.QAdd) error {
	offer := m.Queues[0]
	v, ok := offer.Queue.Versions.Compatible(t.a.cfg.Versions.Client)
	switch {
	case offer.Replaces == nil:
		return t.keepRatchet(CodeProtocol, errors.New("QADD without a queue to replace"))
	case !ok:
		return t.keepRatchet(CodeVersion, errors.New("QADD of another client version"))
	case t.sendProhibited():
		return t.keepRatchet(CodeProtocol, errors.New("QADD while the ratchet is replaced"))
	}
	info := offer.Queue.At(v)
	old := t.sndByAddr(*offer.Replaces)
	if old == nil || t.sndByAddr(envelope.QueueAddr{Server: info.Server, SenderID: info.SenderID}) != nil {
		return t.keepRatchet(CodeProtocol, errors.New("QADD of a wrong queue"))
	}
	q, err := t.a.newSndQueue(t.ID, info, nil)
	if err != nil {
		return t.keepRatchet(CodeProtocol, err)
	}
	q.Primary, q.Replaces = false, old.Row
	for _, other := range t.snd { // of a switch that was given up
		if other.Replaces == old.Row {
			t.write(func(tx Tx) error { return tx.DeleteSndQueue(other.Row) })
		}
	}
	old.Switch = switchKey
	t.putSnd(old)
	t.putSnd(q)
	info.DHKey = q.E2EPublic
	t.emit(Switched{Phase: SwitchStarted})
	_, err = t.send(outgoing{kind: KindQKey, only: old, msg: envelope.QKey{
		Queues: []envelope.QueueKey{{Queue: info, Key: q.AuthKey.PublicKey()}},
	}})
	return err
}

// queueUse: the new queue is secured. What waits for the old one goes to both,
// and all after it to the new one, so that a relay that is gone holds nothing
// back and the order stays; the recipient knows what it gets twice.
func (t *turn) queueUse(m envelope.QUse) error {
	q := t.sndByAddr(m.Queues[0].Queue)
	if q == nil || q.Replaces == 0 {
		return t.keepRatchet(CodeProtocol, errors.New("QUSE of an unknown queue"))
	}
	old := t.sndQueue(q.Replaces)
	if old == nil || old.Switch != switchKey || t.sendProhibited() {
		return t.keepRatchet(CodeProtocol, errors.New("QUSE not expected"))
	}
	q.Status, old.Switch = QueueSecured, switchTest
	t.putSnd(q)
	t.putSnd(old)
	t.write(func(tx Tx) error { return tx.CopyDeliveries(old.Row, q.Row) })
	t.emit(Switched{Phase: SwitchSecured})
	_, err := t.send(outgoing{kind: KindQTest, only: q, msg: envelope.QTest{Queues: []envelope.QueueAddr{m.Queues[0].Queue}}})
	return err
}

// switchedSnd: the new queue has taken a message, the old one is done with.
func (t *turn) switchedSnd(q *SndQueue) {
	old := q.Replaces
	q.Status, q.Primary, q.Replaces = QueueActive, true, 0
	t.putSnd(q)
	if old != 0 && t.sndQueue(old) != nil {
		t.write(func(tx Tx) error { return tx.DeleteSndQueue(old) })
	}
	t.emit(Switched{Phase: SwitchCompleted})
}

// switchBack gives a switch up because the new queue refuses our messages:
// what waited for it goes to the old one.
func (t *turn) switchBack(q *SndQueue) bool {
	old := t.sndQueue(q.Replaces)
	if old == nil {
		return false
	}
	old.Switch = ""
	t.putSnd(old)
	t.write(func(tx Tx) error { return errors.Join(tx.CopyDeliveries(q.Row, old.Row), tx.DeleteSndQueue(q.Row)) })
	t.then(func() { t.a.kickDelivery(t.ID, old.Row) })
	return true
}

// Switch implements [API]. agent: Rotating messaging queue
func (a *Agent) Switch(ctx context.Context, id ConnID) error {
	return a.change(ctx, id, func(t *turn) error {
		if t.Phase != PhaseConnected || t.sendProhibited() {
			return fmt.Errorf("%w: %s, the ratchet is %s", ErrState, t.Phase, t.Sync)
		}
		for _, q := range t.rcv {
			if q.Switch != "" {
				return fmt.Errorf("%w: the queue is moving", ErrState)
			}
		}
		q := t.primaryRcv()
		q.Switch = switchWanted
		t.put(q)
		t.command(commandQAdd, q.Row, nil)
		return nil
	})
}

// AbortSwitch implements [API].
func (a *Agent) AbortSwitch(ctx context.Context, id ConnID) error {
	return a.change(ctx, id, func(t *turn) error {
		old := t.primaryRcv()
		if old == nil || old.Switch != switchWanted && old.Switch != switchAdd {
			return fmt.Errorf("%w: no switch that could be given up", ErrState)
		}
		old.Switch = ""
		t.put(old)
		for _, q := range t.rcv {
			if q.Replaces == old.Row {
				q.Status, q.Replaces = QueueDeleting, 0
				t.put(q)
				t.command(commandQAbort, q.Row, nil)
			}
		}
		return nil
	})
}

// doQueueAdd makes the new queue and offers it.
func (a *Agent) doQueueAdd(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	old := t.rcvQueue(c.Queue)
	if old == nil {
		return "", ErrNotFound
	}
	used := []string{old.Server}
	for _, q := range t.snd {
		used = append(used, q.Server)
	}
	m, err := a.createSomewhere(ctx, t.Conn, queueSpec{used: used, mode: smp.Messaging})
	if err != nil {
		return m.server.ServerAddr.String(), temporarily(err)
	}
	q := m.queue
	info, err := queueInfo(q, m.server.ServerAddr)
	if err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.done(c)
		old := t.rcvQueue(c.Queue)
		if old == nil || old.Switch != switchWanted || t.sendProhibited() {
			return nil
		}
		addr, err := rcvAddr(old)
		if err != nil {
			return err
		}
		q.Conn, q.Replaces, old.Switch = t.ID, old.Row, switchAdd
		t.put(q)
		t.put(old)
		t.emit(Switched{Receiving: true, Phase: SwitchStarted})
		t.then(func() { a.subscribe(t.Conn, q, m.session) })
		_, err = t.send(outgoing{kind: KindQAdd, msg: envelope.QAdd{
			Queues: []envelope.NewQueue{{Queue: info.URI(a.cfg.Versions.Client), Replaces: &addr}},
		}})
		return err
	})
}

// queueKey: the other party gives its key for the queue that we offered.
func (t *turn) queueKey(m envelope.QKey) error {
	info := m.Queues[0].Queue
	q := t.rcvByAddr(info.Server, info.SenderID)
	if q == nil || q.Replaces == 0 || q.Status != QueueNew {
		return t.keepRatchet(CodeProtocol, errors.New("QKEY for a wrong queue"))
	}
	if old := t.rcvQueue(q.Replaces); old == nil || old.Switch != switchAdd {
		return t.keepRatchet(CodeProtocol, errors.New("QKEY not expected"))
	}
	if !t.a.cfg.Versions.Client.Contains(info.Version) {
		return t.keepRatchet(CodeVersion, fmt.Errorf("QKEY of client version %d", info.Version))
	}
	own, err := q.e2eKey()
	if err != nil {
		return err
	}
	k, err := box.SharedKey(info.DHKey, own)
	if err != nil {
		return t.keepRatchet(CodeProtocol, err)
	}
	q.E2ESecret, q.Version, q.Status = k.Raw(), min(q.Version, info.Version), QueueConfirmed
	t.put(q)
	t.command(commandQSecure, q.Row, m.Queues[0].Key.AppendSPKI(nil))
	t.emit(Switched{Receiving: true, Phase: SwitchConfirmed})
	return nil
}

// doQueueSecure secures the new queue and lets the other party use it.
func (a *Agent) doQueueSecure(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	q := t.rcvQueue(c.Queue)
	if q == nil {
		return "", ErrNotFound
	}
	if err := a.secure(ctx, t.Conn, q, c.Data); err != nil {
		return q.Server, err
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.done(c)
		q := t.rcvQueue(c.Queue)
		if q == nil || t.rcvQueue(q.Replaces) == nil {
			return nil
		}
		old := t.rcvQueue(q.Replaces)
		old.Switch = switchUse
		t.put(old)
		t.emit(Switched{Receiving: true, Phase: SwitchSecured})
		addr, err := rcvAddr(q)
		if err != nil {
			return err
		}
		_, err = t.send(outgoing{kind: KindQUse, msg: envelope.QUse{Queues: []envelope.ReadyQueue{{Queue: addr, Primary: true}}}})
		return err
	})
}

// draining tells whether a message of a queue has to wait. The first one on
// a new queue stops the old one: what the old relay still holds was sent
// before, and is lost with the queue, so it is taken first.
func (t *turn) draining(q *RcvQueue) bool {
	old := t.rcvQueue(q.Replaces)
	if old == nil {
		return false
	}
	if old.Switch == switchUse {
		old.Switch = switchDrain
		t.put(old)
		t.command(commandQDrain, old.Row, nil)
	}
	return old.Switch == switchDrain
}

// doQueueDrain closes the old queue for its sender and waits until it is
// empty. If its relay is away the new queue is used at once, and what the old
// one holds comes late, but comes.
func (a *Agent) doQueueDrain(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	old := t.rcvQueue(c.Queue)
	if old == nil {
		return "", ErrNotFound
	}
	notified, err := a.hasNotifier(ctx, old)
	if err != nil {
		return "", err
	}
	left, err := a.drain(ctx, t.Conn, old)
	switch {
	case err != nil && temporary(err) && a.cfg.Now().Sub(c.CreatedAt) < a.cfg.Timing.SendFor:
		if old.Switch == switchLate {
			return old.Server, err
		}
		return "", a.change(ctx, c.Conn, func(t *turn) error {
			t.done(c)
			if err := t.switchOver(c, switchLate, notified); err != nil {
				return err
			}
			t.command(commandQDrain, old.Row, nil) // after what has to be done now
			return nil
		})
	case err == nil && left > 0:
		return "", errNotYet // the acknowledgement of each message wakes us
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.done(c)
		return t.switchOver(c, switchDone, notified)
	})
}

// hasNotifier tells whether notifications of a queue are on.
func (a *Agent) hasNotifier(ctx context.Context, q *RcvQueue) (on bool, err error) {
	err = a.cfg.Store.View(ctx, func(tx Tx) error {
		_, err := tx.Notifier(q.Row)
		on = err == nil
		if notFound(err) {
			return nil
		}
		return err
	})
	return on, err
}

// drain returns how many messages a queue has that nothing can be added to.
// What is said against a relay that cannot tell is the same as that it is empty.
func (a *Agent) drain(ctx context.Context, c *Conn, q *RcvQueue) (left int, err error) {
	s, err := a.relays.Get(ctx, a.key(c, q.Server))
	if err != nil {
		return 0, err
	}
	auth := QueueAuth{ID: q.RcvID, Key: q.AuthKey}
	if err := s.Suspend(ctx, auth); err != nil {
		return 0, err
	}
	i, err := s.Info(ctx, auth)
	return i.Size, err
}

// switchOver uses the new queue from now on; the message that waited is taken,
// and notifications, if the old one had them, are those of the new one.
func (t *turn) switchOver(c *StoredCommand, to SwitchState, notified bool) error {
	old := t.rcvQueue(c.Queue)
	if old == nil || old.Switch == to {
		return nil
	}
	old.Primary, old.Switch = false, to
	t.put(old)
	if to == switchDone {
		t.command(commandQDelete, old.Row, nil)
	}
	for _, q := range t.rcv {
		if q.Replaces == old.Row {
			q.Primary, q.Replaces = true, 0
			t.put(q)
			if notified {
				t.command(commandNotify, q.Row, nil)
			}
			t.then(func() { t.a.release(t.ID, q.Row) })
		}
	}
	return nil
}

// release takes the message that waited on a queue.
func (a *Agent) release(id ConnID, row int64) {
	if m, ok := a.waiting.LoadAndDelete(row); ok {
		a.deposit(id, delivery{queue: row, msg: m.(smp.MSG)})
	}
}

// doQueueDelete deletes the old queue.
func (a *Agent) doQueueDelete(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	if q := t.rcvQueue(c.Queue); q != nil {
		if err := a.deleteQueue(ctx, t.Conn, q, c); err != nil {
			return q.Server, err
		}
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		if c.Kind == commandQDelete {
			t.emit(Switched{Receiving: true, Phase: SwitchCompleted})
		}
		t.done(c)
		return nil
	})
}
