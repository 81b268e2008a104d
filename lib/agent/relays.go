package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// relays holds one session with each relay, for receiving and sending.
type relays struct {
	a  *Agent
	wg sync.WaitGroup

	mu  sync.Mutex // guards what follows
	ctx context.Context
	m   map[string]*relay
}

// relay is a relay that the agent uses. Its run loop connects when somebody
// asks for the session or queues are to be subscribed, and again after the
// session has ended.
type relay struct {
	rs     *relays
	server string
	work   chan struct{} // holds one signal for the run loop; never closed

	mu      sync.Mutex // guards what follows
	session Relay      // nil while there is none
	waiting []chan error
	subs    map[smp.RecipientID]*sub
	down    bool // the client has been told so
}

// sub is a queue to be subscribed.
type sub struct {
	conn    ConnID
	queue   int64
	auth    QueueAuth
	session Relay // on which it is subscribed, nil if it is not
}

func (rs *relays) start(ctx context.Context) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.ctx, rs.m = ctx, make(map[string]*relay)
}

// wait returns when all sessions are closed; ctx must have ended.
func (rs *relays) wait() {
	rs.mu.Lock()
	rs.m = nil
	rs.mu.Unlock()
	rs.wg.Wait()
}

func (rs *relays) relay(server string) (*relay, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.m == nil || rs.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if r, ok := rs.m[server]; ok {
		return r, nil
	}
	addr, err := smp.ParseServerAddr(server)
	if err != nil {
		return nil, permanent(CodeProtocol, err.Error())
	}
	r := &relay{rs: rs, server: server, work: make(chan struct{}, 1), subs: make(map[smp.RecipientID]*sub)}
	rs.m[server] = r
	rs.wg.Go(func() { r.run(rs.ctx, addr) })
	return r, nil
}

// get returns a session with the relay, connecting if need be. The error is
// that of the first attempt that fails, or the context's.
func (rs *relays) get(ctx context.Context, server string) (Relay, error) {
	r, err := rs.relay(server)
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
		case <-rs.ctx.Done():
			return nil, ErrClosed
		}
	}
}

var errSessionEnded = errors.New("agent: session with the relay ended")

// subscribe keeps the queue subscribed. on is the session that made the
// queue, or nil.
func (rs *relays) subscribe(q *RcvQueue, on Relay) {
	r, err := rs.relay(q.Server)
	if err != nil {
		return // not running, or never to be reached
	}
	r.mu.Lock()
	if on != r.session {
		on = nil
	}
	r.subs[q.RcvID] = &sub{conn: q.Conn, queue: q.Row, auth: QueueAuth{ID: q.RcvID, Key: q.AuthKey}, session: on}
	r.mu.Unlock()
	r.signal()
}

// forget ends keeping the queue subscribed; whether it was.
func (rs *relays) forget(server string, id smp.RecipientID) bool {
	r, err := rs.relay(server)
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, was := r.subs[id]
	delete(r.subs, id)
	return was
}

// subscribed tells whether the relay delivers the queue's messages to us.
func (rs *relays) subscribed(server string, id smp.RecipientID) bool {
	r, err := rs.relay(server)
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.subs[id]
	return s != nil && s.session != nil && s.session == r.session
}

func (r *relay) current() Relay {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.session
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

func (r *relay) run(ctx context.Context, addr smp.ServerAddr) {
	t := r.rs.a.cfg.Timing
	var delay time.Duration
	for ctx.Err() == nil {
		if !r.wanted() {
			select {
			case <-r.work:
			case <-ctx.Done():
			}
			continue
		}
		s, err := r.connect(ctx, addr)
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
		delay = nextDelay(delay, t.RetryMin, t.RetryMax)
		r.pause(ctx, delay)
	}
	r.answer(ErrClosed)
}

// pause waits before the next attempt. Whoever asks in the meantime gets the
// session after the shortest wait, not the longest.
func (r *relay) pause(ctx context.Context, delay time.Duration) {
	least := r.rs.a.cfg.Timing.RetryMin
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

func (r *relay) connect(ctx context.Context, addr smp.ServerAddr) (Relay, error) {
	dctx, cancel := context.WithTimeout(ctx, r.rs.a.cfg.Timing.Connect)
	defer cancel()
	s, err := r.rs.a.cfg.Dial(dctx, addr, r.onMessage)
	if err != nil {
		return nil, fmt.Errorf("agent: connect to relay: %w", err)
	}
	r.mu.Lock()
	r.session = s
	r.mu.Unlock()
	r.answer(nil)
	r.rs.a.workers.wake(r.server)
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
	t := r.rs.a.cfg.Timing
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
			delay = nextDelay(delay, t.RetryMin, t.RetryMax)
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
		r.mu.Lock()
		for id, q := range r.subs {
			if q.session != s && !tried[id] && len(qs) < maxSubscribe {
				tried[id] = true
				batch, qs = append(batch, q), append(qs, q.auth)
			}
		}
		r.mu.Unlock()
		if len(qs) == 0 {
			r.tellUp(ctx, nil)
			return again
		}
		errs := s.Subscribe(ctx, qs)
		var up []ConnID
		for i, q := range batch {
			switch err := errs[i]; {
			case err == nil:
				r.mu.Lock()
				q.session = s
				r.mu.Unlock()
				up = append(up, q.conn)
			case temporary(err):
				again = true
			default:
				r.rs.forget(r.server, q.auth.ID)
				r.rs.a.subscribeFailed(ctx, q, toError(err, r.server))
			}
		}
		r.tellUp(ctx, up)
	}
}

func (r *relay) tellUp(ctx context.Context, conns []ConnID) {
	r.mu.Lock()
	first := r.down
	r.down = false
	r.mu.Unlock()
	if len(conns) > 0 || first {
		r.rs.a.handler.HandleStatus(ctx, Status{Server: r.server, Up: true, Conns: conns})
	}
}

// ended tells the client if it has queues here.
func (r *relay) ended(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.rs.a.log.Debug("no session with a relay", "err", err)
	r.mu.Lock()
	tell := len(r.subs) > 0 && !r.down
	r.down = r.down || tell
	var conns []ConnID
	for _, q := range r.subs {
		conns = append(conns, q.conn)
	}
	r.mu.Unlock()
	if tell {
		r.rs.a.handler.HandleStatus(ctx, Status{Server: r.server, Conns: conns, Err: err})
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
		r.rs.a.deposit(q.conn, delivery{queue: q.queue, msg: m})
	}
}
