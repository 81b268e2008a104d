package xrcpctl

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
)

// ErrBusy is the failure of a host that comes while another one is heard.
var ErrBusy = errors.New("xrcpctl: another host is connecting")

// Limits of what is heard before a hello.
const (
	maxHandshakes = 16 // TLS handshakes at a time; more sockets are closed
	// busyTimeout is how long a host waits for another one that is heard: the
	// other may be the same host, on a road that it is about to leave.
	busyTimeout = 2 * time.Second
	tlsTimeout  = 10 * time.Second // for each
	// DefaultHelloTimeout is how long people may take to compare codes.
	DefaultHelloTimeout = 2 * time.Minute
)

// Config is one session of a controller. Callbacks may be nil.
type Config struct {
	Pairing *xrcp.HostPairing
	App     json.RawMessage // xrcp.CtrlApp
	// Listener is closed by Accept. One made by carrier.Join has hosts come by
	// several roads.
	Listener net.Listener
	// Hints are put into the invitation, for hosts that know other roads.
	Hints []xrcp.Hint
	// Host and Port are where hosts connect to; a Port of 0 is the listener's.
	Host string
	Port uint16
	// Announcer sends announcements to a known host, until it has come.
	Announcer *discovery.Announcer

	// Confirm is asked when a host has connected, with the session code. An
	// error turns the host away. ctx ends when the host does.
	Confirm func(ctx context.Context, code string) error
	// Check looks at the host's app information. An error turns the host away
	// with its text.
	Check func(app json.RawMessage) error
	// Save stores the pairing, before the host hears that all is well.
	Save func(ctx context.Context, p *xrcp.HostPairing) error
	// Codec is the compression for a host with that app information, nil for
	// none.
	Codec func(app json.RawMessage) xrcp.Codec
	// OnPhase is told each new phase, OnFailure why a host did not get in.
	// Both are called one at a time and must not block.
	OnPhase   func(xrcp.Phase)
	OnFailure func(error)

	HelloTimeout time.Duration // 0 is DefaultHelloTimeout
	// Silence is how long a host may say nothing before it is asked for a sign
	// of life, and as long again to give it; 0 is xrcp.DefaultSilence.
	Silence time.Duration
	MaxBody int // bytes; 0 is xrcp.DefaultMaxBody
	Now     func() time.Time
}

// Controller is a controller that hosts can connect to.
type Controller struct {
	cfg  Config
	keys *xrcp.SessionKeys
	cred *transport.Credential
	inv  *xrcp.SignedInvitation

	mu      sync.Mutex
	phase   xrcp.Phase // guarded by mu, as is what follows
	pending int        // TCP connections before the slot
}

// New makes the keys and the invitation of a session; it starts nothing. The
// error is xrcp.ErrInvitation for what an invitation cannot hold.
func New(cfg Config) (*Controller, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.HelloTimeout == 0 {
		cfg.HelloTimeout = DefaultHelloTimeout
	}
	if cfg.Silence == 0 {
		cfg.Silence = xrcp.DefaultSilence
	}
	if cfg.Port == 0 {
		cfg.Port = discovery.PortOf(cfg.Listener)
	}
	c := &Controller{cfg: cfg, keys: xrcp.NewSessionKeys()}
	now := cfg.Now()
	chain, leaf, err := cfg.Pairing.CA.Leaf(now)
	if err != nil {
		return nil, err
	}
	c.cred = &transport.Credential{Chain: chain, Key: leaf}
	c.inv, err = xrcp.Invitation{
		CA: cfg.Pairing.CA.Fingerprint(), Host: cfg.Host, Port: cfg.Port, Versions: xrcp.Versions,
		App: cfg.App, Unix: now.Unix(), DH: c.keys.DH.Public(),
	}.Sign(c.keys.Sign, cfg.Pairing.ID)
	if err == nil {
		c.inv, err = c.inv.WithHints(cfg.Hints...)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Invitation is what a host needs to connect.
func (c *Controller) Invitation() *xrcp.SignedInvitation { return c.inv }

// Announcement seals the invitation for the host that the pairing knows, with
// a nonce of its own each time. The error is xrcp.ErrIdentity for a pairing
// that knows none.
func (c *Controller) Announcement() ([]byte, error) {
	if c.cfg.Pairing.Host == nil {
		return nil, fmt.Errorf("%w: no session was had with a host yet", xrcp.ErrIdentity)
	}
	b, err := xrcp.SealAnnouncement(c.inv, c.cfg.Pairing.Host.DH, c.keys.DH, box.NewNonce())
	if err == nil || len(c.inv.Hints) == 0 {
		return b, err
	}
	plain, err := c.inv.WithHints() // a datagram has no room for all
	if err != nil {
		return nil, err
	}
	return xrcp.SealAnnouncement(plain, c.cfg.Pairing.Host.DH, c.keys.DH, box.NewNonce())
}

// Phase is where the session stands.
func (c *Controller) Phase() xrcp.Phase {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase
}

// moveLocked applies events and reports; events out of place change nothing.
func (c *Controller) moveLocked(events ...xrcp.PhaseEvent) {
	for _, e := range events {
		to, err := c.phase.Next(e)
		if err != nil || to == c.phase {
			continue
		}
		c.phase = to
		if c.cfg.OnPhase != nil {
			c.cfg.OnPhase(to)
		}
	}
}

func (c *Controller) move(events ...xrcp.PhaseEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moveLocked(events...)
}

// arrived counts a TCP connection in, left counts it out.
func (c *Controller) arrived() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending++
	if c.phase == xrcp.Waiting {
		c.moveLocked(xrcp.Found)
	}
}

func (c *Controller) left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending--; c.pending == 0 && c.phase == xrcp.TCP {
		c.moveLocked(xrcp.Failed)
	}
}

func (c *Controller) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.OnFailure != nil {
		c.cfg.OnFailure(err)
	}
}

// Accept waits for a host and greets it; the listener is closed when it
// returns. The error is ctx's, the listener's, or Save's. To be called once.
func (c *Controller) Accept(ctx context.Context) (*Session, error) {
	ctx, cancel := context.WithCancel(ctx)
	a := &accepting{Controller: c, slot: make(chan struct{}, 1), found: make(chan *Session, 1), fatal: make(chan error, 3)}
	stop := context.AfterFunc(ctx, func() { _ = c.cfg.Listener.Close() })
	a.wg.Go(func() { a.listen(ctx) })
	if c.cfg.Announcer != nil && c.cfg.Pairing.Host != nil {
		a.wg.Go(func() { a.announce(ctx) })
	}
	var s *Session
	var err error
	select {
	case s = <-a.found:
	case err = <-a.fatal:
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	stop()
	_ = c.cfg.Listener.Close()
	a.wg.Wait()
	if s == nil {
		select {
		case s = <-a.found: // at the last moment
			err = nil
		default:
			c.move(xrcp.Ended)
		}
	}
	return s, err
}

// accepting is one call of Accept.
type accepting struct {
	*Controller
	wg    sync.WaitGroup
	slot  chan struct{} // held by the one host past TLS
	found chan *Session
	fatal chan error
}

func (a *accepting) announce(ctx context.Context) {
	err := a.cfg.Announcer.Run(ctx, 0, a.Announcement)
	if err != nil {
		a.failed(err) // the invitation may still come to the host otherwise
	}
}

func (a *accepting) listen(ctx context.Context) {
	places := make(chan struct{}, maxHandshakes)
	for {
		sock, err := a.cfg.Listener.Accept()
		if err != nil {
			if ctx.Err() == nil {
				a.fatal <- fmt.Errorf("xrcpctl: accepting hosts: %w", err)
			}
			return
		}
		select {
		case places <- struct{}{}:
		default:
			_ = sock.Close()
			continue
		}
		a.arrived()
		a.wg.Go(func() {
			conn, err := a.secure(ctx, sock)
			<-places
			if err == nil {
				err = a.hear(ctx, conn, carrier.RoadOf(sock))
			}
			a.left()
			if err != nil && ctx.Err() == nil {
				a.failed(err)
			}
		})
	}
}

// secure sets up TLS with a host that may be the right one.
func (a *accepting) secure(ctx context.Context, sock net.Conn) (*transport.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	conn, err := transport.Server(ctx, sock, &transport.ServerConfig{Credential: a.cred, Now: a.cfg.Now})
	if err != nil {
		return nil, fmt.Errorf("xrcpctl: %w", err)
	}
	chain, known := conn.PeerChain(), a.cfg.Pairing.Host
	if len(chain) != 2 || known != nil && known.Fingerprint != chain.Identity() {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: certificate", xrcp.ErrIdentity)
	}
	return conn, nil
}

// hear has the host's code compared and its hello answered.
func (a *accepting) hear(ctx context.Context, conn *transport.Conn, road carrier.Name) error {
	busy := time.NewTimer(busyTimeout)
	defer busy.Stop()
	select {
	case a.slot <- struct{}{}:
	case <-busy.C:
		_ = conn.Close()
		return ErrBusy
	case <-ctx.Done():
		return errors.Join(ctx.Err(), conn.Close())
	}
	a.move(xrcp.Found, xrcp.Connected)
	s, err := a.greet(ctx, conn)
	if err != nil {
		_ = conn.Close()
		a.move(xrcp.Failed)
		<-a.slot
		return err
	}
	// The slot stays taken: there is no second session.
	s.road = road
	a.move(xrcp.Greeted)
	a.found <- s
	return nil
}

func (a *accepting) greet(ctx context.Context, conn *transport.Conn) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.HelloTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	payload, err := a.hello(ctx, conn)
	if err != nil {
		return nil, err
	}
	greeting := xrcp.Greeting{Pairing: a.cfg.Pairing, Keys: a.keys, TLS: conn.PeerChain().Identity(), Rand: rand.Reader}
	if a.cfg.Check != nil {
		greeting.Check = func(h *xrcp.HostHello) error { return a.cfg.Check(h.App) }
	}
	answer, err := greeting.Answer(payload)
	if err != nil {
		if answer.Payload != nil {
			err = errors.Join(err, conn.WriteBlock(answer.Payload))
		}
		return nil, err
	}
	if a.cfg.Save != nil {
		if err := a.cfg.Save(ctx, answer.Pairing); err != nil {
			err = fmt.Errorf("xrcpctl: storing the pairing: %w", err)
			a.fatal <- err
			return nil, err
		}
	}
	if err := conn.WriteBlock(answer.Payload); err != nil {
		return nil, fmt.Errorf("xrcpctl: %w", err)
	}
	return newSession(a.Controller, conn, answer)
}

// hello asks for the code to be compared while the host's hello comes in.
func (a *accepting) hello(ctx context.Context, conn *transport.Conn) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type read struct {
		payload []byte
		err     error
	}
	reading := make(chan read, 1)
	a.wg.Go(func() {
		b, err := conn.ReadBlock()
		if err != nil {
			cancel()
		}
		reading <- read{b.Payload(), err}
	})
	if a.cfg.Confirm != nil {
		if err := a.cfg.Confirm(ctx, xrcp.SessionCode(conn.SessionID())); err != nil {
			_ = conn.Abort() // ends the reading
			r := <-reading
			if r.err != nil && errors.Is(err, context.Canceled) {
				err = r.err
			}
			return nil, fmt.Errorf("xrcpctl: session code: %w", err)
		}
	}
	a.move(xrcp.Compared)
	r := <-reading
	if r.err != nil {
		return nil, fmt.Errorf("xrcpctl: waiting for a hello: %w", r.err)
	}
	return r.payload, nil
}
