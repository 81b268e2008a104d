package profile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/store/swarmdb"
	"github.com/simplexkit/simplexkit/lib/store/swarmkv"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/online"
)

// openSwarm makes the profile's device of the swarm. It reads nothing yet.
func (p *Profile) openSwarm(dir string) *swarm.Node {
	p.swarmDir = dir
	return swarm.New(swarm.Config{
		Dir:    dir,
		Values: swarmkv.New(p.db),
		Index: func(ctx context.Context) (swarm.Index, error) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return nil, err
			}
			return swarmdb.Open(ctx, filepath.Join(dir, "index.db"))
		},
		Handler: p.Core.TakeSwarm,
		Link:    online.Link,
		Name:    p.name,
		Log:     p.log,
	})
}

// swarmRetry is how long the swarm's network waits when it cannot be opened.
const swarmRetry = time.Minute

// runSwarm has the swarm on the network, as soon as there is an account, until
// ctx ends. A network that cannot be opened is tried again: the chats of the
// profile go on without it.
func (p *Profile) runSwarm(ctx context.Context, s home.Swarm) error {
	if s.Off {
		<-ctx.Done() // who ends before takes the daemon down
		return nil
	}
	for ctx.Err() == nil {
		changed := p.swarm.Changed()
		ok, err := p.swarm.HasAccount(ctx)
		if err == nil && !ok {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err == nil {
			err = p.onlineSwarm(ctx, s)
		}
		if err != nil && ctx.Err() == nil {
			p.log.Warn("the swarm is not on the network", "err", err, "next", swarmRetry)
			select {
			case <-time.After(swarmRetry):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func (p *Profile) onlineSwarm(ctx context.Context, s home.Swarm) error {
	if err := os.MkdirAll(p.swarmDir, 0o700); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	cfg := online.Config{Node: p.swarm, Listen: s.Listen, Bootstrap: s.Bootstrap, LAN: !s.NoLAN, Log: p.log}
	portFile := filepath.Join(p.swarmDir, "port")
	if len(cfg.Listen) == 0 {
		cfg.Listen = listenAt(readPort(portFile))
	}
	o, err := online.Open(ctx, cfg)
	if err != nil && len(s.Listen) == 0 {
		// Somebody else has the port by now.
		cfg.Listen = listenAt(0)
		o, err = online.Open(ctx, cfg)
	}
	if err != nil {
		return err
	}
	if port := portOf(o.Addresses()); port != 0 && len(s.Listen) == 0 {
		if err := os.WriteFile(portFile, []byte(strconv.Itoa(port)+"\n"), 0o600); err != nil {
			return errors.Join(fmt.Errorf("profile: the swarm's port: %w", err), o.Close())
		}
	}
	return o.Run(ctx)
}

// listenAt are all interfaces, at a port; 0 is any free one.
func listenAt(port int) []string {
	var out []string
	for _, ip := range []string{"/ip4/0.0.0.0", "/ip6/::"} {
		out = append(out, fmt.Sprintf("%s/tcp/%d", ip, port), fmt.Sprintf("%s/udp/%d/quic-v1", ip, port))
	}
	return out
}

// readPort is the port that was used last, which invitations name; 0 if there
// is none or if it is taken.
func readPort(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || port < 1 || port > 65535 {
		return 0
	}
	l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
	if err != nil {
		return 0
	}
	l.Close()
	return port
}

// portOf is the TCP port of one of the addresses.
func portOf(addrs []string) int {
	for _, a := range addrs {
		parts := strings.Split(a, "/")
		for i, p := range parts {
			if p == "tcp" && i+1 < len(parts) {
				if n, err := strconv.Atoi(parts[i+1]); err == nil {
					return n
				}
			}
		}
	}
	return 0
}
