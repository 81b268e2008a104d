package p2p

import (
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"time"

	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/host/autonat"
	bhost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/observedaddrs"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quict "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/quic-go/quic-go"
	"golang.org/x/crypto/hkdf"
)

// node is the libp2p host put together by hand: TCP and QUIC, TLS 1.3, yamux,
// circuits. The library's own constructor would bring WebRTC, WebTransport and
// WebSocket into the programs.
type node struct {
	*bhost.BasicHost
	quic     *quicreuse.ConnManager
	observed *observedaddrs.Manager
	dialer   *swarm.Swarm // of the AutoNAT service, or nil
	limits   network.ResourceManager
	up       upgradeAll
	addrs    func([]ma.Multiaddr) []ma.Multiaddr
}

type upgradeAll struct {
	priv  lcrypto.PrivKey
	gate  *gate
	rm    network.ResourceManager
	quicm *quicreuse.ConnManager
}

// transports adds TCP and QUIC to sw.
func (u upgradeAll) transports(sw *swarm.Swarm) error {
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	secure, err := tls.New(tls.ID, u.priv, muxers)
	if err != nil {
		return err
	}
	up, err := upgrader.New([]sec.SecureTransport{secure}, muxers, nil, u.rm, u.gate)
	if err != nil {
		return err
	}
	t, err := tcp.NewTCPTransport(up, u.rm, nil)
	if err != nil {
		return err
	}
	q, err := quict.NewTransport(u.priv, u.quicm, nil, u.gate, u.rm)
	if err != nil {
		return err
	}
	return errors.Join(sw.AddTransport(t), sw.AddTransport(q))
}

func (u upgradeAll) circuits(h *bhost.BasicHost) error {
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	secure, err := tls.New(tls.ID, u.priv, muxers)
	if err != nil {
		return err
	}
	up, err := upgrader.New([]sec.SecureTransport{secure}, muxers, nil, u.rm, u.gate)
	if err != nil {
		return err
	}
	return circuit.AddTransport(h, up)
}

func quicManager(priv lcrypto.PrivKey) (*quicreuse.ConnManager, error) {
	raw, err := priv.Raw()
	if err != nil {
		return nil, err
	}
	var reset quic.StatelessResetKey
	var token quic.TokenGeneratorKey
	for info, out := range map[string][]byte{"simplexkit quic reset": reset[:], "simplexkit quic token": token[:]} {
		if _, err := io.ReadFull(hkdf.New(sha256.New, raw, nil, []byte(info)), out); err != nil {
			return nil, err
		}
	}
	return quicreuse.NewConnManager(reset, token)
}

// limits bound what all peers together may take of memory, connections and
// streams; perIP is how many connections one address may have.
func limits(perIP int) (network.ResourceManager, error) {
	l := rcmgr.DefaultLimits.AutoScale()
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(l), rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{ConnCount: perIP, PrefixLength: 32}},
			[]rcmgr.ConnLimitPerSubnet{{ConnCount: perIP, PrefixLength: 64}, {ConnCount: 8 * perIP, PrefixLength: 48}}))
}

func newNode(cfg *Config, priv lcrypto.PrivKey, addrs func([]ma.Multiaddr) []ma.Multiaddr) (n *node, err error) {
	n = &node{addrs: addrs}
	defer func() {
		if err != nil {
			n.closeParts()
		}
	}()
	id, err := peer.IDFromPrivateKey(priv)
	if err != nil {
		return n, err
	}
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return n, err
	}
	if err := errors.Join(store.AddPrivKey(id, priv), store.AddPubKey(id, priv.GetPublic())); err != nil {
		return n, err
	}
	if n.limits, err = limits(cfg.perIP()); err != nil {
		return n, err
	}
	if n.quic, err = quicManager(priv); err != nil {
		return n, err
	}
	bus := eventbus.NewBus()
	g := &gate{admit: cfg.Admit, dials: cfg.DialAddr}
	sw, err := swarm.NewSwarm(id, store, bus, swarm.WithConnectionGater(g), swarm.WithResourceManager(n.limits),
		swarm.WithUDPBlackHoleSuccessCounter(nil), swarm.WithIPv6BlackHoleSuccessCounter(nil))
	if err != nil {
		return n, err
	}
	n.up = upgradeAll{priv, g, n.limits, n.quic}
	if err := n.up.transports(sw); err != nil {
		return n, errors.Join(err, sw.Close())
	}
	if n.observed, err = observedaddrs.NewManager(bus, sw); err != nil {
		return n, errors.Join(err, sw.Close())
	}
	n.observed.Start(sw)
	if err := n.open(cfg, sw, bus); err != nil {
		return n, errors.Join(err, sw.Close())
	}
	return n, nil
}

// open puts a host on the swarm and listens.
func (n *node) open(cfg *Config, sw *swarm.Swarm, bus eventBus) error {
	conns, err := connmgr.NewConnManager(cfg.connsLow(), cfg.connsHigh(), connmgr.WithGracePeriod(time.Minute))
	if err != nil {
		return err
	}
	h, err := bhost.NewHost(sw, &bhost.HostOpts{
		EventBus: bus, ConnManager: conns, AddrsFactory: n.addrs, ObservedAddrsManager: n.observed,
		UserAgent: cfg.UserAgent, ProtocolVersion: "simplexkit/1",
		EnableHolePunching: !cfg.Serve, NegotiationTimeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	n.BasicHost = h
	if err := n.up.circuits(h); err != nil {
		return err
	}
	var addrs []ma.Multiaddr
	for _, text := range cfg.listen() {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return err
		}
		addrs = append(addrs, a)
	}
	if len(addrs) > 0 {
		if err := sw.Listen(addrs...); err != nil {
			return err
		}
	}
	h.Start()
	return n.autonat(cfg, bus)
}

// autonat learns from others whether this host can be reached, and, on a node
// that serves, tells others.
func (n *node) autonat(cfg *Config, bus eventBus) error {
	opts := []autonat.Option{autonat.UsingAddresses(func() []ma.Multiaddr {
		return slices.DeleteFunc(n.AllAddrs(), func(a ma.Multiaddr) bool { return !manet.IsPublicAddr(a) })
	})}
	switch {
	case cfg.Serve:
		opts = append(opts, autonat.WithReachability(network.ReachabilityPublic))
		dialer, err := n.natDialer()
		if err != nil {
			return err
		}
		n.dialer = dialer
		opts = append(opts, autonat.EnableService(dialer))
	case cfg.Reachability == "public":
		opts = append(opts, autonat.WithReachability(network.ReachabilityPublic))
	case cfg.Reachability == "private":
		opts = append(opts, autonat.WithReachability(network.ReachabilityPrivate))
	}
	a, err := autonat.New(n.BasicHost, opts...)
	if err != nil {
		return err
	}
	n.SetAutoNat(a)
	return nil
}

// natDialer dials back with a key of its own.
func (n *node) natDialer() (*swarm.Swarm, error) {
	priv, _, err := lcrypto.GenerateEd25519Key(nil)
	if err != nil {
		return nil, err
	}
	id, err := peer.IDFromPrivateKey(priv)
	if err != nil {
		return nil, err
	}
	store, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(store.AddPrivKey(id, priv), store.AddPubKey(id, priv.GetPublic())); err != nil {
		return nil, err
	}
	sw, err := swarm.NewSwarm(id, store, eventbus.NewBus(), swarm.WithResourceManager(n.limits),
		swarm.WithDialRanker(swarm.NoDelayDialRanker),
		swarm.WithUDPBlackHoleSuccessCounter(nil), swarm.WithIPv6BlackHoleSuccessCounter(nil))
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if err := (upgradeAll{priv, &gate{}, n.limits, n.quic}).transports(sw); err != nil {
		return nil, errors.Join(err, sw.Close(), store.Close())
	}
	return sw, nil
}

// closeAll ends the host and waits for its goroutines.
func (n *node) closeAll() error {
	err := n.BasicHost.Close()
	n.closeParts()
	return err
}

func (n *node) closeParts() {
	if n.observed != nil {
		_ = n.observed.Close()
	}
	if n.dialer != nil {
		_ = n.dialer.Close()
		_ = n.dialer.Peerstore().Close()
	}
	if n.quic != nil {
		_ = n.quic.Close()
	}
	if n.BasicHost == nil && n.limits != nil {
		_ = n.limits.Close()
	}
}
