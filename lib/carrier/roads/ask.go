package roads

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// A host that has lost its controller asks for the next session where the last
// one was offered, by any road: one byte, which TLS never begins with, is
// answered with what is also announced by multicast. It is sealed for a host
// that the controller knows, so a stranger learns nothing from it.
//
//	host        '?'
//	controller  word16 size, xrcp.Announcement; size 0 if none is on offer
const question = '?'

// ErrNothingOffered is returned where the controller answers and offers no
// session now.
var ErrNothingOffered = errors.New("roads: the controller offers no session now")

// Limits of what comes before a session.
const (
	maxWaiting   = 16               // streams that have not got to a session
	firstTimeout = 15 * time.Second // for their first byte
	turnTimeout  = 30 * time.Second // for a session to begin that takes them
)

// Offer has hosts that ask told of a session: announcement is xrcpctl's
// Controller.Announcement; nil ends it.
func (s *Station) Offer(announcement func() ([]byte, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announcement = announcement
}

// greet finds out what a stream is for.
func (s *Station) greet(c *carrier.Conn) {
	defer func() { <-s.waiting }()
	ctx, cancel := context.WithTimeout(s.ctx, firstTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	var first [1]byte
	n, err := io.ReadFull(c, first[:])
	if err == nil && first[0] == question {
		err = s.answer(c)
		_ = c.Close()
	}
	alive := stop()
	if err != nil || !alive || first[0] == question {
		if err != nil {
			s.log.Debug("remote control: a stream before a session", "road", c.Road, "err", err)
			_ = c.Close()
		}
		return
	}
	c.Conn = &begun{c.Conn, first[:n]}
	turn := time.NewTimer(turnTimeout)
	defer turn.Stop()
	select {
	case s.conns <- c:
	case <-turn.C:
		_ = c.Close()
	case <-s.ctx.Done():
		_ = c.Close()
	}
}

func (s *Station) answer(c net.Conn) error {
	s.mu.Lock()
	f := s.announcement
	s.mu.Unlock()
	var b []byte
	if f != nil {
		var err error
		if b, err = f(); err != nil {
			return err
		}
	}
	_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

// begun is a stream of which the first byte was read.
type begun struct {
	net.Conn
	first []byte // owned by the reader
}

// Read reads.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 && len(p) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// Answer is what a controller offers a host that has asked.
type Answer struct {
	Pairing    *xrcp.ControllerPairing
	Invitation *xrcp.SignedInvitation
	Road       carrier.Name // that the answer came by
}

// Ask asks the controller of an earlier invitation for another one, by all
// roads of cfg.Via or of the earlier one. The errors are
// [ErrNothingOffered], carrier.ErrNoRoad, those of xrcp.Announcement.Find and
// xrcp.ErrStale.
func Ask(ctx context.Context, cfg Config, earlier *xrcp.SignedInvitation, pairings []*xrcp.ControllerPairing, now func() time.Time, window time.Duration) (Answer, error) {
	to, err := To(cfg, earlier)
	if err != nil {
		return Answer{}, err
	}
	a, via, err := carrier.Race(ctx, to, func(ctx context.Context, c *carrier.Conn) (asked, error) {
		defer func() { _ = c.Close() }()
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		defer stop()
		return ask(c, pairings, now(), window)
	})
	if err != nil {
		return Answer{}, fmt.Errorf("roads: asking the controller: %w", err)
	}
	a.Road = via
	if len(a.Invitation.Hints) == 0 { // a datagram has no room for all
		a.Invitation, err = a.Invitation.WithHints(earlier.Hints...)
	}
	return a.Answer, err
}

// asked is an answer; its stream is closed.
type asked struct{ Answer }

// Close does nothing.
func (asked) Close() error { return nil }

func ask(c net.Conn, pairings []*xrcp.ControllerPairing, now time.Time, window time.Duration) (a asked, err error) {
	if _, err := c.Write([]byte{question}); err != nil {
		return a, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return a, err
	}
	n := binary.BigEndian.Uint16(size[:])
	if n == 0 {
		return a, ErrNothingOffered
	}
	if n > xrcp.MaxDatagram {
		return a, fmt.Errorf("%w: %d bytes", xrcp.ErrInvitation, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		return a, err
	}
	announcement, err := xrcp.ParseAnnouncement(b)
	if err != nil {
		return a, err
	}
	if a.Pairing, a.Invitation, err = announcement.Find(pairings); err != nil {
		return a, err
	}
	return a, a.Invitation.CheckTime(now, window)
}
