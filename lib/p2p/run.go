package p2p

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
)

// RelayLimits bound what a host that serves does for others.
type RelayLimits struct {
	Reservations int           // devices that can be reached over it; 0 means 1024
	Circuits     int           // connections at once for each device; 0 means 64
	Duration     time.Duration // of a relayed connection; 0 means 2 h
	Data         int64         // bytes of a relayed connection, each way; 0 means 1 GiB
}

func (l RelayLimits) resources() relay.Resources {
	r := relay.DefaultResources()
	r.MaxReservations, r.MaxCircuits = or(l.Reservations, 1024), or(l.Circuits, 64)
	r.MaxReservationsPerIP, r.MaxReservationsPerASN = 256, r.MaxReservations
	r.BufferSize = 16 << 10
	r.Limit = &relay.RelayLimit{Duration: or(l.Duration, 2*time.Hour), Data: or(l.Data, 1<<30)}
	return r
}

func or[T comparable](v, instead T) T {
	var zero T
	if v == zero {
		return instead
	}
	return v
}

// services starts what the configuration asks for.
func (h *Host) services() (err error) {
	h.keepBootstrap()
	if h.find, err = newFinder(h); err != nil {
		return err
	}
	if h.changed, err = h.host.EventBus().Emitter(new(event.EvtAutoRelayAddrsUpdated)); err != nil {
		return err
	}
	if h.cfg.Serve {
		h.relay, err = relay.New(h.host, relay.WithResources(h.cfg.Relay.resources()), relay.WithMetricsTracer(&h.meter))
	}
	return err
}

// Run announces the host, keeps it connected to its bootstrap nodes, and calls
// OnPeer and OnFound, until ctx ends. It waits for all that it started.
func (h *Host) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(h.ctx, cancel)()
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	sub, err := h.host.EventBus().Subscribe([]any{new(event.EvtPeerConnectednessChanged), new(event.EvtLocalAddressesUpdated)}, eventbus.BufSize(256))
	if err != nil {
		return err
	}
	defer sub.Close()
	moved := make(chan struct{}, 1)
	if h.cfg.LAN {
		all.Go(func() { h.lan.run(ctx) })
	}
	lost := map[PeerID]chan struct{}{}
	for _, b := range h.bootstrap {
		c := make(chan struct{}, 1)
		lost[b.ID] = c
		all.Go(func() { h.keepConnected(ctx, b, c) })
	}
	all.Go(func() { h.find.run(ctx, moved) })
	if len(h.bootstrap) > 0 {
		all.Go(func() { h.upgrade(ctx) })
	}
	for _, id := range h.host.Network().Peers() {
		h.tell(id, true)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-h.lan.found:
			if h.cfg.OnFound != nil {
				h.cfg.OnFound(id)
			}
		case e, ok := <-sub.Out():
			if !ok {
				return nil
			}
			h.hear(e, moved, lost)
		}
	}
}

func (h *Host) hear(e any, moved chan struct{}, lost map[PeerID]chan struct{}) {
	switch e := e.(type) {
	case event.EvtPeerConnectednessChanged:
		if c := lost[e.Peer]; c != nil && e.Connectedness == network.NotConnected {
			if h.reserved.drop(e.Peer) {
				h.nudge()
			}
			poke(c)
		}
		h.tell(e.Peer, e.Connectedness != network.NotConnected)
	case event.EvtLocalAddressesUpdated:
		poke(moved)
		poke(h.lan.moved)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (h *Host) tell(id PeerID, connected bool) {
	if h.cfg.OnPeer != nil {
		h.cfg.OnPeer(id, connected)
	}
}

// keepConnected connects to a bootstrap node again and again, more rarely the
// longer it is away, and keeps a reservation there.
func (h *Host) keepConnected(ctx context.Context, b peer.AddrInfo, lost <-chan struct{}) {
	wait := time.Second
	for {
		c, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := h.host.Connect(c, b)
		if err == nil {
			h.reserve(c, b)
			wait = 5 * time.Minute
		} else {
			h.clearBackoff(b.ID)
			h.log.Debug("bootstrap node", "err", err)
			wait = min(2*wait, 5*time.Minute)
		}
		cancel()
		timer := time.NewTimer(wait*3/4 + rand.N(wait/2))
		select {
		case <-timer.C:
		case <-lost:
			wait = time.Second
			if !sleep(ctx, wait) {
				timer.Stop()
				return
			}
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// sleep waits d, a little more or less, and tells whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d*3/4 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
