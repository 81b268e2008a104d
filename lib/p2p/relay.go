package p2p

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
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

// Counters is what a host that serves has done since it was opened.
type Counters struct {
	Connections  int   // peers that are connected now
	Reservations int64 // devices that can be reached over it now
	Circuits     int64 // relayed connections now
	CircuitsAll  int64 // relayed connections in all
	Refused      int64 // requests for either that were refused
	Bytes        int64 // relayed in all
}

// meter counts what the relay tells.
type meter struct {
	reservations, circuits, circuitsAll, refused, bytes atomic.Int64
}

var _ relay.MetricsTracer = (*meter)(nil)

// RelayStatus does nothing: whether it serves is known.
func (m *meter) RelayStatus(bool) {}

// ConnectionOpened counts a relayed connection.
func (m *meter) ConnectionOpened() { m.circuits.Add(1); m.circuitsAll.Add(1) }

// ConnectionClosed counts it back.
func (m *meter) ConnectionClosed(time.Duration) { m.circuits.Add(-1) }

// ConnectionRequestHandled counts what was refused.
func (m *meter) ConnectionRequestHandled(s pb.Status) { m.handled(s) }

// ReservationAllowed counts a reservation that is no renewal.
func (m *meter) ReservationAllowed(renewal bool) {
	if !renewal {
		m.reservations.Add(1)
	}
}

// ReservationClosed counts reservations back.
func (m *meter) ReservationClosed(n int) { m.reservations.Add(-int64(n)) }

// ReservationRequestHandled counts what was refused.
func (m *meter) ReservationRequestHandled(s pb.Status) { m.handled(s) }

// BytesTransferred counts bytes.
func (m *meter) BytesTransferred(n int) { m.bytes.Add(int64(n)) }

func (m *meter) handled(s pb.Status) {
	if s != pb.Status_OK {
		m.refused.Add(1)
	}
}

// Counters says what a host that serves has done.
func (h *Host) Counters() Counters {
	m := &h.meter
	return Counters{Connections: len(h.host.Network().Peers()), Reservations: m.reservations.Load(), Circuits: m.circuits.Load(),
		CircuitsAll: m.circuitsAll.Load(), Refused: m.refused.Load(), Bytes: m.bytes.Load()}
}

const (
	upgradeFirst = 5 * time.Second
	upgradeLast  = 10 * time.Minute
)

// upgrade tries to reach peers directly that are connected over a relay alone.
// The library tries when a relayed connection begins, and not again: addresses
// that come later, or a network that is joined, it misses.
func (h *Host) upgrade(ctx context.Context) {
	type try struct {
		at   time.Time
		wait time.Duration
	}
	tries := map[PeerID]try{}
	for sleep(ctx, upgradeFirst) {
		now := time.Now()
		relayed := map[PeerID]bool{}
		for _, p := range h.Peers() {
			if p.Road != Relayed {
				continue
			}
			relayed[p.Peer] = true
			t := tries[p.Peer]
			if now.Before(t.at) {
				continue
			}
			h.clearBackoff(p.Peer)
			c, cancel := context.WithTimeout(network.WithForceDirectDial(ctx, "simplexkit"), 10*time.Second)
			err := h.host.Connect(c, peer.AddrInfo{ID: p.Peer})
			cancel()
			if err != nil {
				t.wait = min(max(2*t.wait, 2*upgradeFirst), upgradeLast)
				t.at = now.Add(t.wait)
				tries[p.Peer] = t
			}
		}
		for id := range tries {
			if !relayed[id] {
				delete(tries, id)
			}
		}
	}
}
