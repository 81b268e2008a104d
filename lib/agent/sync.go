package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// agreement is what a new ratchet is made of until a message has come through
// it: our last keys and the other party's last parameters. Whichever of the
// two changes, the ratchet is made anew. Parameters of both arrive in order,
// so that both parties end with the same two, however many of them crossed on
// the way or came out of place.
type agreement struct {
	own   *ratchet.Private
	peer  *ratchet.Params // nil before they came
	asked bool            // ours were sent after theirs came: more may follow
}

// agreementFormat is the first byte of a stored agreement; the keys alone
// begin with another.
const agreementFormat = 'S'

func (g *agreement) append(b []byte) ([]byte, error) {
	own, err := g.own.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	defer clear(own)
	b = wire.AppendLarge(wire.AppendBool(append(b, agreementFormat), g.asked), own)
	if g.peer != nil {
		b = g.peer.Append(b)
	}
	return b, nil
}

func parseAgreement(b []byte) (*agreement, error) {
	g := &agreement{own: new(ratchet.Private)}
	if len(b) == 0 || b[0] != agreementFormat {
		return g, g.own.UnmarshalBinary(b)
	}
	d := wire.NewDecoder(b[1:])
	g.asked = d.Bool()
	own := d.Large()
	if d.Err() == nil && d.Len() > 0 {
		p := ratchet.ReadParams(d)
		g.peer = &p
	}
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("agent: stored agreement: %w", err)
	}
	return g, g.own.UnmarshalBinary(own)
}

// agreement is nil if there is none.
func (t *turn) agreement() (g *agreement, err error) {
	err = t.a.cfg.Store.View(t.ctx, func(tx Tx) error {
		b, err := tx.AgreementKeys(t.ID)
		if notFound(err) {
			return nil
		}
		if err == nil {
			g, err = parseAgreement(b)
		}
		return err
	})
	return g, err
}

func (t *turn) putAgreement(g *agreement) {
	b, err := g.append(nil)
	t.write(func(tx Tx) error {
		if err != nil {
			return err
		}
		return tx.PutAgreementKeys(t.ID, b)
	})
}

// ratchetKey: the other party wants a new ratchet, or answers that we do.
// agent: EREADY message
func (t *turn) ratchetKey(v envelope.RatchetKey) error {
	switch {
	case t.Phase != PhaseConnected && t.Phase != PhaseAllowed, t.sndInUse() == nil:
		return faulty(CodeProtocol, "ratchet key before the connection")
	case !t.a.cfg.Versions.E2E.Contains(v.E2E.Version):
		return faulty(CodeVersion, "ratchet version %d", v.E2E.Version)
	case v.E2E.KEM.Accepted():
		return faulty(CodeProtocol, "ratchet key that accepts a KEM key nobody proposed")
	}
	hash, seen := v.E2E.Hash(), false
	err := t.a.cfg.Store.View(t.ctx, func(tx Tx) (err error) {
		seen, err = tx.SeenKeys(t.ID, hash[:])
		return err
	})
	if err != nil || seen {
		return err
	}
	now := t.a.cfg.Now()
	t.write(func(tx Tx) error { return tx.AddKeys(t.ID, hash[:], now) })
	return t.agree(&v.E2E)
}

// agree makes the ratchet with parameters that came, and with new keys of
// ours if there are none yet that the other party could use.
func (t *turn) agree(peer *ratchet.Params) error {
	var g *agreement
	var err error
	if t.Sync == SyncStarted || t.Sync == SyncAgreed {
		if g, err = t.agreement(); err != nil {
			return err
		}
	}
	was := t.Sync
	switch {
	case g == nil:
		g = new(agreement)
		if g.own, err = ratchet.GenerateRcv(peer.Version, ratchet.PQSupport(t.PQ)); err == nil {
			err = t.sendRatchetKey(g.own)
		}
		if err != nil {
			return err
		}
		g.asked, t.Sync = true, SyncAgreed
	case was == SyncStarted || g.asked:
		g.asked, t.Sync = false, SyncAgreed
	default: // neither of us asked: the other party may be waiting for an answer
		t.Sync = SyncRequired
	}
	defer g.own.Wipe()
	g.peer = peer
	if err := t.replaceRatchet(g); err != nil {
		return err
	}
	switch {
	case t.Sync == SyncRequired:
		t.emit(RatchetSync{State: SyncRequired, Err: &Error{Code: CodeDecrypt, Detail: "new keys while the ratchet is replaced"}})
	case t.Sync != was:
		t.emit(RatchetSync{State: t.Sync})
	}
	return nil
}

// replaceRatchet makes the ratchet from an agreement, and says EREADY if that
// is on us. What was left of the ratchet before is gone.
func (t *turn) replaceRatchet(g *agreement) error {
	st, sends, err := ratchet.InitSync(g.own, *g.peer, ratchet.PQSupport(t.PQ), t.a.cfg.Versions.E2E.Max)
	if err != nil {
		return faulty(CodeDecrypt, "%v", err)
	}
	t.saveRatchet(st)
	t.putAgreement(g)
	t.write(func(tx Tx) error { return tx.DeleteSkipped(t.ID) })
	if sends {
		_, err = t.send(outgoing{kind: KindReady, msg: envelope.Ready{LastID: t.RcvID}, notify: true})
	}
	return err
}

// synced: a message came through the new ratchet.
func (t *turn) synced() {
	if t.Sync == SyncOK || t.Sync == SyncStarted { // what comes then is of the old one
		return
	}
	t.Sync = SyncOK
	t.write(func(tx Tx) error { return tx.PutAgreementKeys(t.ID, nil) })
	t.emit(RatchetSync{State: SyncOK})
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
		before, err := t.agreement()
		if err != nil {
			return err
		}
		g := &agreement{asked: true}
		if before != nil {
			g.peer = before.peer
			before.own.Wipe()
		}
		if g.own, err = ratchet.GenerateRcv(a.cfg.Versions.E2E.Max, ratchet.PQSupport(t.PQ)); err != nil {
			return err
		}
		defer g.own.Wipe()
		t.Sync = SyncStarted
		t.emit(RatchetSync{State: SyncStarted})
		if err := t.sendRatchetKey(g.own); err != nil {
			return err
		}
		if g.peer == nil {
			t.putAgreement(g)
			return nil
		}
		// The other party has agreed to what is given up now, and may not
		// answer again: the new keys go with its last ones.
		err = t.replaceRatchet(g)
		var f *fault
		if errors.As(err, &f) {
			return fmt.Errorf("%w: %w", ErrState, err)
		}
		t.Sync = SyncAgreed
		t.emit(RatchetSync{State: SyncAgreed})
		return err
	})
}
