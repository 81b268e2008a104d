package agent_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpproxy"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// dials counts the sessions that a party opens with each relay.
type dials struct {
	mu     sync.Mutex
	number map[string]int // by port
}

func (d *dials) edit(n agent.Network) func(*agent.Config) {
	d.number = map[string]int{}
	return func(c *agent.Config) {
		c.Network = n
		dial := agent.DialSMP(smpclient.Options{})
		c.Dial = func(ctx context.Context, to agent.Target, on func(smp.RecipientID, smp.Message)) (agent.Relay, error) {
			d.mu.Lock()
			d.number[to.Addr.Port]++
			d.mu.Unlock()
			return dial(ctx, to, on)
		}
	}
}

func (d *dials) to(r *smptest.Relay) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.number[r.Addr.Port]
}

// With private routing the other party's relay is never connected to, not for
// its links either.
func TestPrivateRouting(t *testing.T) {
	ours, theirs := smptest.Start(t, smptest.WithProxy(smpproxy.Config{})), smptest.Start(t)
	for _, mode := range []relays.ProxyMode{relays.ProxyUnknown, relays.ProxyUnprotected, relays.ProxyAlways} {
		var d dials
		n := agent.Network{Proxy: mode, Fallback: relays.FallbackNo}
		p := &pair{alice: party(t, "alice", nil, theirs), bob: party(t, "bob", d.edit(n), ours)}
		l := p.inviteShort(t, agent.InviteOptions{Short: &agent.LinkData{Data: []byte("profile")}})
		if r, err := p.bob.ResolveLink(t.Context(), l.Short, 0); err != nil || string(r.User.Data) != "profile" {
			t.Fatalf("resolved %+v: %v", r, err)
		}
		if err := p.bob.Join(t.Context(), p.toAlice, l.Short, []byte("bob's info"), agent.JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		p.allow(t)
		p.waitConnected(t)
		p.talk(t, 0, 20)
		theirs.Restart() // the proxy's session with it is gone
		p.talk(t, 20, 5)
		ours.Restart() // and ours with the proxy
		p.talk(t, 25, 5)
		if n := d.to(theirs); n != 0 {
			t.Errorf("%s: %d sessions with the other party's relay", mode, n)
		}
	}
}

// If our relay is no proxy, messages go directly only if they may.
func TestNoProxy(t *testing.T) {
	ours, theirs := smptest.Start(t), smptest.Start(t)
	for _, fallback := range []relays.Fallback{relays.FallbackAllow, relays.FallbackProtected, relays.FallbackNo} {
		var d dials
		n := agent.Network{Proxy: relays.ProxyAlways, Fallback: fallback}
		p := &pair{alice: party(t, "alice", nil, theirs), bob: party(t, "bob", d.edit(n), ours)}
		if fallback == relays.FallbackAllow {
			p.connect(t, agent.InviteOptions{})
			p.talk(t, 0, 3)
			if d.to(theirs) == 0 {
				t.Error("no direct session")
			}
			continue
		}
		if err := p.bob.Join(t.Context(), p.toAlice, p.invite(t, agent.InviteOptions{}), nil, agent.JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		if e := agenttest.Wait[agent.ConnError](t, p.bob.Client, p.toAlice, 1)[0]; !e.Fatal || e.Err.Code != agent.CodeServer {
			t.Errorf("%q: got %+v", fallback, e)
		}
		if n := d.to(theirs); n != 0 {
			t.Errorf("%q: %d direct sessions", fallback, n)
		}
	}
}

// Of two relays, the one that is a proxy is found.
func TestProxyIsFound(t *testing.T) {
	none, proxy, theirs := smptest.Start(t), smptest.Start(t, smptest.WithProxy(smpproxy.Config{})), smptest.Start(t)
	var d dials
	n := agent.Network{Proxy: relays.ProxyUnknown, Fallback: relays.FallbackNo}
	p := &pair{alice: party(t, "alice", nil, theirs), bob: party(t, "bob", d.edit(n), none, proxy)}
	p.connect(t, agent.InviteOptions{})
	p.talk(t, 0, 3)
	if n := d.to(theirs); n != 0 {
		t.Errorf("%d direct sessions", n)
	}
}

// Relays that are known are not reached through others.
func TestKnownRelayDirectly(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay)}
	p.bob = party(t, "bob", func(c *agent.Config) {
		c.Network = agent.Network{Proxy: relays.ProxyUnknown, Fallback: relays.FallbackNo}
	}, relay)
	p.connect(t, agent.InviteOptions{})
	p.talk(t, 0, 1)
}

// socks is a SOCKS5 proxy that notes user names and host names.
type socks struct {
	l  net.Listener
	wg sync.WaitGroup
	to string // where every connection goes

	mu    sync.Mutex
	users map[string]int
	hosts map[string]int
	conns []net.Conn
}

func startSOCKS(t *testing.T, to string) *socks {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &socks{l: l, to: to, users: map[string]int{}, hosts: map[string]int{}}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *socks) serve(c net.Conn) {
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	defer func() { _ = c.Close() }()
	field := func() string {
		n := make([]byte, 1)
		_, _ = io.ReadFull(c, n)
		b := make([]byte, n[0])
		_, _ = io.ReadFull(c, b)
		return string(b)
	}
	skip := func(n int) { _, _ = io.CopyN(io.Discard, c, int64(n)) }
	skip(1) // version
	field() // methods
	_, _ = c.Write([]byte{5, 2})
	skip(1)
	user, password := field(), field()
	_, _ = c.Write([]byte{1, 0})
	skip(3)
	kind := make([]byte, 1)
	_, _ = io.ReadFull(c, kind)
	host := "address"
	if kind[0] == 3 {
		host = field()
	} else {
		skip(4)
	}
	skip(2)
	s.mu.Lock()
	s.users[user+" "+password]++
	s.hosts[host]++
	s.mu.Unlock()
	r, err := net.Dial("tcp", s.to)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.conns = append(s.conns, r)
	s.mu.Unlock()
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	s.wg.Go(func() { _, _ = io.Copy(r, c); _ = r.Close() })
	_, _ = io.Copy(c, r)
}

func (s *socks) seen() (users, hosts int, onion bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h := range s.hosts {
		onion = onion || smp.KindOf(h) == smp.HostOnion
	}
	return len(s.users), len(s.hosts), onion
}

// Through a SOCKS proxy onion hosts are reached, and every user, or every
// connection, has a session and a user name of its own.
func TestSOCKS(t *testing.T) {
	relay := smptest.Start(t)
	proxy := startSOCKS(t, net.JoinHostPort(relay.Addr.Hosts[0], relay.Addr.Port))
	addr := relay.Addr
	addr.Hosts = []string{"relay.example", "beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion"}
	start := func(name string, n agent.Network) *agenttest.Party {
		n.SOCKS = proxy.l.Addr().String()
		return agenttest.Start(t, agenttest.Config{
			Open: open(t.TempDir() + "/" + name), Servers: []string{addr.String()},
			Agent: func(c *agent.Config) { c.Network = n },
		})
	}
	p := &pair{alice: start("alice", agent.Network{Onion: relays.OnionRequire}), bob: start("bob", agent.Network{Isolation: relays.IsolateEntity})}
	p.connect(t, agent.InviteOptions{})
	p.talk(t, 0, 2)
	if users, hosts, onion := proxy.seen(); users != 2 || hosts != 1 || !onion {
		t.Errorf("%d users, %d hosts, onion %v", users, hosts, onion)
	}
	for u := range 3 {
		if _, err := p.alice.CreateInvitation(t.Context(), agent.NewConnID(), agent.InviteOptions{User: agent.UserID(u)}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.bob.CreateInvitation(t.Context(), agent.NewConnID(), agent.InviteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if users, _, _ := proxy.seen(); users != 2+2+3 { // user 0 of alice had a session
		t.Errorf("%d user names", users)
	}
	p.alice.Restart()
	p.bob.Restart()
	p.talk(t, 2, 2)
}

func TestNetworkSettings(t *testing.T) {
	for _, n := range []agent.Network{
		{Onion: "sometimes"}, {Onion: relays.OnionRequire}, {Isolation: "x"}, {Proxy: "x"}, {Fallback: "x"},
	} {
		if _, err := agent.New(agent.Config{Network: n}); err == nil {
			t.Errorf("accepted: %+v", n)
		}
	}
	for text, want := range map[string]relays.ProxyMode{"always": relays.ProxyAlways, "never": relays.ProxyNever, "unknown": relays.ProxyUnknown} {
		if got, err := relays.ParseProxyMode(text); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]relays.Fallback{"allow": relays.FallbackAllow, "no": relays.FallbackNo, "protected": relays.FallbackProtected} {
		if got, err := relays.ParseFallback(text); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	_, err1 := relays.ParseProxyMode("")
	_, err2 := relays.ParseFallback("maybe")
	if err1 == nil || err2 == nil {
		t.Error("bad settings accepted")
	}
}

// A relay that cannot be reached in any way is an error at once.
func TestOnionWithoutSOCKS(t *testing.T) {
	relay := smptest.Start(t)
	addr := relay.Addr
	addr.Hosts = []string{"beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion"}
	a := party(t, "alice", nil, relay)
	_, err := a.CreateInvitation(t.Context(), agent.NewConnID(), agent.InviteOptions{Server: addr.String()})
	if e := new(agent.Error); !errors.As(err, &e) || e.Code != agent.CodeNoHost {
		t.Errorf("got %v", err)
	}
}

// Notifications: the credentials stay the same, and are good for a server of
// notifications.
func TestNotifications(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	n, err := p.bob.EnableNotifications(t.Context(), p.toAlice)
	if err != nil {
		t.Fatal(err)
	}
	p.bob.Restart()
	again, err := p.bob.EnableNotifications(t.Context(), p.toAlice)
	if err != nil || again.ID != n.ID || string(again.Secret) != string(n.Secret) {
		t.Fatalf("other credentials: %v", err)
	}
	came := make(chan smp.NMSG, 1)
	ntf, err := smpclient.Dial(t.Context(), relay.Addr, smpclient.Options{OnMessage: func(_ smp.EntityID, m smp.Message) {
		if m, ok := m.(smp.NMSG); ok {
			came <- m
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ntf.Close() }()
	creds := smpclient.Notifier{ID: n.ID, Key: n.AuthKey}
	if err := errors.Join(ntf.SubscribeNotifications(t.Context(), []smpclient.Notifier{creds})...); err != nil {
		t.Fatal(err)
	}
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("a0"), Notify: true}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-came:
	case <-time.After(agenttest.Timeout):
		t.Fatal("no notification")
	}
	if err := p.bob.DisableNotifications(t.Context(), p.toAlice); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ntf.SubscribeNotifications(t.Context(), []smpclient.Notifier{creds})...); err == nil {
		t.Error("credentials still good")
	}
}

// A passive agent takes messages only when asked, one at a time.
func TestFetch(t *testing.T) {
	relay := smptest.Start(t)
	passive := false
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", func(c *agent.Config) { c.Passive = passive }, relay)}
	p.connect(t, agent.InviteOptions{})
	if _, err := p.bob.Fetch(t.Context(), p.toAlice); !errors.Is(err, agent.ErrState) {
		t.Errorf("fetched while subscribed: %v", err)
	}
	passive = true
	p.bob.Restart()
	p.send(t, 0, 2)
	agenttest.Wait[agent.Sent](t, p.alice.Client, p.toBob, 2)
	for i := range 2 {
		// The one before may not be acknowledged yet: then it comes again, and
		// nothing is told of it.
		for limit := time.Now().Add(agenttest.Timeout); len(agenttest.All[agent.Message](p.bob.Client, p.toAlice)) <= i; <-time.After(time.Millisecond) {
			if _, err := p.bob.Fetch(t.Context(), p.toAlice); err != nil || time.Now().After(limit) {
				t.Fatalf("message %d: %v", i, err)
			}
		}
	}
	p.check(t, 2)
	if err := p.bob.Subscribe(t.Context(), p.toAlice); err != nil {
		t.Fatal(err)
	}
	p.talk(t, 2, 2)
}

// While an agent is suspended nothing comes and nothing goes; all of it comes
// and goes later, once and in order.
func TestSuspend(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	resume := func() {
		if err := p.bob.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	resume() // nothing is suspended
	n := 0
	for range 3 {
		p.send(t, n, 5)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := p.bob.Suspend(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		had := len(p.bob.Client.Events(p.toAlice))
		p.send(t, n+5, 5)
		agenttest.Wait[agent.Sent](t, p.alice.Client, p.toBob, n+10)
		if got := len(p.bob.Client.Events(p.toAlice)); got != had {
			t.Errorf("%d events while suspended", got-had)
		}
		if _, err := p.bob.Fetch(t.Context(), p.toAlice); !errors.Is(err, agent.ErrClosed) {
			t.Errorf("network while suspended: %v", err)
		}
		resume()
		n += 10
	}
	p.check(t, n)
	if err := p.bob.Suspend(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.bob.Restart() // ends while suspended
	p.talk(t, n, 1)
}

// A switch is given up while the other party has not heard of it, and may
// begin anew.
func TestAbortSwitch(t *testing.T) {
	first, second := smptest.Start(t), smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, first, second), bob: party(t, "bob", nil, second)}
	p.connect(t, agent.InviteOptions{Server: first.Addr.String()})
	if err := p.alice.AbortSwitch(t.Context(), p.toBob); !errors.Is(err, agent.ErrState) {
		t.Errorf("nothing to give up: %v", err)
	}
	p.bob.Stop()
	if err := p.alice.Switch(t.Context(), p.toBob); err != nil {
		t.Fatal(err)
	}
	agenttest.Wait[agent.Switched](t, p.alice.Client, p.toBob, 1)
	if err := p.alice.AbortSwitch(t.Context(), p.toBob); err != nil {
		t.Fatal(err)
	}
	p.bob.Restart() // and answers the offer
	p.talk(t, 0, 3)
	i, err := p.alice.Connection(t.Context(), p.toBob)
	if err != nil || i.RcvServers[0] != first.Addr.String() {
		t.Errorf("receiving on %v: %v", i.RcvServers, err)
	}
	if err := p.alice.Switch(t.Context(), p.toBob); err != nil {
		t.Fatal(err)
	}
	p.alice.Client.WaitFor(t, "completed switch", func() bool {
		for _, s := range agenttest.All[agent.Switched](p.alice.Client, p.toBob) {
			if s.Phase == agent.SwitchCompleted {
				return true
			}
		}
		return false
	})
	p.talk(t, 3, 3)
}
