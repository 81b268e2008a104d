package relays

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// Key names a session: a relay, and who shares it.
type Key struct {
	Server string // smp://fingerprint@hosts
	Scope  string
}

// Sub is a queue to keep subscribed.
type Sub struct {
	Conn  string // the connection's ID
	Queue int64  // the queue's Row
	Auth  QueueAuth
}

// Events takes what the pool learns. The methods are called from goroutines of
// the pool, with no lock held, and return soon.
type Events interface {
	// Deliver takes MSG, END and DELD for a queue.
	Deliver(q Sub, m smp.Message)
	// Lost takes the error for which a queue is not subscribed any more.
	Lost(ctx context.Context, q Sub, server string, err error)
	// Changed takes news of a session that keeps queues subscribed.
	Changed(ctx context.Context, server string, up bool, conns []string, err error)
	// Reached says that there is a session again.
	Reached(server string)
}

// Config is what a [Pool] is made of.
type Config struct {
	Dial    Dialer
	Network Network
	Servers []smp.AuthServer // of the configuration
	Events  Events
	Log     *slog.Logger
	Timing  Timing
}

// Timing has the waits of a [Pool].
type Timing struct {
	RetryMin, RetryMax time.Duration // between attempts
	Connect            time.Duration // to reach a relay
	// Next grows a wait: it gives the one after last.
	Next func(last, lo, hi time.Duration) time.Duration
}

// Pool holds the sessions. Safe for concurrent use.
type Pool struct {
	cfg   Config
	salt  string
	turns turns
	wg    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	ctx    context.Context
	m      map[Key]*relay
	routes map[Key]*route
}

// New makes a pool that does nothing before [Pool.Start].
func New(cfg Config) *Pool { return &Pool{cfg: cfg, salt: newSalt()} }

// Start lets the pool connect until ctx ends. After [Pool.Wait] it may be
// started again, with nothing to keep subscribed.
func (p *Pool) Start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx, p.m, p.routes = ctx, make(map[Key]*relay), make(map[Key]*route)
}

// Wait returns when all sessions are closed; the context of [Pool.Start] must
// have ended.
func (p *Pool) Wait() {
	p.mu.Lock()
	p.m = nil
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Pool) relay(k Key) (*relay, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil || p.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if r, ok := p.m[k]; ok {
		return r, nil
	}
	addr, err := smp.ParseServerAddr(k.Server)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	target, err := p.cfg.Network.target(addr, k.Scope, p.salt)
	if err != nil {
		return nil, err
	}
	r := &relay{p: p, ctx: p.ctx, key: k, work: make(chan struct{}, 1), subs: make(map[smp.RecipientID]*sub)}
	p.m[k] = r
	p.wg.Go(func() { r.run(r.ctx, target) })
	return r, nil
}

// Get returns a session, connecting if need be. The error is that of the first
// attempt that fails, or the context's; [ErrClosed], [ErrAddress], [ErrHost].
func (p *Pool) Get(ctx context.Context, k Key) (Relay, error) {
	r, err := p.relay(k)
	if err != nil {
		return nil, err
	}
	for {
		r.mu.Lock()
		if s := r.session; s != nil {
			r.mu.Unlock()
			return s, nil
		}
		ready := make(chan error, 1)
		r.waiting = append(r.waiting, ready)
		r.mu.Unlock()
		r.signal()
		select {
		case err := <-ready:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// Current is the session that there is, or nil.
func (p *Pool) Current(k Key) Relay {
	r, err := p.relay(k)
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
}

// Subscribe keeps the queue subscribed. on is the session that made the queue,
// or nil. While the pool does not run, and for a relay that cannot be reached
// in any way, it does nothing.
func (p *Pool) Subscribe(k Key, q Sub, on Relay) {
	r, err := p.relay(k)
	if err != nil {
		return
	}
	r.mu.Lock()
	if on != r.session {
		on = nil
	}
	r.subs[q.Auth.ID] = &sub{Sub: q, session: on}
	r.mu.Unlock()
	r.signal()
}

// Again subscribes the queue once more, though it is subscribed, after the
// shortest wait: the relay delivers again what was not acknowledged.
func (p *Pool) Again(k Key, id smp.RecipientID) {
	r, err := p.relay(k)
	if err != nil {
		return
	}
	r.mu.Lock()
	if s := r.subs[id]; s != nil {
		s.session, s.again, s.later = nil, true, time.Now().Add(p.cfg.Timing.RetryMin)
	}
	r.mu.Unlock()
	r.signal()
}

// Forget ends keeping the queue subscribed.
func (p *Pool) Forget(k Key, id smp.RecipientID) {
	r, err := p.relay(k)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.subs, id)
}

// ForgetAll takes no more messages: what comes for queues that are subscribed
// is dropped, and comes again with the next subscription.
func (p *Pool) ForgetAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.m {
		r.mu.Lock()
		clear(r.subs)
		r.mu.Unlock()
	}
}

// Subscribed tells whether the relay delivers the queue's messages to us.
func (p *Pool) Subscribed(k Key, id smp.RecipientID) bool {
	r, err := p.relay(k)
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subs[id]
	return s != nil && s.session != nil && s.session == r.session
}
