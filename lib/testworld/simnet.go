package testworld

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Network is a network in memory whose faults a seed decides, for tests in a
// bubble of testing/synctest. Connections carry bytes with a delay, in order;
// they are cut, go half-open (bytes vanish, nobody is told), or are refused.
type Network struct {
	mu        sync.Mutex
	rand      *rand.Rand
	delay     time.Duration // at most
	listeners map[string]*simListener
	links     map[*link]struct{}
	down      bool // dials are refused
	dials     int
}

// NewNetwork makes a network that delays bytes by up to delay each way.
func NewNetwork(seed uint64, delay time.Duration) *Network {
	return &Network{
		rand:      rand.New(rand.NewPCG(seed, 1)),
		delay:     delay,
		listeners: map[string]*simListener{},
		links:     map[*link]struct{}{},
	}
}

// Listen opens address, which may be any text, for dialling.
func (n *Network) Listen(address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, fmt.Errorf("simnet: listen %s: %w", address, syscall.EADDRINUSE)
	}
	l := &simListener{n: n, address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// Dial connects to an address that is listened on.
func (n *Network) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l, down, wait := n.listeners[address], n.down, n.pickLocked()
	n.dials++
	n.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(wait):
	}
	if l == nil || down {
		return nil, fmt.Errorf("simnet: dial %s: %w", address, syscall.ECONNREFUSED)
	}
	a, b := newPipe(n), newPipe(n)
	k := &link{a, b}
	client := &simConn{in: a, out: b, local: "client", remote: address, close: func() { n.forget(k) }}
	server := &simConn{in: b, out: a, local: address, remote: "client", close: func() { n.forget(k) }}
	n.mu.Lock()
	n.links[k] = struct{}{}
	n.mu.Unlock()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	n.forget(k)
	return nil, fmt.Errorf("simnet: dial %s: %w", address, syscall.ECONNREFUSED)
}

// pickLocked chooses a delay.
func (n *Network) pickLocked() time.Duration {
	if n.delay == 0 {
		return 0
	}
	return time.Duration(n.rand.Int64N(int64(n.delay)))
}

func (n *Network) forget(k *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.links, k)
}

// Cut resets every connection: both ends see it at once.
func (n *Network) Cut() { n.each((*pipe).cut) }

// HalfOpen lets the bytes of every connection vanish from now on. Neither end
// is told.
func (n *Network) HalfOpen() { n.each((*pipe).swallow) }

func (n *Network) each(fn func(*pipe)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k := range n.links {
		fn(k.a)
		fn(k.b)
	}
}

// SetDown refuses new connections, or no longer.
func (n *Network) SetDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// Dials counts the connections asked for.
func (n *Network) Dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

// link is the two directions of a connection.
type link struct{ a, b *pipe }

type simListener struct {
	n       *Network
	address string
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *simListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *simListener) Close() error {
	l.once.Do(func() {
		l.n.mu.Lock()
		delete(l.n.listeners, l.address)
		l.n.mu.Unlock()
		close(l.closed)
	})
	return nil
}

func (l *simListener) Addr() net.Addr { return simAddr(l.address) }

type simAddr string

func (a simAddr) Network() string { return "sim" }
func (a simAddr) String() string  { return string(a) }

// simConn is one end of a connection.
type simConn struct {
	in, out       *pipe
	local, remote string
	once          sync.Once
	close         func()
}

func (c *simConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *simConn) Write(b []byte) (int, error) { return c.out.write(b) }

func (c *simConn) Close() error {
	c.once.Do(func() {
		c.in.shut(net.ErrClosed)
		c.out.shut(io.EOF)
		c.close()
	})
	return nil
}

func (c *simConn) LocalAddr() net.Addr  { return simAddr(c.local) }
func (c *simConn) RemoteAddr() net.Addr { return simAddr(c.remote) }

func (c *simConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
func (c *simConn) SetReadDeadline(t time.Time) error  { return c.in.setDeadline(&c.in.readBy, t) }
func (c *simConn) SetWriteDeadline(t time.Time) error { return c.out.setDeadline(&c.out.writeBy, t) }

// pipe is one direction of a connection: a queue of chunks, each with the time
// at which it arrives.
type pipe struct {
	n *Network

	mu      sync.Mutex
	chunks  []chunk
	size    int
	last    time.Time     // when the last chunk arrives
	end     error         // what the reader finds after the chunks, or nil
	reset   error         // what both find at once, or nil
	lost    bool          // what is written vanishes
	readBy  time.Time     // the reader's deadline
	writeBy time.Time     // the writer's deadline
	change  chan struct{} // closed at every change
}

type chunk struct {
	b  []byte
	at time.Time
}

// pipeRoom is how much may be under way, as in a socket's buffers.
const pipeRoom = 256 << 10

func newPipe(n *Network) *pipe { return &pipe{n: n, change: make(chan struct{})} }

func (p *pipe) changedLocked() {
	close(p.change)
	p.change = make(chan struct{})
}

func (p *pipe) read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		now := time.Now()
		switch {
		case p.reset != nil:
			defer p.mu.Unlock()
			return 0, p.reset
		case !p.readBy.IsZero() && !now.Before(p.readBy):
			defer p.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(p.chunks) > 0 && !p.chunks[0].at.After(now):
			defer p.mu.Unlock()
			n := copy(b, p.chunks[0].b)
			if p.chunks[0].b = p.chunks[0].b[n:]; len(p.chunks[0].b) == 0 {
				p.chunks = p.chunks[1:]
			}
			p.size -= n
			p.changedLocked()
			return n, nil
		case len(p.chunks) == 0 && p.end != nil:
			defer p.mu.Unlock()
			return 0, p.end
		}
		next := p.readBy
		if len(p.chunks) > 0 && (next.IsZero() || p.chunks[0].at.Before(next)) {
			next = p.chunks[0].at
		}
		change := p.change
		p.mu.Unlock()
		await(change, next)
	}
}

func (p *pipe) write(b []byte) (int, error) {
	p.n.mu.Lock()
	delay := p.n.pickLocked()
	p.n.mu.Unlock()
	for {
		p.mu.Lock()
		now := time.Now()
		switch {
		case p.reset != nil:
			defer p.mu.Unlock()
			return 0, p.reset
		case p.end != nil:
			defer p.mu.Unlock()
			return 0, syscall.EPIPE
		case !p.writeBy.IsZero() && !now.Before(p.writeBy):
			defer p.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case p.size < pipeRoom:
			defer p.mu.Unlock()
			if p.lost {
				p.size += len(b) // and nobody makes room
				return len(b), nil
			}
			at := now.Add(delay)
			if at.Before(p.last) {
				at = p.last
			}
			p.last = at
			p.chunks = append(p.chunks, chunk{append([]byte(nil), b...), at})
			p.size += len(b)
			p.changedLocked()
			return len(b), nil
		}
		change, by := p.change, p.writeBy
		p.mu.Unlock()
		await(change, by)
	}
}

// await waits for a change, or for a time if it is not zero.
func await(change <-chan struct{}, until time.Time) {
	if until.IsZero() {
		<-change
		return
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-change:
	case <-t.C:
	}
}

// shut ends the direction: the reader finds err after what is under way.
func (p *pipe) shut(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end == nil && !p.lost {
		p.end = err
	}
	if errors.Is(err, net.ErrClosed) {
		p.reset, p.chunks = err, nil // the reader itself has closed
	}
	p.changedLocked()
}

func (p *pipe) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reset == nil {
		p.reset, p.chunks = syscall.ECONNRESET, nil
	}
	p.changedLocked()
}

func (p *pipe) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost, p.chunks = true, nil
	p.changedLocked()
}

func (p *pipe) setDeadline(field *time.Time, t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	*field = t
	p.changedLocked()
	return nil
}
