package roads

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/dtlsroad"
	"github.com/simplexkit/simplexkit/lib/carrier/p2proad"
	"github.com/simplexkit/simplexkit/lib/carrier/smproad"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

// To are the roads from a host to the controller of an invitation, for
// xrcphost.Config: those of cfg.Via, or all that the invitation tells of. The
// error is carrier.ErrNoRoad where nothing is left.
func To(cfg Config, inv *xrcp.SignedInvitation) ([]carrier.Road, error) {
	names := cfg.Via
	if names == nil {
		names = Offered(inv)
	}
	var out []carrier.Road
	for _, n := range names {
		if do := cfg.dialer(n, inv); do != nil && !slices.ContainsFunc(out, func(r carrier.Road) bool { return r.Name() == n }) {
			out = append(out, carrier.DialFunc{Via: n, Do: do})
		}
	}
	stagger(out)
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: the invitation offers %s", carrier.ErrNoRoad, carrier.JoinNames(Offered(inv)))
	}
	return out, nil
}

// headStart is how much later than tcp a road is begun, in its place in
// carrier.Names: a road that costs relays and queues is not begun where the
// plain one leads there at once.
const headStart = 100 * time.Millisecond

// stagger has roads begin one after the other, the first at once.
func stagger(roads []carrier.Road) {
	place := func(r carrier.Road) int { return slices.Index(carrier.Names, r.Name()) }
	slices.SortStableFunc(roads, func(a, b carrier.Road) int { return place(a) - place(b) })
	for i, r := range roads {
		wait := time.Duration(i) * headStart
		roads[i] = carrier.DialFunc{Via: r.Name(), Do: func(ctx context.Context) (net.Conn, error) {
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-t.C:
				return r.Dial(ctx)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
	}
}

// Offered are the roads that an invitation tells of.
func Offered(inv *xrcp.SignedInvitation) []carrier.Name {
	via := inv.Hint(xrcp.HintVia)
	if via == "" {
		return []carrier.Name{carrier.TCP}
	}
	names, err := carrier.ParseNames(via)
	if err != nil {
		return []carrier.Name{carrier.TCP} // roads of later programs
	}
	return names
}

func (c *Config) dialer(n carrier.Name, inv *xrcp.SignedInvitation) func(context.Context) (net.Conn, error) {
	addr := inv.Address()
	switch n {
	case carrier.TCP, carrier.Multicast:
		d := net.Dialer{KeepAliveConfig: transport.KeepAlive}
		return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	case carrier.FlipTCP:
		return discovery.Flip{Controller: addr, Network: "tcp"}.Open
	case carrier.FlipUDP:
		return discovery.Flip{Controller: addr, Network: "udp"}.Open
	case carrier.DTLS:
		return func(ctx context.Context) (net.Conn, error) { return dtlsroad.Dial(ctx, addr, c.Log) }
	case carrier.Libp2p:
		if to, err := p2proad.ParseAddress(inv.Hint(xrcp.HintLibp2p)); err == nil {
			return func(ctx context.Context) (net.Conn, error) { return c.dialP2P(ctx, to) }
		}
	case carrier.SMP, carrier.FlipSMP:
		to, err := smproad.ParseAddress(inv.Hint(xrcp.HintSMP))
		if err != nil {
			return nil
		}
		if n == carrier.FlipSMP {
			return func(ctx context.Context) (net.Conn, error) { return c.flipSMP(ctx, to) }
		}
		sc := smproad.Config{SMP: c.SMP}
		if c.Relay != nil {
			sc.Relay = *c.Relay
		}
		return func(ctx context.Context) (net.Conn, error) { return smproad.Dial(ctx, to, sc) }
	}
	return nil
}

// dialP2P opens a stream of libp2p, with a host of its own if there is none.
func (c *Config) dialP2P(ctx context.Context, to p2proad.Address) (net.Conn, error) {
	if c.P2P != nil {
		return p2proad.Dial(ctx, c.P2P, to, nil)
	}
	h, end, err := openHost(c, nil)
	if err != nil {
		return nil, err
	}
	conn, err := p2proad.Dial(ctx, h, to, end)
	if err != nil {
		end()
	}
	return conn, err
}

// openHost is a libp2p host with a key made of a secret, or a new one; end
// closes it and waits.
func openHost(c *Config, secret []byte) (h *p2p.Host, end func(), err error) {
	if secret == nil {
		secret = []byte(rand.Text())
	}
	k := ed25519.NewKeyFromSeed(box.HKDF(nil, secret, "SimplexkitRemoteLibp2p", ed25519.SeedSize))
	if h, err = p2p.Open(p2p.Config{Key: k, Bootstrap: c.Bootstrap, LAN: true, Logger: c.Log}); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = h.Run(ctx) // without it the host still has the addresses it was given
	}()
	return h, sync.OnceFunc(func() {
		cancel()
		<-ran
		_ = h.Close()
	}), nil
}

// flipSMP waits for a call at all addresses of this device, and has a queue
// tell them.
func (c *Config) flipSMP(ctx context.Context, to smproad.Address) (net.Conn, error) {
	addrs, err := discovery.Addresses()
	if err != nil {
		return nil, err
	}
	l, err := discovery.Listen(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var lines []byte
	for i, a := range addrs[:min(len(addrs), maxTold)] {
		if a.Kind == discovery.Loopback && i > 0 {
			break // the controller's own, if it is another device
		}
		lines = discovery.AppendLocation(lines, netip.AddrPortFrom(a.IP, discovery.PortOf(l)))
	}
	if err := smproad.Tell(ctx, to, c.SMP, lines); err != nil {
		return nil, err
	}
	conn, err := l.Accept()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return conn, err
}

// maxTold is how many addresses a controller is asked to call.
const maxTold = 8
