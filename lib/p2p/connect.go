package p2p

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

// Errors of Connect and Open.
var (
	// ErrRefused means that Config.Admit does not want the peer.
	ErrRefused = errors.New("p2p: the peer is banned or not wanted here")
	// ErrNoRoad means that no way to the peer worked.
	ErrNoRoad = errors.New("p2p: no road to the peer")
	// ErrProtocol means that the peer does not speak the protocol.
	ErrProtocol = errors.New("p2p: the peer does not speak the protocol")
)

// maxAddrs is how many addresses of a peer are kept from one source.
const maxAddrs = 16

// AddAddrs remembers where a peer may be, for ttl. Addresses are multiaddrs,
// with or without /p2p/ID; those that are none are left out.
func (h *Host) AddAddrs(id PeerID, addrs []string, ttl time.Duration) {
	var list []ma.Multiaddr
	for _, text := range addrs[:min(len(addrs), maxAddrs)] {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			continue
		}
		if rest, last := ma.SplitLast(a); last != nil && last.Protocol().Code == ma.P_P2P {
			if last.Value() != id.String() {
				continue
			}
			a = rest
		}
		if a != nil {
			list = append(list, a)
		}
	}
	h.host.Peerstore().AddAddrs(id, list, ttl)
}

// Known tells whether an address of the peer is known, or it is connected.
func (h *Host) Known(id PeerID) bool {
	return h.Road(id) != None || len(h.host.Peerstore().Addrs(id)) > 0
}

// Connect connects to a peer on the best road there is: addresses that are
// known, a bootstrap node as a relay, the DHT's. It returns at once if there is
// a connection. The error is ErrRefused, ErrNoRoad or ctx's, each possibly
// wrapped.
func (h *Host) Connect(ctx context.Context, id PeerID) error {
	if h.cfg.Admit != nil && !h.cfg.Admit(id) {
		return ErrRefused
	}
	if id == h.ID() {
		return fmt.Errorf("%w: it is this device", ErrNoRoad)
	}
	allow := network.WithAllowLimitedConn(ctx, "simplexkit")
	if h.Road(id) != None {
		return nil
	}
	tries := []func() ([]ma.Multiaddr, error){
		func() ([]ma.Multiaddr, error) { return h.host.Peerstore().Addrs(id), nil },
		// A relay that does not know the peer says so at once; the DHT takes
		// its time.
		func() ([]ma.Multiaddr, error) { return h.circuits(id), nil },
		func() ([]ma.Multiaddr, error) { return h.find.addrs(ctx, id) },
	}
	cause := errors.New("no address is known")
	for _, try := range tries {
		addrs, err := try()
		if err == nil && len(addrs) > 0 {
			err = h.host.Connect(allow, peer.AddrInfo{ID: id, Addrs: addrs})
		}
		if h.Road(id) != None {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("p2p: connect: %w", ctx.Err())
		}
		if err != nil {
			cause = err
			h.clearBackoff(id)
		}
	}
	return fmt.Errorf("%w: %v", ErrNoRoad, cause)
}

// clearBackoff lets another road be tried at once: when to try again is the
// caller's to say.
func (h *Host) clearBackoff(id PeerID) {
	if sw, ok := h.host.Network().(*swarm.Swarm); ok {
		sw.Backoff().Clear(id)
	}
}

// circuits are the addresses of a peer over each bootstrap node.
func (h *Host) circuits(id PeerID) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, b := range h.bootstrap {
		if b.ID == id {
			continue
		}
		via, err := ma.NewMultiaddr("/p2p/" + b.ID.String() + "/p2p-circuit")
		if err != nil {
			continue
		}
		for _, a := range b.Addrs {
			out = append(out, a.Encapsulate(via))
		}
	}
	return out
}

// Open opens a stream of a protocol to a peer, connecting first if need be.
// The error is one of Connect's, or ErrProtocol.
func (h *Host) Open(ctx context.Context, id PeerID, proto string) (*Stream, error) {
	if err := h.Connect(ctx, id); err != nil {
		return nil, err
	}
	ctx = network.WithAllowLimitedConn(ctx, "simplexkit")
	s, err := h.host.NewStream(network.WithNoDial(ctx, "simplexkit"), id, protocol.ID(proto))
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("p2p: open stream: %w", ctx.Err())
		}
		if isNotSupported(err) {
			return nil, ErrProtocol
		}
		return nil, fmt.Errorf("%w: %v", ErrNoRoad, err)
	}
	return newStream(s, h.cfg.Idle), nil
}

// Disconnect ends the connections to a peer.
func (h *Host) Disconnect(id PeerID) { _ = h.host.Network().ClosePeer(id) }

// Recheck asks Config.Admit about all connected peers again, and ends the
// connections of those that may not be.
func (h *Host) Recheck() {
	if h.cfg.Admit == nil {
		return
	}
	for _, id := range h.host.Network().Peers() {
		if !h.cfg.Admit(id) {
			h.Disconnect(id)
		}
	}
}

// Protect keeps the connection manager from ending connections to a peer that
// is needed, under a tag; Unprotect takes it back.
func (h *Host) Protect(id PeerID, tag string) { h.host.ConnManager().Protect(id, tag) }

// Unprotect takes back a Protect.
func (h *Host) Unprotect(id PeerID, tag string) { h.host.ConnManager().Unprotect(id, tag) }

// keepBootstrap keeps addresses of the bootstrap nodes for good.
func (h *Host) keepBootstrap() {
	for _, b := range h.bootstrap {
		h.host.Peerstore().AddAddrs(b.ID, b.Addrs, peerstore.PermanentAddrTTL)
		h.Protect(b.ID, "bootstrap")
	}
}
