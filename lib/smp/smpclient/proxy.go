package smpclient

import (
	"context"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Proxied is a relay that a proxy forwards a sender's commands to. The relay
// does not learn the sender's address, the proxy not what is sent. It lives as
// long as the client that made it; after smp.ErrProxyNoSession ask for another.
type Proxied struct {
	c      *Client
	params smp.Params // of transmissions to the relay
}

// Proxy asks the relay of this session to connect to another one. The other's
// identity and signed key are checked: [ErrFingerprint] and [ErrHandshake];
// [ErrOldVersion] below v8. smp: Request proxied session
func (c *Client) Proxy(ctx context.Context, relay smp.ServerAddr, auth *smp.BasicAuth) (*Proxied, error) {
	cmd := smp.PRXY{Server: relay, BasicAuth: auth}
	if err := c.since(smp.VersionProxy, cmd); err != nil {
		return nil, err
	}
	m, err := c.do(ctx, "", nil, cmd)
	pkey, err := expect[smp.PKEY](m, err, cmd)
	if err != nil {
		return nil, err
	}
	v, ok := pkey.Versions.Compatible(wire.VersionRange{Min: smp.VersionProxy, Max: smp.Versions.Max})
	if !ok {
		return nil, fmt.Errorf("%w: the relay behind the proxy has %d to %d", ErrVersion, pkey.Versions.Min, pkey.Versions.Max)
	}
	if pkey.Key.Identity() != relay.KeyHash {
		return nil, fmt.Errorf("smpclient: PRXY: %w", ErrFingerprint)
	}
	if err := transport.Chain(pkey.Key.Chain).Verify(time.Now(), 2); err != nil {
		return nil, fmt.Errorf("%w: PRXY: %w", ErrHandshake, err)
	}
	k, err := pkey.Key.VerifyServer(relay.KeyHash, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: PRXY: %w", ErrHandshake, err)
	}
	return &Proxied{c, smp.Params{Version: v, SessionID: []byte(pkey.SessionID), PeerKey: &k}}, nil
}

// Version is the one that the relay is spoken to with.
func (p *Proxied) Version() wire.Version { return p.params.Version }

// SecureSender is [Client.SecureSender] through the proxy.
func (p *Proxied) SecureSender(ctx context.Context, id smp.SenderID, k key.Private) error {
	cmd := smp.SKEY{Key: k.PublicKey()}
	if err := since(p.Version(), smp.VersionSenderKey, cmd); err != nil {
		return err
	}
	m, err := p.do(ctx, smp.EntityID(id), k, cmd)
	_, err = expect[smp.OK](m, err, cmd)
	return err
}

// Send is [Client.Send] through the proxy.
func (p *Proxied) Send(ctx context.Context, id smp.SenderID, k key.Private, msg smp.SEND) error {
	m, err := p.do(ctx, smp.EntityID(id), k, msg)
	_, err = expect[smp.OK](m, err, msg)
	return err
}

// SecureByLink is [Client.SecureByLink] through the proxy.
func (p *Proxied) SecureByLink(ctx context.Context, id smp.LinkID, k key.Private) (smp.LNK, error) {
	cmd := smp.LKEY{Key: k.PublicKey()}
	if err := since(p.Version(), smp.VersionShortLinks, cmd); err != nil {
		return smp.LNK{}, err
	}
	m, err := p.do(ctx, smp.EntityID(id), k, cmd)
	return expect[smp.LNK](m, err, cmd)
}

// GetLink is [Client.GetLink] through the proxy.
func (p *Proxied) GetLink(ctx context.Context, id smp.LinkID) (smp.LNK, error) {
	if err := since(p.Version(), smp.VersionShortLinks, smp.LGET{}); err != nil {
		return smp.LNK{}, err
	}
	m, err := p.do(ctx, smp.EntityID(id), nil, smp.LGET{})
	return expect[smp.LNK](m, err, smp.LGET{})
}

// do sends a command inside PFWD. An error of the relay is returned as if it
// had been asked directly, one of the proxy has the type smp.TypeProxy.
// smp: Send command via proxy
func (p *Proxied) do(ctx context.Context, entity smp.EntityID, k key.Private, cmd smp.Command) (smp.Message, error) {
	own := key.GenerateX25519()
	secret, err := box.SharedKey(*p.params.PeerKey, own)
	if err != nil {
		return nil, fmt.Errorf("smpclient: %s: %w", cmd.Tag(), err)
	}
	id := NewCorrID()
	item, err := p.params.EncodeCommand(id, entity, cmd, smp.Credentials{Key: k})
	if err != nil {
		return nil, fmt.Errorf("smpclient: %s: %w", cmd.Tag(), err)
	}
	sealed, err := smp.SealProxied(secret, id, item)
	if err != nil {
		return nil, fmt.Errorf("smpclient: %s: %w: %w", cmd.Tag(), smp.ErrTransportLargeMsg, err)
	}
	forward := smp.PFWD{Version: p.params.Version, Key: own.Public(), Body: sealed}
	m, err := p.c.doID(ctx, id, smp.EntityID(p.params.SessionID), nil, forward)
	pres, err := expect[smp.PRES](m, err, forward)
	if err != nil {
		return nil, err
	}
	block, err := smp.OpenProxiedResult(secret, id, pres.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: to %s through a proxy: %w", ErrUnexpected, cmd.Tag(), err)
	}
	rs := p.params.ParseResponses(block)
	if len(rs) != 1 || rs[0].CorrID != id && rs[0].Err == nil {
		return nil, fmt.Errorf("%w: to %s through a proxy", ErrUnexpected, cmd.Tag())
	}
	if rs[0].Err != nil {
		return nil, fmt.Errorf("%w: to %s through a proxy: %w", ErrUnexpected, cmd.Tag(), rs[0].Err)
	}
	return answer(cmd, rs[0].Message, nil)
}

// Forward is the proxy's side: it hands a client's command to the relay of
// this session, whose client must be a proxy ([Options.ProxyServer]).
// smp: Forward command to destination router
func (c *Client) Forward(ctx context.Context, f smp.Forwarded) (smp.ForwardResult, error) {
	k, err := box.NewKey(c.hello.Secret)
	if err != nil {
		return smp.ForwardResult{}, fmt.Errorf("%w: RFWD: no session key", ErrOldVersion)
	}
	defer k.Wipe()
	id := NewCorrID()
	cmd := smp.RFWD{Body: smp.SealForward(k, id, f)}
	m, err := c.doID(ctx, id, "", nil, cmd)
	rres, err := expect[smp.RRES](m, err, cmd)
	if err != nil {
		return smp.ForwardResult{}, err
	}
	r, err := smp.OpenForwardResult(k, id, rres.Body)
	if err != nil {
		return smp.ForwardResult{}, fmt.Errorf("%w: to RFWD: %w", ErrUnexpected, err)
	}
	return r, nil
}
