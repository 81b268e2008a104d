package smphandshake_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
)

// acceptFrom runs the relay's side against a client that answers the hello
// with f.
func acceptFrom(t *testing.T, f func(c *transport.Conn, h smp.ServerHello)) error {
	t.Helper()
	cred, _ := transporttest.Credential(t)
	a, b := net.Pipe()
	state := transport.State{SessionID: []byte("session"), ALPN: smp.ALPN}
	client, server := transport.NewConn(a, state, 0), transport.NewConn(b, state, 0)
	defer func() { _, _ = client.Close(), server.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	if f != nil {
		cancel()
		ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
	}
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		block, err := client.ReadBlock()
		if err != nil {
			return
		}
		h, err := smp.ParseServerHello(block.Payload())
		if err != nil {
			t.Error(err)
			return
		}
		if f != nil {
			f(client, h)
		}
	}()
	_, err := smphandshake.Accept(ctx, server, smphandshake.ServerConfig{Credential: cred})
	_ = server.Close()
	<-done
	return err
}

func TestHostileClients(t *testing.T) {
	own := key.GenerateX25519().Public()
	say := func(change func(*smp.ClientHello)) func(*transport.Conn, smp.ServerHello) {
		return func(c *transport.Conn, h smp.ServerHello) {
			ch := smp.ClientHello{Version: 18, KeyHash: h.Key.Identity(), Key: &own}
			change(&ch)
			if err := c.WriteBlock(ch.Append(nil)); err != nil {
				t.Error(err)
			}
			if ch.Service != nil {
				b, err := c.ReadBlock()
				if err != nil {
					t.Error(err)
					return
				}
				if sh, err := smp.ParseServiceHello(b.Payload()); err != nil || sh.Err == nil {
					t.Errorf("a service was told %v, %v", sh, err)
				}
			}
		}
	}
	service, _ := transporttest.Credential(t)
	signed, err := smp.SignKey(service.Chain, service.Key, key.GenerateEd25519().Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		f    func(c *transport.Conn, h smp.ServerHello)
		want []error
	}{
		{"silent", nil, []error{context.DeadlineExceeded}},
		{"gone", func(c *transport.Conn, _ smp.ServerHello) { _ = c.Close() }, []error{io.EOF}},
		{"garbage", func(c *transport.Conn, _ smp.ServerHello) { _ = c.WriteBlock([]byte("x")) },
			[]error{smphandshake.ErrHandshake, smp.ErrHandshakeParse}},
		{"new version", say(func(h *smp.ClientHello) { h.Version = 19 }),
			[]error{smphandshake.ErrVersion, smp.ErrTransportVersion}},
		{"old version", say(func(h *smp.ClientHello) { h.Version = 5 }),
			[]error{smphandshake.ErrVersion, smp.ErrTransportVersion}},
		{"another relay", say(func(h *smp.ClientHello) { h.KeyHash = "other" }),
			[]error{smphandshake.ErrHandshake, smp.ErrHandshakeIdentity}},
		{"key of low order", say(func(h *smp.ClientHello) { h.Key = new(key.X25519Public) }),
			[]error{smphandshake.ErrHandshake}},
		{"service without TLS certificate", say(func(h *smp.ClientHello) {
			h.Service = &smp.ClientService{Role: smp.RoleMessaging, Key: signed}
		}), []error{smphandshake.ErrHandshake, smp.ErrHandshakeBadAuth}},
	} {
		err := acceptFrom(t, c.f)
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", c.name, err, want)
			}
		}
	}
}
