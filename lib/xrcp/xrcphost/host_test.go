package xrcphost_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// controller is one that does what a test wants.
type controller struct {
	pairing *xrcp.HostPairing
	keys    *xrcp.SessionKeys
	cred    *transport.Credential
	inv     *xrcp.SignedInvitation
	l       net.Listener
}

func newController(t *testing.T) *controller {
	t.Helper()
	c := &controller{keys: xrcp.NewSessionKeys()}
	var err error
	if c.pairing, err = xrcp.NewHostPairing(time.Now()); err != nil {
		t.Fatal(err)
	}
	chain, leaf, err := c.pairing.CA.Leaf(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.cred = &transport.Credential{Chain: chain, Key: leaf}
	if c.l, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.l.Close() })
	c.inv, err = xrcp.Invitation{
		CA: c.pairing.CA.Fingerprint(), Host: "127.0.0.1", Port: c.l.Addr().(*net.TCPAddr).AddrPort().Port(),
		Versions: xrcp.Versions, App: []byte(`{}`), Unix: time.Now().Unix(), DH: c.keys.DH.Public(),
	}.Sign(c.keys.Sign, c.pairing.ID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run gives the first connection to do, after TLS.
func (c *controller) run(t *testing.T, do func(conn *transport.Conn)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := c.accept(t)
		if conn == nil {
			return
		}
		defer func() { _ = conn.Close() }()
		do(conn)
	}()
	t.Cleanup(func() { _ = c.l.Close(); <-done })
}

// accept is the next connection, after TLS, or nil.
func (c *controller) accept(t *testing.T) *transport.Conn {
	sock, err := c.l.Accept()
	if err != nil {
		return nil // the test is over
	}
	conn, err := transport.Server(context.Background(), sock, &transport.ServerConfig{Credential: c.cred})
	if err != nil {
		t.Error(err)
		return nil
	}
	return conn
}

// greet answers the host's hello as it should be.
func (c *controller) greet(t *testing.T, conn *transport.Conn) *xrcp.Keys {
	b, err := conn.ReadBlock()
	if err != nil {
		t.Error(err)
		return nil
	}
	g := xrcp.Greeting{Pairing: c.pairing, Keys: c.keys, TLS: conn.PeerChain().Identity(), Rand: rand.Reader}
	a, err := g.Answer(b.Payload())
	if err == nil {
		err = conn.WriteBlock(a.Payload)
	}
	if err != nil {
		t.Error(err)
	}
	return a.Keys
}

// saves counts what a host would have stored.
type saves struct{ n atomic.Int32 }

func (s *saves) save(context.Context, *xrcp.ControllerPairing) error { s.n.Add(1); return nil }

func connect(t *testing.T, c *controller, s *saves, confirm func(context.Context, string) error) (*xrcphost.Session, error) {
	t.Helper()
	if confirm == nil {
		confirm = func(context.Context, string) error { return nil }
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return xrcphost.Connect(ctx, xrcphost.Config{Invitation: c.inv, App: []byte(`{}`), Confirm: confirm, Save: s.save})
}

func waitForEnd(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }

func TestControllersThatMisbehaveBeforeHello(t *testing.T) {
	for name, b := range map[string]struct {
		do      func(*transport.Conn)
		confirm func(context.Context, string) error
		want    error
		stored  int32
	}{
		"goes while codes are compared": {func(*transport.Conn) {}, waitForEnd, io.EOF, 0},
		"speaks first":                  {func(c *transport.Conn) { _ = c.WriteBlock([]byte("HELLO ")); _, _ = c.ReadBlock() }, waitForEnd, xrcp.ErrHello, 0},
		"goes instead of a hello":       {func(c *transport.Conn) { _, _ = c.ReadBlock() }, nil, io.EOF, 1},
		"garbage":                       {func(c *transport.Conn) { _, _ = c.ReadBlock(); _ = c.WriteBlock([]byte("garbage")) }, nil, xrcp.ErrHello, 1},
		"a refusal that is not sealed": {func(c *transport.Conn) {
			_, _ = c.ReadBlock()
			_ = c.WriteBlock(append([]byte("ERROR "), make([]byte, 24)...))
		}, nil, xrcp.ErrHello, 1},
		"its own hello back": {func(c *transport.Conn) {
			b, _ := c.ReadBlock()
			_ = c.WriteBlock(b.Payload())
		}, nil, xrcp.ErrHello, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newController(t)
			c.run(t, b.do)
			var s saves
			if _, err := connect(t, c, &s, b.confirm); !errors.Is(err, b.want) || s.n.Load() != b.stored {
				t.Errorf("stored %d times: %v", s.n.Load(), err)
			}
		})
	}
}

func TestControllerThatStalls(t *testing.T) {
	c := newController(t)
	c.run(t, func(conn *transport.Conn) { _, _ = conn.ReadBlock(); _, _ = conn.ReadBlock() })
	start := time.Now()
	_, err := xrcphost.Connect(t.Context(), xrcphost.Config{
		Invitation: c.inv, App: []byte(`{}`), HelloTimeout: 100 * time.Millisecond,
		Confirm: func(context.Context, string) error { return nil },
	})
	if err == nil || time.Since(start) > 20*time.Second {
		t.Error(err)
	}
	silent, err := net.Listen("tcp4", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	_, err = xrcphost.Connect(t.Context(), xrcphost.Config{
		Invitation: c.inv, App: []byte(`{}`), ConnectTimeout: 100 * time.Millisecond,
		Confirm: func(context.Context, string) error { return nil },
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, silent.Addr().String())
		},
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// quiet fails the test whenever it is asked for anything.
type quiet struct{ t *testing.T }

func (q quiet) Send(context.Context, string, int) (xrcp.Result, error) {
	q.t.Error("a command came through")
	return xrcp.Result{}, nil
}

func (q quiet) Recv(context.Context, time.Duration) (*xrcp.Result, error) {
	q.t.Error("a command came through")
	return nil, nil
}

func (q quiet) StoreFile(context.Context, string, uint32) (xrcphost.NewFile, error) {
	q.t.Error("a command came through")
	return nil, nil
}

func (q quiet) GetFile(context.Context, json.RawMessage) (io.ReadSeekCloser, error) {
	q.t.Error("a command came through")
	return nil, nil
}

// served is a host's session that serves, with what do does to it.
func served(t *testing.T, do func(conn *transport.Conn, k *xrcp.Keys)) {
	t.Helper()
	c := newController(t)
	done := make(chan error, 1)
	go func() {
		s, err := connect(t, c, new(saves), nil)
		if err == nil {
			err = s.Serve(context.Background(), quiet{t}, nil)
		}
		done <- err
	}()
	conn := c.accept(t)
	do(conn, c.greet(t, conn))
	_ = conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestNotHTTP(t *testing.T) {
	served(t, func(conn *transport.Conn, _ *xrcp.Keys) {
		_, _ = conn.Stream().Write(bytes.Repeat([]byte("garbage "), 1000)) // the host may close
		_, _ = io.Copy(io.Discard, conn.Stream())
	})
}

// TestBadCommands are answered with an error that the controller can read, and
// the session goes on.
func TestBadCommands(t *testing.T) {
	served(t, func(conn *transport.Conn, k *xrcp.Keys) {
		transport := &http.Transport{
			Protocols:   new(http.Protocols),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return conn.Stream(), nil },
		}
		transport.Protocols.SetUnencryptedHTTP2(true)
		http2Conn, err := transport.NewClientConn(t.Context(), "http", "x:80")
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = http2Conn.Close() }()
		bodies := xrcp.NewBodies(k, conn.SessionID(), nil, 0)
		post := func(method string, body []byte) *http.Response {
			req, err := http.NewRequestWithContext(t.Context(), method, "http://x/", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http2Conn.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		expect := func(want string, body []byte) {
			t.Helper()
			resp := post(http.MethodPost, body)
			defer func() { _ = resp.Body.Close() }()
			msg, _, err := bodies.Open(resp.Body)
			if err != nil {
				t.Errorf("%s: %v", want, err)
				return
			}
			if r, err := xrcp.ParseResponse(msg); err != nil || r.Error == nil || r.Error.Type != want {
				t.Errorf("%s: %s, %v", want, msg, err)
			}
		}
		seal := func(msg string) []byte {
			b, _, err := bodies.Seal([]byte(msg))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if resp := post(http.MethodGet, nil); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Error(resp.Status)
		}
		expect("invalidBody", nil)
		expect("invalidBody", []byte("garbage"))
		expect("invalidSize", append([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, make([]byte, 1000)...))
		expect("invalidJSON", seal("{"))
		expect("invalidJSON", seal(`{"type":"unheard of"}`))
		again := seal(`{}`)
		expect("invalidJSON", again)
		expect("pREDuplicateId", again)
		forged := seal(`{"type":"send","command":"/_db delete","retryNumber":0}`)
		forged[len(forged)-1] ^= 1
		expect("pRERemoteControl", forged)
	})
}
