package agent

import (
	"context"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// phase is a part of [Agent.Run], until it is suspended.
type phase struct {
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{} // closed when nothing of it runs any more
	// next is set by Suspend, and holds the next phase after Resume. Guarded
	// by Agent.mu.
	next chan *phase
}

func newPhase(ctx context.Context) *phase {
	p := &phase{ended: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// run runs until ctx ends, the phases one after the other.
func (a *Agent) run(ctx context.Context) error {
	p := newPhase(ctx)
	a.setPhase(p)
	for first := true; ; first = false {
		a.workers.Start(p.ctx)
		a.relays.Start(p.ctx)
		if first {
			close(a.running)
		}
		err := a.resume(p.ctx)
		if err == nil {
			a.workers.Kick("expire", a.expire)
			<-p.ctx.Done()
		}
		p.cancel()
		a.workers.Wait()
		a.relays.Wait()
		close(p.ended)
		if ctx.Err() != nil {
			return nil
		}
		a.mu.Lock()
		clear(a.inbox)
		a.waiting.Clear()
		next := p.next
		a.mu.Unlock()
		if next == nil {
			return fmt.Errorf("agent: reading the store: %w", err)
		}
		select {
		case p = <-next:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *Agent) setPhase(p *phase) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.phase = p
}

// Suspend implements [API].
func (a *Agent) Suspend(ctx context.Context) error {
	if err := a.waitRunning(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	p := a.phase
	if p.next == nil {
		p.next = make(chan *phase, 1)
	}
	a.mu.Unlock()
	a.relays.ForgetAll()
	_ = a.workers.Quiet(ctx) // what is not done then is not waited for
	p.cancel()
	<-p.ended
	return nil
}

// Resume implements [API].
func (a *Agent) Resume(ctx context.Context) error {
	if err := a.waitRunning(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase.next != nil {
		p := newPhase(a.ctx)
		a.phase.next <- p // has room: each phase is resumed once
		a.phase = p
	}
	return nil
}

// Fetch implements [API]. smp: Get message command
func (a *Agent) Fetch(ctx context.Context, id ConnID) (ok bool, err error) {
	t, q, err := a.receiving(ctx, id)
	if err != nil {
		return false, err
	}
	return a.fetch(ctx, t, q)
}

func (a *Agent) fetch(ctx context.Context, t *turn, q *RcvQueue) (ok bool, err error) {
	if a.relays.Subscribed(a.key(t.Conn, q.Server), q.RcvID) {
		return false, fmt.Errorf("%w: the queue is subscribed", ErrState)
	}
	s, err := a.relays.Get(ctx, a.fetchKey(t.Conn, q.Server))
	if err != nil {
		return false, err
	}
	m, ok, err := s.Get(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey})
	if err != nil || !ok {
		return false, err
	}
	a.fetched.Store(q.RcvID, m.ID)
	a.deposit(t.ID, delivery{queue: q.Row, msg: m})
	return true, nil
}

// fetchKey names the session for GET: a session that has asked so for a queue
// cannot subscribe to it.
func (a *Agent) fetchKey(c *Conn, server string) relays.Key {
	k := a.key(c, server)
	k.Scope += " fetch"
	return k
}

// receiving is a connection's queue.
func (a *Agent) receiving(ctx context.Context, id ConnID) (t *turn, q *RcvQueue, err error) {
	if err := a.waitRunning(ctx); err != nil {
		return nil, nil, err
	}
	t = &turn{a: a, ctx: ctx} // to look at, not to change
	if err := t.load(id); err != nil {
		return nil, nil, err
	}
	if q = t.primaryRcv(); q == nil || t.Phase == PhaseDeleted {
		return nil, nil, fmt.Errorf("%w: %s", ErrState, t.Phase)
	}
	return t, q, nil
}

// EnableNotifications implements [API]. The keys are on disk before the relay
// sees them, and are the same in every attempt.
// smp: Enable notifications command
func (a *Agent) EnableNotifications(ctx context.Context, id ConnID) (*Notifier, error) {
	t, q, err := a.receiving(ctx, id)
	if err != nil {
		return nil, err
	}
	return a.notify(ctx, t, q)
}

func (a *Agent) notify(ctx context.Context, t *turn, q *RcvQueue) (n *Notifier, err error) {
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
	s, err := a.relays.Get(ctx, a.key(t.Conn, q.Server))
	if err != nil {
		return nil, err
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
	t, q, err := a.receiving(ctx, id)
	if err != nil {
		return err
	}
	return a.unnotify(ctx, t, q)
}

func (a *Agent) unnotify(ctx context.Context, t *turn, q *RcvQueue) error {
	s, err := a.relays.Get(ctx, a.key(t.Conn, q.Server))
	if err != nil {
		return err
	}
	if err := s.DisableNotifications(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey}); err != nil {
		return err
	}
	return a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DeleteNotifier(q.Row) })
}
