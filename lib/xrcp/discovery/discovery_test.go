package discovery_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/wire"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRank(t *testing.T) {
	ip := netip.MustParseAddr
	interfaces := []discovery.Interface{
		{Name: "lo", Up: true, Loopback: true, Addrs: []netip.Addr{ip("127.0.0.1"), ip("::1")}},
		{Name: "docker0", Up: true, Addrs: []netip.Addr{ip("172.17.0.1")}},
		{Name: "wg0", Up: true, PointToPoint: true, Addrs: []netip.Addr{ip("10.9.0.2")}},
		{Name: "eth1", Up: true, Addrs: []netip.Addr{ip("169.254.3.4"), ip("192.168.7.2")}},
		{Name: "eth2", Addrs: []netip.Addr{ip("192.168.8.2")}},
		{Name: "wlan0", Up: true, Addrs: []netip.Addr{ip("fe80::1"), ip("192.168.1.5"), ip("0.0.0.0"), ip("255.255.255.255")}},
	}
	addrs := discovery.Rank(interfaces, ip("192.168.1.5"))
	var got []string
	for _, a := range addrs {
		got = append(got, a.Interface+" "+a.IP.String()+" "+a.Kind.String())
	}
	want := []string{
		"wlan0 192.168.1.5 lan", "eth1 192.168.7.2 lan", "wg0 10.9.0.2 vpn",
		"docker0 172.17.0.1 virtual", "lo 127.0.0.1 loopback",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if !addrs[0].Default || addrs[1].Default {
		t.Error("another default route")
	}
	for want, first := range map[string]string{
		"10.9.0.2": "wg0", "docker0": "docker0", "wlan0": "wlan0", "eth9": "wlan0", "": "wlan0",
	} {
		got := discovery.Prefer(addrs, want)
		if got[0].Interface != first || len(got) != len(addrs) {
			t.Errorf("prefer %q: %v", want, got)
		}
	}
}

func TestAddressesOfThisDevice(t *testing.T) {
	addrs, err := discovery.Addresses()
	if err != nil || !slices.ContainsFunc(addrs, func(a discovery.Address) bool { return a.IP.IsLoopback() }) {
		t.Error(addrs, err)
	}
}

func TestListenTakesTheNextPort(t *testing.T) {
	first, err := discovery.Listen(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	taken := discovery.PortOf(first)
	second, err := discovery.Listen(t.Context(), "127.0.0.1", taken, 0)
	if err != nil || discovery.PortOf(second) == taken {
		t.Fatal(err)
	}
	_ = second.Close()
	if _, err := discovery.Listen(t.Context(), "127.0.0.1", taken); err == nil {
		t.Error("the port is taken")
	}
}

type announced struct {
	pairing *xrcp.ControllerPairing
	packet  []byte
}

// announcement makes a controller at a host's address, announced to one host.
func announcement(t *testing.T, host string, at time.Time) announced {
	t.Helper()
	p, err := xrcp.NewHostPairing(at)
	if err != nil {
		t.Fatal(err)
	}
	s := xrcp.NewSessionKeys()
	inv, err := xrcp.Invitation{
		CA: p.CA.Fingerprint(), Host: host, Port: 1, Versions: wire.VersionRange{Min: 1, Max: 1},
		App: []byte(`{}`), Unix: at.Unix(), DH: s.DH.Public(),
	}.Sign(s.Sign, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	known, err := xrcp.NewControllerPairing(&inv.Invitation, at)
	if err != nil {
		t.Fatal(err)
	}
	packet, err := xrcp.SealAnnouncement(inv, known.DH.Public(), s.DH, box.NewNonce())
	if err != nil {
		t.Fatal(err)
	}
	return announced{known, packet}
}

// TestMulticast sends over the device's own interfaces; where none carries
// multicast there is nothing to find.
func TestMulticast(t *testing.T) {
	group := netip.AddrPortFrom(discovery.Group.Addr(), freePort(t))
	r, err := discovery.Receive(group)
	if err != nil {
		t.Skip("no multicast here:", err)
	}
	defer func() { _ = r.Close() }()
	addrs, err := discovery.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if !slices.Contains(r.Joined, a.Interface) {
			continue
		}
		t.Run(a.Interface, func(t *testing.T) { findAnnounced(t, r, a.IP, group) })
	}
}

func freePort(t *testing.T) uint16 {
	r, err := discovery.Receive(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	return r.Addr().Port()
}

func TestUnicast(t *testing.T) {
	r, err := discovery.Receive(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	findAnnounced(t, r, netip.MustParseAddr("127.0.0.1"), r.Addr())
}

// findAnnounced has a good announcement found among bad ones.
func findAnnounced(t *testing.T, r *discovery.Receiver, from netip.Addr, to netip.AddrPort) {
	now := time.Now()
	good := announcement(t, from.String(), now)
	elsewhere := announcement(t, "192.0.2.77", now)
	stale := announcement(t, from.String(), now.Add(-time.Hour))
	stranger := announcement(t, from.String(), now)
	bad := [][]byte{[]byte("garbage"), make([]byte, 5000), stranger.packet, elsewhere.packet, stale.packet, good.packet}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	sending, stop := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() {
		i := -1
		sent <- discovery.Announcer{From: from, To: to, Every: 10 * time.Millisecond}.Run(sending, 0, func() ([]byte, error) {
			i++
			return bad[i%len(bad)], nil
		})
	}()
	var skipped []error
	pairings := []*xrcp.ControllerPairing{elsewhere.pairing, stale.pairing, good.pairing}
	p, inv, err := r.Find(ctx, pairings, time.Now, xrcp.DefaultWindow, func(err error) { skipped = append(skipped, err) })
	stop()
	if err != nil || p != good.pairing || inv.CA != good.pairing.Controller {
		t.Errorf("%v, %v", err, skipped)
	}
	for _, want := range []error{xrcp.ErrUnknownController, xrcp.ErrInvitation, xrcp.ErrStale} {
		if !slices.ContainsFunc(skipped, func(err error) bool { return errors.Is(err, want) }) {
			t.Errorf("%v is not among %v", want, skipped)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	r, err := discovery.Receive(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Find(ctx, nil, time.Now, 0, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAnnounceFromElsewhere(t *testing.T) {
	a := discovery.Announcer{From: netip.MustParseAddr("192.0.2.200")}
	if err := a.Run(t.Context(), 1, func() ([]byte, error) { return nil, nil }); err == nil {
		t.Error("not an address of this device")
	}
}
