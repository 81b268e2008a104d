package dtlsroad

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/transport/v2/packetio"
)

// Limits of a listener.
const (
	maxPeers         = 32               // streams and handshakes
	maxHandshakes    = 16               // of them, not yet streams
	handshakeTimeout = 15 * time.Second // for each
	maxQueued        = 1 << 20          // bytes of packets not yet looked at, of one peer
	maxPacket        = 2048             // bytes; longer packets are cut, and then not of DTLS
)

// Dial opens a stream to host:port.
func Dial(ctx context.Context, addr string, log *slog.Logger) (net.Conn, error) {
	packets, err := new(net.Dialer).DialContext(ctx, "udp", addr)
	if err != nil {
		return nil, fmt.Errorf("dtlsroad: %w", err)
	}
	return secure(ctx, packets, true, log)
}

// Listener takes streams at a UDP port. It is a net.Listener.
type Listener struct {
	pc    net.PacketConn
	other func(b []byte, from netip.AddrPort)
	dtls  bool
	log   *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	conns  chan net.Conn
	lost   chan struct{} // closed when the port is
	err    error         // set before that
	start  sync.Once
	// testOnlyPeer gets the packets of a new peer, which is not greeted.
	testOnlyPeer func(net.Conn)

	mu         sync.Mutex
	peers      map[netip.AddrPort]*peer // guarded by mu
	handshakes int                      // guarded by mu
}

// Config is for NewListener.
type Config struct {
	// DTLS false takes no streams at all: the port is only for Other.
	DTLS bool
	// Other gets packets that are not of DTLS, from the reader of the port: it
	// must not block, and not keep the bytes.
	Other func(b []byte, from netip.AddrPort)
	Log   *slog.Logger // nil: none
}

// NewListener takes over a UDP port.
func NewListener(pc net.PacketConn, cfg Config) *Listener {
	l := &Listener{
		pc: pc, other: cfg.Other, dtls: cfg.DTLS, log: cfg.Log,
		conns: make(chan net.Conn), lost: make(chan struct{}), peers: map[netip.AddrPort]*peer{},
	}
	if u, ok := pc.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(maxQueued) // as much of it as the system allows
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Accept waits for a stream.
func (l *Listener) Accept() (net.Conn, error) {
	l.start.Do(func() { l.wg.Go(l.read) })
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	case <-l.lost:
		return nil, l.err
	}
}

// Addr is the port's.
func (l *Listener) Addr() net.Addr { return l.pc.LocalAddr() }

// Close takes no more streams. Those that were accepted go on: the port is
// closed with the last of them.
func (l *Listener) Close() error {
	l.cancel()
	l.start.Do(func() { _ = l.pc.Close() })
	l.mu.Lock()
	l.closeIdleLocked()
	l.mu.Unlock()
	return nil
}

// Wait waits until all streams are closed too.
func (l *Listener) Wait() { l.wg.Wait() }

func (l *Listener) closeIdleLocked() {
	if l.ctx.Err() != nil && len(l.peers) == 0 {
		_ = l.pc.Close()
	}
}

// isHello tells whether a packet may be the first of a peer: an unsealed
// handshake record with a client's hello.
func isHello(b []byte) bool { return len(b) > 25 && b[0] == 22 && b[1] == 254 && b[13] == 1 }

// isDTLS tells records from other packets: RFC 7983.
func isDTLS(b []byte) bool { return len(b) > 12 && 20 <= b[0] && b[0] <= 63 && b[1] == 254 }

func (l *Listener) read() {
	buf := make([]byte, maxPacket)
	for {
		n, addr, err := l.pc.ReadFrom(buf)
		if err != nil {
			if temporary(err) {
				continue
			}
			l.end(err)
			return
		}
		u, ok := addr.(*net.UDPAddr)
		if !ok {
			continue
		}
		l.packet(buf[:n], u)
	}
}

// temporary errors are those of a packet that was sent: nobody was there.
func temporary(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

func (l *Listener) end(err error) {
	l.mu.Lock()
	peers := l.peers
	l.peers = map[netip.AddrPort]*peer{}
	l.mu.Unlock()
	for _, p := range peers {
		_ = p.in.Close()
	}
	l.err = fmt.Errorf("dtlsroad: %w", err)
	close(l.lost)
}

func (l *Listener) packet(b []byte, u *net.UDPAddr) {
	from := netip.AddrPortFrom(u.AddrPort().Addr().Unmap(), u.AddrPort().Port())
	l.mu.Lock()
	p := l.peers[from]
	if p == nil && l.dtls && isHello(b) && l.ctx.Err() == nil && len(l.peers) < maxPeers && l.handshakes < maxHandshakes {
		p = &peer{l: l, in: packetio.NewBuffer(), addr: u, key: from}
		p.in.SetLimitSize(maxQueued)
		l.peers[from] = p
		l.handshakes++
		if l.testOnlyPeer != nil {
			l.testOnlyPeer(p)
		} else {
			l.wg.Go(func() { l.shake(p) })
		}
	}
	l.mu.Unlock()
	switch {
	case p != nil && isDTLS(b):
		_, _ = p.in.Write(b) // too many are lost, as on any network
	case !isDTLS(b) && l.other != nil && l.ctx.Err() == nil:
		l.other(b, from)
	}
}

func (l *Listener) shake(p *peer) {
	ctx, cancel := context.WithTimeout(l.ctx, handshakeTimeout)
	defer cancel()
	c, err := secure(ctx, p, false, l.log)
	l.mu.Lock()
	l.handshakes--
	l.mu.Unlock()
	if err != nil {
		_ = p.Close()
		return
	}
	select {
	case l.conns <- c:
	case <-l.ctx.Done():
		_ = c.Close()
	}
}

// peer is the packets of one address as a net.Conn.
type peer struct {
	l    *Listener
	in   *packetio.Buffer
	addr *net.UDPAddr
	key  netip.AddrPort
	once sync.Once
}

// Read gives a packet.
func (p *peer) Read(b []byte) (int, error) { return p.in.Read(b) }

// Write sends a packet.
func (p *peer) Write(b []byte) (int, error) { return p.l.pc.WriteTo(b, p.addr) }

// Close forgets the peer.
func (p *peer) Close() error {
	p.once.Do(func() {
		p.l.mu.Lock()
		defer p.l.mu.Unlock()
		if p.l.peers[p.key] == p {
			delete(p.l.peers, p.key)
		}
		p.l.closeIdleLocked()
		_ = p.in.SetReadDeadline(time.Time{}) // one that is set has a goroutine
	})
	return p.in.Close()
}

// LocalAddr is the port's.
func (p *peer) LocalAddr() net.Addr { return p.l.pc.LocalAddr() }

// RemoteAddr is the peer's.
func (p *peer) RemoteAddr() net.Addr { return p.addr }

// SetDeadline bounds reads.
func (p *peer) SetDeadline(t time.Time) error { return p.in.SetReadDeadline(t) }

// SetReadDeadline bounds reads.
func (p *peer) SetReadDeadline(t time.Time) error { return p.in.SetReadDeadline(t) }

// SetWriteDeadline does nothing: sending a packet does not wait.
func (p *peer) SetWriteDeadline(time.Time) error { return nil }
