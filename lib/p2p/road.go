package p2p

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Road is how a peer is reached; a later one is better.
type Road int

// The roads.
const (
	None Road = iota
	Relayed
	Direct
	LAN
)

// String is the road's name in output.
func (r Road) String() string {
	return [...]string{"none", "relayed", "direct", "lan"}[min(max(r, 0), LAN)]
}

// MarshalText writes the name.
func (r Road) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func roadOf(c network.Conn) Road {
	addr := c.RemoteMultiaddr()
	switch _, err := addr.ValueForProtocol(ma.P_CIRCUIT); {
	case err == nil:
		return Relayed
	case manet.IsPrivateAddr(addr) || manet.IsIPLoopback(addr) || manet.IsIP6LinkLocal(addr) || onLink(addr):
		return LAN
	}
	return Direct
}

// links are the networks of this machine's interfaces, as of a moment ago.
var links struct {
	sync.Mutex
	at   time.Time
	nets []*net.IPNet
}

// onLink tells whether an address is in a network that we are in, be it a
// public one.
func onLink(addr ma.Multiaddr) bool {
	ip, err := manet.ToIP(addr)
	if err != nil {
		return false
	}
	links.Lock()
	defer links.Unlock()
	if now := time.Now(); now.Sub(links.at) > 10*time.Second {
		links.at, links.nets = now, nil
		all, err := net.InterfaceAddrs()
		if err != nil {
			return false
		}
		for _, a := range all {
			if n, ok := a.(*net.IPNet); ok {
				links.nets = append(links.nets, n)
			}
		}
	}
	return slices.ContainsFunc(links.nets, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// PeerStatus is a connected peer.
type PeerStatus struct {
	Peer    PeerID        `json:"peer"`
	Road    Road          `json:"road"`
	Addr    string        `json:"addr"`
	Since   time.Time     `json:"since"`
	Latency time.Duration `json:"latency,omitempty"` // 0 if it was not measured
	Streams int           `json:"streams"`
}

// Peers are the connected peers, by ID; of several connections to one, that on
// the best road.
func (h *Host) Peers() []PeerStatus {
	best := map[PeerID]PeerStatus{}
	for _, c := range h.host.Network().Conns() {
		st := c.Stat()
		p := PeerStatus{Peer: c.RemotePeer(), Road: roadOf(c), Addr: c.RemoteMultiaddr().String(), Since: st.Opened, Streams: len(c.GetStreams())}
		if old, ok := best[p.Peer]; !ok || p.Road > old.Road {
			p.Latency = h.host.Peerstore().LatencyEWMA(p.Peer)
			best[p.Peer] = p
		}
	}
	out := make([]PeerStatus, 0, len(best))
	for _, p := range best {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return cmp.Compare(a.Peer, b.Peer) })
	return out
}

// Road is the best road on which the peer is connected now.
func (h *Host) Road(id PeerID) Road {
	best := None
	for _, c := range h.host.Network().ConnsToPeer(id) {
		best = max(best, roadOf(c))
	}
	return best
}

// Status is what can be said of this host.
type Status struct {
	Peer PeerID `json:"peer"`
	// Addrs are where others may reach it, with relays.
	Addrs []string `json:"addrs"`
	// Reachability is public, private or unknown: what AutoNAT found.
	Reachability string `json:"reachability"`
	// Relays are the relays over which it can be reached now.
	Relays []PeerID `json:"relays"`
	// Bootstrap are the bootstrap nodes, and whether each is connected.
	Bootstrap map[string]bool `json:"bootstrap,omitempty"`
	// Neighbours are devices that announced themselves on the local network.
	Neighbours []PeerID     `json:"neighbours"`
	Peers      []PeerStatus `json:"peers"`
}

// Status says what can be said of this host now.
func (h *Host) Status() Status {
	st := Status{Peer: h.ID(), Addrs: h.Addrs(), Reachability: reachability(h.host.Reachability()),
		Relays: []PeerID{}, Neighbours: h.lan.peers(), Peers: h.Peers()}
	for _, b := range h.bootstrap {
		if st.Bootstrap == nil {
			st.Bootstrap = map[string]bool{}
		}
		st.Bootstrap[b.ID.String()] = h.host.Network().Connectedness(b.ID) == network.Connected
	}
	for _, a := range h.host.Addrs() {
		if id, ok := relayIn(a); ok && !slices.Contains(st.Relays, id) {
			st.Relays = append(st.Relays, id)
		}
	}
	return st
}

func reachability(r network.Reachability) string {
	switch r {
	case network.ReachabilityPublic:
		return "public"
	case network.ReachabilityPrivate:
		return "private"
	}
	return "unknown"
}

// relayIn is the relay of an address over one.
func relayIn(a ma.Multiaddr) (PeerID, bool) {
	if _, err := a.ValueForProtocol(ma.P_CIRCUIT); err != nil {
		return "", false
	}
	text, err := a.ValueForProtocol(ma.P_P2P)
	if err != nil {
		return "", false
	}
	id, err := ParsePeerID(text)
	return id, err == nil
}
