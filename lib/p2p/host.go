package p2p

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
)

type eventBus = event.Bus

// Config is what a host is made of. Only Key is needed.
type Config struct {
	// Key is the device's: *rsa.PrivateKey or ed25519.PrivateKey.
	Key crypto.PrivateKey
	// Listen are multiaddrs; nil means all interfaces, any free port, TCP and
	// QUIC, IPv4 and IPv6. An empty list means that nobody can dial.
	Listen []string
	// Bootstrap are multiaddrs, with /p2p/ID, of nodes of the rendez-vous; they
	// are relays too. Without any, only the local network and addresses that
	// are given are used.
	Bootstrap []string
	// LAN announces the device on the local network and looks for others.
	LAN bool
	// Reachability overrides what AutoNAT finds: "public", "private", or "".
	// A private host keeps reservations at relays.
	Reachability string
	// Serve makes the host a node for others: DHT server, relay, AutoNAT.
	Serve bool
	// Relay are the limits of a host that serves; zero values mean defaults.
	Relay RelayLimits
	// Admit is asked whether a peer may be dialled, and may connect; nil means
	// all may. It is called from many goroutines and must not block. Call
	// [Host.Recheck] when its answers change.
	Admit func(PeerID) bool
	// DialAddr is asked whether an address may be dialled; nil means all may.
	DialAddr func(addr string) bool
	// OnPeer hears of peers that come and go, OnFound of devices on the local
	// network. Both are called by Run, one call at a time.
	OnPeer  func(id PeerID, connected bool)
	OnFound func(id PeerID)
	// Idle is the idle time of streams; 0 means DefaultIdle.
	Idle      time.Duration
	UserAgent string
	Logger    *slog.Logger
}

func (c *Config) listen() []string {
	if c.Listen != nil {
		return c.Listen
	}
	return []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1"}
}

func (c *Config) perIP() int {
	if c.Serve { // many devices may share an address behind a NAT
		return 256
	}
	return 32
}

func (c *Config) connsLow() int {
	if c.Serve {
		return 3000
	}
	return 160
}

func (c *Config) connsHigh() int { return c.connsLow() + c.connsLow()/4 }

// Host is a device on the network.
type Host struct {
	cfg       Config
	log       *slog.Logger
	host      *node
	bootstrap []peer.AddrInfo
	lan       *lan
	find      *finder
	relay     *relay.Relay // if it serves
	meter     meter
	reserved  *reservations
	changed   event.Emitter

	// ctx is that of all handlers; it ends with Close.
	ctx    context.Context
	cancel context.CancelFunc
	// handlers are the handlers that run.
	handlers sync.WaitGroup
	mu       sync.Mutex
	closed   bool // guarded by mu
}

// Open opens the sockets. The library's goroutines run from here on; Close
// waits for them. [Host.Run] does what goes on in time.
func Open(cfg Config) (*Host, error) {
	if _, set := os.LookupEnv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"); !set {
		// The kernel's limit is nothing that the user of a chat should read of.
		_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	}
	priv, err := privateKey(cfg.Key)
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, log: cfg.Logger, reserved: newReservations()}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.bootstrap, err = parseAddrs(cfg.Bootstrap); err != nil {
		return nil, err
	}
	if h.host, err = newNode(&h.cfg, priv, h.reserved.addrs); err != nil {
		return nil, fmt.Errorf("p2p: open: %w", err)
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.lan = newLAN(h)
	if err := h.services(); err != nil {
		return nil, fmt.Errorf("p2p: open: %w", errors.Join(err, h.Close()))
	}
	return h, nil
}

// parseAddrs reads multiaddrs that name their peers; addresses of one peer are
// joined.
func parseAddrs(texts []string) ([]peer.AddrInfo, error) {
	var all []ma.Multiaddr
	for _, t := range texts {
		a, err := ma.NewMultiaddr(t)
		if err != nil {
			return nil, fmt.Errorf("p2p: parse address %q: %v", t, err)
		}
		all = append(all, a)
	}
	infos, err := peer.AddrInfosFromP2pAddrs(all...)
	if err != nil {
		return nil, fmt.Errorf("p2p: parse addresses: %v (each must end in /p2p/ID)", err)
	}
	return infos, nil
}

// ID is the host's own ID.
func (h *Host) ID() PeerID { return h.host.ID() }

// Addrs are the addresses that others may dial, each with /p2p/ID.
func (h *Host) Addrs() []string {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.ID(), Addrs: h.host.Addrs()})
	if err != nil {
		return nil
	}
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}

// PublicKey is the key of a peer that is or was connected.
func (h *Host) PublicKey(id PeerID) (crypto.PublicKey, error) {
	k := h.host.Peerstore().PubKey(id)
	if k == nil {
		return nil, fmt.Errorf("p2p: the key of the peer is not known")
	}
	return standard(k)
}

// Handle has fn serve the streams of a protocol that peers open. fn runs in a
// goroutine of its own for each; its context ends with the host. The stream is
// closed when fn returns nil and reset when it returns an error.
func (h *Host) Handle(proto string, fn func(ctx context.Context, s *Stream) error) {
	h.host.SetStreamHandler(protocol.ID(proto), func(s network.Stream) {
		h.mu.Lock()
		if h.closed {
			h.mu.Unlock()
			_ = s.Reset()
			return
		}
		h.handlers.Add(1)
		h.mu.Unlock()
		defer h.handlers.Done()
		if h.cfg.Admit != nil && !h.cfg.Admit(s.Conn().RemotePeer()) {
			_ = s.Reset()
			return
		}
		st := newStream(s, h.cfg.Idle)
		release := st.Guard(h.ctx)
		defer release()
		if err := fn(h.ctx, st); err != nil {
			h.log.Debug("stream", "protocol", proto, "err", err)
			st.Reset()
			return
		}
		_ = st.Close()
	})
}

// Unhandle ends the serving of a protocol; streams that run go on.
func (h *Host) Unhandle(proto string) { h.host.RemoveStreamHandler(protocol.ID(proto)) }

// Close ends all connections and waits for all goroutines.
func (h *Host) Close() error {
	h.mu.Lock()
	again := h.closed
	h.closed = true
	h.mu.Unlock()
	if again {
		return nil
	}
	h.cancel()
	if h.relay != nil {
		_ = h.relay.Close()
	}
	if h.changed != nil {
		_ = h.changed.Close()
	}
	h.find.close()
	err := h.host.closeAll()
	h.handlers.Wait()
	return err
}
