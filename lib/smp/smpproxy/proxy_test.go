package smpproxy_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpproxy"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func upTo(v wire.Version) wire.VersionRange { return wire.VersionRange{Min: smp.Versions.Min, Max: v} }

func versions(v wire.Version) smptest.Option {
	return smptest.WithConfig(func(c *smpserver.Config) { c.Versions = upTo(v) })
}

func dial(t *testing.T, addr smp.ServerAddr, o smpclient.Options) *smpclient.Client {
	t.Helper()
	c, err := smpclient.Dial(t.Context(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func senderKey(v wire.Version) key.Private {
	if v < smp.VersionAuth {
		return key.GenerateEd25519()
	}
	return key.GenerateX25519()
}

// TestVersions sends through a proxy with every pair of versions of proxy and
// destination.
func TestVersions(t *testing.T) {
	dests := map[wire.Version]*smptest.Relay{}
	for v := smp.Versions.Min; v <= smp.Versions.Max; v++ {
		dests[v] = smptest.Start(t, versions(v))
	}
	for proxyMax := smp.Versions.Min; proxyMax <= smp.Versions.Max; proxyMax++ {
		via := smptest.Start(t, versions(proxyMax), smptest.WithProxy(smpproxy.Config{Versions: upTo(proxyMax)}))
		c := dial(t, via.Addr, smpclient.Options{})
		for destMax, dest := range dests {
			t.Run(fmt.Sprintf("proxy %d, destination %d", proxyMax, destMax), func(t *testing.T) {
				sendBetween(t, c, dest, proxyMax, destMax)
			})
		}
	}
}

func sendBetween(t *testing.T, c *smpclient.Client, dest *smptest.Relay, proxyMax, destMax wire.Version) {
	p, err := c.Proxy(t.Context(), dest.Addr, nil)
	if proxyMax < smp.VersionProxy {
		if !errors.Is(err, smpclient.ErrOldVersion) {
			t.Fatalf("got %v", err)
		}
		return
	}
	if destMax < smp.VersionProxy {
		wantError(t, err, "PROXY BROKER TRANSPORT VERSION")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := min(proxyMax, destMax); p.Version() != want {
		t.Errorf("version %d, want %d", p.Version(), want)
	}
	rcv := smptest.Dial(t, dest.Addr, smptest.ConnOptions{})
	q := rcv.NewQueue(true, smp.Messaging)
	k := senderKey(p.Version())
	if p.Version() >= smp.VersionSenderKey && destMax >= smp.VersionSenderKey {
		if err := p.SecureSender(t.Context(), q.SenderID, k); err != nil {
			t.Fatal(err)
		}
	} else {
		k = nil
	}
	body := make([]byte, smp.MaxBody(p.Version()))
	body[7] = 7
	if err := p.Send(t.Context(), q.SenderID, k, smp.SEND{Body: body}); err != nil {
		t.Fatal(err)
	}
	if _, m := q.Open(t, rcv.Event(q.RcvID())); string(m.Body) != string(body) {
		t.Errorf("a body of %d bytes came", len(m.Body))
	}
	if err := p.Send(t.Context(), "no such queue", k, smp.SEND{Body: body}); !errors.Is(err, smp.ErrAuth) {
		t.Errorf("got %v", err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	var e *smp.Error
	if !errors.As(err, &e) || e.String() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestProxyItself(t *testing.T) {
	r := smptest.Start(t, smptest.WithProxy(smpproxy.Config{}))
	p, err := dial(t, r.Addr, smpclient.Options{}).Proxy(t.Context(), r.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.GetLink(t.Context(), "no such link"); !errors.Is(err, smp.ErrAuth) {
		t.Errorf("got %v", err)
	}
}

func TestOneSessionForAll(t *testing.T) {
	dest := smptest.Start(t)
	via := smptest.Start(t, smptest.WithProxy(smpproxy.Config{}))
	var wg sync.WaitGroup
	for range 20 {
		c := dial(t, via.Addr, smpclient.Options{})
		wg.Go(func() {
			p, err := c.Proxy(t.Context(), dest.Addr, nil)
			if err != nil {
				t.Error(err)
				return
			}
			for range 5 {
				if _, err := p.GetLink(t.Context(), "x"); !errors.Is(err, smp.ErrAuth) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := dest.Server().Stats().Handshakes; n != 1 {
		t.Errorf("%d sessions with the destination", n)
	}
	if st := via.Server().Stats(); st.Proxied != 20 || st.Forwarded != 100 {
		t.Errorf("stats %+v", st)
	}
}

func TestPassword(t *testing.T) {
	password, wrong := smp.BasicAuth("secret"), smp.BasicAuth("wrong")
	dest := smptest.Start(t)
	via := smptest.Start(t, smptest.WithProxy(smpproxy.Config{}),
		smptest.WithConfig(func(c *smpserver.Config) { c.BasicAuth = &password }))
	c := dial(t, via.Addr, smpclient.Options{})
	for _, auth := range []*smp.BasicAuth{nil, &wrong} {
		_, err := c.Proxy(t.Context(), dest.Addr, auth)
		wantError(t, err, "PROXY BASIC_AUTH")
	}
	if _, err := c.Proxy(t.Context(), dest.Addr, &password); err != nil {
		t.Error(err)
	}
	off := dial(t, dest.Addr, smpclient.Options{})
	_, err := off.Proxy(t.Context(), via.Addr, nil)
	wantError(t, err, "PROXY BASIC_AUTH") // a relay that is no proxy
}

func TestDestinationDown(t *testing.T) {
	dest := smptest.Start(t)
	var shift time.Duration
	var mu sync.Mutex
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(shift)
	}
	via := smptest.Start(t, smptest.WithProxy(smpproxy.Config{Now: now}))
	c := dial(t, via.Addr, smpclient.Options{})
	p, err := c.Proxy(t.Context(), dest.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	dest.Stop()
	_, err = p.GetLink(t.Context(), "x")
	if e := (*smp.Error)(nil); !errors.As(err, &e) || e.String() != "PROXY NO_SESSION" && e.String() != "PROXY BROKER NETWORK" {
		t.Errorf("got %v", err)
	}
	_, err = p.GetLink(t.Context(), "x")
	wantError(t, err, "PROXY NO_SESSION")
	_, err = c.Proxy(t.Context(), dest.Addr, nil)
	wantError(t, err, "PROXY BROKER NETWORK")
	dest.Restart()
	_, err = c.Proxy(t.Context(), dest.Addr, nil)
	wantError(t, err, "PROXY BROKER NETWORK") // not tried again yet
	mu.Lock()
	shift = time.Minute
	mu.Unlock()
	if p, err = c.Proxy(t.Context(), dest.Addr, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.GetLink(t.Context(), "x"); !errors.Is(err, smp.ErrAuth) {
		t.Errorf("got %v", err)
	}
}

func TestWrongIdentity(t *testing.T) {
	dest := smptest.Start(t)
	via := smptest.Start(t, smptest.WithProxy(smpproxy.Config{}))
	c := dial(t, via.Addr, smpclient.Options{})
	for _, id := range []smp.Fingerprint{smp.Fingerprint(make([]byte, sha256.Size)), "short"} {
		addr := dest.Addr
		addr.KeyHash = id
		_, err := c.Proxy(t.Context(), addr, nil)
		wantError(t, err, "PROXY BROKER NETWORK")
	}
}

// TestDestinationHangs has one that accepts sockets and says nothing, and one
// that stops answering after the hello.
func TestDestinationHangs(t *testing.T) {
	l := transporttest.Listen(t)
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	silent := smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: smp.Fingerprint(make([]byte, sha256.Size))}
	store := &stuck{Store: nil}
	dest := smptest.Start(t, store.option())
	via := smptest.Start(t, smptest.WithProxy(smpproxy.Config{
		ConnectTimeout: 200 * time.Millisecond, Timeout: 200 * time.Millisecond}))
	c := dial(t, via.Addr, smpclient.Options{})
	_, err = c.Proxy(t.Context(), silent, nil)
	wantError(t, err, "PROXY BROKER NETWORK")

	ok := smptest.Dial(t, dest.Addr, smptest.ConnOptions{})
	q := ok.NewQueue(true, smp.Messaging)
	// A slow first session must not make the test fail.
	p := proxied(t, c, dest.Addr)
	release := store.block()
	err = p.Send(t.Context(), q.SenderID, nil, smp.SEND{Body: []byte("x")})
	wantError(t, err, "PROXY BROKER TIMEOUT")
	release()
}

// proxied asks until the relay can be reached in the short time that it has.
func proxied(t *testing.T, c *smpclient.Client, addr smp.ServerAddr) *smpclient.Proxied {
	t.Helper()
	p, err := c.Proxy(t.Context(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestClientLeaves shows that nothing waits for a client that has gone.
func TestClientLeaves(t *testing.T) {
	l := transporttest.Listen(t)
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	silent := smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: smp.Fingerprint(make([]byte, sha256.Size))}
	via := smptest.Start(t, smptest.WithProxy(smpproxy.Config{ConnectTimeout: time.Hour}))
	c := smptest.Dial(t, via.Addr, smptest.ConnOptions{})
	for range 10 {
		c.Send("", smp.PRXY{Server: silent}, nil)
	}
	c.Do("", smp.PING{}, nil)
	c.Close()
	for limit := time.Now().Add(smptest.Timeout); via.Server().Stats().Connections > 0; <-time.After(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the connection is still there")
		}
	}
}

// TestManyAtOnce has more commands of one connection than wait for other
// relays at once: all are answered, and PING meanwhile.
func TestManyAtOnce(t *testing.T) {
	dest := smptest.Start(t)
	via := smptest.Start(t, smptest.WithProxy(smpproxy.Config{}), smptest.WithConfig(func(c *smpserver.Config) { c.MaxForwards = 5 }))
	c := dial(t, via.Addr, smpclient.Options{})
	p := proxied(t, c, dest.Addr)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := p.GetLink(t.Context(), "x"); !errors.Is(err, smp.ErrAuth) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestRefusedDestinations(t *testing.T) {
	zero := smp.Fingerprint(make([]byte, sha256.Size))
	addr := func(host, port string) smp.ServerAddr {
		return smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: zero}
	}
	for name, x := range map[string]struct {
		cfg  smpproxy.Config
		addr smp.ServerAddr
	}{
		"loopback":        {smpproxy.Config{}, addr("127.0.0.1", "5223")},
		"loopback by v6":  {smpproxy.Config{}, addr("::1", "5223")},
		"loopback mapped": {smpproxy.Config{}, addr("::ffff:127.0.0.1", "5223")},
		"this host":       {smpproxy.Config{}, addr("0.0.0.0", "5223")},
		"private":         {smpproxy.Config{}, addr("10.1.2.3", "")},
		"link-local":      {smpproxy.Config{}, addr("169.254.169.254", "80")},
		"carrier":         {smpproxy.Config{}, addr("100.64.0.1", "80")},
		"onion":           {smpproxy.Config{}, addr("abcdefghijklmnop.onion", "80")},
		"port":            {smpproxy.Config{PrivateHosts: true}, addr("127.0.0.1", "99999")},
		"not in list":     {smpproxy.Config{PrivateHosts: true, Hosts: []string{"a.example", ".b.example"}}, addr("b.example", "80")},
		"no hosts":        {smpproxy.Config{PrivateHosts: true}, smp.ServerAddr{KeyHash: zero}},
	} {
		t.Run(name, func(t *testing.T) {
			p := smpproxy.New(x.cfg)
			defer func() { _ = p.Close() }()
			_, err := p.Session(t.Context(), x.addr)
			wantError(t, err, "PROXY BROKER HOST")
		})
	}
}

func TestListedDestinations(t *testing.T) {
	var dialled []string
	p := smpproxy.New(smpproxy.Config{Hosts: []string{"a.example", ".b.example", "y.onion"},
		Socket: func(_ context.Context, _, addr string) (net.Conn, error) {
			dialled = append(dialled, addr)
			return nil, errors.New("no network")
		}})
	defer func() { _ = p.Close() }()
	for _, hosts := range [][]string{{"A.example"}, {"y.onion", "x.b.example"}} {
		_, err := p.Session(t.Context(), smp.ServerAddr{Hosts: hosts, Port: "7", KeyHash: smp.Fingerprint(make([]byte, sha256.Size))})
		wantError(t, err, "PROXY BROKER NETWORK")
	}
	if fmt.Sprint(dialled) != "[A.example:7 x.b.example:7 y.onion:7]" {
		t.Errorf("dialled %v", dialled)
	}
}

// TestBounded asks for many destinations.
func TestBounded(t *testing.T) {
	a, b, c := smptest.Start(t), smptest.Start(t), smptest.Start(t)
	p := smpproxy.New(smpproxy.Config{PrivateHosts: true, MaxRelays: 2, IdleTTL: 50 * time.Millisecond})
	defer func() { _ = p.Close() }()
	ids := map[string]smp.EntityID{}
	for _, r := range []*smptest.Relay{a, b, c} {
		s, err := p.Session(t.Context(), r.Addr)
		if err != nil {
			t.Fatal(err)
		}
		ids[r.Addr.String()] = s.Key().SessionID
	}
	if n := p.Stats().Sessions; n > 2 {
		t.Errorf("%d sessions", n)
	}
	if _, ok := p.Lookup(ids[a.Addr.String()]); ok {
		t.Error("the oldest session is still there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for limit := time.Now().Add(smptest.Timeout); p.Stats().Sessions > 0; <-time.After(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("idle sessions are not ended")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for i := range 100 { // none of these answers
		_, err := p.Session(t.Context(), smp.ServerAddr{Hosts: []string{"127.0.0.1"}, Port: fmt.Sprint(1 + i), KeyHash: a.Addr.KeyHash})
		wantError(t, err, "PROXY BROKER NETWORK")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	_, err := p.Session(t.Context(), a.Addr)
	wantError(t, err, "PROXY BROKER TIMEOUT")
}
