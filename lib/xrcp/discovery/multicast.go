package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// Group is where announcements are sent: the group of mDNS, and a port of
// remote control's own.
var Group = netip.AddrPortFrom(netip.AddrFrom4([4]byte{224, 0, 0, 251}), 5227)

// Every is the time between two announcements.
const Every = time.Second

// Receiver gets announcements.
type Receiver struct {
	conn *net.UDPConn
	// Joined are the interfaces that the group was joined on.
	Joined []string
}

// Receive opens a receiver for a group, joined on every interface that takes
// it; or for an address of this device, without a group.
func Receive(group netip.AddrPort) (*Receiver, error) {
	to := net.UDPAddrFromAddrPort(group)
	if !group.Addr().IsMulticast() {
		conn, err := net.ListenUDP("udp4", to)
		if err != nil {
			return nil, fmt.Errorf("discovery: receiving announcements: %w", err)
		}
		return &Receiver{conn: conn}, nil
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("discovery: listing interfaces: %w", err)
	}
	r, last := &Receiver{}, error(ErrNoAddress)
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		if err := r.join(&i, to); err != nil {
			last = err
			continue
		}
		r.Joined = append(r.Joined, i.Name)
	}
	if r.conn == nil {
		return nil, fmt.Errorf("discovery: receiving announcements: %w", last)
	}
	return r, nil
}

func (r *Receiver) join(i *net.Interface, group *net.UDPAddr) (err error) {
	if r.conn == nil {
		// The address is shared with other receivers of this device.
		r.conn, err = net.ListenMulticastUDP("udp4", i, group)
		return err
	}
	return ipv4.NewPacketConn(r.conn).JoinGroup(i, group)
}

// Addr is the address that the receiver is bound to.
func (r *Receiver) Addr() netip.AddrPort { return r.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Next waits for a datagram that may be an announcement and tells where it came
// from. The error is ctx's or the network's. Not for concurrent use.
func (r *Receiver) Next(ctx context.Context) (xrcp.Announcement, netip.Addr, error) {
	stop := context.AfterFunc(ctx, func() { _ = r.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() {
			_ = r.conn.SetReadDeadline(time.Time{})
		}
	}()
	buf := make([]byte, xrcp.MaxDatagram+1)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return xrcp.Announcement{}, netip.Addr{}, ctx.Err()
		}
		if err != nil {
			return xrcp.Announcement{}, netip.Addr{}, fmt.Errorf("discovery: receiving announcements: %w", err)
		}
		if a, err := xrcp.ParseAnnouncement(buf[:n]); err == nil {
			return a, from.Addr().Unmap(), nil
		}
	}
}

// Close ends the receiver; Next then returns an error.
func (r *Receiver) Close() error { return r.conn.Close() }

// Find waits for an announcement by one of the controllers, sent from the
// address that the invitation in it has, as the reference demands. now and
// window are for [xrcp.Invitation.CheckTime]. Other datagrams are told to skip,
// which may be nil, and passed over.
func (r *Receiver) Find(ctx context.Context, pairings []*xrcp.ControllerPairing, now func() time.Time, window time.Duration, skip func(error)) (*xrcp.ControllerPairing, *xrcp.SignedInvitation, error) {
	for {
		a, from, err := r.Next(ctx)
		if err != nil {
			return nil, nil, err
		}
		p, inv, err := a.Find(pairings)
		if err == nil {
			err = inv.CheckTime(now(), window)
		}
		if err == nil && inv.Host != from.String() {
			err = fmt.Errorf("%w: announced from another address", xrcp.ErrInvitation)
		}
		if err == nil {
			return p, inv, nil
		}
		if skip != nil {
			skip(err)
		}
	}
}

// Announcer sends announcements from one address.
type Announcer struct {
	From netip.Addr     // must be that of the invitation
	To   netip.AddrPort // the zero value is [Group]
	// Every is the time between two announcements; 0 is the reference's, [Every].
	Every time.Duration
}

// Run sends what packet makes, first at once and then time after time, count
// times or, if count is 0, until ctx ends, which is no error. Datagrams that
// the network refuses are lost, as others may be; if it refuses all of them the
// error says why.
func (a Announcer) Run(ctx context.Context, count int, packet func() ([]byte, error)) error {
	to := a.To
	if !to.IsValid() {
		to = Group
	}
	conn, err := a.open(to.Addr().IsMulticast())
	if err != nil {
		return fmt.Errorf("discovery: announcing: %w", err)
	}
	defer func() { _ = conn.Close() }()
	tick := time.NewTicker(cmp.Or(a.Every, Every))
	defer tick.Stop()
	var sent int
	var last error
	for i := 0; count == 0 || i < count; i++ {
		b, err := packet()
		if err != nil {
			return err
		}
		if _, err := conn.WriteToUDPAddrPort(b, to); err != nil {
			last = err
		} else {
			sent++
		}
		select {
		case <-ctx.Done():
			return announced(sent, last)
		case <-tick.C:
		}
	}
	return announced(sent, last)
}

func announced(sent int, last error) error {
	if sent == 0 && last != nil {
		return fmt.Errorf("discovery: announcing: %w", last)
	}
	return nil
}

func (a Announcer) open(multicast bool) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.From, 0)))
	if err != nil || !multicast {
		return conn, err
	}
	p := ipv4.NewPacketConn(conn)
	i, err := interfaceOf(a.From)
	if err == nil {
		// Receivers on this device get the datagrams too.
		err = errors.Join(p.SetMulticastInterface(i), p.SetMulticastLoopback(true), p.SetMulticastTTL(1))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func interfaceOf(ip netip.Addr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == ip {
				return &i, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %v is not of this device", ErrNoAddress, ip)
}
