package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
)

// The states of a sending queue whose recipient moves it.
const (
	switchKey  SwitchState = "qkey"  // our key for the new queue is on its way
	switchTest SwitchState = "qtest" // the new queue is in use
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
	q, err := t.a.newSndQueue(t.ID, info)
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
// in order, so that a relay that is gone holds nothing back.
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

// ratchetKey: the other party wants a new ratchet, or answers that we do.
// agent: EREADY message
func (t *turn) ratchetKey(v envelope.RatchetKey) error {
	if t.Phase != PhaseConnected {
		return faulty(CodeProtocol, "ratchet key before the connection")
	}
	if !t.a.cfg.Versions.E2E.Contains(v.E2E.Version) {
		return faulty(CodeVersion, "ratchet version %d", v.E2E.Version)
	}
	hash, seen := v.E2E.Hash(), false
	err := t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
		seen, err = tx.SeenKeys(t.ID, hash[:])
		return err
	})
	if err != nil || seen {
		return err
	}
	t.write(func(tx Tx) error { return tx.AddKeys(t.ID, hash[:]) })
	var own *ratchet.Private
	switch t.Sync {
	case SyncStarted:
		own, err = t.agreementKeys()
	case SyncAgreed:
		t.Sync = SyncRequired
		t.emit(RatchetSync{State: SyncRequired, Err: &Error{Code: CodeDecrypt, Detail: "new keys while the ratchet is replaced"}})
		return nil
	default:
		if own, err = ratchet.GenerateRcv(v.E2E.Version, ratchet.PQSupport(t.PQ)); err == nil {
			err = t.sendRatchetKey(own)
		}
	}
	if err != nil {
		return err
	}
	defer own.Wipe()
	st, sends, err := ratchet.InitSync(own, v.E2E, ratchet.PQSupport(t.PQ), t.a.cfg.Versions.E2E.Max)
	if err != nil {
		return faulty(CodeDecrypt, "%v", err)
	}
	t.saveRatchet(st)
	t.write(func(tx Tx) error { return errors.Join(tx.DeleteSkipped(t.ID), tx.PutAgreementKeys(t.ID, nil)) })
	t.Sync = SyncAgreed
	t.emit(RatchetSync{State: SyncAgreed})
	if sends {
		_, err = t.send(outgoing{kind: KindReady, msg: envelope.Ready{LastID: t.RcvID}, notify: true})
	}
	return err
}

// sendRatchetKey queues our parameters for a new ratchet.
func (t *turn) sendRatchetKey(own *ratchet.Private) error {
	plain := envelope.AppendPlain(nil, envelope.RatchetInfo{})
	body := envelope.Append(nil, envelope.RatchetKey{Version: t.a.cfg.Versions.Agent.Max, E2E: own.Params(), Info: plain})
	_, err := t.queue(outgoing{kind: KindRatchetKey, notify: true}, plain, body)
	return err
}

// SyncRatchet implements [API].
func (a *Agent) SyncRatchet(ctx context.Context, id ConnID, force bool) error {
	return a.change(ctx, id, func(t *turn) error {
		ok := force || t.Sync == SyncAllowed || t.Sync == SyncRequired
		if t.Phase != PhaseConnected || t.Version < VersionRatchetSync || !ok {
			return fmt.Errorf("%w: the ratchet is %s", ErrState, t.Sync)
		}
		own, err := ratchet.GenerateRcv(a.cfg.Versions.E2E.Max, ratchet.PQSupport(t.PQ))
		if err != nil {
			return err
		}
		t.putAgreementKeys(own)
		t.Sync = SyncStarted
		t.emit(RatchetSync{State: SyncStarted})
		return t.sendRatchetKey(own)
	})
}
