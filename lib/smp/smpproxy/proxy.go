package smpproxy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// Proxy is what smpserver.Config.Proxy asks for. All methods may be called at
// once.
type Proxy struct {
	cfg   Config
	work  context.Context // of connection attempts
	stop  context.CancelFunc
	tasks sync.WaitGroup // connection attempts

	mu       sync.Mutex
	closed   bool
	relays   map[string]*destination // by address
	sessions map[smp.EntityID]*session
	dials    int // under way
}

// destination is a relay that was asked for.
type destination struct {
	ready chan struct{} // closed when what follows is set
	s     *session      // nil if the relay could not be reached
	err   error         // then this one, for clients
	until time.Time     // and for so long
}

var _ smpserver.Proxy = (*Proxy)(nil)

// New makes a proxy. It starts nothing; [Proxy.Close] ends the sessions that
// clients ask for.
func New(cfg Config) *Proxy {
	p := &Proxy{cfg: cfg.withDefaults(), relays: map[string]*destination{}, sessions: map[smp.EntityID]*session{}}
	p.work, p.stop = context.WithCancel(context.Background())
	return p
}

// Close ends all sessions and waits for them. Always nil; it may be called
// again.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.tasks.Wait()
	p.mu.Lock()
	open := slices.Collect(maps.Values(p.sessions))
	clear(p.relays)
	clear(p.sessions)
	p.mu.Unlock()
	for _, s := range open {
		_ = s.c.Close()
	}
	return nil
}

// Run ends sessions that nobody uses, until ctx ends, and returns nil. Without
// it they are ended only for others.
func (p *Proxy) Run(ctx context.Context) error {
	tick := time.NewTicker(max(p.cfg.IdleTTL/10, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.tidy()
		case <-ctx.Done():
			return nil
		}
	}
}

// Stats are current numbers.
type Stats struct {
	Sessions  int // with destinations
	Dialling  int // connection attempts under way
	Forwarded int // commands that wait for destinations
}

// Stats gives the numbers.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Stats{Sessions: len(p.sessions), Dialling: p.dials}
	for _, s := range p.sessions {
		st.Forwarded += int(s.pending.Load())
	}
	return st
}

// Session is smpserver.Proxy's: the session with a relay, connecting if there
// is none. smp: Request proxied session
func (p *Proxy) Session(ctx context.Context, relay smp.ServerAddr) (smpserver.ProxySession, error) {
	if err := p.allowed(relay); err != nil {
		return nil, err
	}
	d, err := p.destination(relay)
	if err != nil {
		return nil, err
	}
	select {
	case <-d.ready:
	case <-ctx.Done():
		return nil, errTimeout
	}
	if d.s == nil {
		return nil, d.err
	}
	d.s.touch()
	return d.s, nil
}

// Lookup is smpserver.Proxy's: a session that has not ended, by its ID.
func (p *Proxy) Lookup(id smp.EntityID) (smpserver.ProxySession, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessions[id]
	if s == nil {
		return nil, false
	}
	if s.c.Err() != nil {
		p.forgetLocked(s)
		return nil, false
	}
	return s, true
}

// destination is what is known of a relay, or will be when it is ready.
func (p *Proxy) destination(relay smp.ServerAddr) (*destination, error) {
	name := relay.String()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errTimeout
	}
	if d := p.relays[name]; d != nil && !p.overLocked(d) {
		return d, nil
	}
	if p.dials >= p.cfg.MaxDials || !p.roomLocked() {
		return nil, errTimeout
	}
	d := &destination{ready: make(chan struct{})}
	p.relays[name] = d
	p.dials++
	p.tasks.Go(func() { p.connect(name, relay, d) })
	return d, nil
}

// overLocked tells whether another attempt should be made, and forgets a
// session that has ended.
func (p *Proxy) overLocked(d *destination) bool {
	select {
	case <-d.ready:
	default:
		return false
	}
	if d.s == nil {
		return !p.cfg.Now().Before(d.until)
	}
	if d.s.c.Err() == nil {
		return false
	}
	p.forgetLocked(d.s)
	return true
}

// connect sets up the session for all who wait.
func (p *Proxy) connect(name string, relay smp.ServerAddr, d *destination) {
	ctx, cancel := context.WithTimeout(p.work, p.cfg.ConnectTimeout)
	defer cancel()
	relay.Hosts = publicFirst(relay.Hosts)
	c, err := smpclient.Dial(ctx, relay, smpclient.Options{
		Dialer: transport.Dialer{Socket: p.socket()}, Versions: p.cfg.Versions, ProxyServer: true,
		ConnectTimeout: p.cfg.ConnectTimeout, Timeout: p.cfg.Timeout, Log: p.cfg.Log,
	})
	var s *session
	if err == nil {
		if s, err = newSession(p, name, c); err != nil {
			_ = c.Close()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials--
	if err != nil {
		p.cfg.Log.Debug("proxy: connecting", "err", err)
		d.err, d.until = dialError(err), p.cfg.Now().Add(p.cfg.RetryAfter)
	} else {
		d.s = s
		p.sessions[s.id] = s
	}
	close(d.ready)
}

// forgetLocked forgets a session that has ended or is about to.
func (p *Proxy) forgetLocked(s *session) {
	if p.sessions[s.id] == s {
		delete(p.sessions, s.id)
	}
	if d := p.relays[s.relay]; d != nil && d.s == s {
		delete(p.relays, s.relay)
	}
}

// roomLocked makes room for one more destination: what failed goes first,
// then the session that was used least recently and has nothing under way.
func (p *Proxy) roomLocked() bool {
	if len(p.relays) < p.cfg.MaxRelays {
		return true
	}
	p.tidyLocked()
	var failed string
	var oldest *session
	for name, d := range p.relays {
		select {
		case <-d.ready:
		default:
			continue
		}
		switch {
		case d.s == nil:
			failed = name
		case d.s.pending.Load() == 0 && (oldest == nil || d.s.used.Load() < oldest.used.Load()):
			oldest = d.s
		}
	}
	switch {
	case len(p.relays) < p.cfg.MaxRelays:
	case failed != "":
		delete(p.relays, failed)
	case oldest != nil:
		p.endLocked(oldest)
	}
	return len(p.relays) < p.cfg.MaxRelays
}

func (p *Proxy) tidy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tidyLocked()
}

// tidyLocked forgets what is over, and ends sessions that nobody uses.
func (p *Proxy) tidyLocked() {
	before := p.cfg.Now().Add(-p.cfg.IdleTTL).UnixNano()
	for name, d := range p.relays {
		if p.overLocked(d) {
			delete(p.relays, name)
		} else if s := d.s; d.isReady() && s != nil && s.pending.Load() == 0 && s.used.Load() < before {
			p.endLocked(s)
		}
	}
}

func (d *destination) isReady() bool {
	select {
	case <-d.ready:
		return true
	default:
		return false
	}
}

// endLocked ends a session. Clients that still have its ID get NO_SESSION and
// ask for another.
func (p *Proxy) endLocked(s *session) {
	p.forgetLocked(s)
	if !p.closed {
		p.tasks.Go(func() { _ = s.c.Close() })
	}
}

// errUnreachable is of sockets that are not opened.
var errUnreachable = errors.New("smpproxy: destination not allowed")
