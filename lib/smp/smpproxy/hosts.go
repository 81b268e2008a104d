package smpproxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// maxHosts is how many names a destination may have.
const maxHosts = 8

// allowed refuses destinations before anything is done for them.
func (p *Proxy) allowed(relay smp.ServerAddr) error {
	if len(relay.Hosts) == 0 || len(relay.Hosts) > maxHosts {
		return errHost
	}
	if n, err := strconv.Atoi(relay.Port); relay.Port != "" && (err != nil || n < 1 || n > 65535) {
		return errHost
	}
	onion := 0
	for _, h := range relay.Hosts {
		if smp.KindOf(h) == smp.HostOnion {
			onion++
		}
		if p.cfg.Hosts != nil && !matches(p.cfg.Hosts, h) {
			return errHost
		}
	}
	if onion == len(relay.Hosts) && p.cfg.Socket == nil {
		return errHost
	}
	if len(relay.KeyHash) != sha256.Size {
		return errNetwork // no relay has such an identity
	}
	return nil
}

// publicFirst puts onion hosts last, as the way to them is slow.
func publicFirst(hosts []string) []string {
	hosts = slices.Clone(hosts)
	slices.SortStableFunc(hosts, func(a, b string) int {
		return cmp.Compare(smp.KindOf(a)/smp.HostOnion, smp.KindOf(b)/smp.HostOnion)
	})
	return hosts
}

func matches(patterns []string, host string) bool {
	host = strings.ToLower(host)
	for _, p := range patterns {
		p = strings.ToLower(p)
		if host == p || strings.HasPrefix(p, ".") && strings.HasSuffix(host, p) {
			return true
		}
	}
	return false
}

// socket opens sockets to destinations.
func (p *Proxy) socket() transport.DialFunc {
	direct := &net.Dialer{KeepAliveConfig: transport.KeepAlive, Control: p.control}
	switch {
	case p.cfg.Socket == nil:
		// Names of onion hosts must not reach the resolver; smpclient keeps
		// them from a dialer that has no Socket.
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			if isOnion(addr) {
				return nil, errUnreachable
			}
			return direct.DialContext(ctx, network, addr)
		}
	case p.cfg.OnionOnly:
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			if isOnion(addr) {
				return p.cfg.Socket(ctx, network, addr)
			}
			return direct.DialContext(ctx, network, addr)
		}
	}
	return p.cfg.Socket
}

func isOnion(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err != nil || smp.KindOf(host) == smp.HostOnion
}

// control looks at the address that a name has led to.
func (p *Proxy) control(_, addr string, _ syscall.RawConn) error {
	if p.cfg.PrivateHosts {
		return nil
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	if a := ap.Addr().Unmap(); !a.IsGlobalUnicast() || a.IsPrivate() || shared.Contains(a) {
		return errUnreachable
	}
	return nil
}

// shared is the address space between providers and their customers, RFC 6598.
var shared = netip.MustParsePrefix("100.64.0.0/10")
