package p2p

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// lanService is the name under which devices announce themselves.
	lanService = "_simplexkit._udp"
	// lanTTL is how long an announced address is believed.
	lanTTL = 10 * time.Minute
	// maxNeighbours bounds what announcements of strangers cost.
	maxNeighbours = 512
)

// lan is what is known of the local network.
type lan struct {
	h     *Host
	found chan PeerID   // read by Run
	moved chan struct{} // the host's addresses changed

	mu   sync.Mutex
	seen map[PeerID]time.Time // until when, guarded by mu
}

func newLAN(h *Host) *lan {
	return &lan{h: h, found: make(chan PeerID, 64), moved: make(chan struct{}, 1), seen: map[PeerID]time.Time{}}
}

// run announces the host's addresses and hears others'; when the addresses
// change, it announces again.
func (l *lan) run(ctx context.Context) {
	wait := time.Second
	for {
		s := mdns.NewMdnsService(l.h.host, lanService, l)
		if err := s.Start(); err != nil {
			// No interface that can do multicast; one may come.
			l.h.log.Debug("no announcement on the local network", "err", err)
			_ = s.Close()
			if wait = min(2*wait, time.Minute); !sleep(ctx, wait) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			_ = s.Close()
			return
		case <-l.moved:
			_ = s.Close()
			if !sleep(ctx, 2*time.Second) { // several addresses change at once
				return
			}
		}
	}
}

// HandlePeerFound hears of a device. What it says is a hint: who answers at an
// address must prove its ID.
func (l *lan) HandlePeerFound(info peer.AddrInfo) {
	if info.ID == l.h.ID() || len(info.Addrs) == 0 {
		return
	}
	now := time.Now()
	l.mu.Lock()
	until, old := l.seen[info.ID]
	if !old && len(l.seen) >= maxNeighbours {
		l.forgetLocked(now)
	}
	ok := old || len(l.seen) < maxNeighbours
	if ok {
		l.seen[info.ID] = now.Add(lanTTL)
	}
	l.mu.Unlock()
	if !ok {
		return
	}
	addrs := info.Addrs[:min(len(info.Addrs), maxAddrs)]
	l.h.host.Peerstore().AddAddrs(info.ID, slices.DeleteFunc(slices.Clone(addrs), func(a ma.Multiaddr) bool { return a == nil }), lanTTL)
	if old && now.Before(until) && l.h.Road(info.ID) != None {
		return
	}
	select {
	case l.found <- info.ID:
	default: // it announces itself again
	}
}

func (l *lan) forgetLocked(now time.Time) {
	for id, until := range l.seen {
		if now.After(until) {
			delete(l.seen, id)
		}
	}
}

// peers are the devices heard of lately.
func (l *lan) peers() []PeerID {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetLocked(time.Now())
	out := make([]PeerID, 0, len(l.seen))
	for id := range l.seen {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
