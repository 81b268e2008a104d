package smpclient_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// destination is a relay that answers forwarded commands with answer.
func destination(t *testing.T, max wire.Version, answer func(p *smp.Params, req smp.Request) smp.Message) *relay {
	r := newRelay(t, func(c *conn, req smp.Request) []out {
		cmd, ok := req.Command.(smp.RFWD)
		if !ok {
			t.Errorf("got %v, %v", req.Command, req.Err)
			return say(smp.ERR{Err: smp.ErrProhibited})
		}
		body, err := forwarded(c, req.CorrID, cmd, answer)
		if err != nil {
			t.Error(err)
			return say(smp.ERR{Err: smp.ErrCrypto})
		}
		return say(smp.RRES{Body: body})
	})
	r.versions = wire.VersionRange{Min: 6, Max: max}
	return r
}

func forwarded(c *conn, id smp.CorrID, cmd smp.RFWD, answer func(p *smp.Params, req smp.Request) smp.Message) ([]byte, error) {
	session := c.hello.Params.Key
	outer, err := box.SharedKey(*c.hello.PeerKey, session)
	if err != nil {
		return nil, err
	}
	f, err := smp.OpenForward(outer, id, cmd.Body)
	if err != nil {
		return nil, err
	}
	inner, err := box.SharedKey(f.Key, session)
	if err != nil {
		return nil, err
	}
	block, err := smp.OpenProxied(inner, f.CorrID, f.Body)
	if err != nil {
		return nil, err
	}
	p := c.hello.Params.At(f.Version)
	req := p.ParseRequests(block)[0]
	if req.Err != nil {
		return nil, req.Err
	}
	item, err := p.EncodeMessage(req.CorrID, req.EntityID, answer(p, req))
	if err != nil {
		return nil, err
	}
	sealed, err := smp.SealProxiedResult(inner, f.CorrID, item)
	if err != nil {
		return nil, err
	}
	return smp.SealForwardResult(outer, id, smp.ForwardResult{CorrID: f.CorrID, Body: sealed}), nil
}

// proxy is a relay that forwards to dest.
func proxy(t *testing.T, dest *relay) *relay {
	var to *smpclient.Client
	return newRelay(t, func(_ *conn, req smp.Request) []out {
		switch cmd := req.Command.(type) {
		case smp.PRXY:
			to = dest.dial(t, smpclient.Options{ProxyServer: true})
			h := to.Handshake()
			return []out{{msg: smp.PKEY{SessionID: smp.EntityID(to.SessionID()), Versions: h.Relay, Key: *h.Cert}}}
		case smp.PFWD:
			if req.EntityID != smp.EntityID(to.SessionID()) {
				return say(smp.ERR{Err: smp.ErrProxyNoSession})
			}
			r, err := to.Forward(ctx, smp.Forwarded{CorrID: req.CorrID, Version: cmd.Version, Key: cmd.Key, Body: cmd.Body})
			if err != nil {
				t.Error(err)
				return say(smp.ERR{Err: smp.ErrInternal})
			}
			return say(smp.PRES{Body: r.Body})
		}
		return say(smp.ERR{Err: smp.ErrProhibited})
	})
}

func TestSendThroughProxy(t *testing.T) {
	for _, max := range []wire.Version{10, 12, 14, 18} {
		t.Run(fmt.Sprint("relay of version ", max), func(t *testing.T) {
			for _, k := range queueKeys(max) {
				dest := destination(t, max, func(p *smp.Params, req smp.Request) smp.Message {
					switch {
					case req.HasAuth() && !p.Verify(&req, k.PublicKey(), nil):
						return smp.ERR{Err: smp.ErrAuth}
					case req.EntityID == "full":
						return smp.ERR{Err: smp.ErrQuota}
					case req.Command.Tag() == "LGET", req.Command.Tag() == "LKEY":
						return smp.LNK{SenderID: "snd"}
					}
					return smp.OK{}
				})
				c := proxy(t, dest).dial(t, smpclient.Options{})
				p, err := c.Proxy(ctx, dest.addr, nil)
				if err != nil {
					t.Fatal(err)
				}
				if p.Version() != max {
					t.Errorf("version %d", p.Version())
				}
				body := make([]byte, smp.MaxBody(p.Version()))
				if err := p.SecureSender(ctx, "q", k); err != nil {
					t.Error(err)
				}
				if err := p.Send(ctx, "q", k, smp.SEND{Body: body}); err != nil {
					t.Error(err)
				}
				if err := p.Send(ctx, "full", k, smp.SEND{Body: body}); !errors.Is(err, smp.ErrQuota) {
					t.Errorf("full queue: %v", err)
				}
				var want error
				if max < smp.VersionShortLinks {
					want = smpclient.ErrOldVersion
				}
				if _, err := p.GetLink(ctx, "link"); !errors.Is(err, want) {
					t.Error(err)
				}
				if _, err := p.SecureByLink(ctx, "link", k); !errors.Is(err, want) {
					t.Error(err)
				}
			}
		})
	}
}

func TestProxyToAnotherRelay(t *testing.T) {
	dest := destination(t, 18, nil)
	c := proxy(t, dest).dial(t, smpclient.Options{})
	addr := dest.addr
	addr.KeyHash = smp.Fingerprint(make([]byte, 32))
	if _, err := c.Proxy(ctx, addr, nil); !errors.Is(err, smpclient.ErrFingerprint) {
		t.Errorf("got %v", err)
	}
}

func TestForwardNeedsSessionKey(t *testing.T) {
	r := newRelay(t, nil)
	c := r.dial(t, smpclient.Options{NoALPN: true})
	_, err := c.Forward(ctx, smp.Forwarded{Key: key.GenerateX25519().Public()})
	if !errors.Is(err, smpclient.ErrOldVersion) {
		t.Errorf("got %v", err)
	}
}
