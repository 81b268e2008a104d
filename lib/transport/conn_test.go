package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var tlsVersions = []uint16{0x0303, 0x0304}

func TestBothSidesHaveOneSessionID(t *testing.T) {
	service, _ := transporttest.Credential(t)
	for _, version := range tlsVersions {
		for _, cred := range []*transport.Credential{nil, service} {
			for _, alpn := range []string{"", "smp/1"} {
				t.Run(fmt.Sprintf("%x client certificate %t alpn %q", version, cred != nil, alpn), func(t *testing.T) {
					cc := transport.ClientConfig{Credential: cred, MaxVersion: version}
					if alpn != "" {
						cc.ALPN = []string{alpn}
					}
					c, s := transporttest.Pair(t, cc, transport.ServerConfig{ALPN: []string{"smp/1"}})
					checkPair(t, c, s, version, alpn)
					if got := s.PeerChain(); (cred == nil) != (len(got) == 0) || cred != nil && !got.Equal(cred.Chain) {
						t.Errorf("server sees a chain of %d", len(got))
					}
					exchange(t, c, s)
					exchange(t, s, c)
				})
			}
		}
	}
}

func checkPair(t *testing.T, c, s *transport.Conn, version uint16, alpn string) {
	t.Helper()
	if !bytes.Equal(c.SessionID(), s.SessionID()) {
		t.Errorf("session id %x on the client, %x on the server", c.SessionID(), s.SessionID())
	}
	if want := map[uint16]int{0x0303: 12, 0x0304: 32}[version]; len(c.SessionID()) != want {
		t.Errorf("session id of %d bytes, want %d", len(c.SessionID()), want)
	}
	if c.State().Version != version || s.State().Version != version {
		t.Errorf("TLS %x and %x, want %x", c.State().Version, s.State().Version, version)
	}
	if c.ALPN() != alpn || s.ALPN() != alpn {
		t.Errorf("ALPN %q and %q, want %q", c.ALPN(), s.ALPN(), alpn)
	}
}

// exchange sends blocks of many sizes, several with one write.
func exchange(t *testing.T, from, to *transport.Conn) {
	t.Helper()
	var want [][]byte
	for _, n := range []int{0, 1, 400, from.MaxPayload()} {
		want = append(want, bytes.Repeat([]byte{byte(n)}, n))
	}
	sent := make(chan error, 1)
	go func() {
		err := from.WriteBlock(want[0])
		if err == nil {
			err = from.WriteBlocks(want[1:]...)
		}
		sent <- err
	}()
	for _, w := range want {
		b, err := to.ReadBlock()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Payload(), w) {
			t.Errorf("block of %d bytes, want %d", len(b.Payload()), len(w))
		}
		b.Release()
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestManyBlocksWithOneWrite(t *testing.T) {
	c, s := transporttest.Pair(t, transport.ClientConfig{}, transport.ServerConfig{})
	var payloads [][]byte
	for i := range 40 { // more than is gathered at once
		payloads = append(payloads, []byte(strings.Repeat("x", i)))
	}
	sent := make(chan error, 1)
	go func() { sent <- c.WriteBlocks(payloads...) }()
	for i := range payloads {
		b, err := s.ReadBlock()
		if err != nil || len(b.Payload()) != i {
			t.Fatalf("block %d: %d bytes, %v", i, len(b.Payload()), err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestBlockEncryption(t *testing.T) {
	for _, size := range []int{0, 512} {
		c, s := transporttest.Pair(t, transport.ClientConfig{BlockSize: size}, transport.ServerConfig{BlockSize: size})
		c1, c2 := box.ChainInit(c.SessionID(), []byte("secret"))
		s1, s2 := box.ChainInit(s.SessionID(), []byte("secret"))
		s.SetChains(s1, s2)
		c.SetChains(c2, c1)
		if got, want := c.MaxPayload(), c.BlockSize()-18; got != want {
			t.Errorf("largest payload %d, want %d", got, want)
		}
		exchange(t, c, s)
		exchange(t, s, c)
	}
}

func TestWrongBlocks(t *testing.T) {
	c, s := transporttest.Pair(t, transport.ClientConfig{}, transport.ServerConfig{})
	if err := c.WriteBlock(make([]byte, c.MaxPayload()+1)); !errors.Is(err, transport.ErrTooLarge) {
		t.Errorf("oversized payload: %v", err)
	}
	exchange(t, c, s) // nothing was written
	c1, c2 := box.ChainInit(nil, []byte("a"))
	c.SetChains(c1, c2)
	s.SetChains(c1, c2)
	go func() { _ = c.WriteBlock([]byte("sealed with another key")) }()
	if _, err := s.ReadBlock(); !errors.Is(err, transport.ErrBlock) {
		t.Errorf("wrong seal: %v", err)
	}
}

func TestTruncatedBlock(t *testing.T) {
	for n, want := range map[int]error{0: io.EOF, 1: io.ErrUnexpectedEOF, 5000: io.ErrUnexpectedEOF} {
		a, b := transporttest.Sockets(t)
		conn := transport.NewConn(b, transport.State{}, 0)
		if _, err := a.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		_ = a.Close()
		if _, err := conn.ReadBlock(); !errors.Is(err, want) {
			t.Errorf("after %d bytes: %v, want %v", n, err, want)
		}
		_ = conn.Close()
	}
}

func TestLengthOverBlock(t *testing.T) {
	a, b := transporttest.Sockets(t)
	conn := transport.NewConn(b, transport.State{}, 512)
	block := make([]byte, 512)
	block[0], block[1] = 1, 255 // 511
	if _, err := a.Write(block); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ReadBlock(); !errors.Is(err, transport.ErrBlock) {
		t.Errorf("got %v", err)
	}
}

func TestCloseTwice(t *testing.T) {
	c, s := transporttest.Pair(t, transport.ClientConfig{}, transport.ServerConfig{})
	if c.Close() != c.Close() {
		t.Error("another error the second time")
	}
	if _, err := s.ReadBlock(); !errors.Is(err, io.EOF) {
		t.Errorf("the peer sees %v", err)
	}
}

func TestAbortFreesStuckWriter(t *testing.T) {
	c, _ := transporttest.Pair(t, transport.ClientConfig{}, transport.ServerConfig{})
	stuck := make(chan error, 1)
	go func() {
		for {
			if err := c.WriteBlock(nil); err != nil {
				stuck <- err
				return
			}
		}
	}()
	_ = c.Abort()
	if err := <-stuck; err == nil {
		t.Error("no error")
	}
}
