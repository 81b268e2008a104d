package discovery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

func TestLocation(t *testing.T) {
	ip, port := netip.MustParseAddr, netip.MustParseAddrPort
	for line, want := range map[string]netip.AddrPort{
		"192.0.2.7:41234\n":            port("192.0.2.7:41234"),
		"192.0.2.7:41234\r\n":          port("192.0.2.7:41234"),
		":41234\n":                     port("192.0.2.7:41234"),
		"0.0.0.0:41234\n":              port("192.0.2.7:41234"),
		"[::ffff:192.0.2.7]:41234\n":   port("192.0.2.7:41234"),
		"192.0.2.7:41234":              {},
		"192.0.2.8:41234\n":            {},
		"192.0.2.7:22\n":               {},
		"192.0.2.7:0\n":                {},
		"192.0.2.7:99999\n":            {},
		"192.0.2.7:41234\nx\n":         {},
		"localhost:41234\n":            {},
		"[fe80::1%eth0]:41234\n":       {},
		"224.0.0.1:41234\n":            {},
		"255.255.255.255:41234\n":      {},
		"\n":                           {},
		"":                             {},
		strings.Repeat("0", 99) + "\n": {},
	} {
		got, err := discovery.ParseLocation([]byte(line), ip("192.0.2.7"))
		if got != want || (err == nil) != want.IsValid() || err != nil && !errors.Is(err, discovery.ErrLocation) {
			t.Errorf("%q: %v, %v", line, got, err)
		}
	}
	if at, err := discovery.ParseLocation([]byte("[2001:db8::1]:41234\n"), netip.Addr{}); err != nil || at != port("[2001:db8::1]:41234") {
		t.Error(at, err)
	}
	if _, err := discovery.ParseLocation([]byte(":41234\n"), netip.Addr{}); err == nil {
		t.Error("nobody knows whose port")
	}
}

func FuzzParseLocation(f *testing.F) {
	for _, s := range []string{"192.0.2.7:41234\n", ":5226\r\n", "[2001:db8::1]:9999\n", "x:1\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		from := netip.MustParseAddr("192.0.2.7")
		at, err := discovery.ParseLocation(line, from)
		if err != nil {
			return
		}
		if at.Addr() != from {
			t.Fatal(at)
		}
		again, err := discovery.ParseLocation(discovery.AppendLocation(nil, at), from)
		if err != nil || again != at {
			t.Fatal(again, err)
		}
	})
}

// newDoor is a door on the loopback interface and the errors that it tells.
func newDoor(t *testing.T) (*discovery.Door, string, chan error) {
	t.Helper()
	l, err := discovery.Listen(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 64)
	d := discovery.NewDoor(discovery.DoorConfig{TCP: l, Lines: true, Fail: func(err error) { failed <- err }})
	t.Cleanup(func() { _ = d.Close() })
	return d, l.Addr().String(), failed
}

// meet has both ends of a connection say something.
func meet(t *testing.T, d *discovery.Door, host net.Conn, road carrier.Name) {
	t.Helper()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := d.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	if _, err := io.WriteString(host, "\x16hello"); err != nil {
		t.Error(err)
	}
	c := <-accepted
	if c == nil {
		return
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 6)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "\x16hello" || carrier.RoadOf(c) != road {
		t.Errorf("%q by %q: %v", buf, carrier.RoadOf(c), err)
	}
}

func TestDoorTakesConnections(t *testing.T) {
	d, addr, _ := newDoor(t)
	host, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	meet(t, d, host, carrier.TCP)
}

func TestFlipByTCP(t *testing.T) {
	d, addr, _ := newDoor(t)
	go func() {
		host, err := discovery.Flip{Controller: addr, Network: "tcp"}.Open(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(host, "\x16hello")
		_, _ = io.Copy(io.Discard, host)
		_ = host.Close()
	}()
	c, err := d.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, 6)
	if _, err := io.ReadFull(c, buf); err != nil || carrier.RoadOf(c) != carrier.FlipTCP {
		t.Errorf("%q by %q: %v", buf, carrier.RoadOf(c), err)
	}
}

func TestFlipByUDP(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	d, _, _ := newDoor(t)
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			d.Location(bytes.Clone(buf[:n]), from.(*net.UDPAddr).AddrPort().Addr(), carrier.FlipUDP)
		}
	}()
	host, err := discovery.Flip{Controller: pc.LocalAddr().String(), Network: "udp", Every: 10 * time.Millisecond}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	meet(t, d, host, carrier.FlipUDP)
}

// TestDoorAmongStrangers has garbage, half lines and lines that lead nowhere
// come first.
func TestDoorAmongStrangers(t *testing.T) {
	d, addr, failed := newDoor(t)
	go func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	for line, want := range map[string]error{
		"127.0.0.1:22\n":            discovery.ErrLocation,
		"192.0.2.1:41234\n":         discovery.ErrLocation,
		strings.Repeat("9", 100):    discovery.ErrLocation,
		"1":                         discovery.ErrLocation,
		free.Addr().String() + "\n": nil,
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, line)
		_ = c.Close()
		if err := <-failed; want != nil && !errors.Is(err, want) || err == nil {
			t.Errorf("%.20q: %v", line, err)
		}
	}
}

// TestDoorCallsFewTimes has a flood of locations, which the door calls only a
// few of.
func TestDoorCallsFewTimes(t *testing.T) {
	calls := make(chan string, 1000)
	release := make(chan struct{})
	d := discovery.NewDoor(discovery.DoorConfig{Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
		calls <- addr
		<-release
		return nil, errors.New("nobody there")
	}})
	from := netip.MustParseAddr("192.0.2.7")
	for i := range 1000 {
		d.Location(fmt.Appendf(nil, ":%d\n", 2000+i), from, carrier.FlipUDP)
		d.Location(fmt.Appendf(nil, ":%d\n", 2000), from, carrier.FlipUDP)
	}
	close(release)
	_ = d.Close()
	if n := len(calls); n == 0 || n > 8 {
		t.Errorf("%d calls", n)
	}
	if _, err := d.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestFlipEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, network := range []string{"udp", "tcp"} {
		_, err := discovery.Flip{Controller: "127.0.0.1:9", Network: network, Every: 10 * time.Millisecond}.Open(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(network, err)
		}
	}
}
