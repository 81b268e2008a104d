package xrcpctl_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// TestBadInvitations are refused before anything is sent, and nothing is kept.
func TestBadInvitations(t *testing.T) {
	c := startController(t, newPairing(t), nil)
	reparse := func(from, to string) *xrcp.SignedInvitation {
		inv, err := xrcp.ParseInvitation(strings.Replace(c.Invitation().String(), from, to, 1))
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	later := func(cfg *xrcphost.Config) { cfg.Now = func() time.Time { return time.Now().Add(time.Hour) } }
	earlier := func(cfg *xrcphost.Config) { cfg.Now = func() time.Time { return time.Now().Add(-time.Hour) } }
	future := *c.Invitation()
	future.Versions.Min, future.Versions.Max = 5, 9
	for name, b := range map[string]struct {
		inv    *xrcp.SignedInvitation
		change func(*xrcphost.Config)
		want   error
	}{
		"stale":          {c.Invitation(), later, xrcp.ErrStale},
		"from to-morrow": {c.Invitation(), earlier, xrcp.ErrStale},
		"altered":        {reparse("127.0.0.1", "127.0.0.2"), nil, xrcp.ErrInvitation},
		"altered app":    {reparse("desk", "disk"), nil, xrcp.ErrInvitation},
		"mis-signed":     {&xrcp.SignedInvitation{Invitation: c.Invitation().Invitation, SessionSig: c.Invitation().IDSig, IDSig: c.Invitation().SessionSig}, nil, xrcp.ErrInvitation},
		"other versions": {&future, nil, xrcp.ErrInvitation},
	} {
		t.Run(name, func(t *testing.T) {
			var d device[*xrcp.ControllerPairing]
			_, err := host(t, &d, b.inv, func(cfg *xrcphost.Config) {
				cfg.Dial = func(context.Context, string, string) (net.Conn, error) { t.Error("dialled"); return nil, io.EOF }
				if b.change != nil {
					b.change(cfg)
				}
			})
			if !errors.Is(err, b.want) || d.latest() != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongCode(t *testing.T) {
	c := startController(t, newPairing(t), nil)
	var d device[*xrcp.ControllerPairing]
	other := errors.New("the desktop shows another one")
	_, err := host(t, &d, c.Invitation(), func(cfg *xrcphost.Config) {
		cfg.Confirm = func(context.Context, string) error { return other }
	})
	if !errors.Is(err, xrcphost.ErrCode) || !errors.Is(err, other) || d.latest() != nil {
		t.Error(err)
	}
	if err := c.failure(t); err == nil || c.latest() != nil {
		t.Error(err)
	}
	// The next host is heard.
	<-c.codes
	call(t, pair(t, c, &d, newProfile(t), nil), "next")
}

func TestControllerSaysNo(t *testing.T) {
	no := errors.New("another code")
	first := true
	c := startController(t, newPairing(t), func(cfg *xrcpctl.Config) {
		confirm := cfg.Confirm
		cfg.Confirm = func(ctx context.Context, code string) error {
			if first {
				first = false
				return no
			}
			return confirm(ctx, code)
		}
	})
	var d device[*xrcp.ControllerPairing]
	if _, err := host(t, &d, c.Invitation(), nil); err == nil {
		t.Error("connected")
	}
	if err := c.failure(t); !errors.Is(err, no) {
		t.Error(err)
	}
	d = device[*xrcp.ControllerPairing]{}
	call(t, pair(t, c, &d, newProfile(t), nil), "next")
}

func TestHostIsToldWhy(t *testing.T) {
	c := startController(t, newPairing(t), func(cfg *xrcpctl.Config) {
		cfg.Check = func(json.RawMessage) error { return errors.New("too old") }
	})
	var d device[*xrcp.ControllerPairing]
	_, err := host(t, &d, c.Invitation(), nil)
	if !errors.Is(err, xrcp.ErrRefused) || !strings.HasSuffix(err.Error(), "too old") || d.latest().Confirmed {
		t.Error(err)
	}
	if c.latest() != nil {
		t.Error("stored")
	}
}

// TestAnotherController sits at the invitation's address.
func TestAnotherController(t *testing.T) {
	right, wrong := startController(t, newPairing(t), nil), startController(t, newPairing(t), nil)
	var d device[*xrcp.ControllerPairing]
	_, err := host(t, &d, right.Invitation(), func(cfg *xrcphost.Config) {
		cfg.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, wrong.Invitation().Address())
		}
	})
	if !errors.Is(err, xrcp.ErrIdentity) || d.latest() != nil {
		t.Error(err)
	}
}

// TestAnotherPairing has the invitation of one controller used with the pairing
// of another.
func TestAnotherPairing(t *testing.T) {
	a, b := startController(t, newPairing(t), nil), startController(t, newPairing(t), nil)
	known, err := xrcp.NewControllerPairing(&a.Invitation().Invitation, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var d device[*xrcp.ControllerPairing]
	_, err = host(t, &d, b.Invitation(), func(cfg *xrcphost.Config) { cfg.Pairing = known })
	if !errors.Is(err, xrcp.ErrIdentity) {
		t.Error(err)
	}
}

// TestStranger connects to a controller that waits for a known host.
func TestStranger(t *testing.T) {
	c := startController(t, newPairing(t), nil)
	var d, stranger device[*xrcp.ControllerPairing]
	_ = pair(t, c, &d, newProfile(t), nil).Close()
	c = startController(t, c.latest(), nil)
	if _, err := host(t, &stranger, c.Invitation(), nil); err == nil {
		t.Error("connected")
	}
	if err := c.failure(t); !errors.Is(err, xrcp.ErrIdentity) {
		t.Error(err)
	}
	call(t, pair(t, c, &d, newProfile(t), nil), "the known one")
}

// TestGarbage comes to the controller's port; the host is heard all the same.
func TestGarbage(t *testing.T) {
	c := startController(t, newPairing(t), nil)
	addr := c.Invitation().Address()
	for _, what := range []string{"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x16\x03\x01", 10000)} {
		sock, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(sock, what) // the controller may have closed
		_ = sock.Close()
		if err := c.failure(t); err == nil {
			t.Error("no failure")
		}
	}
	for _, payload := range []string{"", "HELLO ", "HELLO garbage", "ERROR what", strings.Repeat("x", 16000)} {
		conn := rawHost(t, c, true)
		if err := conn.WriteBlock([]byte(payload)); err != nil {
			t.Error(err)
		}
		if err := c.failure(t); !errors.Is(err, xrcp.ErrHello) {
			t.Errorf("%.20q: %v", payload, err)
		}
		_ = conn.Close()
	}
	_ = rawHost(t, c, false).Close()
	if err := c.failure(t); !errors.Is(err, xrcp.ErrIdentity) {
		t.Error(err)
	}
	if c.latest() != nil {
		t.Error("stored")
	}
	drain(c.codes)
	var d device[*xrcp.ControllerPairing]
	call(t, pair(t, c, &d, newProfile(t), nil), "after garbage")
}

func drain(codes chan string) {
	for len(codes) > 0 {
		<-codes
	}
}

// rawHost is TLS to a controller, with a certificate or without.
func rawHost(t *testing.T, c *controller, certificate bool) *transport.Conn {
	t.Helper()
	cfg := transport.ClientConfig{Fingerprint: c.Invitation().CA[:]}
	if certificate {
		ca, err := xrcp.NewCA(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		chain, leaf, err := ca.Leaf(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Credential = &transport.Credential{Chain: chain, Key: leaf}
	}
	sock, err := net.Dial("tcp", c.Invitation().Address())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := transport.Client(t.Context(), sock, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestTwoHostsRace: the second hears nothing while the first compares codes.
func TestTwoHostsRace(t *testing.T) {
	c := startController(t, newPairing(t), nil)
	var first, second device[*xrcp.ControllerPairing]
	comparing, compared := make(chan struct{}), make(chan struct{})
	connected := make(chan *xrcphost.Session, 1)
	go func() {
		s, err := host(t, &first, c.Invitation(), func(cfg *xrcphost.Config) {
			cfg.Confirm = func(context.Context, string) error { close(comparing); <-compared; return nil }
		})
		if err != nil {
			t.Error(err)
		}
		connected <- s
	}()
	<-comparing
	<-c.codes // the controller has the slot taken
	if _, err := host(t, &second, c.Invitation(), func(cfg *xrcphost.Config) {
		cfg.Confirm = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	}); err == nil || second.latest() != nil {
		t.Error(err)
	}
	if err := c.failure(t); !errors.Is(err, xrcpctl.ErrBusy) {
		t.Error(err)
	}
	close(compared)
	serve(t, <-connected, newProfile(t))
	call(t, c.session(t), "first")
}

func TestPairingNotStored(t *testing.T) {
	full := errors.New("disk full")
	c := startController(t, newPairing(t), func(cfg *xrcpctl.Config) {
		cfg.Save = func(context.Context, *xrcp.HostPairing) error { return full }
	})
	var d device[*xrcp.ControllerPairing]
	if _, err := host(t, &d, c.Invitation(), nil); err == nil {
		t.Error("connected")
	}
	if s := <-c.accepted; s != nil || !errors.Is(c.err, full) {
		t.Error(c.err)
	}
}

func TestAcceptEndsWithItsContext(t *testing.T) {
	l := listen(t)
	c, err := xrcpctl.New(xrcpctl.Config{Pairing: newPairing(t), App: []byte(`{}`), Listener: l, Host: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Accept(ctx); !errors.Is(err, context.Canceled) || c.Phase() != xrcp.Closed {
		t.Error(err, c.Phase())
	}
}
