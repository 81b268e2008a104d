package smpload_test

import (
	"context"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpload"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// proxy forwards to one relay.
type proxy struct{ c *smpclient.Client }

func (p proxy) Session(context.Context, smp.ServerAddr) (smpserver.ProxySession, error) {
	return p, nil
}

func (p proxy) Lookup(smp.EntityID) (smpserver.ProxySession, bool) { return p, true }

func (p proxy) Key() smp.PKEY {
	h := p.c.Handshake()
	return smp.PKEY{SessionID: smp.EntityID(p.c.SessionID()), Versions: h.Relay, Key: *h.Cert}
}

func (p proxy) Forward(ctx context.Context, f smp.Forwarded) ([]byte, error) {
	r, err := p.c.Forward(ctx, f)
	return r.Body, err
}

func TestSendThroughAProxy(t *testing.T) {
	addr, store := relay(t)
	c, err := smpclient.Dial(t.Context(), addr.ServerAddr, smpclient.Options{ProxyServer: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	via := smptest.Start(t, smptest.WithConfig(func(cfg *smpserver.Config) { cfg.Proxy = proxy{c} }))
	l, err := smpload.Open(t.Context(), addr, smpload.Options{Conns: 2, Via: &via.Addr})
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Run(t.Context(), smpload.Bounds{Count: 20})
	if err != nil || r.Operations != 20 || r.Via != "127.0.0.1" {
		t.Errorf("result %+v, %v", r, err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := queues(t, store); n != 0 {
		t.Errorf("%d queues are left", n)
	}
}
