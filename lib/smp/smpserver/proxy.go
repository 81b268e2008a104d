package smpserver

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Proxy connects to other relays for clients that do not want these to know
// their addresses. Its methods may be called at once.
type Proxy interface {
	// Session gives the session with a relay, connecting if need be. The
	// error may be an *smp.Error, which is sent to the client. ctx ends when
	// the client has gone.
	Session(ctx context.Context, relay smp.ServerAddr) (ProxySession, error)
	// Lookup finds a session by its ID.
	Lookup(id smp.EntityID) (ProxySession, bool)
}

// ProxySession is a connection of the proxy to a relay.
type ProxySession interface {
	// Key is the answer to PRXY.
	Key() smp.PKEY
	// Forward sends a client's command and gives the encrypted answer. The
	// error may be an *smp.Error, which is sent to the client.
	Forward(ctx context.Context, f smp.Forwarded) ([]byte, error)
}

// unwrap gives the command inside of RFWD, and any other as it is. smp:
// Forward command to destination router
func (c *conn) unwrap(r request) request {
	cmd, ok := r.Command.(smp.RFWD)
	if !ok {
		return r
	}
	inner, err := c.open(r, cmd)
	if err != nil {
		failed := *r.Request
		failed.Command, failed.Err = nil, err
		r.Request = &failed
		return r
	}
	return inner
}

func (c *conn) open(r request, cmd smp.RFWD) (request, *smp.Error) {
	if c.peerKey == nil || c.p.Key == nil {
		return r, smp.ProxyBrokerError(smp.BrokerError{Type: smp.BrokerTransport, Transport: &smp.ErrTransportNoAuth})
	}
	session, err := box.SharedKey(*c.peerKey, c.p.Key)
	if err != nil {
		return r, smp.ErrCrypto
	}
	f, err := smp.OpenForward(session, r.CorrID, cmd.Body)
	switch {
	case errors.Is(err, wire.ErrSyntax):
		return r, smp.ErrSyntax
	case err != nil:
		return r, smp.ErrCrypto
	}
	client, err := box.SharedKey(f.Key, c.p.Key)
	if err != nil {
		return r, smp.ErrCrypto
	}
	block, err := smp.OpenProxied(client, f.CorrID, f.Body)
	if err != nil {
		return r, smp.ErrCrypto
	}
	if !c.s.cfg.Versions.Contains(f.Version) {
		return r, smp.ProxyBrokerError(smp.BrokerError{Type: smp.BrokerTransport, Transport: &smp.ErrTransportVersion})
	}
	p := c.p.At(f.Version)
	reqs := p.ParseRequests(block)
	if len(reqs) != 1 {
		return r, smp.ErrBlock
	}
	in := reqs[0]
	if in.Err == nil {
		switch in.Command.(type) {
		case smp.SEND, smp.SKEY, smp.LKEY, smp.LGET:
		default:
			in.Command, in.Err = nil, smp.ErrProhibited
		}
	}
	outer := r.CorrID
	return request{Request: &in, p: p, wrap: func(m smp.Message) (smp.CorrID, smp.Message) {
		item, err := p.EncodeMessage(in.CorrID, in.EntityID, m)
		if err != nil {
			return outer, smp.ERR{Err: smp.ErrInternal}
		}
		body, err := smp.SealProxiedResult(client, f.CorrID, item)
		if err != nil {
			return outer, smp.ERR{Err: smp.ErrBlock}
		}
		res := smp.ForwardResult{CorrID: f.CorrID, Body: body}
		return outer, smp.RRES{Body: smp.SealForwardResult(session, outer, res)}
	}}, nil
}

// maxProxied is how many commands of one connection wait for other relays;
// its next ones wait for these.
const maxProxied = 32

// forwards are a connection's commands that wait for other relays.
type forwards struct {
	slots  chan struct{}
	ctx    context.Context // ends when nobody waits for the answers
	cancel context.CancelFunc
}

// forwarding makes them when they are needed first.
func (c *conn) forwarding() *forwards {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forwards == nil {
		c.forwards = &forwards{slots: make(chan struct{}, maxProxied)}
		c.forwards.ctx, c.forwards.cancel = context.WithCancel(c.s.relaying)
		if c.cut {
			c.forwards.cancel()
		}
	}
	return c.forwards
}

// cutForwards ends what waits for other relays: the answers would reach nobody.
func (c *conn) cutForwards() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	if c.forwards != nil {
		c.forwards.cancel()
	}
}

// enter waits for a slot of the connection and one of the relay.
func (f *forwards) enter(s *Server) bool {
	select {
	case f.slots <- struct{}{}:
	case <-f.ctx.Done():
		return false
	}
	select {
	case s.forwards <- struct{}{}:
		return true
	case <-f.ctx.Done():
		<-f.slots
		return false
	}
}

func (f *forwards) leave(s *Server) {
	<-s.forwards
	<-f.slots
}

// proxied runs a slow command beside the others. prepare is called when there
// is a slot for it; what it returns must not use the block.
func (c *conn) proxied(g *group, r request, prepare func() func(context.Context) (smp.Message, error)) {
	f := c.forwarding()
	if len(f.slots) == cap(f.slots) || len(c.s.forwards) == cap(c.s.forwards) {
		g.commit()
		c.out.release() // others need not wait with this one
		defer c.out.hold()
	}
	if !f.enter(c.s) {
		c.fail(r, smp.ProxyBrokerError(smp.BrokerError{Type: smp.BrokerTimeout}))
		return
	}
	run := prepare()
	c.tasks.Go(func() {
		defer f.leave(c.s)
		m, err := run(f.ctx)
		if err != nil {
			m = smp.ERR{Err: storeError(err)}
		}
		c.reply(r, m)
	})
}

// proxySession is PRXY. smp: Request proxied session
func (c *conn) proxySession(g *group, r request, cmd smp.PRXY) {
	proxy := c.s.cfg.Proxy
	if proxy == nil || !c.s.mayCreate(cmd.BasicAuth) {
		c.fail(r, smp.ErrProxyBasicAuth)
		return
	}
	c.proxied(g, r, func() func(context.Context) (smp.Message, error) {
		return func(ctx context.Context) (smp.Message, error) {
			s, err := proxy.Session(ctx, cmd.Server)
			if err != nil {
				return nil, err
			}
			c.s.stats.proxied.Add(1)
			return s.Key(), nil
		}
	})
}

// proxyForward is PFWD. smp: Send command via proxy
func (c *conn) proxyForward(g *group, r request, cmd smp.PFWD) {
	if c.s.cfg.Proxy == nil {
		c.fail(r, smp.ErrProxyNoSession)
		return
	}
	s, ok := c.s.cfg.Proxy.Lookup(r.EntityID)
	if !ok {
		c.fail(r, smp.ErrProxyNoSession)
		return
	}
	c.proxied(g, r, func() func(context.Context) (smp.Message, error) {
		f := smp.Forwarded{CorrID: r.CorrID, Version: cmd.Version, Key: cmd.Key, Body: bytes.Clone(cmd.Body)}
		return func(ctx context.Context) (smp.Message, error) {
			body, err := s.Forward(ctx, f)
			if err != nil {
				return nil, err
			}
			c.s.stats.forwarded.Add(1)
			return smp.PRES{Body: body}, nil
		}
	})
}

// mayCreate checks the password for creating queues, which is that for the
// proxy too.
func (s *Server) mayCreate(auth *smp.BasicAuth) bool {
	if p := s.cfg.Passwords; p != nil {
		return p(auth)
	}
	want := s.cfg.BasicAuth
	return want == nil || auth != nil && subtle.ConstantTimeCompare([]byte(*auth), []byte(*want)) == 1
}
