package smpproxy

import (
	"context"
	"sync/atomic"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// session is a session with a destination.
type session struct {
	p     *Proxy
	relay string // its address
	id    smp.EntityID
	c     *smpclient.Client
	key   smp.PKEY

	used    atomic.Int64 // Unix time of the last use, in nanoseconds
	pending atomic.Int32 // commands under way
}

var _ smpserver.ProxySession = (*session)(nil)

// newSession refuses relays that cannot take forwarded commands. The error is
// an smp.TransportError.
func newSession(p *Proxy, relay string, c *smpclient.Client) (*session, error) {
	h := c.Handshake()
	proxied := wire.VersionRange{Min: smp.VersionProxy, Max: p.cfg.Versions.Max}
	v, ok := h.Relay.Compatible(proxied)
	switch {
	case c.Version() < smp.VersionProxy || !ok:
		return nil, smp.ErrTransportVersion
	case h.Cert == nil || h.Secret == nil:
		return nil, smp.ErrTransportNoAuth
	}
	s := &session{p: p, relay: relay, id: smp.EntityID(c.SessionID()), c: c, key: smp.PKEY{
		SessionID: smp.EntityID(c.SessionID()), Key: *h.Cert,
		// Not more than the proxy knows itself: the range that a client could
		// choose from would tell them apart.
		Versions: wire.VersionRange{Min: max(h.Relay.Min, proxied.Min), Max: v},
	}}
	s.touch()
	return s, nil
}

func (s *session) touch() { s.used.Store(s.p.cfg.Now().UnixNano()) }

// Key is smpserver.ProxySession's.
func (s *session) Key() smp.PKEY { return s.key }

// Forward is smpserver.ProxySession's.
// smp: Forward command to destination router
func (s *session) Forward(ctx context.Context, f smp.Forwarded) ([]byte, error) {
	if int(s.pending.Add(1)) > s.p.cfg.MaxPending {
		s.pending.Add(-1)
		return nil, errTimeout // a destination that is slower than what it is sent
	}
	defer s.pending.Add(-1)
	s.touch()
	r, err := s.c.Forward(ctx, f)
	if err != nil {
		s.p.cfg.Log.Debug("proxy: forwarding", "err", err)
		return nil, forwardError(err)
	}
	return r.Body, nil
}
