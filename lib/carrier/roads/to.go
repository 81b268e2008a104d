package roads

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/dtlsroad"
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
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: the invitation offers %s", carrier.ErrNoRoad, carrier.JoinNames(Offered(inv)))
	}
	return out, nil
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
	}
	return nil
}
