package smproad_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/carrier/smproad"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func config(r *smptest.Relay) smproad.Config {
	return smproad.Config{Relay: smp.AuthServer{ServerAddr: r.Addr}, Streams: true}
}

func listen(t *testing.T, cfg smproad.Config) *smproad.Listener {
	t.Helper()
	l, err := smproad.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// pair is a stream's two ends; the callee's address goes through its text.
func pair(t *testing.T, l *smproad.Listener, cfg smproad.Config) (caller, callee net.Conn) {
	t.Helper()
	to, err := smproad.ParseAddress(l.Address().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	caller, err = smproad.Dial(t.Context(), to, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	select {
	case callee = <-accepted:
	case <-time.After(patience):
	}
	if callee == nil {
		t.Fatal("no stream")
	}
	return caller, callee
}

func exchange(t *testing.T, a, b net.Conn, size int) {
	t.Helper()
	want := sha256.Sum256(content(size))
	var wg sync.WaitGroup
	for _, c := range []net.Conn{a, b} {
		_ = c.SetDeadline(time.Now().Add(2 * patience))
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
	_ = a.SetDeadline(time.Time{})
	_ = b.SetDeadline(time.Time{})
}

func TestStream(t *testing.T) {
	r := smptest.Start(t)
	l := listen(t, config(r))
	a, b := pair(t, l, smproad.Config{}) // at the callee's relay
	exchange(t, a, b, 700_000)
	if _, err := io.WriteString(a, "last words"); err != nil {
		t.Error(err)
	}
	_ = a.Close()
	if got, err := io.ReadAll(b); string(got) != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := io.WriteString(b, "anybody?"); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	_ = b.Close()
	if _, err := b.Read(make([]byte, 1)); err == nil {
		t.Error("read from a closed stream")
	}
}

// TestSlowReader does not let more come in than the window: the queue never is
// full, and a deadline ends the wait.
func TestSlowReader(t *testing.T) {
	r := smptest.Start(t)
	a, b := pair(t, listen(t, config(r)), config(r))
	_ = a.SetWriteDeadline(time.Now().Add(2 * time.Second))
	n, err := a.Write(content(4 << 20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n > 1<<20 {
		t.Errorf("%d bytes: %v", n, err)
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, content(4 << 20)[:n]) {
		t.Error(err)
	}
	_ = a.SetWriteDeadline(time.Time{})
	exchange(t, a, b, 20_000)
}

// TestRelayAway has the relay go away for a moment in the middle of a transfer,
// and the callee's relay is not the caller's.
func TestRelayAway(t *testing.T) {
	r, other := smptest.Start(t), smptest.Start(t)
	a, b := pair(t, listen(t, config(r)), config(other))
	const size = 600_000
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := a.Write(content(size)); err != nil {
			t.Error(err)
		}
	})
	got := make([]byte, size)
	if _, err := io.ReadFull(b, got[:100_000]); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	r.Restart()
	if _, err := io.ReadFull(b, got[100_000:]); err != nil || !bytes.Equal(got, content(size)) {
		t.Error("after the relay was away:", err)
	}
	wg.Wait()
	other.Stop()
	other.Restart()
	exchange(t, a, b, 40_000)
}

func TestLocations(t *testing.T) {
	r := smptest.Start(t)
	cfg := config(r)
	lines := make(chan string, 100)
	cfg.Location = func(line []byte) { lines <- string(line) }
	l := listen(t, cfg)
	go func() { _, _ = l.Accept() }()
	text := strings.Repeat("192.0.2.1:41234\n", 100)
	if err := smproad.Tell(t.Context(), l.Address(), cfg.SMP, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if got := <-lines; got != "192.0.2.1:41234\n" {
		t.Errorf("%q", got)
	}
	_ = l.Close()
	if n := len(lines); n > 7 {
		t.Error(n, "more lines")
	}
	// The queue is gone with its owner.
	if err := smproad.Tell(t.Context(), l.Address(), cfg.SMP, []byte(text)); !errors.Is(err, smp.ErrAuth) {
		t.Error(err)
	}
}

// TestStrangers send what they can to the queue, whose address is no secret to
// the relay; the stream goes on.
func TestStrangers(t *testing.T) {
	r := smptest.Start(t)
	l := listen(t, config(r))
	a, b := pair(t, l, config(r))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stranger, err := smpclient.Dial(ctx, r.Addr, smpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	to := l.Address()
	for _, body := range []string{"", "\x01", "\x02", "\x02" + strings.Repeat("x", 17), "garbage", strings.Repeat("\x01\x2c", 8000)} {
		if err := stranger.Send(ctx, to.ID, nil, smp.SEND{Body: []byte(body)}); err != nil {
			t.Error(err)
		}
	}
	to.Key[0] ^= 1 // does not know the key
	if err := smproad.Tell(ctx, to, config(r).SMP, []byte(":41234\n")); err != nil {
		t.Error(err)
	}
	exchange(t, a, b, 20_000)
}

func TestAddress(t *testing.T) {
	r := smptest.Start(t)
	good := listen(t, config(r)).Address().String()
	for _, bad := range []string{"", "/", "//", good[1:], good + "/", good + "A", strings.Replace(good, "/", "//", 1), strings.Repeat("a", 1000)} {
		if _, err := smproad.ParseAddress(bad); !errors.Is(err, smproad.ErrAddress) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=@relay.example,x.onion:5223/AAAA/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=@[::1]/AAAA/")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := smproad.ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := smproad.ParseAddress(a.String()); err != nil || again.String() != a.String() {
			t.Fatal(a.String(), err)
		}
	})
}
