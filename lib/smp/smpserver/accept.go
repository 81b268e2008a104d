package smpserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// accept starts a connection's goroutine for each socket, until the listener
// is closed.
func (s *Server) accept(ctx context.Context, l net.Listener) error {
	var pause time.Duration
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		sock, err := l.Accept()
		if err != nil {
			<-s.slots
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors or the like: others may leave.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.cfg.Logger.Warn("accepting a connection", "err", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		pause = 0
		s.stats.accepted.Add(1)
		src := s.sourceOf(sock)
		if !s.sources.begin(src) {
			<-s.slots
			s.stats.refused.Add(1)
			_ = sock.Close()
			continue
		}
		s.tasks.Go(func() { s.connection(ctx, sock, src) })
	}
}

// connection is the life of a socket. It frees its slot after the handshake.
func (s *Server) connection(ctx context.Context, sock net.Conn, src netip.Addr) {
	if tcp, ok := sock.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(transport.KeepAlive)
	}
	c, err := s.handshake(ctx, sock)
	<-s.slots
	s.sources.settle(src, err == nil)
	if err != nil {
		s.cfg.Logger.Debug("handshake", "err", err)
		return
	}
	defer s.sources.leave(src)
	if !s.enter(c) {
		s.stats.refused.Add(1)
		_ = c.t.Abort()
		return
	}
	s.stats.handshakes.Add(1)
	c.run()
	s.leave(c)
}

// enter is false if there are too many connections, or the relay ends.
func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.conns) >= s.cfg.MaxConns {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// handshake sets up TLS and agrees on a version. It closes the socket on
// error. smp: Appendix A, Transport handshake
func (s *Server) handshake(ctx context.Context, sock net.Conn) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HandshakeTimeout)
	defer cancel()
	cfg := s.tls.Load()
	t, err := transport.Server(ctx, sock, cfg)
	if err != nil {
		return nil, err
	}
	h, err := smphandshake.Accept(ctx, t, smphandshake.ServerConfig{
		Credential: cfg.Credential, Versions: s.cfg.Versions, Service: s.admit})
	if err != nil {
		_ = t.Abort()
		return nil, err
	}
	c := &conn{s: s, no: s.connections.Add(1), t: t, out: newOut(), p: h.Params, service: h.Service, peerKey: h.PeerKey}
	c.room.L = &c.mu
	c.active.Store(s.cfg.Now().Unix())
	return c, nil
}

// admit gives a service its ID. smp: Service certificates
func (s *Server) admit(ctx context.Context, role smp.ServiceRole, chain transport.Chain) (id smp.ServiceID, err error) {
	err = s.cfg.Store.Update(ctx, func(tx queuestore.Tx) (err error) {
		id, err = tx.Service(smp.ChainIdentity(chain), role, newID[smp.ServiceID]())
		return err
	})
	return id, err
}

// shutdown closes all connections after they have finished what is under
// way, or at the latest after the grace time.
func (s *Server) shutdown() {
	s.mu.Lock()
	s.ended = true
	for c := range s.conns {
		c.finish(s.cfg.GraceTimeout)
	}
	s.mu.Unlock()
	late := time.AfterFunc(s.cfg.GraceTimeout, func() {
		s.stopRelaying()
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			_ = c.t.Abort()
		}
	})
	s.tasks.Wait()
	late.Stop()
}
