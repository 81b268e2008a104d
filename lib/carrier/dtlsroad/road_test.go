package dtlsroad

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v2"
	"github.com/pion/transport/v2/packetio"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, cfg Config) *Listener {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(pc, cfg)
	t.Cleanup(func() {
		_ = l.Close()
		l.Wait()
	})
	return l
}

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// exchange sends size bytes each way at the same time.
func exchange(t *testing.T, a, b net.Conn, size int) {
	t.Helper()
	want := sha256.Sum256(content(size))
	var wg sync.WaitGroup
	for _, c := range []net.Conn{a, b} {
		wg.Go(func() {
			if _, err := c.Write(content(size)); err != nil {
				t.Error("write:", err)
			}
		})
		wg.Go(func() {
			h := sha256.New()
			if _, err := io.CopyN(h, c, int64(size)); err != nil || !bytes.Equal(h.Sum(nil), want[:]) {
				t.Error("read:", err)
			}
		})
	}
	wg.Wait()
}

func TestStreamsShareAPort(t *testing.T) {
	others := make(chan string, 10)
	l := listen(t, Config{DTLS: true, Other: func(b []byte, _ netip.AddrPort) { others <- string(b) }})
	stranger, err := net.Dial("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	var dialled, accepted [3]net.Conn
	for i := range dialled {
		done := make(chan struct{})
		go func() {
			defer close(done)
			var err error
			if dialled[i], err = Dial(t.Context(), l.Addr().String(), nil); err != nil {
				t.Error(err)
			}
		}()
		if accepted[i], err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		<-done
		if dialled[i] == nil {
			return
		}
	}
	for _, garbage := range []string{"\x16\xfe\xfdgarbage that is too short", "\x17\xfe\xfd of no session of this port", "192.0.2.7:41234\n"} {
		_, _ = stranger.Write([]byte(garbage))
	}
	if got := <-others; got != "192.0.2.7:41234\n" {
		t.Errorf("%q", got)
	}
	_ = l.Close() // takes no more, and these go on
	for i := range dialled {
		exchange(t, dialled[i], accepted[i], 1<<20)
	}
	for i := range dialled {
		if _, err := dialled[i].Write([]byte("last words")); err != nil {
			t.Error(err)
		}
		_ = dialled[i].Close()
		got, err := io.ReadAll(accepted[i])
		if string(got) != "last words" {
			t.Errorf("%q, %v", got, err)
		}
		_ = accepted[i].Close()
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// link is one direction of a bad network: it loses, repeats and reorders.
type link struct {
	to   *packetio.Buffer
	mu   sync.Mutex
	rand *rand.Rand
	late []byte
	n    int
}

func (l *link) send(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	switch roll := l.rand.IntN(100); {
	case roll < 4 && l.n > 20:
		return
	case roll < 8:
		_, _ = l.to.Write(b)
	case roll < 14 && l.late == nil:
		l.late = bytes.Clone(b)
		return
	}
	_, _ = l.to.Write(b)
	if l.late != nil && l.rand.IntN(3) == 0 {
		_, _ = l.to.Write(l.late)
		l.late = nil
	}
}

type badConn struct {
	*packetio.Buffer
	out *link
}

func (c badConn) Write(b []byte) (int, error)      { c.out.send(b); return len(b), nil }
func (c badConn) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (c badConn) RemoteAddr() net.Addr             { return &net.UDPAddr{} }
func (c badConn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c badConn) SetWriteDeadline(time.Time) error { return nil }

func badPair() (a, b net.Conn) {
	x, y := packetio.NewBuffer(), packetio.NewBuffer()
	seeded := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, n)) }
	return badConn{x, &link{to: y, rand: seeded(1)}}, badConn{y, &link{to: x, rand: seeded(2)}}
}

func pair(t *testing.T, x, y net.Conn) (a, b net.Conn) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if b, err = secure(t.Context(), y, false, nil); err != nil {
			t.Error(err)
		}
	}()
	a, err := secure(t.Context(), x, true, nil)
	<-done
	if err != nil || b == nil {
		t.Fatal(err)
	}
	return a, b
}

func TestLossAndDisorder(t *testing.T) {
	x, y := badPair()
	a, b := pair(t, x, y)
	exchange(t, a, b, 100_000)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Close() })
	wg.Go(func() { _ = b.Close() })
	wg.Wait()
}

// TestOtherSuites: a peer that has AES-GCM only is refused, and so is one
// without the extended master secret.
func TestOtherSuites(t *testing.T) {
	for name, change := range map[string]func(*dtls.Config){
		"AES-GCM": func(c *dtls.Config) {
			c.CustomCipherSuites = nil
			c.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		},
		"no extended master secret": func(c *dtls.Config) { c.ExtendedMasterSecret = dtls.DisableExtendedMasterSecret },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			x, y := badPair()
			done := make(chan error, 1)
			go func() {
				_, err := secure(ctx, y, false, nil)
				done <- err
			}()
			cfg, err := config(nil)
			if err != nil {
				t.Fatal(err)
			}
			change(cfg)
			if c, err := dtls.ClientWithContext(ctx, x, cfg); err == nil {
				_ = c.Close()
				t.Error("connected")
			}
			_ = x.Close()
			cancel()
			if err := <-done; err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, pc.LocalAddr().String(), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestReadDeadline(t *testing.T) {
	x, y := badPair()
	a, b := pair(t, x, y)
	_ = a.SetDeadline(time.Unix(1, 0))
	var timeout interface{ Timeout() bool }
	if _, err := a.Read(make([]byte, 10)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Error(err)
	}
	_ = a.SetDeadline(time.Time{})
	exchange(t, a, b, 1000)
	_ = a.Close()
	_ = b.Close()
}

func BenchmarkStream(b *testing.B) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	l := NewListener(pc, Config{DTLS: true})
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	c, err := Dial(b.Context(), l.Addr().String(), nil)
	if err != nil {
		b.Fatal(err)
	}
	piece := content(1 << 20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		if _, err := c.Write(piece); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.Close()
	_ = l.Close()
	l.Wait()
}
