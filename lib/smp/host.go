package smp

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// CutHosts cuts the hosts, joined by commas, that s begins with. The error
// is [ErrAddress].
func CutHosts(s string) (hosts []string, rest string, err error) {
	for {
		h, r, err := cutHost(s)
		if err != nil {
			return nil, s, err
		}
		hosts = append(hosts, h)
		if !strings.HasPrefix(r, ",") {
			return hosts, r, nil
		}
		if len(hosts) == 255 {
			return nil, s, fmt.Errorf("%w: too many hosts", ErrAddress)
		}
		s = r[1:]
	}
}

// ParseHost checks a host and gives its canonical form: IPv6 without
// brackets. The error is [ErrAddress].
func ParseHost(s string) (string, error) {
	h, rest, err := cutHost(s)
	if err == nil && rest != "" {
		err = fmt.Errorf("%w: bad host", ErrAddress)
	}
	if err != nil {
		return "", err
	}
	return h, nil
}

// cutHost tries IPv4, IPv6, onion and a name, in this order, and takes the
// longest of the first kind that fits, so "1.2.3.4.5" leaves ".5" over.
func cutHost(s string) (host, rest string, err error) {
	if n := ipv4Len(s); n > 0 {
		a, err := netip.ParseAddr(s[:n])
		if err == nil {
			return a.String(), s[n:], nil
		}
	}
	if h, n := ipv6Prefix(s); n > 0 {
		return h, s[n:], nil
	}
	n := 0
	for n < len(s) && ('a' <= s[n] && s[n] <= 'z' || '0' <= s[n] && s[n] <= '9') {
		n++
	}
	if strings.HasPrefix(s[n:], ".onion") {
		n += len(".onion")
	} else {
		n = strings.IndexAny(s, ":#,;/ \n\r\t")
		if n < 0 {
			n = len(s)
		}
		if n == 0 || strings.HasSuffix(s[:n], ".onion") {
			return "", s, fmt.Errorf("%w: bad host", ErrAddress)
		}
	}
	if n > wire.MaxShort {
		return "", s, fmt.Errorf("%w: host of %d bytes", ErrAddress, n)
	}
	return s[:n], s[n:], nil
}

func ipv4Len(s string) int {
	i := 0
	for part := range 4 {
		if part > 0 {
			if i >= len(s) || s[i] != '.' {
				return 0
			}
			i++
		}
		start := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		if i == start {
			return 0
		}
	}
	return i
}

func ipv6Prefix(s string) (host string, n int) {
	text := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0
		}
		text, n = s[1:end], end+1
	} else {
		for n < len(s) && (strings.IndexByte("0123456789abcdefABCDEF:", s[n]) >= 0) {
			n++
		}
		text = s[:n]
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return "", 0
	}
	return a.String(), n
}

// HostKind tells how a host is reached.
type HostKind uint8

// The kinds of host.
const (
	HostDomain HostKind = iota
	HostIPv4
	HostIPv6
	HostOnion // through Tor only
)

// String is "domain", "ipv4", "ipv6" or "onion".
func (k HostKind) String() string { return [...]string{"domain", "ipv4", "ipv6", "onion"}[k&3] }

// KindOf is the kind of a host that [ParseHost] gave.
func KindOf(host string) HostKind {
	if strings.HasSuffix(host, ".onion") {
		return HostOnion
	}
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return HostDomain
	case a.Is4():
		return HostIPv4
	}
	return HostIPv6
}

func readHost(d *wire.Decoder) string {
	h, err := ParseHost(string(d.Short()))
	if err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	return h
}
