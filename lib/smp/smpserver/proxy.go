package smpserver

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// Proxy connects to other relays for clients that do not want these to know
// their addresses. Its methods may be called at once.
type Proxy interface {
	// Session gives the session with a relay, connecting if need be. The
	// error may be an *smp.Error, which is sent to the client.
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
// Forward command to destination relay
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
	if err != nil {
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

// maxProxied is how many commands of one connection wait for other relays.
const maxProxied = 32

// proxied runs a slow command beside the others.
func (c *conn) proxied(r request, run func() (smp.Message, error)) {
	if c.proxying.Add(1) > maxProxied {
		c.proxying.Add(-1)
		c.fail(r, smp.ProxyBrokerError(smp.BrokerError{Type: smp.BrokerTimeout}))
		return
	}
	c.tasks.Go(func() {
		defer c.proxying.Add(-1)
		m, err := run()
		if err != nil {
			m = smp.ERR{Err: storeError(err)}
		}
		c.reply(r, m)
	})
}

// proxySession is PRXY. smp: Request proxied session
func (c *conn) proxySession(r request, cmd smp.PRXY) {
	cfg := &c.s.cfg
	if cfg.BasicAuth != nil && (cmd.BasicAuth == nil || *cmd.BasicAuth != *cfg.BasicAuth) {
		c.fail(r, smp.ErrProxyBasicAuth)
		return
	}
	if cfg.Proxy == nil {
		c.fail(r, smp.ProxyBrokerError(smp.BrokerError{Type: smp.BrokerNetwork}))
		return
	}
	c.proxied(r, func() (smp.Message, error) {
		s, err := cfg.Proxy.Session(c.s.work, cmd.Server)
		if err != nil {
			return nil, err
		}
		return s.Key(), nil
	})
}

// proxyForward is PFWD. smp: Send command via proxy
func (c *conn) proxyForward(r request, cmd smp.PFWD) {
	if c.s.cfg.Proxy == nil {
		c.fail(r, smp.ErrProxyNoSession)
		return
	}
	s, ok := c.s.cfg.Proxy.Lookup(r.EntityID)
	if !ok {
		c.fail(r, smp.ErrProxyNoSession)
		return
	}
	f := smp.Forwarded{CorrID: r.CorrID, Version: cmd.Version, Key: cmd.Key, Body: append([]byte(nil), cmd.Body...)}
	c.proxied(r, func() (smp.Message, error) {
		body, err := s.Forward(c.s.work, f)
		if err != nil {
			return nil, err
		}
		return smp.PRES{Body: body}, nil
	})
}
