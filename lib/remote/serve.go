package remote

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

// Limits of callers that are not known yet.
const (
	maxCallers  = 16
	callTimeout = 10 * time.Second // for the announcement
)

// WriteCall begins a connection to a host: two bytes of length, and the
// announcement. The caller is the server of TLS after it.
func WriteCall(w io.Writer, announcement []byte) error {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(announcement)))
	_, err := w.Write(append(b, announcement...))
	return err
}

// ReadCall reads what WriteCall writes, and nothing after it. The error is
// xrcp.ErrInvitation or r's.
func ReadCall(r io.Reader) (a xrcp.Announcement, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return a, err
	}
	n := binary.BigEndian.Uint16(head[:])
	if n == 0 || n > xrcp.MaxDatagram {
		return a, fmt.Errorf("%w: announcement of %d bytes", xrcp.ErrInvitation, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return a, err
	}
	return xrcp.ParseAnnouncement(b)
}

// Serve lets known controllers in until ctx ends, which is no error: those
// that announce themselves, those that call, and those that answer when they
// are asked where they were. Sessions go on after it.
func (h *Host) Serve(ctx context.Context, p api.RemoteServeParams, ready func(listen net.Addr)) error {
	if err := h.running(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	defer all.Wait()
	var l net.Listener
	if p.Listen != "" {
		var err error
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", p.Listen); err != nil {
			return fmt.Errorf("remote: listening for controllers: %w", err)
		}
		h.callAt(p.Public, l)
		defer h.callAt("", nil)
		defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	}
	var heard *discovery.Receiver
	if p.Announced != "none" {
		var err error
		if heard, err = receive(p.Announced); err != nil && l == nil {
			return err
		} else if err != nil {
			h.log.Warn("remote: announcements are not heard", "err", err)
		}
	}
	if ready != nil {
		var at net.Addr
		if l != nil {
			at = l.Addr()
		}
		ready(at)
	}
	if heard != nil {
		all.Go(func() { cancel(h.hear(ctx, heard, p.Via)) })
		defer func() { _ = heard.Close() }()
	}
	if l != nil {
		all.Go(func() { cancel(h.answer(ctx, l)) })
	}
	h.lookOut(ctx, &all, p.Via)
	<-ctx.Done()
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return err
}

func receive(at string) (*discovery.Receiver, error) {
	group := discovery.Group
	if at != "" {
		var err error
		if group, err = netip.ParseAddrPort(at); err != nil {
			return nil, fmt.Errorf("remote: address for announcements: %w", err)
		}
	}
	return discovery.Receive(group)
}

// callAt says where we can be called.
func (h *Host) callAt(public string, l net.Listener) {
	if public == "" && l != nil {
		if at, err := netip.ParseAddrPort(l.Addr().String()); err == nil && !at.Addr().IsUnspecified() {
			public = at.String()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listen = public
}

// find is the controller that an announcement is of.
func (h *Host) find(ctx context.Context, a xrcp.Announcement) (*KnownCtrl, *xrcp.SignedInvitation, error) {
	all, err := h.ctrls(ctx)
	if err != nil {
		return nil, nil, err
	}
	pairings := make([]*xrcp.ControllerPairing, len(all))
	for i, c := range all {
		pairings[i] = c.Pairing
	}
	p, inv, err := a.Find(pairings)
	if err != nil {
		return nil, nil, err
	}
	if err := inv.CheckTime(h.now(), xrcp.DefaultWindow); err != nil {
		return nil, nil, err
	}
	for _, c := range all {
		if c.Pairing == p {
			return c, inv, nil
		}
	}
	return nil, nil, ErrNotFound
}

// hear attaches controllers that announce themselves.
func (h *Host) hear(ctx context.Context, r *discovery.Receiver, via []string) error {
	for {
		a, from, err := r.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		c, inv, err := h.find(ctx, a)
		if err == nil && inv.Host != from.String() {
			err = fmt.Errorf("%w: announced from another address", xrcp.ErrInvitation)
		}
		if err == nil && !h.attached(c.ID, inv) {
			_, err = h.start(ctx, inv, c, true, nil, askOptions{via: via})
		}
		if err != nil && ctx.Err() == nil {
			h.log.Debug("remote: announcement passed over", "err", err)
		}
	}
}

// attached tells whether the session of an invitation is open, or begun.
func (h *Host) attached(id api.RemoteCtrlID, inv *xrcp.SignedInvitation) bool {
	for _, a := range h.sessions() {
		if a.inv.DH == inv.DH || a.ctrlID() == id && a.line().State != "connected" {
			return true
		}
	}
	return false
}

// answer attaches controllers that call.
func (h *Host) answer(ctx context.Context, l net.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, maxCallers)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("remote: listening for controllers: %w", err)
		}
		select {
		case places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		all.Go(func() {
			defer func() { <-places }()
			if err := h.called(ctx, conn); err != nil {
				_ = conn.Close()
				h.log.Debug("remote: caller turned away", "err", err)
			}
		})
	}
}

// called reads what a caller says, and attaches it if it is known.
func (h *Host) called(ctx context.Context, conn net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if err := conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return err
	}
	a, err := ReadCall(conn)
	if err != nil {
		return err
	}
	c, inv, err := h.find(ctx, a)
	if err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	_, err = h.start(ctx, inv, c, true, conn, askOptions{})
	return err
}
