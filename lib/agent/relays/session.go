package relays

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// relay is a relay that the agent uses. Its run loop connects when somebody
// asks for the session or queues are to be subscribed, and again after the
// session has ended.
type relay struct {
	p    *Pool
	ctx  context.Context // the pool's
	key  Key
	work chan struct{} // holds one signal for the run loop; never closed

	mu      sync.Mutex // guards what follows
	session Relay      // nil while there is none
	waiting []chan error
	subs    map[smp.RecipientID]*sub
	down    bool // the client has been told so
}

// sub is a queue to be subscribed.
type sub struct {
	Sub
	session Relay     // on which it is subscribed, nil if it is not
	later   time.Time // not before this time
	again   bool      // was asked for since the last attempt began
}

func (r *relay) signal() {
	select {
	case r.work <- struct{}{}:
	default:
	}
}

// wanted tells whether there is a reason to connect.
func (r *relay) wanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) > 0 || len(r.subs) > 0
}

func (r *relay) run(ctx context.Context, to Target) {
	t := r.p.cfg.Timing
	var delay time.Duration
	for ctx.Err() == nil {
		if !r.wanted() {
			select {
			case <-r.work:
			case <-ctx.Done():
			}
			continue
		}
		s, err := r.connect(ctx, to)
		if err == nil {
			began := time.Now()
			err = r.serve(ctx, s)
			if time.Since(began) > t.RetryMin {
				delay = 0
			}
			r.ended(ctx, err)
			if delay == 0 {
				delay = t.RetryMin / 2
				continue // a session that lasted is worth an attempt at once
			}
		} else {
			r.answer(err)
			r.ended(ctx, err)
		}
		delay = t.Next(delay, t.RetryMin, t.RetryMax)
		r.pause(ctx, delay)
	}
	r.answer(ErrClosed)
}

// pause waits before the next attempt. Whoever asks in the meantime gets the
// session after the shortest wait, not the longest.
func (r *relay) pause(ctx context.Context, delay time.Duration) {
	least := r.p.cfg.Timing.RetryMin
	if !sleep(ctx, least) || delay <= least {
		return
	}
	t := time.NewTimer(delay - least)
	defer t.Stop()
	for {
		r.mu.Lock()
		asked := len(r.waiting) > 0
		r.mu.Unlock()
		if asked {
			return
		}
		select {
		case <-r.work:
		case <-t.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *relay) connect(ctx context.Context, to Target) (Relay, error) {
	dctx, cancel := context.WithTimeout(ctx, r.p.cfg.Timing.Connect)
	defer cancel()
	s, err := r.p.cfg.Dial(dctx, to, r.onMessage)
	if err != nil {
		return nil, fmt.Errorf("agent: connect to relay: %w", err)
	}
	r.mu.Lock()
	r.session = s
	r.mu.Unlock()
	r.answer(nil)
	r.p.cfg.Events.Reached(r.key.Server)
	return s, nil
}

// answer tells those who wait for a session.
func (r *relay) answer(err error) {
	r.mu.Lock()
	waiting := r.waiting
	r.waiting = nil
	r.mu.Unlock()
	for _, c := range waiting {
		c <- err
	}
}

// serve subscribes queues as they come until the session ends.
func (r *relay) serve(ctx context.Context, s Relay) error {
	defer func() {
		r.mu.Lock()
		r.session = nil
		r.mu.Unlock()
		_ = s.Close()
	}()
	t := r.p.cfg.Timing
	var delay time.Duration
	late := time.NewTimer(0)
	defer late.Stop()
	for {
		select {
		case <-r.work:
			r.answer(nil)
		case <-late.C:
		case <-s.Done():
			return errSessionEnded
		case <-ctx.Done():
			return ctx.Err()
		}
		if r.subscribePending(ctx, s) {
			delay = t.Next(delay, t.RetryMin, t.RetryMax)
			late.Reset(delay)
		} else {
			delay = 0
		}
	}
}

// maxSubscribe is how many queues one call of Subscribe takes.
const maxSubscribe = 1000

// subscribePending subscribes what is not yet; again is true if some of it
// failed and is to be tried later.
func (r *relay) subscribePending(ctx context.Context, s Relay) (again bool) {
	tried := make(map[smp.RecipientID]bool)
	for {
		var batch []*sub
		var qs []QueueAuth
		now := time.Now()
		r.mu.Lock()
		for id, q := range r.subs {
			switch {
			case q.session == s || tried[id] || len(qs) == maxSubscribe:
			case now.Before(q.later):
				again = true
			default:
				tried[id], q.again = true, false
				batch, qs = append(batch, q), append(qs, q.Auth)
			}
		}
		r.mu.Unlock()
		if len(qs) == 0 {
			r.tellUp(ctx, nil)
			return again
		}
		errs := s.Subscribe(ctx, qs)
		var up []string
		for i, q := range batch {
			switch err := errs[i]; {
			case err == nil:
				r.mu.Lock()
				if !q.again {
					q.session = s
				}
				again = again || q.again
				r.mu.Unlock()
				up = append(up, q.Conn)
			case Temporary(err):
				again = true
			default:
				r.p.Forget(r.key, q.Auth.ID)
				r.p.cfg.Events.Lost(ctx, q.Sub, r.key.Server, err)
			}
		}
		r.tellUp(ctx, up)
	}
}

func (r *relay) tellUp(ctx context.Context, conns []string) {
	r.mu.Lock()
	first := r.down
	r.down = false
	r.mu.Unlock()
	if len(conns) > 0 || first {
		r.p.cfg.Events.Changed(ctx, r.key.Server, true, conns, nil)
	}
}

// ended tells the client if it has queues here.
func (r *relay) ended(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.p.cfg.Log.Debug("no session with a relay", "err", err)
	r.mu.Lock()
	tell := len(r.subs) > 0 && !r.down
	r.down = r.down || tell
	var conns []string
	for _, q := range r.subs {
		conns = append(conns, q.Conn)
	}
	r.mu.Unlock()
	if tell {
		r.p.cfg.Events.Changed(ctx, r.key.Server, false, conns, err)
	}
}

// onMessage takes what the relay sends unasked.
func (r *relay) onMessage(id smp.RecipientID, m smp.Message) {
	r.mu.Lock()
	q := r.subs[id]
	if q != nil {
		switch m.(type) {
		case smp.END, smp.DELD:
			delete(r.subs, id)
		}
	}
	r.mu.Unlock()
	if q != nil {
		r.p.cfg.Events.Deliver(q.Sub, m)
	}
}
