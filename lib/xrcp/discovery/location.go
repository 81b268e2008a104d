package discovery

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrLocation is returned for a line that does not say where a host waits. Its
// text does not hold the line.
var ErrLocation = errors.New("discovery: bad location")

// MaxLocation bounds the line of a location, in bytes.
const MaxLocation = 64

// minLocationPort keeps lines of strangers from having a controller call the
// services that devices have below it.
const minLocationPort = 1024

// AppendLocation appends the line that says where a host waits for its
// controller to call.
//
//	[address] ":" port "\n"
//
// The address is one of IPv4, or of IPv6 in brackets; none means the one that
// the line comes from.
func AppendLocation(b []byte, at netip.AddrPort) []byte {
	if at.Addr().IsValid() {
		return append(at.AppendTo(b), '\n')
	}
	return append(fmt.Appendf(b, ":%d", at.Port()), '\n')
}

// ParseLocation reads the line; from is where it comes from. An address that
// is not from's is refused, unless from is not valid: a line that came by way
// of somebody else. The error is [ErrLocation].
func ParseLocation(line []byte, from netip.Addr) (netip.AddrPort, error) {
	line, ended := bytes.CutSuffix(line, []byte("\n"))
	if !ended || len(line) >= MaxLocation {
		return netip.AddrPort{}, fmt.Errorf("%w: not a line, or too long", ErrLocation)
	}
	text := string(bytes.TrimSuffix(line, []byte("\r")))
	from = from.Unmap()
	if strings.HasPrefix(text, ":") {
		if !from.IsValid() {
			return netip.AddrPort{}, fmt.Errorf("%w: no address", ErrLocation)
		}
		text = netip.AddrPortFrom(netip.IPv4Unspecified(), 0).Addr().String() + text
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: not address:port", ErrLocation)
	}
	ip := at.Addr().Unmap()
	if ip.IsUnspecified() {
		ip = from
	}
	switch {
	case !ip.IsValid() || ip.Zone() != "" || ip.IsMulticast() || ip == broadcast:
		return netip.AddrPort{}, fmt.Errorf("%w: not the address of a device", ErrLocation)
	case from.IsValid() && ip != from.WithZone(""):
		return netip.AddrPort{}, fmt.Errorf("%w: another device's", ErrLocation)
	case at.Port() < minLocationPort:
		return netip.AddrPort{}, fmt.Errorf("%w: port %d", ErrLocation, at.Port())
	}
	return netip.AddrPortFrom(ip, at.Port()), nil
}
