package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
)

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
