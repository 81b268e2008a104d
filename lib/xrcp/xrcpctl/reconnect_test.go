package xrcpctl_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// network is a TCP proxy that can lose all bytes without a word, as a radio
// network that is left.
type network struct {
	l    net.Listener
	to   string
	wg   sync.WaitGroup
	mu   sync.Mutex
	gone chan struct{} // while open, bytes pass; guarded by mu
	all  []net.Conn    // guarded by mu
}

func newNetwork(t *testing.T, to string) *network {
	n := &network{l: listen(t), to: to, gone: make(chan struct{})}
	n.wg.Go(func() {
		for {
			c, err := n.l.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("tcp", to)
			if err != nil {
				_ = c.Close()
				continue
			}
			n.mu.Lock()
			n.all = append(n.all, c, d)
			gone := n.gone
			n.mu.Unlock()
			n.wg.Go(func() { pass(c, d, gone) })
			n.wg.Go(func() { pass(d, c, gone) })
		}
	})
	t.Cleanup(func() {
		_ = n.l.Close()
		n.mu.Lock()
		for _, c := range n.all {
			_ = c.Close()
		}
		n.mu.Unlock()
		n.wg.Wait()
	})
	return n
}

// pass reads on when the network is gone, so that nobody sees an error.
func pass(to io.Writer, from io.Reader, gone chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		m, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-gone:
		default:
			_, _ = to.Write(buf[:m])
		}
	}
}

func (n *network) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.gone)
	n.gone = make(chan struct{})
}

const silence = time.Second

// TestNetworkWinksOut leaves the network in the middle of a command. Both sides
// notice, the command fails once, and both meet again unattended, at another
// address, by an announcement that only the keys of the last session open.
func TestNetworkWinksOut(t *testing.T) {
	c := startController(t, newPairing(t), func(cfg *xrcpctl.Config) { cfg.Silence = silence })
	n := newNetwork(t, c.Invitation().Address())
	var d device[*xrcp.ControllerPairing]
	hs, err := host(t, &d, c.Invitation(), func(cfg *xrcphost.Config) {
		cfg.Silence = silence
		cfg.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, n.l.Addr().String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(context.Background(), newProfile(t), nil) }()
	s := c.session(t)
	call(t, s, "before")

	waiting := make(chan error, 1)
	go func() {
		_, err := s.Recv(context.Background(), time.Hour) // it has come to the host, and nothing comes back
		waiting <- err
	}()
	call(t, s, "the other one is under way")
	n.leave()
	if err := <-waiting; !errors.Is(err, xrcpctl.ErrLost) {
		t.Error("the controller:", err)
	}
	if err := <-served; err != nil {
		t.Error("the host:", err)
	}
	<-s.Done()
	_ = s.Close()

	again(t, c, &d)
}

// again has both meet at another address, without a link.
func again(t *testing.T, c *controller, d *device[*xrcp.ControllerPairing]) {
	r, err := discovery.Receive(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Skip("the loopback interface has one address here:", err)
	}
	moved := netip.MustParseAddr("127.0.0.2")
	next := startController(t, c.latest(), func(cfg *xrcpctl.Config) {
		_ = cfg.Listener.Close()
		cfg.Listener, cfg.Host = l, moved.String()
		cfg.Announcer = &discovery.Announcer{From: moved, To: r.Addr(), Every: 10 * time.Millisecond}
		cfg.Confirm = nil // it knows the host
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, inv, err := r.Find(ctx, []*xrcp.ControllerPairing{d.latest()}, time.Now, xrcp.DefaultWindow, nil)
	if err != nil || p != d.latest() || inv.Host != moved.String() {
		t.Fatal(err)
	}
	hs, err := host(t, d, inv, nil)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, hs, newProfile(t))
	call(t, next.session(t), "after")
}

// TestShortAbsence does not end the session.
func TestShortAbsence(t *testing.T) {
	c := startController(t, newPairing(t), nil)
	var d device[*xrcp.ControllerPairing]
	var stop stopper
	hs, err := host(t, &d, c.Invitation(), func(cfg *xrcphost.Config) {
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			return stopped{c, &stop}, err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, hs, newProfile(t))
	s := c.session(t)
	stop.Lock() // nothing is sent by the host
	done := make(chan struct{})
	go func() {
		defer close(done)
		call(t, s, "waits")
	}()
	select {
	case <-done:
		t.Error("came through")
	case <-time.After(300 * time.Millisecond):
	}
	stop.Unlock()
	<-done
	call(t, s, "after")
}

type stopper struct{ sync.Mutex }

type stopped struct {
	net.Conn
	s *stopper
}

func (c stopped) Write(b []byte) (int, error) {
	c.s.Lock()
	defer c.s.Unlock()
	return c.Conn.Write(b)
}
