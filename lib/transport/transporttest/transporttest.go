// Package transporttest makes credentials and connected pairs for tests of
// what runs on the transport.
package transporttest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/transport"
)

// Credential makes a chain of CA and leaf and the relay's fingerprint.
func Credential(tb testing.TB) (cred *transport.Credential, fingerprint []byte) {
	tb.Helper()
	ca, err := transport.GenerateCA("test CA", time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	cred, err = ca.GenerateLeaf("localhost", time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	id := cred.Chain.Identity()
	return cred, id[:]
}

// Listen opens a TCP listener on loopback, closed with the test.
func Listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

// Sockets is a connected pair of TCP sockets on loopback, closed with the test.
func Sockets(tb testing.TB) (client, server net.Conn) {
	tb.Helper()
	l := Listen(tb)
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

// Pair connects both ends of TLS over loopback, closed with the test. A nil
// Credential of the server is made; an empty Fingerprint of the client is the
// server's.
func Pair(tb testing.TB, c transport.ClientConfig, s transport.ServerConfig) (client, server *transport.Conn) {
	tb.Helper()
	client, server, err := TryPair(tb, c, s)
	if err != nil {
		tb.Fatal(err)
	}
	return client, server
}

// TryPair is [Pair] for handshakes that may go wrong. The error is the
// client's, else the server's.
func TryPair(tb testing.TB, c transport.ClientConfig, s transport.ServerConfig) (client, server *transport.Conn, err error) {
	tb.Helper()
	if s.Credential == nil {
		s.Credential, _ = Credential(tb)
	}
	if c.Fingerprint == nil {
		id := s.Credential.Chain.Identity()
		c.Fingerprint = id[:]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	a, b := Sockets(tb)
	serverErr := make(chan error, 1)
	go func() {
		var err error
		server, err = transport.Server(ctx, b, &s)
		serverErr <- err
	}()
	client, err = transport.Client(ctx, a, c)
	if e := <-serverErr; err == nil {
		err = e
	}
	tb.Cleanup(func() {
		for _, conn := range []*transport.Conn{client, server} {
			if conn != nil {
				_ = conn.Abort()
			}
		}
	})
	return client, server, err
}
