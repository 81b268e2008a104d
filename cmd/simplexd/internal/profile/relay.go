package profile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

// firstPort is where an embedded relay listens if it can; the next ports are
// tried after it.
const (
	firstPort = 5223
	portTries = 100
)

// lanHost is the address of this machine that the network it routes through
// sees, or 127.0.0.1 without a network. No packet is sent to find it.
func lanHost() string {
	for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		c, err := net.Dial("udp", far)
		if err != nil {
			continue
		}
		addr, ok := c.LocalAddr().(*net.UDPAddr)
		c.Close()
		if ok && !addr.IP.IsUnspecified() && !addr.IP.IsLoopback() {
			return addr.IP.String()
		}
	}
	return "127.0.0.1"
}

// relay is an embedded relay whose port is open.
type relay struct {
	home     *relayhome.Home
	listener net.Listener
	address  string
	log      *slog.Logger
}

// openRelay opens the embedded relay's port. The first time it settles the
// relay's address: the first free port from 5223 on, and host or else the LAN
// address. Links name both, so later no other will do.
func openRelay(ctx context.Context, h home.Home, host string, log *slog.Logger) (*relay, error) {
	rh, err := relayhome.Load(h.RelayDir())
	var l net.Listener
	switch {
	case err == nil:
		l, err = listen(ctx, rh.Settings.ListenAddr())
	case exit.Code(err) == exit.NoInput:
		if host == "" {
			host = lanHost()
		}
		rh, l, err = settleRelay(ctx, h.RelayDir(), host)
	}
	if err != nil {
		return nil, fmt.Errorf("profile: embedded relay: %w", err)
	}
	return &relay{home: rh, listener: l, address: rh.Address().String(), log: log}, nil
}

// settleRelay makes the relay's home and opens its port.
func settleRelay(ctx context.Context, dir, host string) (*relayhome.Home, net.Listener, error) {
	var l net.Listener
	var err error
	port := firstPort
	for ; port < firstPort+portTries; port++ {
		s := relayhome.Settings{Hosts: []string{host}, Port: strconv.Itoa(port)}
		if l, err = listen(ctx, s.ListenAddr()); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	// Without settings there is no relay: what else may lie there is of an
	// init that did not end.
	rh, err := relayhome.Init(dir, relayhome.Options{Hosts: []string{host}, Port: strconv.Itoa(port), Force: true})
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return rh, l, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

// run serves until ctx ends.
func (r *relay) run(ctx context.Context) error {
	return r.home.Serve(ctx, relayhome.ServeOptions{Listener: r.listener, Logger: r.log})
}

// close closes the port, if run has not.
func (r *relay) close() error {
	if err := r.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("profile: embedded relay: %w", err)
	}
	return nil
}
