package relays

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// route is the way to a relay through a proxy, for one scope.
type route struct {
	proxy string // the relay that is the proxy
	// ready is closed when what follows is set; it does not change then.
	ready   chan struct{}
	session Relay // with the proxy
	sender  Sender
	err     error
}

// Send lets fn send to a relay, through a proxy if the configuration says so.
// fn may be called twice: if the proxy has lost its session with the relay, and
// if it cannot reach it and we may. The errors are those of [Pool.Get], of fn,
// and the proxy's.
// smp: Private message routing
func (p *Pool) Send(ctx context.Context, to Key, fn func(Sender) error) error {
	addr, err := smp.ParseServerAddr(to.Server)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if !p.proxied(addr) {
		return p.sendDirectly(ctx, to, fn)
	}
	err = p.sendProxied(ctx, to, addr, fn)
	if err != nil && unreachable(err) && p.directAllowed() && ctx.Err() == nil {
		p.cfg.Log.Debug("proxy does not reach a relay; sending directly", "err", err)
		return p.sendDirectly(ctx, to, fn)
	}
	return err
}

func (p *Pool) sendDirectly(ctx context.Context, to Key, fn func(Sender) error) error {
	s, err := p.Get(ctx, to)
	if err != nil {
		return err
	}
	return fn(s)
}

// proxied tells whether a relay is sent to through a proxy.
func (p *Pool) proxied(a smp.ServerAddr) bool {
	n := p.cfg.Network
	if len(p.cfg.Servers) == 0 {
		return false // there is none to be the proxy
	}
	switch n.Proxy {
	case ProxyAlways:
		return true
	case ProxyUnknown:
		return !p.known(a)
	case ProxyUnprotected:
		return !n.protected() && !p.known(a)
	}
	return false
}

func (p *Pool) directAllowed() bool {
	n := p.cfg.Network
	return n.Fallback == FallbackAllow || n.Fallback == FallbackProtected && n.protected()
}

// unreachable tells whether the relay cannot be reached through a proxy at
// all, rather than now: one of the two does not support it, or we may not.
func unreachable(err error) bool {
	if errors.Is(err, smpclient.ErrVersion) || errors.Is(err, errNoProxy) || errors.Is(err, smp.ErrProxyBasicAuth) {
		return true
	}
	var e *smp.Error
	if !errors.As(err, &e) || e.Type != smp.TypeProxy || e.Proxy == nil || e.Proxy.Broker == nil {
		return false
	}
	b := e.Proxy.Broker
	return b.Type == smp.BrokerHost ||
		b.Type == smp.BrokerTransport && b.Transport != nil && b.Transport.Type == smp.TransportVersion
}

// errNoProxy is of relays that are too old to be proxies.
var errNoProxy = errors.New("agent: the relay is no proxy")

func (p *Pool) sendProxied(ctx context.Context, to Key, addr smp.ServerAddr, fn func(Sender) error) error {
	r, err := p.route(ctx, to, addr, "")
	if err != nil {
		return err
	}
	err = fn(r.sender)
	if err == nil {
		return nil
	}
	switch {
	case errors.Is(err, smp.ErrProxyNoSession), errors.Is(err, smpclient.ErrClosed):
		p.drop(to, r)
	default:
		if unreachable(err) {
			p.drop(to, r)
		}
		return err
	}
	if r, err = p.route(ctx, to, addr, r.proxy); err != nil {
		return err
	}
	return fn(r.sender)
}

// route is the way to a relay, over the relay via if it is not empty. Those
// who ask for one that is being made wait for it.
func (p *Pool) route(ctx context.Context, to Key, addr smp.ServerAddr, via string) (*route, error) {
	p.mu.Lock()
	if p.m == nil {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	r := p.routes[to]
	if r == nil {
		r = &route{proxy: via, ready: make(chan struct{})}
		p.routes[to] = r
		p.mu.Unlock()
		p.make(ctx, r, to, addr)
		if r.err != nil {
			p.drop(to, r)
		}
		close(r.ready)
		return r, r.err
	}
	p.mu.Unlock()
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.err == nil {
		select {
		case <-r.session.Done():
			p.drop(to, r)
			return p.route(ctx, to, addr, r.proxy)
		default:
		}
	}
	return r, r.err
}

// drop forgets a route, so that another one is made.
func (p *Pool) drop(to Key, r *route) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.routes[to] == r {
		delete(p.routes, to)
	}
}

// make makes a route over the relay that r names or else over those of the
// configuration, one after the other.
func (p *Pool) make(ctx context.Context, r *route, to Key, addr smp.ServerAddr) {
	servers, err := p.Choose(r.proxy, to.Server)
	if err != nil {
		r.err = err
		return
	}
	for _, s := range servers {
		r.proxy = s.ServerAddr.String()
		r.session, r.sender, r.err = p.over(ctx, Key{r.proxy, to.Scope}, addr, s.BasicAuth)
		if r.err == nil || ctx.Err() != nil || !elsewhere(r.err) {
			return
		}
	}
}

// elsewhere tells whether another proxy may do what one could not.
func elsewhere(err error) bool {
	var e *smp.Error
	if !errors.As(err, &e) {
		return true
	}
	return e.Type == smp.TypeAuth || unreachable(err)
}

func (p *Pool) over(ctx context.Context, proxy Key, to smp.ServerAddr, auth *smp.BasicAuth) (Relay, Sender, error) {
	s, err := p.Get(ctx, proxy)
	if err != nil {
		return nil, nil, fmt.Errorf("agent: proxy: %w", err)
	}
	sender, err := s.Proxy(ctx, to, auth)
	if errors.Is(err, smpclient.ErrOldVersion) {
		err = fmt.Errorf("%w: %w", errNoProxy, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("agent: proxy: %w", err)
	}
	return s, sender, nil
}
