package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// DefaultIdle is how long a read or a write of a stream may wait for the peer.
const DefaultIdle = 30 * time.Second

// ErrIdle is what a Read or Write returns when the peer did nothing for too
// long, or when the stream's own time is over. The stream is no use after it.
var ErrIdle = errors.New("p2p: the peer did not answer in time")

// Stream is one conversation of one protocol with a peer: bytes both ways.
//
// Each Read and each Write must move within the stream's idle time, and all of
// it must be over by its end, if one is set: a peer that stops, or that drips,
// costs a bounded time. One goroutine may read while another writes.
type Stream struct {
	s      network.Stream
	idle   time.Duration
	end    atomic.Int64 // Unix nanoseconds; 0 if there is none
	rd, wr int64        // deadline that is set, Unix nanoseconds; owned by reader, writer
}

var _ io.ReadWriteCloser = (*Stream)(nil)

func newStream(s network.Stream, idle time.Duration) *Stream {
	if idle <= 0 {
		idle = DefaultIdle
	}
	return &Stream{s: s, idle: idle}
}

// Peer is who is at the other end; TLS proved it.
func (s *Stream) Peer() PeerID { return s.s.Conn().RemotePeer() }

// Protocol is the protocol ID.
func (s *Stream) Protocol() string { return string(s.s.Protocol()) }

// Road is how the stream reaches the peer.
func (s *Stream) Road() Road { return roadOf(s.s.Conn()) }

// SetIdle sets how long each Read and Write may wait from now on. Call it
// before reading and writing begin.
func (s *Stream) SetIdle(d time.Duration) { s.idle, s.rd, s.wr = d, 0, 0 }

// SetEnd sets when the whole stream must be over; zero means no such time.
func (s *Stream) SetEnd(t time.Time) {
	if t.IsZero() {
		s.end.Store(0)
		return
	}
	s.end.Store(t.UnixNano())
}

// due is the deadline to set now, and false if the one that is set will do:
// deadlines are moved only after a tenth of their time.
func (s *Stream) due(set int64) (int64, bool) {
	at := time.Now().Add(s.idle).UnixNano()
	if end := s.end.Load(); end != 0 && end < at {
		at = end
	}
	if d := at - set; d >= 0 && d < int64(s.idle)/10 {
		return 0, false
	}
	return at, true
}

// Read implements io.Reader; it returns ErrIdle when time is over.
func (s *Stream) Read(p []byte) (int, error) {
	if at, move := s.due(s.rd); move {
		s.rd = at
		if err := s.s.SetReadDeadline(time.Unix(0, at)); err != nil {
			return 0, fmt.Errorf("p2p: read: %w", err)
		}
	}
	n, err := s.s.Read(p)
	return n, streamError(err)
}

// Write implements io.Writer; it returns ErrIdle when time is over.
func (s *Stream) Write(p []byte) (int, error) {
	done := 0
	for {
		// A long write moves in parts, each of which has the idle time.
		part := p[done:min(done+1<<16, len(p))]
		if at, move := s.due(s.wr); move {
			s.wr = at
			if err := s.s.SetWriteDeadline(time.Unix(0, at)); err != nil {
				return done, fmt.Errorf("p2p: write: %w", err)
			}
		}
		n, err := s.s.Write(part)
		done += n
		if err != nil || done == len(p) {
			return done, streamError(err)
		}
	}
}

func streamError(err error) error {
	var t interface{ Timeout() bool }
	if err != nil && !errors.Is(err, io.EOF) && errors.As(err, &t) && t.Timeout() {
		return ErrIdle
	}
	return err
}

// CloseWrite tells the peer that nothing more comes; reading goes on.
func (s *Stream) CloseWrite() error { return s.s.CloseWrite() }

// Close ends both directions; what was written still arrives.
func (s *Stream) Close() error { return s.s.Close() }

// Reset ends both directions at once; the peer's reads fail.
func (s *Stream) Reset() { _ = s.s.Reset() }

// Guard resets the stream when ctx ends, so that a blocked Read or Write
// returns. Call the result when the work is done.
func (s *Stream) Guard(ctx context.Context) (release func() bool) {
	return context.AfterFunc(ctx, s.Reset)
}
