package roads

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/dtlsroad"
	"github.com/simplexkit/simplexkit/lib/carrier/p2proad"
	"github.com/simplexkit/simplexkit/lib/carrier/smproad"
	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

// Config is what roads are made of, on either side.
type Config struct {
	// Via are the roads to take; nil are all that need nobody else: tcp and
	// multicast, and for two ends of this program flip-tcp, flip-udp and dtls.
	Via []carrier.Name
	// Addr and Ports are where a controller listens in TCP; an empty address
	// is all of the device's. UDP has the port of the same number.
	Addr  string
	Ports []uint16
	// Relay has the queues of smp and flip-smp; without one a controller does
	// not open them, and a host uses the controller's.
	Relay *smp.AuthServer
	SMP   smpclient.Options
	// Bootstrap are libp2p nodes, as in p2p.Config; none means the local
	// network and known addresses only.
	Bootstrap []string
	// P2P is the libp2p host, which stays the caller's; nil is one of its own
	// for each station and each stream, with a new key.
	P2P *p2p.Host
	// Secret, if there is one, gives a station's own host the same peer ID each
	// time: hosts that know it find it again.
	Secret []byte
	Log    *slog.Logger
}

// local are the roads that need nobody but the two ends.
var local = []carrier.Name{carrier.TCP, carrier.Multicast, carrier.FlipTCP, carrier.FlipUDP, carrier.DTLS}

func (c *Config) via(n carrier.Name) bool {
	if c.Via == nil {
		return slices.Contains(local, n)
	}
	return slices.Contains(c.Via, n)
}

// among are those of names that are to be taken.
func (c *Config) among(names ...carrier.Name) []carrier.Name {
	return slices.DeleteFunc(names, func(n carrier.Name) bool { return !c.via(n) })
}

// Station is a controller with its roads open. It may see several sessions,
// one after another, each with the listener of [Station.Session].
type Station struct {
	joined *carrier.Joined
	door   *discovery.Door
	port   uint16
	hints  []xrcp.Hint
	open   []carrier.Name
	failed []error
	end    func() // closes the libp2p host
	log    *slog.Logger

	conns   chan net.Conn
	waiting chan struct{} // a place for each stream without a session
	lost    chan struct{} // closed when there is no listener any more
	err     error         // set before lost is closed
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu           sync.Mutex
	announcement func() ([]byte, error) // guarded by mu; nil: no session is on offer
}

// ErrNoRoad is returned where none of the roads could be opened.
var ErrNoRoad = errors.New("roads: none could be opened")

// Open opens the roads of a controller. Those that fail are told by
// [Station.Failed]; the error wraps [ErrNoRoad] and all of them.
func Open(ctx context.Context, cfg Config) (*Station, error) {
	s := &Station{log: cfg.Log, conns: make(chan net.Conn), waiting: make(chan struct{}, maxWaiting), lost: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	listeners := s.listen(ctx, &cfg)
	if len(listeners) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNoRoad, errors.Join(s.failed...))
	}
	s.joined = carrier.Join(listeners...)
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(s.pump)
	return s, nil
}

func (s *Station) listen(ctx context.Context, cfg *Config) (out []carrier.Listener) {
	dc := discovery.DoorConfig{
		Lines: cfg.via(carrier.FlipTCP),
		Fail:  func(err error) { s.log.Debug("remote control: a host's location", "err", err) },
	}
	s.listenTCP(ctx, cfg, &dc)
	s.door = discovery.NewDoor(dc)
	out = append(out, carrier.Listener{Listener: s.door, Road: carrier.TCP})
	if l := s.listenUDP(cfg); l != nil {
		out = append(out, carrier.Listener{Listener: l, Road: carrier.DTLS})
	}
	if l := s.listenP2P(cfg); l != nil {
		out = append(out, carrier.Listener{Listener: l, Road: carrier.Libp2p})
	}
	if l := s.listenSMP(ctx, cfg); l != nil {
		out = append(out, carrier.Listener{Listener: l, Road: carrier.SMP})
	}
	if len(s.open) == 0 {
		_ = s.door.Close()
		return nil
	}
	s.hint()
	return out
}

// hint tells hosts of the roads that are open, unless those that the reference
// knows are all.
func (s *Station) hint() {
	var names []carrier.Name
	plain := true
	for _, n := range s.open {
		if n != carrier.Multicast { // it is another way to find the same
			names = append(names, n)
			plain = plain && n == carrier.TCP
		}
	}
	if !plain {
		s.hints = append([]xrcp.Hint{{Name: xrcp.HintVia, Value: carrier.JoinNames(names)}}, s.hints...)
	}
}

func (s *Station) fail(n carrier.Name, err error) {
	s.failed = append(s.failed, fmt.Errorf("%s: %w", n, err))
}

// listenTCP opens the roads that begin at a TCP port.
func (s *Station) listenTCP(ctx context.Context, cfg *Config, dc *discovery.DoorConfig) {
	names := cfg.among(carrier.TCP, carrier.Multicast, carrier.FlipTCP)
	if len(names) == 0 {
		return
	}
	l, err := discovery.Listen(ctx, cfg.Addr, cfg.Ports...)
	if err != nil {
		s.fail(names[0], err)
		return
	}
	dc.TCP, s.port = l, discovery.PortOf(l)
	s.open = append(s.open, names...)
}

// listenUDP opens the roads that begin at the UDP port.
func (s *Station) listenUDP(cfg *Config) net.Listener {
	names := cfg.among(carrier.FlipUDP, carrier.DTLS)
	if len(names) == 0 {
		return nil
	}
	pc, err := listenPacket(cfg, s.port)
	if err != nil {
		s.fail(names[0], err)
		return nil
	}
	s.port = pc.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	s.open = append(s.open, names...)
	dc := dtlsroad.Config{DTLS: slices.Contains(names, carrier.DTLS), Log: cfg.Log}
	if slices.Contains(names, carrier.FlipUDP) {
		dc.Other = func(b []byte, from netip.AddrPort) { s.door.Location(b, from.Addr(), carrier.FlipUDP) }
	}
	return dtlsroad.NewListener(pc, dc)
}

// listenP2P opens the road by libp2p.
func (s *Station) listenP2P(cfg *Config) net.Listener {
	if !cfg.via(carrier.Libp2p) {
		return nil
	}
	h, end := cfg.P2P, func() {}
	if h == nil {
		var err error
		if h, end, err = openHost(cfg, cfg.Secret); err != nil {
			s.fail(carrier.Libp2p, err)
			return nil
		}
	}
	s.end = end
	s.open = append(s.open, carrier.Libp2p)
	s.hints = append(s.hints, xrcp.Hint{Name: xrcp.HintLibp2p, Value: p2proad.AddressOf(h).String()})
	return p2proad.Listen(h)
}

// listenSMP opens the roads that begin at a queue.
func (s *Station) listenSMP(ctx context.Context, cfg *Config) net.Listener {
	names := cfg.among(carrier.FlipSMP, carrier.SMP)
	if len(names) == 0 {
		return nil
	}
	if cfg.Relay == nil {
		s.fail(names[0], errNoRelay)
		return nil
	}
	sc := smproad.Config{Relay: *cfg.Relay, SMP: cfg.SMP, Streams: slices.Contains(names, carrier.SMP)}
	if slices.Contains(names, carrier.FlipSMP) {
		sc.Location = func(line []byte) { s.door.Location(line, netip.Addr{}, carrier.FlipSMP) }
	}
	l, err := smproad.Listen(ctx, sc)
	if err != nil {
		s.fail(names[0], err)
		return nil
	}
	s.open = append(s.open, names...)
	s.hints = append(s.hints, xrcp.Hint{Name: xrcp.HintSMP, Value: l.Address().String()})
	return l
}

var errNoRelay = errors.New("no relay is set")

// listenPacket takes the port of TCP, or else the first of the wanted ones.
func listenPacket(cfg *Config, port uint16) (pc net.PacketConn, err error) {
	ports := []uint16{port}
	if port == 0 && len(cfg.Ports) > 0 {
		ports = cfg.Ports
	}
	for _, p := range ports {
		pc, err = net.ListenPacket("udp4", net.JoinHostPort(cfg.Addr, strconv.Itoa(int(p))))
		if err == nil {
			return pc, nil
		}
	}
	return nil, err
}

// pump hands streams to whichever session is there.
func (s *Station) pump() {
	for {
		c, err := s.joined.Accept()
		if err != nil {
			s.err = err
			close(s.lost)
			return
		}
		select {
		case s.waiting <- struct{}{}:
			s.wg.Go(func() { s.greet(c.(*carrier.Conn)) }) // Joined gives no other
		default:
			_ = c.Close()
		}
	}
}

// Port is the TCP and UDP port, for the invitation; 0 if there is none.
func (s *Station) Port() uint16 { return s.port }

// Hints are for the invitation.
func (s *Station) Hints() []xrcp.Hint { return s.hints }

// Roads are those that are open.
func (s *Station) Roads() []carrier.Name { return s.open }

// Failed says why roads that were asked for are not open.
func (s *Station) Failed() []error { return s.failed }

// Session is the listener of one session, for xrcpctl.Config. Closing it leaves
// the station open. A host that comes between two sessions waits for the next, for a
// while.
func (s *Station) Session() net.Listener { return &turn{Station: s, done: make(chan struct{})} }

// Close closes all roads and waits for them. Sessions over smp and libp2p end.
func (s *Station) Close() error {
	s.cancel()
	err := s.joined.Close()
	s.wg.Wait()
	if s.end != nil {
		s.end()
	}
	return err
}

// turn is one session's.
type turn struct {
	*Station
	once sync.Once
	done chan struct{}
}

// Accept waits for a stream by any of the roads.
func (t *turn) Accept() (net.Conn, error) {
	select {
	case <-t.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	case <-t.lost:
		return nil, t.err
	}
}

// Addr is the TCP listener's.
func (t *turn) Addr() net.Addr { return t.joined.Addr() }

// Close ends Accept.
func (t *turn) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}
