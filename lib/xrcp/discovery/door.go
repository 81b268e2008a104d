package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// Limits of a door.
const (
	maxKnocks    = 16               // connections whose first byte is awaited
	knockTimeout = 10 * time.Second // for that byte, or for a line
	maxCalls     = 8                // calls to hosts under way
	callTimeout  = 10 * time.Second // for one
	callAgain    = time.Second      // at least, before a location is called again
	maxCalled    = 64               // locations remembered
)

// Door is where hosts come to a controller: they connect, or say where they
// wait and are called. It is a net.Listener of *carrier.Conn.
//
// A connection that begins with a digit, a bracket or a colon is a line of
// [AppendLocation]; TLS begins otherwise. Lines of strangers cost a call to
// the stranger's own address, a few of them at a time.
type Door struct {
	tcp   net.Listener // nil: only calls
	lines bool
	dial  transport.DialFunc
	fail  func(error)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	start  sync.Once
	knocks chan struct{} // a place for each
	conns  chan net.Conn
	lost   chan error

	mu     sync.Mutex
	closed bool                         // guarded by mu, as is what follows
	calls  int                          // under way
	called map[netip.AddrPort]time.Time // when last
}

// DoorConfig is for NewDoor. Members may be zero.
type DoorConfig struct {
	TCP   net.Listener
	Lines bool               // locations by TCP too
	Dial  transport.DialFunc // for calls; nil is a net.Dialer
	// Fail hears why a line or a call led to nothing; it must not block.
	Fail func(error)
}

// NewDoor makes a door; the TCP listener is closed with it.
func NewDoor(cfg DoorConfig) *Door {
	d := &Door{
		tcp: cfg.TCP, lines: cfg.Lines, dial: cfg.Dial, fail: cfg.Fail,
		knocks: make(chan struct{}, maxKnocks), conns: make(chan net.Conn), lost: make(chan error, 1),
		called: map[netip.AddrPort]time.Time{},
	}
	if d.dial == nil {
		d.dial = (&net.Dialer{KeepAliveConfig: transport.KeepAlive}).DialContext
	}
	if d.fail == nil {
		d.fail = func(error) {}
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Accept waits for a host.
func (d *Door) Accept() (net.Conn, error) {
	d.start.Do(func() {
		if d.tcp != nil {
			d.spawn(d.listen)
		}
	})
	select {
	case c := <-d.conns:
		return c, nil
	case err := <-d.lost:
		return nil, err
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
}

// spawn starts what Close waits for, unless the door is closed.
func (d *Door) spawn(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.wg.Go(f)
	}
	return !d.closed
}

func (d *Door) listen() {
	for {
		c, err := d.tcp.Accept()
		if err != nil {
			d.lost <- err
			return
		}
		select {
		case d.knocks <- struct{}{}:
			if !d.spawn(func() { d.knock(c) }) {
				_ = c.Close()
			}
		default:
			_ = c.Close()
		}
	}
}

// knock finds out what a connection is.
func (d *Door) knock(c net.Conn) {
	defer func() { <-d.knocks }()
	stop := context.AfterFunc(d.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	_ = c.SetReadDeadline(time.Now().Add(knockTimeout)) // sockets have deadlines
	var first [1]byte
	n, err := c.Read(first[:])
	isLine := n == 1 && d.lines && (first[0] == '[' || first[0] == ':' || '0' <= first[0] && first[0] <= '9')
	var line []byte
	if isLine {
		line, err = readLine(c, first[0])
	}
	alive := stop()
	switch {
	case !alive:
		_ = c.Close()
	case isLine:
		from := addrOf(c.RemoteAddr())
		_ = c.Close()
		if err != nil {
			d.fail(fmt.Errorf("%w: %v", ErrLocation, err))
			return
		}
		d.Location(line, from, carrier.FlipTCP)
	default:
		// A connection that has ended is no matter of this package.
		_ = c.SetReadDeadline(time.Time{}) // as above
		d.give(&carrier.Conn{Conn: &begun{c, first[:n]}, Road: carrier.TCP})
	}
}

func readLine(c net.Conn, first byte) ([]byte, error) {
	line := append(make([]byte, 0, MaxLocation), first)
	for len(line) < MaxLocation {
		n, err := c.Read(line[len(line) : len(line)+1])
		if line = line[:len(line)+n]; n > 0 && line[len(line)-1] == '\n' {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("too long")
}

// begun is a connection of which the first byte was read.
type begun struct {
	net.Conn
	first []byte // owned by the reader
}

// Read reads.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 && len(p) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// Location takes a line that came from an address by a road, and calls the host
// there. The zero address is for lines from somebody who is trusted to know
// this controller's invitation. It does not block.
func (d *Door) Location(line []byte, from netip.Addr, road carrier.Name) {
	at, err := ParseLocation(line, from)
	if err != nil {
		d.fail(err)
		return
	}
	if d.mayCall(at, time.Now()) {
		d.spawn(func() { d.call(at, road) })
	}
}

func (d *Door) mayCall(at netip.AddrPort, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, ok := d.called[at]; d.closed || d.calls >= maxCalls || ok && now.Sub(last) < callAgain {
		return false
	}
	if len(d.called) >= maxCalled {
		clear(d.called)
	}
	d.called[at] = now
	d.calls++
	return true
}

func (d *Door) call(at netip.AddrPort, road carrier.Name) {
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls--
		d.called[at] = time.Now()
	}()
	ctx, cancel := context.WithTimeout(d.ctx, callTimeout)
	defer cancel()
	c, err := d.dial(ctx, "tcp", at.String())
	if err != nil {
		d.fail(fmt.Errorf("discovery: calling a host: %w", err))
		return
	}
	d.give(&carrier.Conn{Conn: c, Road: road})
}

func (d *Door) give(c net.Conn) {
	select {
	case d.conns <- c:
	case <-d.ctx.Done():
		_ = c.Close()
	}
}

// Addr is the TCP listener's, or an empty one.
func (d *Door) Addr() net.Addr {
	if d.tcp == nil {
		return &net.TCPAddr{}
	}
	return d.tcp.Addr()
}

// Close closes the door and waits for those in it.
func (d *Door) Close() (err error) {
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	d.mu.Unlock()
	if first {
		d.cancel()
		if d.tcp != nil {
			err = d.tcp.Close()
		}
	}
	d.wg.Wait()
	return err
}
