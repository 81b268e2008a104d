package p2proad_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier/p2proad"
	"github.com/simplexkit/simplexkit/lib/p2p"
)

func open(t *testing.T) *p2p.Host {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, err := p2p.Open(p2p.Config{Key: k, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestStream(t *testing.T) {
	callee, caller := open(t), open(t)
	l := p2proad.Listen(callee)
	to, err := p2proad.ParseAddress(p2proad.AddressOf(callee).String())
	if err != nil || len(to.Addrs) == 0 {
		t.Fatal(to, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan struct{})
	a, err := p2proad.Dial(ctx, caller, to, func() { close(ended) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(a, "hello"); err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	buf := make([]byte, 5)
	if _, err := io.ReadFull(b, buf); err != nil || string(buf) != "hello" || b.RemoteAddr().String() != caller.ID().String() {
		t.Error(string(buf), err)
	}
	if _, err := io.WriteString(b, "last words"); err != nil {
		t.Error(err)
	}
	_ = b.Close()
	if got, err := io.ReadAll(a); string(got) != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_ = a.Close()
	<-ended
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := p2proad.Dial(ctx, caller, p2proad.AddressOf(open(t)), nil); !errors.Is(err, p2p.ErrProtocol) {
		t.Error(err)
	}
}

func TestDeadline(t *testing.T) {
	callee, caller := open(t), open(t)
	l := p2proad.Listen(callee)
	defer func() { _ = l.Close() }()
	a, err := p2proad.Dial(t.Context(), caller, p2proad.AddressOf(callee), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	_ = a.SetDeadline(time.Unix(1, 0))
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestNobodyThere(t *testing.T) {
	caller := open(t)
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	callee, err := p2p.Open(p2p.Config{Key: k, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		t.Fatal(err)
	}
	to := p2proad.AddressOf(callee)
	_ = callee.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := p2proad.Dial(ctx, caller, to, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5,/ip4/192.0.2.1/tcp/4001")
	f.Add(",")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := p2proad.ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := p2proad.ParseAddress(a.String()); err == nil && again.String() != a.String() {
			t.Fatal(a.String(), err)
		}
	})
}
