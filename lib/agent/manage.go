package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// Allow implements [API].
func (a *Agent) Allow(ctx context.Context, id ConnID, conf ConfirmationID, info []byte) error {
	return a.change(ctx, id, func(t *turn) error {
		switch t.Phase {
		case PhaseConfirmed:
		case PhaseAllowed, PhaseConnected:
			return nil // it was allowed before
		default:
			return fmt.Errorf("%w: %s", ErrState, t.Phase)
		}
		if len(info) > envelope.ConnInfoSize(t.Version, t.PQ)-maxReplyQueue {
			return fmt.Errorf("%w: connInfo of %d bytes", ErrTooLarge, len(info))
		}
		var p *PendingConfirmation
		err := a.cfg.Store.View(ctx, func(tx Tx) (err error) {
			p, err = tx.Confirmation(id, conf)
			return err
		})
		if err != nil {
			return err
		}
		p.OwnInfo = append([]byte{}, info...)
		t.write(func(tx Tx) error { return tx.PutConfirmation(p) })
		t.Phase = PhaseAllowed
		t.command(commandAllow, 0, []byte(conf))
		return nil
	})
}

// Accept implements [API].
func (a *Agent) Accept(ctx context.Context, id, addr ConnID, req RequestID, info []byte, o JoinOptions) error {
	if err := a.fresh(ctx, id); err != nil {
		return err // accepted before
	}
	var p *PendingRequest
	err := a.cfg.Store.View(ctx, func(tx Tx) (err error) {
		p, err = tx.Request(addr, req)
		return err
	})
	if err != nil {
		return err
	}
	r, err := parseFull(p.Link)
	if err != nil || r.Mode != link.Invitation {
		return fmt.Errorf("%w: request without an invitation", ErrLink)
	}
	return a.join(ctx, id, r, info, o, func(tx Tx) error { return tx.DeleteRequest(addr, req) })
}

// Reject implements [API].
func (a *Agent) Reject(ctx context.Context, addr ConnID, req RequestID) error {
	return a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DeleteRequest(addr, req) })
}

// Subscribe implements [API].
func (a *Agent) Subscribe(ctx context.Context, ids ...ConnID) error {
	if err := a.waitRunning(ctx); err != nil {
		return err
	}
	for _, id := range ids {
		t := &turn{a: a, ctx: ctx} // to look at, not to change
		if err := t.load(id); err != nil {
			return err
		}
		for _, q := range t.rcv {
			if q.Status != QueueDeleting && !a.relays.Subscribed(a.key(t.Conn, q.Server), q.RcvID) {
				a.subscribe(t.Conn, q, nil)
			}
		}
	}
	return nil
}

// Delete implements [API].
func (a *Agent) Delete(ctx context.Context, id ConnID) error {
	return a.change(ctx, id, func(t *turn) error {
		if t.Phase == PhaseDeleted {
			return nil
		}
		connected := t.Phase == PhaseConnected
		t.Phase = PhaseDeleted
		for _, q := range t.rcv {
			q.Status = QueueDeleting
			t.put(q)
			t.then(func() { a.relays.Forget(a.key(t.Conn, q.Server), q.RcvID) })
		}
		for _, q := range t.snd {
			if !connected {
				t.write(func(tx Tx) error { return tx.DeleteSndQueue(q.Row) })
			}
		}
		t.write(func(tx Tx) error { return tx.DeleteCommands(id) })
		t.command(commandDelete, 0, nil)
		return nil
	})
}

// SecurityDigest implements [API].
func (a *Agent) SecurityDigest(ctx context.Context, id ConnID) (sum [32]byte, err error) {
	err = a.cfg.Store.View(ctx, func(tx Tx) error {
		if _, err := tx.Conn(id); err != nil {
			return err
		}
		b, err := tx.Ratchet(id)
		if errors.Is(err, ErrNotFound) {
			return ErrState
		}
		if err != nil {
			return err
		}
		defer clear(b)
		var st ratchet.State
		if err := st.UnmarshalBinary(b); err != nil {
			return err
		}
		sum = st.Digest()
		st.Forget(nil)
		return nil
	})
	return sum, err
}

// Connection implements [API].
func (a *Agent) Connection(ctx context.Context, id ConnID) (ConnInfo, error) {
	t := &turn{a: a, ctx: ctx}
	if err := t.load(id); err != nil {
		return ConnInfo{}, err
	}
	i := ConnInfo{
		ID: id, Version: int(t.Version), Status: string(t.Phase), PQ: t.Encrypted, PQSupport: t.PQ, Sync: t.Sync,
		MaxBody: maxBody(t.Conn),
	}
	for _, q := range t.rcv {
		i.RcvServers = append(i.RcvServers, q.Server)
		i.Subscribed = i.Subscribed || a.relays.Subscribed(a.key(t.Conn, q.Server), q.RcvID)
	}
	for _, q := range t.snd {
		i.SndServers = append(i.SndServers, q.Server)
	}
	return i, nil
}
