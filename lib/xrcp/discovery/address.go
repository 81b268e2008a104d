package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ErrNoAddress is returned where a device has no address to be reached at.
var ErrNoAddress = errors.New("discovery: no address")

// Kind says what a network is likely to be; lower kinds are better for
// invitations.
type Kind uint8

// The kinds.
const (
	LAN      Kind = iota // a network of cables or radio
	VPN                  // a tunnel: reachable for devices inside of it only
	Virtual              // a bridge of containers or virtual machines
	Loopback             // this device only
)

var kindNames = [...]string{"lan", "vpn", "virtual", "loopback"}

// String is a name for status lines.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Address is an address of this device.
type Address struct {
	IP        netip.Addr
	Interface string
	Kind      Kind
	Default   bool // packets for the Internet leave from here
}

// Interface is what ranking needs to know of a network interface.
type Interface struct {
	Name         string
	Up           bool
	Loopback     bool
	PointToPoint bool
	Addrs        []netip.Addr
}

// Rank puts the addresses that an invitation can have in order, the best
// first; def is the address of the default route, or the zero value.
// Interfaces that are down and link-local addresses are left out, and IPv6,
// which the reference's invitations cannot hold.
func Rank(interfaces []Interface, def netip.Addr) []Address {
	var out []Address
	for _, i := range interfaces {
		if !i.Up {
			continue
		}
		for _, ip := range i.Addrs {
			ip = ip.Unmap()
			if !ip.Is4() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip == broadcast {
				continue
			}
			out = append(out, Address{IP: ip, Interface: i.Name, Kind: kindOf(i, ip), Default: ip == def})
		}
	}
	slices.SortStableFunc(out, func(a, b Address) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), -compareBool(a.Default, b.Default), -compareBool(a.IP.IsPrivate(), b.IP.IsPrivate()))
	})
	return out
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Names of interfaces, as Linux, BSD and macOS give them.
var (
	vpnNames     = []string{"tun", "tap", "wg", "tailscale", "utun", "ppp", "zt", "ipsec", "nordlynx", "proton", "mullvad"}
	virtualNames = []string{"docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "lxc", "lxd", "cni", "flannel", "cali", "kube", "podman", "vnet", "ifb", "dummy", "incus"}
)

func kindOf(i Interface, ip netip.Addr) Kind {
	hasPrefix := func(names []string) bool {
		return slices.ContainsFunc(names, func(p string) bool { return strings.HasPrefix(i.Name, p) })
	}
	switch {
	case i.Loopback || ip.IsLoopback():
		return Loopback
	case hasPrefix(virtualNames):
		return Virtual
	case i.PointToPoint || hasPrefix(vpnNames):
		return VPN
	}
	return LAN
}

// Addresses are this device's, ranked. The error is [ErrNoAddress] or the
// system's.
func Addresses() ([]Address, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("discovery: listing interfaces: %w", err)
	}
	var interfaces []Interface
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		in := Interface{
			Name: i.Name, Up: i.Flags&net.FlagUp != 0,
			Loopback: i.Flags&net.FlagLoopback != 0, PointToPoint: i.Flags&net.FlagPointToPoint != 0,
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				in.Addrs = append(in.Addrs, p.Addr())
			}
		}
		interfaces = append(interfaces, in)
	}
	out := Rank(interfaces, defaultAddress())
	if len(out) == 0 {
		return nil, ErrNoAddress
	}
	return out, nil
}

// defaultAddress is the address that packets for far away leave from. Nothing
// is sent to find it.
func defaultAddress() netip.Addr {
	c, err := net.Dial("udp4", "198.51.100.1:9") // an address for documents
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// Prefer puts the address first that has that IP address or, if none has, the
// first one of an interface of that name. Any of them may be missing: then the
// order stays.
func Prefer(addrs []Address, want string) []Address {
	at := slices.IndexFunc(addrs, func(a Address) bool { return a.IP.String() == want })
	if at < 0 {
		at = slices.IndexFunc(addrs, func(a Address) bool { return a.Interface == want })
	}
	if at <= 0 {
		return addrs
	}
	out := append([]Address{addrs[at]}, addrs[:at]...)
	return append(out, addrs[at+1:]...)
}
