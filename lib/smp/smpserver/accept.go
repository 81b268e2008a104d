package smpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
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
		s.tasks.Go(func() { s.connection(ctx, sock) })
	}
}

// connection is the life of a socket. It frees its slot after the handshake.
func (s *Server) connection(ctx context.Context, sock net.Conn) {
	if tcp, ok := sock.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(transport.KeepAlive)
	}
	c, err := s.handshake(ctx, sock)
	<-s.slots
	if err != nil {
		s.cfg.Logger.Debug("handshake", "err", err)
		return
	}
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
	if err := t.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout)); err != nil {
		_ = t.Abort()
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = t.Abort() })
	c, err := s.hello(t, cfg.Credential)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err == nil {
		err = t.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = t.Abort()
		return nil, err
	}
	return c, nil
}

func (s *Server) hello(t *transport.Conn, cred *transport.Credential) (*conn, error) {
	versions := s.cfg.Versions
	if t.ALPN() != smp.ALPN {
		versions = smp.LegacyVersions
	}
	session := key.GenerateX25519()
	signed, err := smp.SignKey(cred.Chain, cred.Key, session.Public())
	if err != nil {
		return nil, err
	}
	h := smp.ServerHello{Versions: versions, SessionID: t.SessionID(), Key: &signed}
	if err := t.WriteBlock(h.Append(nil)); err != nil {
		return nil, err
	}
	block, err := t.ReadBlock()
	if err != nil {
		return nil, err
	}
	ch, err := smp.ParseClientHello(block.Payload())
	if err != nil {
		return nil, err
	}
	if ch.KeyHash != s.id {
		return nil, smp.ErrHandshakeIdentity
	}
	if !versions.Contains(ch.Version) {
		return nil, fmt.Errorf("smpserver: version %d: %w", ch.Version, smp.ErrTransportVersion)
	}
	return s.newConn(t, ch, session)
}

func (s *Server) newConn(t *transport.Conn, ch smp.ClientHello, session *key.X25519Private) (*conn, error) {
	c := &conn{
		s: s, t: t, out: newOut(),
		p: smp.Params{Version: ch.Version, SessionID: t.SessionID(), Key: session},
	}
	c.active.Store(s.cfg.Now().Unix())
	if ch.Version < smp.VersionAuth {
		c.p.Key = nil
	}
	if ch.Key == nil {
		return c, nil
	}
	c.peerKey = ch.Key
	if smp.EncryptsBlocks(ch.Version, ch.ProxyServer) {
		send, receive, err := smp.ServerChains(t.SessionID(), session, *ch.Key)
		if err != nil {
			return nil, err
		}
		t.SetChains(send, receive)
	}
	return c, nil
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
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			_ = c.t.Abort()
		}
	})
	s.tasks.Wait()
	late.Stop()
}
