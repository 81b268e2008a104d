package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// suspension is one phase of [Agent.Run], until it is suspended.
type suspension struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when the phase has ended
	resume chan struct{} // holds a value once it may go on; nil before Suspend
}

// runUntilSuspended runs until ctx ends, or Suspend and Resume were called.
func (a *Agent) runUntilSuspended(ctx context.Context) error {
	phase, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &suspension{cancel: cancel, ended: make(chan struct{})}
	a.mu.Lock()
	first := a.pauses == nil
	a.pauses = p
	clear(a.inbox)
	a.mu.Unlock()
	a.workers.Start(phase)
	a.relays.Start(phase)
	if first {
		close(a.running)
	}
	err := a.resume(phase)
	if err == nil {
		a.workers.Kick("expire", a.expire)
		<-phase.Done()
	}
	cancel()
	a.workers.Wait()
	a.relays.Wait()
	close(p.ended)
	if ctx.Err() != nil {
		return nil
	}
	a.mu.Lock()
	resume := p.resume
	a.mu.Unlock()
	if resume == nil {
		return fmt.Errorf("agent: reading the store: %w", err)
	}
	select {
	case <-resume:
	case <-ctx.Done():
	}
	return nil
}

// Suspend implements [API].
func (a *Agent) Suspend(ctx context.Context) error {
	if err := a.waitRunning(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	p := a.pauses
	if p.resume == nil {
		p.resume = make(chan struct{}, 1)
	}
	a.mu.Unlock()
	a.relays.ForgetAll()
	err := a.workers.Quiet(ctx)
	p.cancel()
	<-p.ended
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Resume implements [API].
func (a *Agent) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pauses == nil || a.pauses.resume == nil {
		return
	}
	select {
	case a.pauses.resume <- struct{}{}:
	default:
	}
}

// Fetch implements [API]. smp: Get message command
func (a *Agent) Fetch(ctx context.Context, id ConnID) (ok bool, err error) {
	t, q, s, err := a.receiving(ctx, id)
	if err != nil {
		return false, err
	}
	if a.relays.Subscribed(a.key(t.Conn, q.Server), q.RcvID) {
		return false, fmt.Errorf("%w: the queue is subscribed", ErrState)
	}
	m, ok, err := s.Get(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey})
	if err != nil || !ok {
		return false, err
	}
	a.deposit(id, delivery{queue: q.Row, msg: m})
	return true, nil
}

// receiving is a connection's queue with the session for it.
func (a *Agent) receiving(ctx context.Context, id ConnID) (t *turn, q *RcvQueue, s Relay, err error) {
	if err := a.waitRunning(ctx); err != nil {
		return nil, nil, nil, err
	}
	t = &turn{a: a, ctx: ctx} // to look at, not to change
	if err := t.load(id); err != nil {
		return nil, nil, nil, err
	}
	if q = t.primaryRcv(); q == nil || t.Phase == PhaseDeleted {
		return nil, nil, nil, fmt.Errorf("%w: %s", ErrState, t.Phase)
	}
	s, err = a.relays.Get(ctx, a.key(t.Conn, q.Server))
	return t, q, s, err
}

// EnableNotifications implements [API]. The keys are on disk before the relay
// sees them, and are the same in every attempt.
// smp: Enable notifications command
func (a *Agent) EnableNotifications(ctx context.Context, id ConnID) (*Notifier, error) {
	_, q, s, err := a.receiving(ctx, id)
	if err != nil {
		return nil, err
	}
	var n *Notifier
	err = a.cfg.Store.Update(ctx, func(tx Tx) (err error) {
		if n, err = tx.Notifier(q.Row); !notFound(err) {
			return err
		}
		n = &Notifier{Queue: q.Row, AuthKey: key.GenerateEd25519(), Private: key.GenerateX25519().Raw()}
		return tx.PutNotifier(n)
	})
	if err != nil || n.ID != "" {
		return n, err
	}
	own, err := key.X25519FromRaw(n.Private)
	if err != nil {
		return nil, err
	}
	defer own.Wipe()
	ids, err := s.EnableNotifications(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey}, smp.NtfReq{
		AuthKey: n.AuthKey.PublicKey(), DHKey: own.Public(),
	})
	if err != nil {
		return nil, err
	}
	k, err := box.SharedKey(ids.DHKey, own)
	if err != nil {
		return nil, err
	}
	n.ID, n.Secret = ids.NotifierID, k.Raw()
	return n, a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.PutNotifier(n) })
}

// DisableNotifications implements [API]. smp: Disable notifications command
func (a *Agent) DisableNotifications(ctx context.Context, id ConnID) error {
	_, q, s, err := a.receiving(ctx, id)
	if err != nil {
		return err
	}
	if err := s.DisableNotifications(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey}); err != nil {
		return err
	}
	return a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DeleteNotifier(q.Row) })
}
