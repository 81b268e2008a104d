package peer

import (
	"context"
	"crypto/rsa"
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// maxDevices bounds how many devices are known by name.
const maxDevices = 100_000

// Devices is a Net on a p2p.Host: it knows which peer is which device. Both
// names are hashes of the same key, so nobody can pass for another; but the key
// must be known to dial: from a certificate, see Add, or from a connection.
type Devices struct {
	host *p2p.Host
	self ident.DeviceID

	mu    sync.RWMutex
	peers map[ident.DeviceID]p2p.PeerID // guarded by mu
	names map[p2p.PeerID]ident.DeviceID // guarded by mu
}

var _ Net = (*Devices)(nil)

// NewDevices is the network of the device self, which host must be.
func NewDevices(host *p2p.Host, self ident.DeviceID) *Devices {
	return &Devices{host: host, self: self, peers: map[ident.DeviceID]p2p.PeerID{}, names: map[p2p.PeerID]ident.DeviceID{}}
}

// Self is this device.
func (d *Devices) Self() ident.DeviceID { return d.self }

// Add makes a device known by its key.
func (d *Devices) Add(pub *rsa.PublicKey) (ident.DeviceID, p2p.PeerID, error) {
	text, err := p2p.DeviceID(pub)
	if err != nil {
		return ident.DeviceID{}, "", err
	}
	dev, err := ident.ParseDeviceID(text)
	if err != nil {
		return ident.DeviceID{}, "", err
	}
	id, err := p2p.PeerOf(pub)
	if err != nil {
		return ident.DeviceID{}, "", err
	}
	d.keep(dev, id)
	return dev, id, nil
}

func (d *Devices) keep(dev ident.DeviceID, id p2p.PeerID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.peers) < maxDevices || d.peers[dev] != "" {
		d.peers[dev], d.names[id] = id, dev
	}
}

// Peer is the peer that a device is; false if its key is not known.
func (d *Devices) Peer(dev ident.DeviceID) (p2p.PeerID, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	id, ok := d.peers[dev]
	return id, ok
}

// Device is the device that a peer is; false if its key is not known yet.
func (d *Devices) Device(id p2p.PeerID) (ident.DeviceID, bool) {
	d.mu.RLock()
	dev, ok := d.names[id]
	d.mu.RUnlock()
	if ok {
		return dev, true
	}
	pub, err := d.host.PublicKey(id)
	if err != nil {
		return dev, false
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return dev, false
	}
	dev, _, err = d.Add(key)
	return dev, err == nil
}

// Open implements Net.
func (d *Devices) Open(ctx context.Context, to ident.DeviceID, proto string) (Stream, error) {
	id, ok := d.Peer(to)
	if !ok {
		return nil, fmt.Errorf("%w: its key is not known", p2p.ErrNoRoad)
	}
	s, err := d.host.Open(ctx, id, proto)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Handle implements Net.
func (d *Devices) Handle(proto string, fn func(ctx context.Context, from ident.DeviceID, s Stream) error) {
	d.host.Handle(proto, func(ctx context.Context, s *p2p.Stream) error {
		from, ok := d.Device(s.Peer())
		if !ok {
			return ErrBanned
		}
		return fn(ctx, from, s)
	})
}

// Road implements Net.
func (d *Devices) Road(dev ident.DeviceID) p2p.Road {
	if id, ok := d.Peer(dev); ok {
		return d.host.Road(id)
	}
	return p2p.None
}

// maxHello is the size of a Hello.
const maxHello = 64 << 10

// Hello is how a device that is in no history yet says whose it is. That the
// certificate is the device's is for the receiver to check; the device itself
// is proved by the connection.
type Hello struct {
	Chain string   `json:"chain"` // PEM: device, account
	Name  string   `json:"name,omitempty"`
	Addrs []string `json:"addrs,omitempty"`
}

// Hello exchanges hellos with a device.
func (e *Engine) Hello(ctx context.Context, dev ident.DeviceID) error {
	if e.cfg.Hello == nil {
		return ErrUnknown
	}
	s, done, err := e.open(ctx, dev, protoHello, exchangeTime)
	if err != nil {
		return err
	}
	defer done()
	if err := writeJSON(s, e.cfg.Hello()); err != nil {
		return err
	}
	if _, err := readAnswer(s); err != nil {
		return err
	}
	var h Hello
	if err := readJSON(s, maxHello, &h); err != nil {
		return err
	}
	return e.cfg.Met(ctx, dev, h)
}

func (e *Engine) serveHello(ctx context.Context, from ident.DeviceID, s Stream) error {
	s.SetEnd(time.Now().Add(exchangeTime))
	if e.cfg.Hello == nil || !e.flow(from).take(20) {
		return errBusy
	}
	var h Hello
	if err := readJSON(s, maxHello, &h); err != nil {
		return err
	}
	if err := e.cfg.Met(ctx, from, h); err != nil {
		return refuse(s, err)
	}
	if err := writeJSON(s, answer{}); err != nil {
		return err
	}
	return writeJSON(s, e.cfg.Hello())
}
