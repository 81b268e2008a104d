package smpserver

import (
	"net"
	"net/netip"
	"sync"
)

// sources count what addresses have at once, so that one of them cannot take
// all that a relay has. An IPv6 address stands for its /64, which one
// customer has.
type sources struct {
	handshakes, conns int // limits

	mu sync.Mutex
	of map[netip.Addr]source
}

type source struct{ handshakes, conns int }

// sourceOf is the zero Addr for those that are not counted.
func (s *Server) sourceOf(sock net.Conn) netip.Addr {
	tcp, ok := sock.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	if s.cfg.Unlimited(a) {
		return netip.Addr{}
	}
	if a.Is6() {
		p, _ := a.Prefix(64) // no error for IPv6
		a = p.Addr()
	}
	return a
}

// begin counts a handshake in; it is false if there are too many.
func (s *sources) begin(a netip.Addr) bool {
	if !a.IsValid() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.of[a]
	if n.handshakes >= s.handshakes || n.handshakes+n.conns >= s.conns {
		return false
	}
	n.handshakes++
	s.of[a] = n
	return true
}

// settle ends a handshake, which became a connection or not.
func (s *sources) settle(a netip.Addr, connected bool) {
	s.edit(a, func(n *source) {
		n.handshakes--
		if connected {
			n.conns++
		}
	})
}

// leave ends a connection.
func (s *sources) leave(a netip.Addr) { s.edit(a, func(n *source) { n.conns-- }) }

func (s *sources) edit(a netip.Addr, fn func(*source)) {
	if !a.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.of[a]
	if fn(&n); n == (source{}) {
		delete(s.of, a)
		return
	}
	s.of[a] = n
}
