package relayhome

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
)

// limit sets the limits of connections, and of one address.
func (s Settings) limit(c *smpserver.Config) {
	c.MaxConns, c.MaxSubscriptions, c.MaxCreated = s.MaxConns, s.MaxSubs, s.MaxCreated
	c.MaxConnsOfAddr = s.MaxConnsOfAddr
	var exempt []netip.Prefix
	for _, text := range s.Unlimited {
		if p, err := prefixOf(text); err == nil { // they were checked
			exempt = append(exempt, p)
		}
	}
	c.Unlimited = func(a netip.Addr) bool {
		return a.IsLoopback() || slices.ContainsFunc(exempt, func(p netip.Prefix) bool { return p.Contains(a) })
	}
}

// prefixOf is an address or a network.
func prefixOf(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%s: neither an address nor a network", text)
	}
	return p.Masked(), nil
}

func (s Settings) checkLimits() *wrong {
	if s.MaxConnsOfAddr < 0 {
		return &wrong{"max_connections_per_address", fmt.Errorf("%d: must not be below 0", s.MaxConnsOfAddr)}
	}
	for _, text := range s.Unlimited {
		if _, err := prefixOf(text); err != nil {
			return &wrong{"unlimited_addresses", err}
		}
	}
	return nil
}
