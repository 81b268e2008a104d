package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/roads"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

// offerFlags say how this machine can be reached by hosts.
func offerFlags(more ...ucli.Flag) []ucli.Flag {
	return append(more,
		&ucli.IntFlag{Name: "port", Value: -1, Usage: "listen on TCP port `N`; 0 is any; without it 5226, or any if that is taken", EnvVars: []string{"PAIR_PORT"}},
		&ucli.StringFlag{Name: "listen", Usage: "listen at the address `IP` alone", EnvVars: []string{"PAIR_LISTEN"}},
		&ucli.StringFlag{Name: "addr", Aliases: []string{"iface"}, Usage: "tell hosts the address `IP`, or that of an interface; without it the one of the default route", EnvVars: []string{"PAIR_ADDR"}},
		viaFlag(),
		&ucli.StringFlag{Name: "relay", Usage: "the relay `smp://...` has the queues of the roads smp and flip-smp", EnvVars: []string{"PAIR_RELAY"}},
		&ucli.StringFlag{Name: "advertise", Usage: "tell hosts `IP:PORT`, which a router forwards to here", EnvVars: []string{"PAIR_ADVERTISE"}},
	)
}

// hostFlags say how a known host is found.
func hostFlags(more ...ucli.Flag) []ucli.Flag {
	return offerFlags(append(more,
		&ucli.StringSliceFlag{Name: "call", Usage: "call the host at `HOST:PORT`, where pair serve --listen runs; the host may have told it", EnvVars: []string{"PAIR_CALL"}},
		&ucli.StringSliceFlag{Name: "announce", Usage: "send announcements to `IP:PORT` too", EnvVars: []string{"PAIR_ANNOUNCE"}},
		&ucli.BoolFlag{Name: "no-multicast", Usage: "send no announcements to the multicast group", EnvVars: []string{"PAIR_NO_MULTICAST"}},
	)...)
}

// offerOptions reads the flags.
func offerOptions(c *ucli.Context) (o remote.OfferOptions, err error) {
	o.Bind, o.Addr = c.String("listen"), c.String("addr")
	switch port := c.Int("port"); {
	case port < 0:
		o.Ports = []uint16{discovery.DefaultPort, 0}
	case port > 65535:
		return o, exit.Errorf(exit.Usage, "--port %d: no port", port)
	default:
		o.Ports = []uint16{uint16(port)}
	}
	if at := c.String("advertise"); at != "" {
		to, err := netip.ParseAddrPort(at)
		if err != nil {
			return o, exit.Errorf(exit.Usage, "--advertise %s: not an IP:PORT", at)
		}
		o.Addr, o.Port = to.Addr().String(), to.Port()
	}
	if c.String("via") != "" {
		if o.Via, err = carrier.ParseNames(c.String("via")); err != nil {
			return o, exit.Errorf(exit.Usage, "--via: %w", err)
		}
	}
	if at := c.String("relay"); at != "" {
		relay, err := smp.ParseAuthServer(at)
		if err != nil {
			return o, exit.Errorf(exit.Usage, "--relay: %w", err)
		}
		o.Relay = &relay
	}
	for _, at := range c.StringSlice("announce") {
		to, err := netip.ParseAddrPort(at)
		if err != nil {
			return o, exit.Errorf(exit.Usage, "--announce %s: not an IP:PORT", at)
		}
		o.Announce = append(o.Announce, to)
	}
	o.Call, o.Multicast = c.StringSlice("call"), !c.Bool("no-multicast")
	return o, nil
}

// connector makes one session after another with a known host.
type connector struct {
	e    *env
	own  *own
	id   *remote.KnownHost
	opts remote.OfferOptions
	port uint16 // of the session before, so that the host finds us where we were
	once sync.Once
	on   *roads.Station // kept, so that the host can ask for the next session where the last one was; nil: none are
}

// Close closes the roads.
func (c *connector) Close() error {
	if c.on == nil {
		return nil
	}
	err := c.on.Close()
	c.on = nil
	return err
}

// Connect offers a session and waits for the host. A pairing that is gone is
// the end of it.
func (c *connector) Connect(ctx context.Context) (*remote.Attached, error) {
	h, err := c.own.Host(ctx, c.id.ID)
	if err != nil {
		return nil, &remote.Final{Err: err}
	}
	o := c.opts
	o.Host, o.On, o.Keep = h, c.on, true
	if h.Listen != "" && !slices.Contains(o.Call, h.Listen) {
		o.Call = append(slices.Clone(o.Call), h.Listen)
	}
	if o.Addr == "" && h.Bind != nil {
		o.Addr = here(h.Bind.Address)
	}
	if c.port != 0 {
		o.Ports = append([]uint16{c.port}, o.Ports...)
	}
	o.OnFailure = func(err error) { c.e.log.Info("a host did not get in", "err", err) }
	offer, err := c.own.Offer(ctx, o)
	if err != nil {
		return nil, &remote.Final{Err: err}
	}
	c.on = offer.Station()
	_, c.port = offer.Address()
	c.once.Do(func() { c.e.log.Info("waiting for the host", "port", c.port) })
	a, err := offer.Accept(ctx)
	if errors.Is(err, xrcp.ErrIdentity) {
		return nil, &remote.Final{Err: err}
	}
	if err != nil && ctx.Err() == nil { // the roads may be what is broken
		err = errors.Join(err, c.Close())
	}
	return a, err
}

// here is an address if this machine still has it.
func here(addr string) string {
	addrs, err := discovery.Addresses()
	if err == nil && slices.ContainsFunc(addrs, func(a discovery.Address) bool { return a.IP.String() == addr }) {
		return addr
	}
	return ""
}

// lifetimeFlag is for a new pairing.
func lifetimeFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "lifetime", Usage: "forget the pairing after `TIME`, such as 12h or 30d", EnvVars: []string{"PAIR_LIFETIME"}}
}

// lifetime reads a time as people write it, with days.
func lifetime(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	text, unit := s, time.Duration(1)
	if n := len(s) - 1; s[n] == 'd' {
		text, unit = s[:n]+"h", 24
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, exit.Errorf(exit.Usage, "%q: not a time", s).WithHint("write 12h, or 30d")
	}
	return d * unit, nil
}
