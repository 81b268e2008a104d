package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
)

// outgoing is a message to be encrypted and queued.
type outgoing struct {
	kind   MessageKind
	msg    envelope.AMessage
	notify bool
	key    string
	only   *SndQueue // nil: the queue in use
}

// sendProhibited tells whether the ratchet is being replaced.
func (t *turn) sendProhibited() bool {
	return t.Sync == SyncRequired || t.Sync == SyncStarted || t.Sync == SyncAgreed
}

// send encrypts a message and puts it into the durable queue: the step of the
// ratchet and the bytes to be sent are of one transaction.
func (t *turn) send(o outgoing) (msgID int64, err error) {
	plain := envelope.AppendPlain(nil, envelope.AgentMessage{ID: t.SndID + 1, PrevHash: t.SndHash, Message: o.msg})
	enc, err := t.encrypt(plain, envelope.MessageSize(t.Version, t.PQ), ratchet.PQKeep)
	if err != nil {
		return 0, err
	}
	body := envelope.Append(nil, envelope.Message{Version: t.a.cfg.Versions.Agent.Max, Body: enc})
	return t.queue(o, plain, body)
}

// sendConfirmation queues a confirmation, our message 1.
func (t *turn) sendConfirmation(kind MessageKind, q *SndQueue, p envelope.Plain, e2e *ratchet.Params) error {
	plain := envelope.AppendPlain(nil, p)
	pq := ratchet.PQDisable
	if t.PQ {
		pq = ratchet.PQEnable
	}
	enc, err := t.encrypt(plain, envelope.ConnInfoSize(t.Version, t.PQ), pq)
	if err != nil {
		return err
	}
	body := envelope.Append(nil, envelope.Confirmation{Version: t.Version, E2E: e2e, Info: enc})
	_, err = t.queue(outgoing{kind: kind, notify: true, only: q}, plain, body)
	return err
}

// encrypt takes a message through the ratchet, whose next state is written
// with the turn. The errors are [ErrTooLarge] and the store's.
func (t *turn) encrypt(plain []byte, size int, pq ratchet.PQSwitch) ([]byte, error) {
	if t.ratchet == nil {
		err := t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
			t.ratchet, err = t.loadRatchet(tx)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	next, enc, err := t.ratchet.Encrypt(plain, size, ratchet.SendOptions{PQ: pq, MaxVersion: t.a.cfg.Versions.E2E.Max})
	switch {
	case errors.Is(err, ratchet.ErrLarge):
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, ratchet.ErrNotReady):
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	case err != nil:
		return nil, err
	}
	t.saveRatchet(next)
	t.Encrypted = bool(next.SndPQ())
	return enc, nil
}

// queue gives a message its numbers and writes it for the queues.
func (t *turn) queue(o outgoing, plain, body []byte) (msgID int64, err error) {
	q := t.sndInUse()
	if o.only != nil {
		q = o.only
	}
	if q == nil {
		return 0, fmt.Errorf("%w: no queue to send to", ErrState)
	}
	h := sha256.Sum256(plain)
	t.LastMsgID++
	t.SndID++
	t.SndHash = h[:]
	m := &SentMessage{
		Conn: t.ID, ID: t.LastMsgID, SndID: t.SndID, Kind: o.kind, Notify: o.notify, Hash: h[:], Body: body,
		PQ: t.Encrypted, Key: o.key, CreatedAt: t.a.cfg.Now(),
	}
	t.write(func(tx Tx) error { return tx.PutSent(m, q.Row) })
	t.then(func() { t.a.kickDelivery(t.ID, q.Row) })
	return m.ID, nil
}

// sndInUse is the queue that a message goes to: the primary one or, once it
// is secured, the one that replaces it. nil before there is one.
func (t *turn) sndInUse() *SndQueue {
	first := t.primarySnd()
	for _, q := range t.snd {
		if first != nil && q.Replaces == first.Row && q.Status == QueueSecured {
			return q
		}
	}
	return first
}

// Send implements [API].
func (a *Agent) Send(ctx context.Context, id ConnID, m Outgoing) (msgID int64, err error) {
	err = a.change(ctx, id, func(t *turn) (err error) {
		msgID, err = t.sendUser(m)
		return err
	})
	return msgID, err
}

// sendUser sends a message of the client, once for each key.
func (t *turn) sendUser(m Outgoing) (msgID int64, err error) {
	if m.Key != "" {
		err := t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
			msgID, err = tx.SentByKey(t.ID, m.Key)
			return err
		})
		if !notFound(err) {
			return msgID, err
		}
	}
	if t.Phase != PhaseConnected {
		return 0, fmt.Errorf("%w: %s", ErrState, t.Phase)
	}
	if t.sendProhibited() {
		return 0, fmt.Errorf("%w: the ratchet is %s", ErrState, t.Sync)
	}
	return t.send(outgoing{kind: KindUser, msg: envelope.AMsg{Body: m.Body}, notify: m.Notify, key: m.Key})
}

// SendReceipt implements [API].
func (a *Agent) SendReceipt(ctx context.Context, id ConnID, msgID int64) error {
	return a.change(ctx, id, func(t *turn) error {
		var r *ReceivedMessage
		err := a.cfg.Store.View(ctx, func(tx Tx) (err error) {
			r, err = tx.Received(id, msgID)
			return err
		})
		if err != nil {
			return err
		}
		if !r.User || t.Phase != PhaseConnected || t.sendProhibited() {
			return ErrState
		}
		return t.receipt(r.SenderID, r.Hash)
	})
}

// messageOverhead is what an AMsg adds to the client's body: tags, number and
// hash, and the length of the padding.
const messageOverhead = 1 + 8 + 1 + sha256.Size + 1 + 2

func maxBody(c *Conn) int { return envelope.MessageSize(c.Version, c.PQ) - messageOverhead }
