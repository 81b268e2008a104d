package discovery

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

// DefaultPort is where controllers listen, in TCP: one that a firewall's rule
// can name.
const DefaultPort = 5226

// Listen opens the TCP port of a controller at an address, or at all of the
// device's if addr is empty: the first of ports that is free; 0 is any.
func Listen(ctx context.Context, addr string, ports ...uint16) (l net.Listener, err error) {
	if len(ports) == 0 {
		ports = []uint16{0}
	}
	var c net.ListenConfig
	for _, port := range ports {
		l, err = c.Listen(ctx, "tcp4", net.JoinHostPort(addr, strconv.Itoa(int(port))))
		if err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("discovery: listening for hosts: %w", err)
}

// PortOf is the TCP port of a listener.
func PortOf(l net.Listener) uint16 {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.AddrPort().Port()
	}
	return 0
}
