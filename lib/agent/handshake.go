package agent

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// pqPossible tells whether both versions know the post-quantum ratchet.
func pqPossible(agent, e2e wire.Version) bool { return agent >= VersionPQ && e2e >= ratchet.VersionPQ }

// confirmed handles a confirmation; k is the key of the queue's encryption
// that it brings. agent: Duplex connection procedure, steps 7 and 8
func (t *turn) confirmed(q *RcvQueue, e smp.ClientEnvelope, sender key.Public, k *box.Key, c envelope.Confirmation) error {
	if !t.a.cfg.Versions.Agent.Contains(c.Version) && c.Version > t.Version {
		return faulty(CodeVersion, "agent version %d", c.Version)
	}
	if sender == nil && q.Mode != smp.Messaging {
		return faulty(CodeProtocol, "confirmation without the sender's key")
	}
	switch {
	case t.Role == Inviter && t.Phase == PhaseInvited && c.E2E != nil:
		if err := t.confirmedByJoiner(q, sender, c); err != nil {
			return err
		}
	case t.Role == Joiner && t.Phase != PhaseConnected && c.E2E == nil:
		if err := t.confirmedByInviter(q, sender, c); err != nil {
			return err
		}
	default:
		return faulty(CodeProtocol, "confirmation not expected")
	}
	q.E2ESecret = k.Raw()
	q.Version = min(q.Version, e.Version)
	if q.Status == QueueNew {
		q.Status = QueueConfirmed
	}
	return nil
}

func (t *turn) confirmedByJoiner(q *RcvQueue, sender key.Public, c envelope.Confirmation) error {
	if !t.a.cfg.Versions.E2E.Contains(c.E2E.Version) {
		return faulty(CodeVersion, "ratchet version %d", c.E2E.Version)
	}
	own, err := t.agreementKeys()
	if err != nil {
		return err
	}
	defer own.Wipe()
	pq := t.PQ && pqPossible(c.Version, c.E2E.Version)
	st, err := ratchet.InitRcv(own, *c.E2E, ratchet.PQSupport(pq), t.a.cfg.Versions.E2E.Max)
	if err != nil {
		return faulty(CodeDecrypt, "%v", err)
	}
	d, err := st.Decrypt(ratchet.SkippedMap{}, c.Info)
	if err != nil {
		return faulty(CodeDecrypt, "%v", err)
	}
	plain, err := envelope.ParsePlain(d.Plain)
	if err != nil {
		return faulty(CodeProtocol, "%v", err)
	}
	reply, ok := plain.(envelope.ConnInfoReply)
	if !ok {
		return faulty(CodeProtocol, "confirmation without a reply queue")
	}
	t.saveRatchet(d.Next)
	t.write(func(tx Tx) error { return tx.ApplySkipped(t.ID, d.Skipped) })
	t.write(func(tx Tx) error { return tx.PutAgreementKeys(t.ID, nil) })
	t.firstReceived(d.Plain)
	t.Version, t.PQ, t.Phase = c.Version, pq, PhaseConfirmed
	p := &PendingConfirmation{Conn: t.ID, ID: ConfirmationID(randomID()), ReplyQueue: reply.Queues[0].Append(nil)}
	if sender != nil {
		p.SenderKey = sender.AppendSPKI(nil)
	}
	t.write(func(tx Tx) error { return tx.PutConfirmation(p) })
	ev := Confirmation{ID: p.ID, Info: reply.Info, PQ: pq}
	for _, r := range reply.Queues {
		ev.Servers = append(ev.Servers, r.Server.String())
	}
	t.emit(ev)
	return nil
}

// firstReceived counts the confirmation as the sender's message 1.
func (t *turn) firstReceived(plain []byte) {
	h := sha256.Sum256(plain)
	t.RcvID, t.RcvHash = 1, h[:]
}

func (t *turn) confirmedByInviter(q *RcvQueue, sender key.Public, c envelope.Confirmation) error {
	_, d, refused, err := t.decrypt(c.Info)
	if err != nil {
		return err
	}
	if refused != nil {
		return faulty(CodeDecrypt, "%v", refused)
	}
	plain, err := envelope.ParsePlain(d.Plain)
	if err != nil {
		return faulty(CodeProtocol, "%v", err)
	}
	info, ok := plain.(envelope.ConnInfo)
	if !ok {
		return faulty(CodeProtocol, "confirmation of the wrong kind")
	}
	t.firstReceived(d.Plain)
	t.Encrypted = bool(d.Next.RcvPQ())
	t.emit(Info{Info: info.Info, PQ: t.PQ})
	if sender != nil {
		t.command(commandSecure, q.Row, sender.AppendSPKI(nil))
		return nil
	}
	q.Status = QueueActive
	t.connected()
	return nil
}

// connected ends the handshake.
func (t *turn) connected() {
	if t.Phase != PhaseConnected {
		t.Phase = PhaseConnected
		t.emit(Connected{PQ: t.Encrypted})
	}
}

// control handles a message of the other agent. agent: Messages between SMP
// agents
func (t *turn) control(q *RcvQueue, wasActive bool, before *ratchet.State, at time.Time, m envelope.AMessage) error {
	switch m := m.(type) {
	case envelope.Hello:
		return t.hello(wasActive)
	case envelope.Rcvd:
		return t.receipts(m, at)
	case envelope.QCont:
		return t.queueFreed(m)
	case envelope.Ready:
		if !before.CanEncrypt() {
			_, err := t.send(outgoing{kind: KindReady, msg: envelope.Ready{LastID: t.RcvID}, notify: true})
			return err
		}
	case envelope.QAdd:
		return t.queueAdd(m)
	case envelope.QKey:
		return t.queueKey(m)
	case envelope.QUse:
		return t.queueUse(m)
	}
	return nil
}

// hello: the joiner says it first, and the inviter's answer ends the
// handshake.
func (t *turn) hello(wasActive bool) error {
	switch sq := t.primarySnd(); {
	case t.Phase == PhaseConnected || wasActive || sq == nil:
		return t.keepRatchet(CodeProtocol, errors.New("HELLO not expected"))
	case t.Role == Joiner:
		t.connected()
		return nil
	default:
		_, err := t.send(outgoing{kind: KindHello, msg: envelope.Hello{}, notify: true})
		return err
	}
}

func (t *turn) receipts(m envelope.Rcvd, at time.Time) error {
	for _, r := range m.Receipts {
		var sent *SentMessage
		err := t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
			sent, err = tx.SentByNumber(t.ID, r.ID)
			return err
		})
		if notFound(err) {
			continue // forgotten, or never sent
		}
		if err != nil {
			return err
		}
		if sent.Kind != KindUser || sent.Receipt {
			continue
		}
		bad := string(sent.Hash) != string(r.Hash)
		if !bad {
			t.write(func(tx Tx) error { return tx.MarkReceipt(t.ID, sent.ID) })
		}
		t.emit(Receipt{MsgID: sent.ID, BadHash: bad, BrokerAt: at})
	}
	return nil
}

// queueFreed goes on sending to a queue that was full.
func (t *turn) queueFreed(m envelope.QCont) error {
	q := t.sndByAddr(m.Queue)
	if q == nil {
		return t.keepRatchet(CodeProtocol, errors.New("QCONT for an unknown queue"))
	}
	t.emit(QueueFreed{})
	t.then(func() { t.a.kickDelivery(t.ID, q.Row) })
	return nil
}

// sendQCont tells the other party that our queue is empty again.
func (t *turn) sendQCont(q *RcvQueue) error {
	if t.Phase != PhaseConnected || t.sendProhibited() {
		return nil
	}
	addr, err := rcvAddr(q)
	if err != nil {
		return err
	}
	_, err = t.send(outgoing{kind: KindQCont, msg: envelope.QCont{Queue: addr}})
	return err
}

func rcvAddr(q *RcvQueue) (envelope.QueueAddr, error) {
	srv, err := smp.ParseServerAddr(q.Server)
	return envelope.QueueAddr{Server: srv, SenderID: q.SndID}, err
}

func (t *turn) sndByAddr(a envelope.QueueAddr) *SndQueue {
	for _, q := range t.snd {
		srv, err := smp.ParseServerAddr(q.Server)
		if err == nil && q.SndID == a.SenderID && srv.SameAddr(a.Server) {
			return q
		}
	}
	return nil
}

func (t *turn) rcvByAddr(server smp.ServerAddr, id smp.SenderID) *RcvQueue {
	for _, q := range t.rcv {
		srv, err := smp.ParseServerAddr(q.Server)
		if err == nil && q.SndID == id && srv.SameAddr(server) {
			return q
		}
	}
	return nil
}

func (t *turn) agreementKeys() (*ratchet.Private, error) {
	g, err := t.agreement()
	if err == nil && g == nil {
		err = faulty(CodeProtocol, "no keys for the agreement")
	}
	if err != nil {
		return nil, err
	}
	return g.own, nil
}

// requested handles a request that came to an address. agent: Contact addresses
func (t *turn) requested(v envelope.Invitation) error {
	if t.Role != Address {
		return faulty(CodeProtocol, "request to a connection")
	}
	r, err := link.ParseRequest(v.Link)
	if err != nil || r.Mode != link.Invitation {
		return faulty(CodeProtocol, "request without an invitation")
	}
	p := &PendingRequest{Address: t.ID, ID: RequestID(randomID()), Link: v.Link}
	t.write(func(tx Tx) error { return tx.PutRequest(p) })
	j, err := t.a.joinable(r)
	t.emit(Request{ID: p.ID, Info: v.Info, PQ: err == nil && pqPossible(j.agent, j.e2e.Version)})
	return nil
}
