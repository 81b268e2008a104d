package relays

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// turns goes round the relays of the configuration.
type turns struct{ next atomic.Uint32 }

// Choose gives the relays to make a queue on, the best first: want alone, or
// those of the configuration. There, relays of operators other than those of
// used come first, then other relays of theirs, then the rest, the first of
// used last; within these they take turns. The errors are [ErrNoServers] and [ErrAddress].
func (p *Pool) Choose(want string, used ...string) ([]smp.AuthServer, error) {
	all := p.cfg.Servers
	if want != "" {
		for _, s := range all {
			if s.ServerAddr.String() == want {
				return []smp.AuthServer{s}, nil // with its password
			}
		}
		s, err := smp.ParseAuthServer(want)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAddress, err)
		}
		return []smp.AuthServer{s}, nil
	}
	if len(all) == 0 {
		return nil, ErrNoServers
	}
	n := int(p.turns.next.Add(1)-1) % len(all)
	out := slices.Concat(all[n:], all[:n])
	far := p.cfg.Network.distance(all, used)
	slices.SortStableFunc(out, func(a, b smp.AuthServer) int { return far(b.ServerAddr) - far(a.ServerAddr) })
	return out, nil
}

// distance is how different a relay is from those that are in use: 3 for
// another operator, 2 for another relay, 0 for the first of those in use.
func (n Network) distance(all []smp.AuthServer, used []string) func(smp.ServerAddr) int {
	hosts, operators := map[string]int{}, map[string]bool{}
	for i, text := range used {
		a, err := smp.ParseServerAddr(text)
		if err != nil {
			continue
		}
		for _, h := range a.Hosts {
			if _, ok := hosts[endpoint(h, a.Port)]; !ok {
				hosts[endpoint(h, a.Port)] = min(i, 1)
			}
		}
		known := slices.ContainsFunc(all, func(s smp.AuthServer) bool { return sameHost(s.ServerAddr, a) })
		if op := n.operator(a); op != "" || known {
			operators[op] = true
		}
	}
	return func(a smp.ServerAddr) int {
		for _, h := range a.Hosts {
			if d, ok := hosts[endpoint(h, a.Port)]; ok {
				return d
			}
		}
		if operators[n.operator(a)] {
			return 2
		}
		return 3
	}
}

// endpoint tells relays of one host apart.
func endpoint(host, port string) string { return host + " " + port }

func sameHost(a, b smp.ServerAddr) bool {
	return a.Port == b.Port && slices.ContainsFunc(a.Hosts, func(h string) bool { return slices.Contains(b.Hosts, h) })
}

// known tells whether a relay is of the configuration.
func (p *Pool) known(a smp.ServerAddr) bool {
	return slices.ContainsFunc(p.cfg.Servers, func(s smp.AuthServer) bool { return sameHost(s.ServerAddr, a) })
}
