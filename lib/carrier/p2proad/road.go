// Package p2proad has two devices meet as peers of libp2p: on one network by
// mDNS, directly or by hole punching, or over a relay node. The callee's peer
// ID, and where it may be, are in the invitation.
//
//	address  peer ID, then multiaddrs without it, with commas between
//	stream   /simplexkit/xrcp/1.0.0
package p2proad

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
)

// Protocol is the ID of the streams.
const Protocol = "/simplexkit/xrcp/1.0.0"

// ErrAddress is returned for an address that cannot be read.
var ErrAddress = errors.New("p2proad: bad address of a peer")

const (
	maxStreams = 16  // waiting for Accept; more are turned away
	maxAddress = 512 // bytes of an address
	maxAddrs   = 8   // in it
	addrTTL    = time.Hour
	tryAgain   = 500 * time.Millisecond
	// idle is for a stream that has its own signs of life above.
	idle = 24 * time.Hour
)

// Address is a callee.
type Address struct {
	Peer  p2p.PeerID
	Addrs []string // multiaddrs
}

// AddressOf is where a host can be found: with as many of its addresses as a
// link has room for.
func AddressOf(h *p2p.Host) Address {
	a := Address{Peer: h.ID()}
	size := len(a.Peer.String())
	all := h.Addrs()
	// Those of this device only are told if there are no others.
	if there := slices.DeleteFunc(slices.Clone(all), onlyHere); len(there) > 0 {
		all = there
	}
	for _, addr := range all {
		addr = strings.TrimSuffix(addr, "/p2p/"+h.ID().String())
		if size += 1 + len(addr); size > maxAddress || len(a.Addrs) >= maxAddrs {
			break
		}
		a.Addrs = append(a.Addrs, addr)
	}
	return a
}

func onlyHere(addr string) bool {
	return strings.HasPrefix(addr, "/ip6/fe80") || strings.HasPrefix(addr, "/ip4/127.") || strings.HasPrefix(addr, "/ip6/::1/")
}

// String is the address as an invitation has it.
func (a Address) String() string {
	return strings.Join(append([]string{a.Peer.String()}, a.Addrs...), ",")
}

// ParseAddress reads an address. The error is [ErrAddress].
func ParseAddress(s string) (a Address, err error) {
	parts := strings.Split(s, ",")
	if len(s) > maxAddress || len(parts) > 1+maxAddrs {
		return a, fmt.Errorf("%w: too long", ErrAddress)
	}
	if a.Peer, err = p2p.ParsePeerID(parts[0]); err != nil {
		return Address{}, fmt.Errorf("%w: peer ID", ErrAddress)
	}
	for _, addr := range parts[1:] {
		if !strings.HasPrefix(addr, "/") {
			return Address{}, fmt.Errorf("%w: not a multiaddr", ErrAddress)
		}
		a.Addrs = append(a.Addrs, addr)
	}
	return a, nil
}

// Listener is a callee's host. It is a net.Listener.
type Listener struct {
	h      *p2p.Host
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen takes the streams of a host, which stays the caller's.
func Listen(h *p2p.Host) *Listener {
	l := &Listener{h: h, conns: make(chan net.Conn, maxStreams), closed: make(chan struct{})}
	h.Handle(Protocol, func(ctx context.Context, s *p2p.Stream) error {
		c := newConn(h, s, nil)
		select {
		case <-l.closed:
			return net.ErrClosed
		case l.conns <- c:
		default:
			return errors.New("p2proad: too many streams")
		}
		select { // the stream is closed when this returns
		case <-c.done:
		case <-ctx.Done():
		}
		return nil
	})
	return l
}

// Accept waits for a stream.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	case c := <-l.conns:
		return c, nil
	}
}

// Addr is the host's.
func (l *Listener) Addr() net.Addr { return addr(l.h.ID()) }

// Close takes no more streams. Those that were accepted go on.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.h.Unhandle(Protocol)
		close(l.closed)
	})
	for {
		select {
		case c := <-l.conns:
			_ = c.Close()
		default:
			return nil
		}
	}
}

// Dial opens a stream to a callee, and tries until ctx ends: the callee may be
// found on the local network a little later. end, which may be nil, is called
// when the stream is closed.
func Dial(ctx context.Context, h *p2p.Host, to Address, end func()) (net.Conn, error) {
	h.AddAddrs(to.Peer, to.Addrs, addrTTL)
	tick := time.NewTicker(tryAgain)
	defer tick.Stop()
	for {
		s, err := h.Open(ctx, to.Peer, Protocol)
		if err == nil {
			return newConn(h, s, end), nil
		}
		if errors.Is(err, p2p.ErrProtocol) || errors.Is(err, p2p.ErrRefused) {
			return nil, fmt.Errorf("p2proad: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("p2proad: %w: %w", ctx.Err(), err)
		}
	}
}

// addr is a peer.
type addr p2p.PeerID

// Network is "libp2p".
func (addr) Network() string { return "libp2p" }

// String is the peer ID.
func (a addr) String() string { return p2p.PeerID(a).String() }

// conn is a stream as a net.Conn. A deadline that passes ends it.
type conn struct {
	*p2p.Stream
	local p2p.PeerID
	end   func()
	once  sync.Once
	done  chan struct{}

	mu     sync.Mutex
	timers [2]*time.Timer // of reads and of writes; guarded by mu
	late   bool           // a deadline has passed; guarded by mu
}

func newConn(h *p2p.Host, s *p2p.Stream, end func()) *conn {
	s.SetIdle(idle)
	return &conn{Stream: s, local: h.ID(), end: end, done: make(chan struct{})}
}

// Read reads.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Stream.Read(b)
	return n, c.reason(err)
}

// Write writes.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Stream.Write(b)
	return n, c.reason(err)
}

func (c *conn) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && c.late {
		return os.ErrDeadlineExceeded
	}
	return err
}

// Close sends what is written and closes.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		_ = c.SetDeadline(time.Time{})
		err = c.Stream.Close()
		close(c.done)
		if c.end != nil {
			c.end()
		}
	})
	return err
}

// LocalAddr is this host's.
func (c *conn) LocalAddr() net.Addr { return addr(c.local) }

// RemoteAddr is the peer's.
func (c *conn) RemoteAddr() net.Addr { return addr(c.Peer()) }

// SetDeadline bounds reads and writes.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.set(0, t), c.set(1, t))
}

// SetReadDeadline bounds reads.
func (c *conn) SetReadDeadline(t time.Time) error { return c.set(0, t) }

// SetWriteDeadline bounds writes.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.set(1, t) }

func (c *conn) set(i int, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timers[i] != nil {
		c.timers[i].Stop()
		c.timers[i] = nil
	}
	if !t.IsZero() {
		c.timers[i] = time.AfterFunc(time.Until(t), func() {
			c.mu.Lock()
			c.late = true
			c.mu.Unlock()
			c.Reset()
		})
	}
	return nil
}
