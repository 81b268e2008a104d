package p2p

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	ma "github.com/multiformats/go-multiaddr"
)

// maxReservations is at how many relays the host can be reached.
const maxReservations = 2

// reservations are the relays over which the host can be reached. The library
// has the like, but leaves out relays with private addresses, such as that of a
// house or a firm.
type reservations struct {
	mu    sync.Mutex
	until map[PeerID]time.Time      // guarded by mu
	via   map[PeerID][]ma.Multiaddr // guarded by mu
}

func newReservations() *reservations {
	return &reservations{until: map[PeerID]time.Time{}, via: map[PeerID][]ma.Multiaddr{}}
}

// addrs adds the addresses over relays to those of the host.
func (r *reservations) addrs(own []ma.Multiaddr) []ma.Multiaddr {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(own)
	for _, addrs := range r.via {
		for _, a := range addrs {
			if !ma.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// due tells whether a reservation is to be made or renewed at a relay.
func (r *reservations) due(id PeerID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.until[id]
	return !ok && len(r.until) < maxReservations || ok && until.Sub(now) < 10*time.Minute
}

func (r *reservations) set(id PeerID, until time.Time, via []ma.Multiaddr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until[id], r.via[id] = until, via
}

func (r *reservations) drop(id PeerID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.until[id]
	delete(r.until, id)
	delete(r.via, id)
	return ok
}

// reserve makes or renews a reservation at a bootstrap node that is connected,
// unless the host can be reached without.
func (h *Host) reserve(ctx context.Context, b peer.AddrInfo) {
	if h.cfg.Serve || h.host.Reachability() == network.ReachabilityPublic || !h.reserved.due(b.ID, time.Now()) {
		return
	}
	got, err := circuit.Reserve(ctx, h.host, b)
	if err != nil {
		h.log.Debug("relay: no reservation", "err", err)
		return
	}
	via, err := ma.NewMultiaddr("/p2p/" + b.ID.String() + "/p2p-circuit")
	if err != nil {
		return
	}
	var addrs []ma.Multiaddr
	for _, a := range b.Addrs {
		addrs = append(addrs, a.Encapsulate(via))
	}
	h.reserved.set(b.ID, got.Expiration, addrs)
	h.Protect(b.ID, "relay")
	h.nudge()
}

// nudge has the host look at its addresses again and tell others.
func (h *Host) nudge() {
	if err := h.changed.Emit(event.EvtAutoRelayAddrsUpdated{}); err != nil {
		h.log.Debug("relay: addresses", "err", err)
	}
}
