package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/simplexkit/simplexkit/lib/transport"
)

// Flip has a controller call this host, where the host cannot call the
// controller: it waits on a port of its own and says so.
//
//	host                                    controller
//	 │ listens                                   │
//	 ├── "192.0.2.7:41234\n", UDP or TCP ───────▶│
//	 │◀───────────────────────── connects, TCP ──┤
//	 │◀═════════════ TLS as ever ═══════════════▶│
//
// Only who opens the connection changes, not who proves what in it.
type Flip struct {
	// Controller is host:port, as in the invitation.
	Controller string
	// Network is "udp" or "tcp": how the location is told.
	Network string
	Dial    transport.DialFunc // nil is a net.Dialer
	// Every is the time between two tries; 0 is [Every].
	Every time.Duration
	// Addr and Port are where to wait; zero is the address that packets to the
	// controller leave from, and any port.
	Addr netip.Addr
	Port uint16
}

// maxStrangers bounds how many connections of others than the controller are
// turned away.
const maxStrangers = 64

// Open waits for the controller's call until ctx ends. What calls has the
// controller's address and is not known to be the controller. The errors are
// ctx's and the network's.
func (f Flip) Open(ctx context.Context) (net.Conn, error) {
	if f.Dial == nil {
		f.Dial = new(net.Dialer).DialContext
	}
	if f.Every == 0 {
		f.Every = Every
	}
	local, remote, err := f.route(ctx)
	if err != nil {
		return nil, fmt.Errorf("discovery: waiting for the controller's call: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(local, f.Port).String())
	if err != nil {
		return nil, fmt.Errorf("discovery: waiting for the controller's call: %w", err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	telling := make(chan error, 1)
	go func() {
		err := f.tell(ctx, netip.AddrPortFrom(local, PortOf(l)))
		if err != nil {
			_ = l.Close() // nobody will call
		}
		telling <- err
	}()
	c, err := accept(l, remote)
	ended := ctx.Err()
	cancel()
	if told := <-telling; told != nil && err != nil {
		err = told
	}
	if err != nil && ended != nil {
		err = ended
	}
	return c, err
}

// route finds the addresses of both ends, without sending anything.
func (f Flip) route(ctx context.Context) (local, remote netip.Addr, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "udp", f.Controller)
	if err != nil {
		return local, remote, err
	}
	defer func() { _ = c.Close() }()
	if local = f.Addr; !local.IsValid() {
		local = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	}
	return local, c.RemoteAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

func accept(l net.Listener, from netip.Addr) (net.Conn, error) {
	for range maxStrangers {
		c, err := l.Accept()
		if err != nil {
			return nil, fmt.Errorf("discovery: waiting for the controller's call: %w", err)
		}
		if addrOf(c.RemoteAddr()) == from {
			return c, nil
		}
		_ = c.Close()
	}
	return nil, errors.New("discovery: strangers call, and the controller does not")
}

func addrOf(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

// tell says the location again and again, until ctx ends, which is no error.
func (f Flip) tell(ctx context.Context, at netip.AddrPort) error {
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	line := AppendLocation(nil, at)
	for {
		// A controller that is away may come back.
		if err := f.tellOnce(ctx, line); err != nil && !tellAgain(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func tellAgain(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (f Flip) tellOnce(ctx context.Context, line []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 10*f.Every)
	defer cancel()
	c, err := f.Dial(ctx, f.Network, f.Controller)
	if err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(10 * f.Every)) // sockets have deadlines
	_, err = c.Write(line)
	return errors.Join(err, c.Close())
}
