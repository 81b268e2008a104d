// Package smphandshake exchanges the hellos of SMP over a secured connection,
// on either side:
//
//	relay   versions, session identifier, signed X25519 key
//	client  version, the relay's identity, X25519 key, proxy mark [, service]
//	relay   service ID, or an error          only if the client is a service
//
// Both take the highest common version. A relay without ALPN in TLS offers
// version 6 only. From version 11 on, unless the client is a proxy or sent no
// key, the blocks that follow are encrypted inside TLS; that is switched on
// here.
//
// smp: Transport handshake
// smp: ALPN to agree handshake version
package smphandshake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var (
	// ErrVersion is returned when the two sides have no version in common. It
	// is found along with smp.ErrTransportVersion.
	ErrVersion = errors.New("smphandshake: no common version")
	// ErrHandshake is returned for hellos that are malformed, belong to
	// another session or prove nothing. The smp.TransportError in it says
	// which.
	ErrHandshake = errors.New("smphandshake: hello refused")
)

// ClientConfig says what a client sends and expects.
type ClientConfig struct {
	Identity    smp.Fingerprint   // of the relay
	Versions    wire.VersionRange // zero is smp.Versions
	ProxyServer bool              // the client is a relay that forwards
	// NoKey leaves out the X25519 key, and with it block encryption and the
	// proxying of answers.
	NoKey bool
	// Key is the session key; nil makes one.
	Key     *key.X25519Private
	Service *Service // nil unless the client is a service
}

// Service is what a client with a service certificate proves.
type Service struct {
	Role smp.ServiceRole
	// Credential is the one shown in TLS.
	Credential *transport.Credential
	// Key is the session's signature key; nil makes one.
	Key *key.Ed25519Private
}

// Client is the outcome on the client's side.
type Client struct {
	Params   smp.Params
	Relay    wire.VersionRange // what the relay offered
	Cert     *smp.CertChainKey // the relay's signed key, nil below v7
	Key      *key.X25519Private
	Service  *smp.ServiceKeys // set for services
	Secret   []byte           // DH of the session keys, nil if one is missing
	Encrypts bool             // blocks are encrypted
}

// Connect is the client's side. ctx bounds it; the connection is of no use
// after an error. The errors are [ErrVersion], [ErrHandshake] and those of
// transport.
func Connect(ctx context.Context, c *transport.Conn, cfg ClientConfig) (*Client, error) {
	var out *Client
	err := bounded(ctx, c, func() (err error) {
		out, err = connect(c, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func connect(c *transport.Conn, cfg ClientConfig) (*Client, error) {
	block, err := c.ReadBlock()
	if err != nil {
		return nil, fmt.Errorf("smphandshake: the relay's hello: %w", err)
	}
	// The hello aliases the block: a copy, lest a session keeps 16 KiB.
	h, err := smp.ParseServerHello(bytes.Clone(block.Payload()))
	block.Release()
	if err != nil {
		return nil, refused(err)
	}
	if !bytes.Equal(h.SessionID, c.SessionID()) {
		return nil, refused(smp.ErrTransportSession)
	}
	v, err := smp.Agree(defaultVersions(cfg.Versions), h, cfg.ProxyServer)
	if err != nil {
		return nil, fmt.Errorf("%w: the relay has %d to %d: %w", ErrVersion, h.Versions.Min, h.Versions.Max, err)
	}
	out := &Client{Relay: h.Versions, Cert: h.Key, Params: smp.Params{Version: v, SessionID: c.SessionID()}}
	if h.Key != nil {
		k, err := verify(c, h.Key, cfg.Identity)
		if err != nil {
			return nil, refused(err)
		}
		out.Params.PeerKey = &k
	}
	if !cfg.NoKey {
		if out.Key = cfg.Key; out.Key == nil {
			out.Key = key.GenerateX25519()
		}
	}
	if err := answer(c, cfg, out); err != nil {
		return nil, err
	}
	return out, encrypt(c, cfg, out)
}

// verify checks that the signed key is of the identity and of the leaf that
// TLS has seen.
func verify(c *transport.Conn, k *smp.CertChainKey, id smp.Fingerprint) (key.X25519Public, error) {
	var leaf key.VerifyKey
	if chain := c.PeerChain(); len(chain) > 0 {
		var err error
		if leaf, err = chain.LeafKey(); err != nil {
			return key.X25519Public{}, err
		}
	}
	return k.VerifyServer(id, leaf)
}

// answer sends the client's hello and, as a service, waits for its ID.
func answer(c *transport.Conn, cfg ClientConfig, out *Client) error {
	v := out.Params.Version
	h := smp.ClientHello{Version: v, KeyHash: cfg.Identity, ProxyServer: cfg.ProxyServer}
	if out.Key != nil {
		pub := out.Key.Public()
		h.Key = &pub
	}
	service := cfg.Service
	if service != nil && v < smp.VersionService {
		service = nil
	}
	var keys *smp.ServiceKeys
	if service != nil {
		k := service.Key
		if k == nil {
			k = key.GenerateEd25519()
		}
		signed, err := smp.SignKey(service.Credential.Chain, service.Credential.Key, k.Public())
		if err != nil {
			return refused(err)
		}
		h.Service = &smp.ClientService{Role: service.Role, Key: signed}
		keys = &smp.ServiceKeys{Role: service.Role, Certificate: signed.Identity(), Key: k}
	}
	if err := c.WriteBlock(h.Append(nil)); err != nil {
		return fmt.Errorf("smphandshake: the client's hello: %w", err)
	}
	if keys == nil {
		return nil
	}
	id, err := readService(c)
	if err != nil {
		return err
	}
	keys.ServiceID, out.Service = id, keys
	return nil
}

func readService(c *transport.Conn) (smp.ServiceID, error) {
	block, err := c.ReadBlock()
	if err != nil {
		return "", fmt.Errorf("smphandshake: the relay's answer to a service: %w", err)
	}
	defer block.Release()
	h, err := smp.ParseServiceHello(block.Payload())
	if err != nil {
		return "", refused(err)
	}
	if h.Err != nil {
		return "", refused(*h.Err)
	}
	return h.ServiceID, nil
}

func encrypt(c *transport.Conn, cfg ClientConfig, out *Client) error {
	p := &out.Params
	if out.Key == nil || p.PeerKey == nil || p.Version < smp.VersionAuth {
		return nil
	}
	secret, err := out.Key.DH(*p.PeerKey)
	if err != nil {
		return refused(err)
	}
	out.Secret = secret
	if !smp.EncryptsBlocks(p.Version, cfg.ProxyServer) {
		return nil
	}
	send, receive, err := smp.ClientChains(p.SessionID, out.Key, *p.PeerKey)
	if err != nil {
		return refused(err)
	}
	c.SetChains(send, receive)
	out.Encrypts = true
	return nil
}

func defaultVersions(r wire.VersionRange) wire.VersionRange {
	if r == (wire.VersionRange{}) {
		return smp.Versions
	}
	return r
}

func refused(err error) error { return fmt.Errorf("%w: %w", ErrHandshake, err) }

// bounded runs f and ends it when ctx ends.
func bounded(ctx context.Context, c *transport.Conn, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if !stop() {
		return fmt.Errorf("smphandshake: %w", ctx.Err())
	}
	return err
}
