package remote

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/roads"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/apidict"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
)

// DeskConfig is what a [Desk] is made of. Store must be set.
type DeskConfig struct {
	Store DeskStore
	Name  string // the device's
	// Log may be nil.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Desk is the controller's side: it invites hosts and knows those that came.
// Safe for concurrent use.
type Desk struct {
	cfg DeskConfig
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	name string // guarded by mu
}

// NewDesk makes a desk; it starts nothing.
func NewDesk(cfg DeskConfig) *Desk {
	d := &Desk{cfg: cfg, log: cfg.Log, now: cfg.Now, name: cfg.Name}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.now == nil {
		d.now = time.Now
	}
	return d
}

// SetName changes the device's name.
func (d *Desk) SetName(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name = name
}

// Hosts are those paired with; those whose time is over are forgotten first.
func (d *Desk) Hosts(ctx context.Context) ([]*KnownHost, error) {
	all, err := d.cfg.Store.Hosts(ctx)
	if err != nil {
		return nil, fmt.Errorf("remote: reading pairings: %w", err)
	}
	var out []*KnownHost
	for _, h := range all {
		if !h.Expired(d.now()) {
			out = append(out, h)
			continue
		}
		if err := d.cfg.Store.DeleteHost(ctx, h.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return out, nil
}

// Host finds a pairing by its number.
func (d *Desk) Host(ctx context.Context, id api.RemoteHostID) (*KnownHost, error) {
	all, err := d.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(h *KnownHost) bool { return h.ID == id })
	if i < 0 {
		return nil, ErrNotFound
	}
	return all[i], nil
}

// Put stores what was changed in a pairing.
func (d *Desk) Put(ctx context.Context, h *KnownHost) error { return d.cfg.Store.PutHost(ctx, h) }

// Forget deletes a pairing.
func (d *Desk) Forget(ctx context.Context, id api.RemoteHostID) error {
	return d.cfg.Store.DeleteHost(ctx, id)
}

// OfferOptions say how a session is offered to a host.
type OfferOptions struct {
	// Host is the one that is known; nil for one that is new.
	Host *KnownHost
	// Alias and Lifetime are for a new host.
	Alias    string
	Lifetime time.Duration
	// Bind is the address to listen at, empty for all; Ports those to try, 0
	// is any.
	Bind  string
	Ports []uint16
	// Addr is the address in the invitation, an interface's name that has it,
	// or empty for the best one; Port that in the invitation, 0 is the one
	// listened at.
	Addr string
	Port uint16
	// Multicast announces the session to a known host; Announce to these
	// addresses too.
	Multicast bool
	Announce  []netip.AddrPort
	// Call are host:port where a known host listens.
	Call []string
	// Via are the roads to open, and Relay has the queues of some of them; see
	// package roads.
	Via   []carrier.Name
	Relay *smp.AuthServer
	// On are the roads of an offer before, which this one opens no others
	// beside; see [Offer.Station]. Keep leaves the roads open behind the
	// session, for the next offer, if there is one among them that could not
	// be opened again where it was, at a relay or in libp2p: ports can, and
	// others of this machine may want them meanwhile. Whoever keeps roads is to
	// close them.
	On   *roads.Station
	Keep bool

	// Confirm is asked with the session code; see xrcpctl.Config.
	Confirm   func(ctx context.Context, code string) error
	OnPhase   func(xrcp.Phase)
	OnFailure func(error)
}

// Offer is a session that a host can come to.
type Offer struct {
	d    *Desk
	o    OfferOptions
	ctl  *xrcpctl.Controller
	addr discovery.Address
	on   *roads.Station
	call *callListener // nil without

	mu   sync.Mutex
	app  xrcp.HostApp // guarded by mu
	host *KnownHost   // guarded by mu; once stored
}

// Offer opens a port and makes an invitation. [Offer.Accept] must be called.
func (d *Desk) Offer(ctx context.Context, o OfferOptions) (_ *Offer, err error) {
	f := &Offer{d: d, o: o}
	pairing := (*xrcp.HostPairing)(nil)
	if o.Host != nil {
		pairing = o.Host.Pairing
	} else if pairing, err = xrcp.NewHostPairing(d.now()); err != nil {
		return nil, err
	}
	if f.on = o.On; f.on == nil {
		f.on, err = roads.Open(ctx, roads.Config{Via: o.Via, Addr: o.Bind, Ports: o.Ports, Relay: o.Relay,
			Secret: pairing.ID.Sign([]byte(peerLabel)), Log: d.log})
		if err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, f.on.Close())
			}
		}()
	}
	if f.addr, err = pickAddress(o.Addr, o.Bind); err != nil {
		return nil, err
	}
	d.mu.Lock()
	name := d.name
	d.mu.Unlock()
	app, err := xrcp.CtrlApp{AppVersionRange: AppRange, DeviceName: name, Compression: true}.JSON()
	if err != nil {
		return nil, err
	}
	ways := []carrier.Listener{{Listener: f.on.Session(), Road: carrier.TCP}}
	if o.Host != nil && len(o.Call) > 0 {
		f.call = newCallListener(o.Call, d.log)
		ways = append(ways, carrier.Listener{Listener: f.call, Road: roadCalled})
	}
	cfg := xrcpctl.Config{
		Pairing: pairing, App: app, Listener: carrier.Join(ways...), Hints: f.on.Hints(), Host: f.addr.IP.String(), Port: o.Port,
		Confirm: o.Confirm, Check: f.check, Save: f.save, Codec: apidict.ForController, OnPhase: o.OnPhase, OnFailure: o.OnFailure, Now: d.now,
	}
	if cfg.Port == 0 {
		cfg.Port = f.on.Port()
	}
	if f.ctl, err = xrcpctl.New(cfg); err != nil {
		return nil, err
	}
	if f.call != nil {
		f.call.announcement = f.ctl.Announcement
	}
	if o.Host != nil {
		f.on.Offer(f.ctl.Announcement)
	}
	return f, nil
}

// peerLabel is signed for a secret that only this pairing's key makes: the
// libp2p peer ID is the same each time, and another one for each host.
const peerLabel = "simplexkit remote control: libp2p peer of a pairing"

// closeRoads closes the roads unless they are kept.
func (f *Offer) closeRoads() error {
	if f.Station() != nil {
		return nil
	}
	return f.on.Close()
}

// Station are the roads if they are kept, for the next offer; see
// [OfferOptions].
func (f *Offer) Station() *roads.Station {
	stays := func(n carrier.Name) bool { return n == carrier.SMP || n == carrier.FlipSMP || n == carrier.Libp2p }
	if !f.o.Keep || !slices.ContainsFunc(f.on.Roads(), stays) {
		return nil
	}
	return f.on
}

// pickAddress is the address for an invitation.
func pickAddress(want, bind string) (discovery.Address, error) {
	if want == "" && bind != "" && bind != "0.0.0.0" {
		want = bind
	}
	addrs, err := discovery.Addresses()
	if err == nil {
		addrs = discovery.Prefer(addrs, want)
		if ip := addrs[0].IP.String(); want == "" || ip == want || addrs[0].Interface == want {
			return addrs[0], nil
		}
	}
	if ip, perr := netip.ParseAddr(want); perr == nil { // what a router forwards, say
		return discovery.Address{IP: ip}, nil
	}
	if err != nil {
		return discovery.Address{}, err
	}
	return addrs[0], fmt.Errorf("%w: no address or interface %q here", discovery.ErrNoAddress, want)
}

// Invitation is what a new host needs to come.
func (f *Offer) Invitation() *xrcp.SignedInvitation { return f.ctl.Invitation() }

// Address is where hosts are told to connect to.
func (f *Offer) Address() (discovery.Address, uint16) { return f.addr, f.on.Port() }

// Roads are those that are open, and why others are not.
func (f *Offer) Roads() ([]carrier.Name, []error) { return f.on.Roads(), f.on.Failed() }

func (f *Offer) check(raw json.RawMessage) error {
	app, err := xrcp.ParseHostApp(raw)
	if err == nil {
		err = AppRange.Contains(app.AppVersion)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.app = app
	return err
}

// save stores the host as a known one.
func (f *Offer) save(ctx context.Context, p *xrcp.HostPairing) error {
	f.mu.Lock()
	app := f.app
	f.mu.Unlock()
	now := f.d.now()
	h := &KnownHost{Seq: -1, Alias: f.o.Alias, PairedAt: now, StorePath: newStorePath()}
	if f.o.Lifetime > 0 {
		h.ExpiresAt = now.Add(f.o.Lifetime)
	}
	if f.o.Host != nil {
		var err error
		if h, err = f.d.Host(ctx, f.o.Host.ID); err != nil {
			return err
		}
	}
	h.Pairing, h.Name, h.LastAt = p, app.DeviceName, now
	if app.Listen != "" {
		h.Listen = app.Listen
	}
	h.Bind = &api.RemoteAddr{Address: f.addr.IP.String(), Interface: f.addr.Interface}
	if err := f.d.cfg.Store.PutHost(ctx, h); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.host = h
	return nil
}

func newStorePath() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	return wire.Base64(b)
}

// Attached is a session with a host.
type Attached struct {
	*xrcpctl.Session
	Host *KnownHost
	App  xrcp.HostApp
	end  func() error // closes the roads
}

// Close ends the session and closes the roads, unless they are kept.
func (a *Attached) Close() error { return errors.Join(a.Session.Close(), a.end()) }

// PairingCode is what both sides of a pairing can compare at any time: made of
// the identities of the controller and of the host, in groups of digits.
func PairingCode(ctrl, host string) string {
	sum := sha256.Sum256([]byte(ctrl + " " + host))
	return xrcp.SessionCode(sum[:20])
}

// Accept waits for the host. To be called once.
func (f *Offer) Accept(ctx context.Context) (*Attached, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	if f.o.Host != nil {
		for _, to := range f.groups() {
			all.Go(func() { f.announce(ctx, to) })
		}
	}
	s, err := f.ctl.Accept(ctx)
	f.on.Offer(nil)
	if err != nil {
		return nil, errors.Join(err, f.closeRoads())
	}
	if s.Road() != carrier.SMP && s.Road() != carrier.Libp2p {
		// The session lives on without them, and who comes now is not kept
		// waiting.
		err = f.closeRoads()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Attached{Session: s, Host: f.host, App: f.app, end: f.closeRoads}, nil
}

func (f *Offer) groups() []netip.AddrPort {
	to := slices.Clone(f.o.Announce)
	if f.o.Multicast && f.addr.Interface != "" && slices.Contains(f.on.Roads(), carrier.Multicast) {
		to = append(to, discovery.Group)
	}
	return to
}

func (f *Offer) announce(ctx context.Context, to netip.AddrPort) {
	err := discovery.Announcer{From: f.addr.IP, To: to}.Run(ctx, 0, f.ctl.Announcement)
	if err != nil && ctx.Err() == nil {
		f.d.log.Warn("remote: announcing", "err", err)
	}
}
