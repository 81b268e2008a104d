package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/net/proxy"
)

// KeepAlive is how the operating system finds dead connections: after 30
// seconds of silence, 4 probes every 15 seconds.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 4}

// DialFunc opens a socket, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// SOCKS5 is a proxy to dial through. Host names are resolved by the proxy, so
// onion hosts work. A user name isolates circuits in Tor.
type SOCKS5 struct {
	Addr               string // host:port
	Username, Password string
}

// DialContext connects through the proxy.
func (s *SOCKS5) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	var auth *proxy.Auth
	if s.Username != "" || s.Password != "" {
		auth = &proxy.Auth{User: s.Username, Password: s.Password}
	}
	d, err := proxy.SOCKS5("tcp", s.Addr, auth, &net.Dialer{KeepAliveConfig: KeepAlive})
	if err != nil {
		return nil, fmt.Errorf("transport: SOCKS5 proxy %s: %w", s.Addr, err)
	}
	return d.(proxy.ContextDialer).DialContext(ctx, network, addr)
}

// Dialer opens sockets to relays. The zero value dials directly.
type Dialer struct {
	// Socket opens a socket; nil is a net.Dialer with [KeepAlive].
	Socket DialFunc
	// DefaultPort is used if an address has none; 0 is 5223.
	DefaultPort int
}

// Dial connects to the first of hosts that answers and sets up TLS with it. A
// relay that answers with the wrong certificate ends the search. ctx bounds
// all of it; each host has an equal part of the time that is left. The errors are those of [Client] and of the network.
func (d Dialer) Dial(ctx context.Context, hosts []string, port string, cfg ClientConfig) (*Conn, error) {
	if port == "" {
		port = strconv.Itoa(d.DefaultPort)
		if d.DefaultPort == 0 {
			port = "5223"
		}
	}
	dial := d.Socket
	if dial == nil {
		dial = (&net.Dialer{KeepAliveConfig: KeepAlive}).DialContext
	}
	err := errors.New("transport: no host to dial")
	for i, host := range hosts {
		var sock net.Conn
		part, cancel := Share(ctx, len(hosts)-i)
		sock, err = dial(part, "tcp", net.JoinHostPort(host, port))
		cancel()
		if err == nil {
			return Client(ctx, sock, cfg)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("transport: dialling: %w", err)
}

// Share is a context that ends with ctx, or after the n-th part of the time
// that ctx has left.
func Share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok || n <= 1 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(n))
}
