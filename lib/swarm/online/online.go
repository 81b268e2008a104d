package online

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/peer"
)

// Config says how a device is on the network.
type Config struct {
	Node *swarm.Node
	// Listen and Bootstrap are multiaddrs, as in [p2p.Config].
	Listen, Bootstrap []string
	// LAN announces the device on the local network and looks for others.
	LAN bool
	// DialAddr is asked whether an address may be dialled; nil means all may.
	DialAddr func(addr string) bool
	Log      *slog.Logger
}

// Online is a device on the network. It implements [swarm.Network].
type Online struct {
	cfg    Config
	log    *slog.Logger
	node   *swarm.Node
	device *ident.Device
	host   *p2p.Host
	devs   *peer.Devices
	engine *peer.Engine
	pins   pins

	wake   chan struct{} // holds one wish to look what is to be done
	barred atomic.Pointer[map[p2p.PeerID]bool]

	mu    sync.Mutex // guards what follows
	tries map[string]*try
	met   map[ident.DeviceID]bool // said hello since they were connected
	// synced is the version of our state that a device of ours knows.
	synced map[ident.DeviceID]string
}

var _ swarm.Network = (*Online)(nil)

// try is how often something failed, and when it is tried again.
type try struct {
	fails  int
	at     time.Time
	reason string
}

// Open opens the sockets of the node's device. The error may be
// [swarm.ErrNoAccount].
func Open(ctx context.Context, cfg Config) (*Online, error) {
	d, err := cfg.Node.Device(ctx)
	if err != nil {
		return nil, err
	}
	o := &Online{cfg: cfg, log: cfg.Log, node: cfg.Node, device: d, wake: make(chan struct{}, 1),
		tries: map[string]*try{}, met: map[ident.DeviceID]bool{}, synced: map[ident.DeviceID]string{}}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	o.barred.Store(&map[p2p.PeerID]bool{})
	if err := o.bar(ctx); err != nil {
		return nil, err
	}
	o.host, err = p2p.Open(p2p.Config{
		Key: d.Signer(), Listen: cfg.Listen, Bootstrap: cfg.Bootstrap, LAN: cfg.LAN, DialAddr: cfg.DialAddr,
		Admit:  func(id p2p.PeerID) bool { return !(*o.barred.Load())[id] },
		OnPeer: o.onPeer, OnFound: func(p2p.PeerID) { o.kick() }, UserAgent: "simplexkit", Logger: o.log,
	})
	if err != nil {
		return nil, err
	}
	o.devs = peer.NewDevices(o.host, d.ID())
	o.engine = peer.New(peer.Config{
		Net: o.devs, Store: store{o}, Inbox: inbox{o}, Files: files{o}, Sync: siblings{o},
		Hello: o.hello, Met: o.heardOf, Logger: o.log,
	})
	return o, nil
}

// Close closes the sockets. Run must have returned, if it was called.
func (o *Online) Close() error { return o.host.Close() }

// Run is on the network until ctx ends, which is no error, and closes it.
func (o *Online) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.devs.Handle(protoRedeem, o.serveRedeem)
	o.devs.Handle(protoKey, o.serveKey)
	o.host.Handle(protoLink, o.serveLink)
	o.node.Attach(o)
	defer o.node.Attach(nil)
	o.host.Advertise(topic(o.device.URI()))
	var all sync.WaitGroup
	errs := make([]error, 2)
	for i, run := range []func(context.Context) error{o.host.Run, o.engine.Run} {
		all.Go(func() {
			errs[i] = run(ctx)
			cancel()
		})
	}
	all.Go(func() { o.upkeep(ctx) })
	all.Wait()
	return errors.Join(append(errs, o.host.Close())...)
}

// topic is where the devices of an account meet who looks for them.
func topic(u ident.URI) string { return "swarm account " + u.String() }

func (o *Online) kick() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *Online) onPeer(id p2p.PeerID, connected bool) {
	dev, ok := o.devs.Device(id)
	if !ok {
		return
	}
	o.mu.Lock()
	if !connected {
		delete(o.met, dev)
		delete(o.synced, dev)
	}
	o.mu.Unlock()
	if connected {
		o.engine.Reachable(dev)
		o.kick()
	}
}

// hello is what we say of ourselves.
func (o *Online) hello() peer.Hello {
	return peer.Hello{Chain: string(o.device.Cert.PEM()) + string(o.device.AccountPEM()), Addrs: o.host.Addrs()}
}

// heardOf takes in whose a device is.
func (o *Online) heardOf(ctx context.Context, dev ident.DeviceID, h peer.Hello) error {
	name, _ := o.devs.Peer(dev)
	u, err := o.node.Introduce(ctx, dev, []byte(h.Chain), h.Name, name.String(), h.Addrs)
	if err != nil {
		return err
	}
	blocked, err := o.node.Blocked(ctx, u)
	if err == nil && blocked {
		err = peer.ErrBanned
	}
	if err != nil {
		return err
	}
	o.mu.Lock()
	was := o.met[dev]
	o.met[dev] = true
	o.mu.Unlock()
	if !was {
		o.kick()
	}
	return nil
}

// The methods of [swarm.Network].

// Name implements [swarm.Network].
func (o *Online) Name() string { return o.host.ID().String() }

// Addresses implements [swarm.Network].
func (o *Online) Addresses() []string { return o.host.Addrs() }

// Announce implements [swarm.Network].
func (o *Online) Announce(conv, head commit.ObjectID) {
	o.engine.Join(conv)
	o.engine.Changed(conv)
	o.engine.Announce(conv, head)
}

// Clone implements [swarm.Network].
func (o *Online) Clone(commit.ObjectID) { o.again(); o.kick() }

// Deliver implements [swarm.Network].
func (o *Online) Deliver() { o.again(); o.kick() }

// again forgets how often things have failed: somebody waits for them now.
func (o *Online) again() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.tries)
}

// Leave implements [swarm.Network].
func (o *Online) Leave(conv commit.ObjectID) { o.engine.Part(conv) }

// Recheck implements [swarm.Network].
func (o *Online) Recheck() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := o.bar(ctx); err != nil {
		o.log.Warn("bans are to be looked up again", "err", err)
	}
	active, _, err := o.node.Active(ctx)
	if err != nil {
		o.log.Warn("conversations are to be looked up again", "err", err)
	}
	for _, id := range active {
		o.engine.Changed(id)
	}
	o.host.Recheck()
}

// bar looks up who may not connect.
func (o *Online) bar(ctx context.Context) error {
	list, err := o.node.Unwelcome(ctx)
	if err != nil {
		return err
	}
	barred := map[p2p.PeerID]bool{}
	for _, text := range list {
		if id, err := p2p.ParsePeerID(text); err == nil {
			barred[id] = true
		}
	}
	o.barred.Store(&barred)
	return nil
}

// Typing implements [swarm.Network].
func (o *Online) Typing(_ context.Context, conv commit.ObjectID, active bool) error {
	o.engine.Typing(conv, active)
	return nil
}

// Read implements [swarm.Network].
func (o *Online) Read(_ context.Context, conv, message commit.ObjectID) error {
	o.engine.Read(conv, message)
	return nil
}

// due tells whether something may be tried now.
func (o *Online) due(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.tries[what]
	return t == nil || !time.Now().Before(t.at)
}

// tried notes how a try ended.
func (o *Online) tried(what string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		delete(o.tries, what)
		return
	}
	t := o.tries[what]
	if t == nil {
		t = &try{}
		if len(o.tries) > maxTries {
			clear(o.tries)
		}
		o.tries[what] = t
	}
	t.fails++
	t.at, t.reason = time.Now().Add(peer.Backoff(t.fails)), err.Error()
	o.log.Debug("to be tried again", "what", what, "err", err)
}

// maxTries is how many things are remembered to have failed.
const maxTries = 10_000

// reach connects with a device and says hello.
func (o *Online) reach(ctx context.Context, dev ident.DeviceID) error {
	if dev == o.device.ID() {
		return fmt.Errorf("online: this is the device itself")
	}
	if _, known := o.devs.Peer(dev); !known {
		name, addrs, err := o.node.Where(ctx, dev.String())
		if err != nil {
			return err
		}
		id, err := p2p.ParsePeerID(name)
		if err != nil {
			return fmt.Errorf("online: nothing says where the device is")
		}
		o.host.AddAddrs(id, addrs, time.Hour)
		if err := o.host.Connect(ctx, id); err != nil {
			return err
		}
		if got, ok := o.devs.Device(id); !ok || got != dev {
			return fmt.Errorf("online: another device is at its address")
		}
	}
	o.mu.Lock()
	met := o.met[dev]
	o.mu.Unlock()
	if met && o.devs.Road(dev) != p2p.None {
		return nil
	}
	return o.engine.Hello(ctx, dev)
}
