package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/transport/transporttest"
)

// relayAt accepts TLS on a listener until the test ends.
func relayAt(t *testing.T) (l net.Listener, fingerprint []byte) {
	t.Helper()
	cred, fp := transporttest.Credential(t)
	l = transporttest.Listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			if c, err := transport.Server(context.Background(), sock, &transport.ServerConfig{Credential: cred}); err == nil {
				_ = c.Close()
			}
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l, fp
}

func TestDialTriesHosts(t *testing.T) {
	l, fp := relayAt(t)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	cfg := transport.ClientConfig{Fingerprint: fp}
	c, err := transport.Dialer{}.Dial(context.Background(), []string{"127.0.0.9", "127.0.0.1"}, port, cfg)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if _, err := (transport.Dialer{}).Dial(context.Background(), nil, port, cfg); err == nil {
		t.Error("no hosts, no error")
	}
	cfg.Fingerprint = nil
	if _, err := (transport.Dialer{}).Dial(context.Background(), []string{"127.0.0.1", "127.0.0.9"}, port, cfg); !errors.Is(err, transport.ErrFingerprint) {
		t.Errorf("got %v", err)
	}
}

func TestDefaultPort(t *testing.T) {
	for want, d := range map[string]transport.Dialer{"5223": {}, "443": {DefaultPort: 443}} {
		d.Socket = func(_ context.Context, network, addr string) (net.Conn, error) {
			if network != "tcp" || addr != net.JoinHostPort("::1", want) {
				t.Errorf("dials %s %s", network, addr)
			}
			return nil, io.EOF
		}
		if _, err := d.Dial(context.Background(), []string{"::1"}, "", transport.ClientConfig{}); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	}
}

// socksProxy is a SOCKS5 proxy with a password that leads everywhere to
// target, and tells which host was asked for.
func socksProxy(t *testing.T, target string) (addr string, asked chan string) {
	t.Helper()
	l := transporttest.Listen(t)
	asked = make(chan string, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		sock, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = sock.Close() }()
		host, err := socksRequest(sock)
		if err != nil {
			t.Error(err)
			return
		}
		asked <- host
		out, err := net.Dial("tcp", target)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = out.Close() }()
		_, _ = sock.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(out, sock); _ = out.Close() })
		_, _ = io.Copy(sock, out)
		_ = sock.Close()
		both.Wait()
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String(), asked
}

// socksRequest reads methods, user and password, and the request (RFC 1928,
// RFC 1929).
func socksRequest(c net.Conn) (string, error) {
	b := make([]byte, 255)
	read := func(n int) []byte {
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			clear(b)
		}
		return b[:n]
	}
	if n := int(read(2)[1]); !bytes.Contains(read(n), []byte{2}) {
		return "", errors.New("no method with a password")
	}
	_, _ = c.Write([]byte{5, 2})
	user := string(read(int(read(2)[1])))
	password := string(read(int(read(1)[0])))
	if user != "isolated" || password != "secret" {
		return "", errors.New("wrong user")
	}
	_, _ = c.Write([]byte{1, 0})
	if head := read(4); head[3] != 3 {
		return "", errors.New("the host was resolved by the client")
	}
	host := string(read(int(read(1)[0])))
	port := strconv.Itoa(int(binary.BigEndian.Uint16(read(2))))
	return net.JoinHostPort(host, port), nil
}

func TestDialThroughSOCKS5(t *testing.T) {
	l, fp := relayAt(t)
	addr, asked := socksProxy(t, l.Addr().String())
	proxy := &transport.SOCKS5{Addr: addr, Username: "isolated", Password: "secret"}
	c, err := transport.Dialer{Socket: proxy.DialContext}.Dial(context.Background(), []string{"relay.onion"}, "5223", transport.ClientConfig{Fingerprint: fp})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got != "relay.onion:5223" {
		t.Errorf("the proxy was asked for %s", got)
	}
	_ = c.Abort()
}
