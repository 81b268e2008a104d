package p2p

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// These live as long as the process, from the libraries' init.
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"),
		goleak.IgnoreAnyFunction("github.com/ipfs/go-log/v2/writer.(*MirrorWriter).logRoutine"),
	)
}

// patience is for a machine that is busy.
const patience = 60 * time.Second

func seedKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string('a'+rune(b%20)), ed25519.SeedSize)))
}

// host opens a host on the loop-back that runs until the test ends.
func host(t *testing.T, b byte, set func(*Config)) *Host {
	t.Helper()
	cfg := Config{Key: seedKey(b), Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	if set != nil {
		set(&cfg)
	}
	h, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func ctxOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		<-tick.C
	}
}

func echo(_ context.Context, s *Stream) error {
	_, err := io.Copy(s, s)
	return err
}

// ask sends text over a stream and returns what comes back.
func ask(t *testing.T, h *Host, to PeerID, text string) (string, *Stream) {
	t.Helper()
	s, err := h.Open(ctxOf(t), to, "/echo")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(s, text)
		wrote <- errors.Join(err, s.CloseWrite())
	}()
	b, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	return string(b), s
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	b, err := os.ReadFile("testdata/device.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(*rsa.PrivateKey)
}

func TestStreamsOverTCPAndQUIC(t *testing.T) {
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		device := rsaKey(t)
		a := host(t, 1, func(c *Config) { c.Key, c.Listen = device, []string{listen} })
		b := host(t, 2, func(c *Config) { c.Listen = []string{} })
		a.Handle("/echo", echo)
		if id, err := PeerOf(&device.PublicKey); err != nil || id != a.ID() {
			t.Fatalf("peer ID of the key: %v, %v", id, err)
		}
		b.AddAddrs(a.ID(), a.Addrs(), time.Hour)
		got, s := ask(t, b, a.ID(), "hello")
		if got != "hello" || s.Road() != LAN || s.Peer() != a.ID() {
			t.Fatalf("%q on road %v", got, s.Road())
		}
		pub, err := b.PublicKey(a.ID())
		if err != nil {
			t.Fatal(err)
		}
		want, _ := DeviceID(&device.PublicKey)
		if dev, err := DeviceID(pub); err != nil || dev != want {
			t.Fatalf("device ID of the connected key: %v, %v", dev, err)
		}
		if st := b.Status(); len(st.Peers) != 1 || st.Peers[0].Road != LAN {
			t.Fatalf("%+v", st)
		}
		if _, err := b.Open(ctxOf(t), a.ID(), "/other"); !errors.Is(err, ErrProtocol) {
			t.Fatalf("a protocol nobody speaks: %v", err)
		}
	}
}

func TestTheBannedAreRefusedAtDialAndAccept(t *testing.T) {
	var banned atomic.Value
	banned.Store(PeerID(""))
	a := host(t, 3, func(c *Config) { c.Admit = func(id PeerID) bool { return id != banned.Load().(PeerID) } })
	b := host(t, 4, nil)
	a.Handle("/echo", echo)
	b.Handle("/echo", echo)
	b.AddAddrs(a.ID(), a.Addrs(), time.Hour)
	a.AddAddrs(b.ID(), b.Addrs(), time.Hour)
	ask(t, b, a.ID(), "before")
	banned.Store(b.ID())
	a.Recheck()
	until(t, "the connection ends", func() bool { return a.Road(b.ID()) == None && b.Road(a.ID()) == None })
	if err := a.Connect(ctxOf(t), b.ID()); !errors.Is(err, ErrRefused) {
		t.Fatalf("dialled a banned peer: %v", err)
	}
	// The dialler may believe for a moment that it is connected.
	s, err := b.Open(ctxOf(t), a.ID(), "/echo")
	if err == nil {
		_, _ = io.WriteString(s, "after")
		if _, err = io.ReadAll(s); err == nil {
			t.Fatal("a banned peer was answered")
		}
	}
	banned.Store(PeerID(""))
	until(t, "let in again", func() bool { return b.Connect(ctxOf(t), a.ID()) == nil })
}

func TestReadsHaveADeadline(t *testing.T) {
	a := host(t, 5, nil)
	b := host(t, 6, func(c *Config) { c.Idle = 50 * time.Millisecond })
	hold := make(chan struct{})
	a.Handle("/silent", func(ctx context.Context, s *Stream) error {
		select {
		case <-hold:
		case <-ctx.Done():
		}
		return nil
	})
	a.Handle("/drip", func(ctx context.Context, s *Stream) error {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := s.Write([]byte{1}); err != nil {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
	defer close(hold)
	b.AddAddrs(a.ID(), a.Addrs(), time.Hour)
	s, err := b.Open(ctxOf(t), a.ID(), "/silent")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(s); !errors.Is(err, ErrIdle) {
		t.Fatalf("a peer that never answers: %v", err)
	}
	s.Reset()
	if s, err = b.Open(ctxOf(t), a.ID(), "/drip"); err != nil {
		t.Fatal(err)
	}
	s.SetIdle(patience)
	s.SetEnd(time.Now().Add(200 * time.Millisecond))
	if _, err := io.ReadAll(s); !errors.Is(err, ErrIdle) {
		t.Fatalf("a peer that drips: %v", err)
	}
	s.Reset()
}

func TestRendezVousAndRelay(t *testing.T) {
	node := host(t, 7, func(c *Config) { c.Serve = true })
	behind := func(b byte) *Host { // a NAT: nobody can dial it
		return host(t, b, func(c *Config) { c.Bootstrap, c.Reachability, c.Listen = node.Addrs(), "private", []string{} })
	}
	a, b := behind(8), behind(9)
	a.Handle("/echo", echo)
	a.Advertise("account a")
	until(t, "a reservation at the relay", func() bool { return len(a.Status().Relays) == 1 })
	var found []PeerID
	until(t, "found at the rendez-vous", func() bool {
		found, _ = b.Find(ctxOf(t), "account a", 5)
		return len(found) == 1
	})
	if found[0] != a.ID() {
		t.Fatalf("found %v", found)
	}
	if other, err := b.Find(ctxOf(t), "account b", 5); err != nil || len(other) != 0 {
		t.Fatalf("found %v, %v under another topic", other, err)
	}
	big := strings.Repeat("0123456789", 100_000) // more than the library's own limit
	got, s := ask(t, b, a.ID(), big)
	if got != big || s.Road() != Relayed {
		t.Fatalf("%d bytes on road %v", len(got), s.Road())
	}
	if c := node.Counters(); c.Reservations != 2 || c.CircuitsAll == 0 || c.Bytes < int64(len(big)) {
		t.Errorf("the relay counts %+v", c)
	}
	if st := b.Status(); !st.Bootstrap[node.ID().String()] || st.Reachability != "private" {
		t.Fatalf("%+v", st)
	}
}

func TestNoRoad(t *testing.T) {
	a := host(t, 10, nil)
	stranger, err := PeerOf(seedKey(11).Public())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Connect(ctxOf(t), stranger); !errors.Is(err, ErrNoRoad) {
		t.Fatal(err)
	}
	if _, err := Open(Config{Key: seedKey(1), Bootstrap: []string{"/ip4/127.0.0.1/tcp/1"}}); err == nil {
		t.Fatal("a bootstrap node without ID")
	}
	if _, err := Open(Config{Key: "no key"}); err == nil {
		t.Fatal("no key")
	}
}

// TestLAN needs an interface that can do multicast.
func TestLAN(t *testing.T) {
	found := make(chan PeerID, 64)
	on := func(c *Config) {
		c.LAN, c.Listen = true, nil
		c.OnFound = func(id PeerID) { found <- id }
	}
	a := host(t, 12, on)
	b := host(t, 13, on)
	if len(a.host.Addrs()) == 0 {
		t.Skip("no interface")
	}
	seen := map[PeerID]bool{}
	end := time.After(15 * time.Second)
	for !seen[a.ID()] && !seen[b.ID()] {
		select {
		case id := <-found:
			seen[id] = true
		case <-end:
			t.Skip("multicast does not work here")
		}
	}
	from, to := a, b
	if seen[a.ID()] {
		from, to = b, a
	}
	to.Handle("/echo", echo)
	got, s := ask(t, from, to.ID(), "over the LAN")
	if got != "over the LAN" || s.Road() != LAN {
		t.Fatalf("%q on road %v", got, s.Road())
	}
	if len(from.Status().Neighbours) == 0 {
		t.Fatal("no neighbours")
	}
}

func FuzzParsePeerID(f *testing.F) {
	id, err := PeerOf(seedKey(1).Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(id.String())
	f.Add("Qm")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParsePeerID(s)
		if err != nil {
			return
		}
		if again, err := ParsePeerID(id.String()); err != nil || again != id {
			t.Fatal(s)
		}
	})
}
