package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/agent/work"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// delivery is what a relay sent for a queue.
type delivery struct {
	queue int64
	msg   smp.Message
}

// maxInbox is how many deliveries of a connection wait in memory. A relay
// sends one message of a queue at a time, so only a broken one reaches it;
// what is dropped comes again with the next subscription.
const maxInbox = 64

func (a *Agent) deposit(id ConnID, d delivery) {
	a.mu.Lock()
	full := len(a.inbox[id]) >= maxInbox
	if !full {
		a.inbox[id] = append(a.inbox[id], d)
	}
	a.mu.Unlock()
	if full {
		a.log.Warn("relay sends more than it may; dropped")
		return
	}
	a.workers.Kick("receive "+string(id), a.receiver(id))
}

// receiver takes a connection's deliveries in order.
func (a *Agent) receiver(id ConnID) work.Job {
	var delay time.Duration
	return func(ctx context.Context) (work.Pause, bool) {
		for ctx.Err() == nil {
			a.mu.Lock()
			if len(a.inbox[id]) == 0 {
				delete(a.inbox, id)
				a.mu.Unlock()
				break
			}
			d := a.inbox[id][0]
			a.mu.Unlock()
			if err := a.take(ctx, id, d); err != nil {
				if ctx.Err() == nil {
					a.log.Error("cannot store what was received", "err", err)
				}
				delay = nextDelay(delay, a.cfg.Timing.RetryMin, a.cfg.Timing.RetryMax)
				return work.Pause{After: delay}, true
			}
			delay = 0
			a.mu.Lock()
			a.inbox[id] = a.inbox[id][1:]
			a.mu.Unlock()
		}
		return work.Pause{}, false
	}
}

// take handles one delivery. An error is of the store: nothing has happened,
// and the same is tried again.
func (a *Agent) take(ctx context.Context, id ConnID, d delivery) error {
	var acked *RcvQueue
	var conn *Conn
	var broker smp.MsgID
	err := a.change(ctx, id, func(t *turn) error {
		conn = t.Conn
		q := t.rcvQueue(d.queue)
		if q == nil || t.Phase == PhaseDeleted {
			return nil
		}
		switch m := d.msg.(type) {
		case smp.END:
			t.emit(Ended{})
		case smp.DELD:
			t.emit(ConnError{Err: &Error{Code: CodeAuth, Detail: "the relay deleted the queue", Server: q.Server}, Fatal: true})
		case smp.MSG:
			if t.draining(q) {
				a.waiting.Store(q.Row, m)
				return nil
			}
			if q.LastBroker == m.ID {
				pending := false
				err := a.cfg.Store.View(ctx, func(tx Tx) (err error) {
					pending, err = tx.EventPending(id, q.Row, m.ID)
					return err
				})
				if err == nil && !pending {
					acked, broker = q, m.ID
				}
				return err
			}
			hold, err := t.receive(q, m)
			if err != nil {
				return err
			}
			q.LastBroker = m.ID
			t.put(q)
			if !hold {
				acked, broker = q, m.ID
			}
		}
		return nil
	})
	if notFound(err) {
		return nil
	}
	if err == nil && acked != nil {
		a.ack(ctx, conn, acked, broker)
	}
	return err
}

// ack tells the relay that a message is on disk. If that fails the queue is
// subscribed again: the next message may have been in an answer that was lost,
// and this one is known when it comes again.
func (a *Agent) ack(ctx context.Context, c *Conn, q *RcvQueue, id smp.MsgID) {
	k := a.key(c, q.Server)
	if a.fetched.CompareAndDelete(q.RcvID, id) {
		// It may have come by a subscription too, which waits for its own.
		a.ackOn(ctx, a.fetchKey(c, q.Server), q, id)
	}
	a.ackOn(ctx, k, q, id)
	if q.Switch == switchDrain || q.Switch == switchLate {
		a.kickCommands(c.ID)
	}
}

func (a *Agent) ackOn(ctx context.Context, k relays.Key, q *RcvQueue, id smp.MsgID) {
	s := a.relays.Current(k)
	if s == nil {
		return
	}
	err := s.Ack(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey}, id)
	if err == nil || errors.Is(err, smp.ErrNoMsg) || errors.Is(err, smpclient.ErrClosed) || ctx.Err() != nil {
		return
	}
	a.log.Debug("message not acknowledged", "err", err)
	a.relays.Again(k, q.RcvID)
}

// ackRow does the same for a queue by its row.
func (a *Agent) ackRow(ctx context.Context, conn ConnID, row int64, id smp.MsgID) {
	t := &turn{a: a, ctx: ctx} // to look at, not to change
	if err := t.load(conn); err != nil {
		return
	}
	if q := t.rcvQueue(row); q != nil {
		a.ack(ctx, t.Conn, q, id)
	}
}

// fault is what a peer or a relay did wrong with one message; the message is
// acknowledged, the client told, and nothing else of it kept.
type fault struct{ err *Error }

func (f *fault) Error() string { return f.err.Error() }

func faulty(code ErrorCode, format string, args ...any) error {
	return &fault{&Error{Code: code, Detail: fmt.Sprintf(format, args...)}}
}

// receive handles a message. hold is true if it is acknowledged with its
// event. An error is of the store.
func (t *turn) receive(q *RcvQueue, m smp.MSG) (hold bool, err error) {
	k, err := box.NewKey(q.RelayKey)
	if err != nil {
		return false, err
	}
	was, wasQueue, writes, after := *t.Conn, *q, len(t.writes), len(t.after)
	body, err := smp.OpenMsg(k, m)
	switch {
	case err != nil:
		err = faulty(CodeDecrypt, "message of the relay: %v", err)
	case body.Quota:
		err = t.sendQCont(q)
	default:
		hold, err = t.opened(q, m.ID, body)
	}
	if errors.Is(err, ErrState) || errors.Is(err, ErrTooLarge) { // of an answer to it
		err = faulty(CodeProtocol, "%v", err)
	}
	var f *fault
	if errors.As(err, &f) {
		*t.Conn, *q, t.writes, t.after, t.ratchet = was, wasQueue, t.writes[:writes], t.after[:after], nil
		f.err.Server = q.Server
		t.emit(ConnError{Err: f.err})
		return false, nil
	}
	return hold, err
}

// opened handles what was inside the relay's encryption.
// agent: Communication between SMP agents
func (t *turn) opened(q *RcvQueue, id smp.MsgID, body smp.RcvBody) (hold bool, err error) {
	e, err := smp.ParseClientEnvelope(body.Body)
	if err != nil {
		return false, faulty(CodeProtocol, "%v", err)
	}
	if !t.a.cfg.Versions.Client.Contains(e.Version) && e.Version > q.Version {
		return false, faulty(CodeVersion, "SMP client version %d", e.Version)
	}
	k, err := envelopeKey(q, e)
	if err != nil {
		return false, err
	}
	m, err := e.Open(k)
	if err != nil {
		return false, faulty(CodeDecrypt, "%v", err)
	}
	inner, err := envelope.Parse(m.Body)
	if err != nil {
		return false, faulty(CodeProtocol, "%v", err)
	}
	switch v := inner.(type) {
	case envelope.Confirmation:
		switch {
		case e.Key == nil:
			return false, faulty(CodeProtocol, "confirmation without a key")
		case q.E2ESecret != nil:
			return false, nil // it came before, and its acknowledgement was lost
		}
		return false, t.confirmed(q, e, m.SenderKey, k, v)
	case envelope.Invitation:
		if e.Key == nil || m.SenderKey != nil {
			return false, faulty(CodeProtocol, "request with wrong keys")
		}
		return false, t.requested(v)
	}
	if e.Key != nil || m.SenderKey != nil || q.E2ESecret == nil {
		return false, faulty(CodeProtocol, "message with wrong keys")
	}
	t.upgrade(inner)
	if v, ok := inner.(envelope.RatchetKey); ok {
		return false, t.ratchetKey(v)
	}
	return t.encrypted(q, id, body, inner.(envelope.Message))
}

// envelopeKey is the key of the queue's end-to-end encryption: the one agreed
// or, before, the one that the envelope brings.
func envelopeKey(q *RcvQueue, e smp.ClientEnvelope) (*box.Key, error) {
	if q.E2ESecret != nil {
		return box.NewKey(q.E2ESecret)
	}
	if e.Key == nil {
		return nil, faulty(CodeProtocol, "message before the confirmation")
	}
	own, err := q.e2eKey()
	if err != nil {
		return nil, err
	}
	defer own.Wipe()
	k, err := box.SharedKey(*e.Key, own)
	if err != nil {
		return nil, faulty(CodeProtocol, "%v", err)
	}
	return k, nil
}

// upgrade follows a peer whose agent was updated.
func (t *turn) upgrade(e envelope.Envelope) {
	ours := t.a.cfg.Versions.Agent
	v := min(e.AgentVersion(), ours.Max)
	if v > t.Version && v >= ours.Min {
		t.Version = v
	}
}

// encrypted handles a message inside the ratchet.
func (t *turn) encrypted(q *RcvQueue, id smp.MsgID, body smp.RcvBody, m envelope.Message) (hold bool, err error) {
	wasActive := q.Status == QueueActive
	q.Status = QueueActive
	encHash := sha256.Sum256(m.Body)
	before, d, refused, err := t.decrypt(m.Body)
	switch {
	case err != nil:
		return false, err
	case refused != nil:
		return false, t.undecryptable(refused, encHash[:])
	}
	plain, err := envelope.ParsePlain(d.Plain)
	if err != nil {
		return false, t.keepRatchet(CodeProtocol, err)
	}
	msg, ok := plain.(envelope.AgentMessage)
	if !ok {
		return false, t.keepRatchet(CodeProtocol, errors.New("not an agent message"))
	}
	hash := sha256.Sum256(d.Plain)
	r := &ReceivedMessage{Conn: t.ID, SenderID: msg.ID, Hash: hash[:], EncHash: encHash[:], ReceivedAt: t.a.cfg.Now()}
	_, r.User = msg.Message.(envelope.AMsg)
	t.LastMsgID++
	r.ID = t.LastMsgID
	integrity := checkIntegrity(t.RcvID, msg.ID, t.RcvHash, msg.PrevHash)
	t.RcvID, t.RcvHash = msg.ID, hash[:]
	t.Encrypted = bool(d.Next.RcvPQ())
	t.write(func(tx Tx) error { return tx.PutReceived(r) })
	t.synced()
	if v, ok := msg.Message.(envelope.AMsg); ok {
		t.emitFor(Message{
			ID: r.ID, SenderID: r.SenderID, BrokerID: []byte(id), BrokerTime: body.Time, ReceivedAt: r.ReceivedAt,
			Integrity: integrity, Notify: body.Flags.Notify, PQ: t.Encrypted, Hash: r.Hash, Body: v.Body,
		}, q, id)
		return true, nil
	}
	return false, t.control(q, wasActive, before, body.Time, msg.Message)
}

// checkIntegrity compares a message's number and history with what came
// before it.
func checkIntegrity(prev, id int64, prevHash, said []byte) Integrity {
	switch {
	case id < prev:
		return Integrity{Verdict: IntegrityBadID, Prev: prev}
	case id == prev:
		return Integrity{Verdict: IntegrityDuplicate}
	case id > prev+1:
		return Integrity{Verdict: IntegritySkipped, From: prev + 1, To: id - 1}
	case string(prevHash) != string(said):
		return Integrity{Verdict: IntegrityBadHash}
	}
	return Integrity{Verdict: IntegrityOK}
}
