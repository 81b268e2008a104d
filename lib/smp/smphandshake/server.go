package smphandshake

import (
	"bytes"
	"context"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ServerConfig says what a relay offers.
type ServerConfig struct {
	Credential *transport.Credential
	Versions   wire.VersionRange // zero is smp.Versions
	// Key is the session key; nil makes one.
	Key *key.X25519Private
	// Service admits a client with a service certificate and gives its ID;
	// nil refuses them all with BAD_SERVICE. An error that is no
	// smp.TransportError is told to the client as BAD_SERVICE.
	Service func(ctx context.Context, role smp.ServiceRole, chain transport.Chain) (smp.ServiceID, error)
}

// Server is the outcome on the relay's side.
type Server struct {
	Params      smp.Params
	PeerKey     *key.X25519Public // the client's session key, nil if it sent none
	ProxyServer bool              // the client is a proxy
	Service     *smp.PeerService  // nil unless the client is a service
	Encrypts    bool              // blocks are encrypted
}

// Accept is the relay's side. ctx bounds it; the connection is of no use after
// an error. The errors are as with [Connect].
func Accept(ctx context.Context, c *transport.Conn, cfg ServerConfig) (*Server, error) {
	var out *Server
	err := bounded(ctx, c, func() (err error) {
		out, err = accept(ctx, c, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func accept(ctx context.Context, c *transport.Conn, cfg ServerConfig) (*Server, error) {
	versions := defaultVersions(cfg.Versions)
	if c.ALPN() == "" {
		versions = smp.LegacyVersions
	}
	session := cfg.Key
	if session == nil {
		session = key.GenerateX25519()
	}
	signed, err := smp.SignKey(cfg.Credential.Chain, cfg.Credential.Key, session.Public())
	if err != nil {
		return nil, refused(err)
	}
	h := smp.ServerHello{Versions: versions, SessionID: c.SessionID(), Key: &signed}
	if err := c.WriteBlock(h.Append(nil)); err != nil {
		return nil, fmt.Errorf("smphandshake: the relay's hello: %w", err)
	}
	block, err := c.ReadBlock()
	if err != nil {
		return nil, fmt.Errorf("smphandshake: the client's hello: %w", err)
	}
	ch, err := smp.ParseClientHello(bytes.Clone(block.Payload())) // aliases what it reads
	block.Release()
	if err != nil {
		return nil, refused(err)
	}
	if ch.KeyHash != signed.Identity() {
		return nil, refused(smp.ErrHandshakeIdentity)
	}
	if !versions.Contains(ch.Version) {
		return nil, fmt.Errorf("%w: the client has %d: %w", ErrVersion, ch.Version, smp.ErrTransportVersion)
	}
	out := &Server{
		Params:      smp.Params{Version: ch.Version, SessionID: c.SessionID(), Key: session},
		PeerKey:     ch.Key,
		ProxyServer: ch.ProxyServer,
	}
	if ch.Service != nil {
		if out.Service, err = admit(ctx, c, cfg, ch.Service); err != nil {
			return nil, err
		}
	}
	if ch.Key == nil || !smp.EncryptsBlocks(ch.Version, ch.ProxyServer) {
		return out, nil
	}
	send, receive, err := smp.ServerChains(c.SessionID(), session, *ch.Key)
	if err != nil {
		return nil, refused(err)
	}
	c.SetChains(send, receive)
	out.Encrypts = true
	return out, nil
}

// admit tells a service its ID, or why it is refused.
func admit(ctx context.Context, c *transport.Conn, cfg ServerConfig, cs *smp.ClientService) (*smp.PeerService, error) {
	s, err := checkService(c, cs)
	if err == nil {
		if cfg.Service == nil {
			err = smp.ErrHandshakeService
		} else {
			s.ServiceID, err = cfg.Service(ctx, cs.Role, cs.Key.Chain)
		}
	}
	h := smp.ServiceHello{}
	if err != nil {
		te := transportError(err)
		h.Err = &te
	} else {
		h.ServiceID = s.ServiceID
	}
	if e := c.WriteBlock(h.Append(nil)); e != nil {
		return nil, fmt.Errorf("smphandshake: the answer to a service: %w", e)
	}
	if err != nil {
		return nil, refused(err)
	}
	return s, nil
}

func checkService(c *transport.Conn, cs *smp.ClientService) (*smp.PeerService, error) {
	if !c.PeerChain().Equal(cs.Key.Chain) {
		return nil, fmt.Errorf("%w: another certificate than in TLS", smp.ErrHandshakeBadAuth)
	}
	leaf, err := cs.Key.Leaf()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", smp.ErrHandshakeBadAuth, err)
	}
	k, err := cs.Key.Verify(leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", smp.ErrHandshakeBadAuth, err)
	}
	pub, ok := k.(key.Ed25519Public)
	if !ok {
		return nil, fmt.Errorf("%w: the service's key is %v", smp.ErrHandshakeBadAuth, k.Alg())
	}
	return &smp.PeerService{Role: cs.Role, Certificate: cs.Key.Identity(), Key: pub}, nil
}
