package xrcphost

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
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// ErrCode is returned when the person, or the program, said no to the session
// code.
var ErrCode = errors.New("xrcphost: session code not confirmed")

// Times that a controller is given.
const (
	DefaultConnectTimeout = 25 * time.Second // TCP and TLS
	DefaultHelloTimeout   = 2 * time.Minute  // people compare codes meanwhile
)

// Config is one session of a host. Callbacks may be nil but for Confirm.
type Config struct {
	Invitation *xrcp.SignedInvitation
	// Pairing is the one with the controller of the invitation, nil if there is
	// none yet.
	Pairing *xrcp.ControllerPairing
	App     json.RawMessage // xrcp.HostApp

	// Confirm is asked whether the controller shows the same session code. An
	// error turns the controller away. ctx ends when the controller does.
	Confirm func(ctx context.Context, code string) error
	// Save stores the pairing: once before the hello is sent, so that no key is
	// lost that the controller may know, and once when the controller has
	// answered. A new pairing that is not Confirmed has never worked.
	Save func(ctx context.Context, p *xrcp.ControllerPairing) error
	// Codec is the compression for a controller with that app information, nil
	// for none.
	Codec func(app json.RawMessage) xrcp.Codec
	// OnPhase is told each new phase; it must not block.
	OnPhase func(xrcp.Phase)

	Dial transport.DialFunc // nil is a net.Dialer
	// Roads are all tried side by side; the first with the invitation's
	// controller at its end wins. None is TCP to the invitation's address with
	// Dial.
	Roads          []carrier.Road
	Window         time.Duration // 0 is xrcp.DefaultWindow
	ConnectTimeout time.Duration // 0 is DefaultConnectTimeout
	HelloTimeout   time.Duration // 0 is DefaultHelloTimeout
	// Silence is how long a controller may say nothing before it is asked for a
	// sign of life, and as long again to give it; 0 is xrcp.DefaultSilence.
	Silence time.Duration
	MaxBody int // bytes; 0 is xrcp.DefaultMaxBody
	Now     func() time.Time
}

// connecting is one call of Connect.
type connecting struct {
	Config
	pairing *xrcp.ControllerPairing
	road    carrier.Name // set once connected
	wg      sync.WaitGroup

	mu    sync.Mutex
	phase xrcp.Phase // guarded by mu
}

// Connect verifies the invitation, connects to its controller and exchanges
// hellos. The errors are xrcp.ErrInvitation, ErrStale, ErrIdentity, ErrVersion,
// ErrHello and ErrRefused, [ErrCode], and those of Save and of the network.
func Connect(ctx context.Context, cfg Config) (*Session, error) {
	c := &connecting{Config: cfg}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	c.move(xrcp.Found)
	conn, err := c.secure(ctx)
	if err != nil {
		c.move(xrcp.Failed)
		return nil, err
	}
	c.move(xrcp.Connected)
	s, err := c.greet(ctx, conn)
	if err != nil {
		_ = conn.Close()
		c.wg.Wait()
		c.move(xrcp.Failed)
		return nil, err
	}
	c.move(xrcp.Greeted)
	return s, nil
}

func (c *connecting) prepare() (err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Window == 0 {
		c.Window = xrcp.DefaultWindow
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.HelloTimeout == 0 {
		c.HelloTimeout = DefaultHelloTimeout
	}
	if c.Silence == 0 {
		c.Silence = xrcp.DefaultSilence
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAliveConfig: transport.KeepAlive}).DialContext
	}
	inv := c.Invitation
	if err := inv.Verify(); err != nil {
		return err
	}
	if err := inv.CheckTime(c.Now(), c.Window); err != nil {
		return err
	}
	if _, ok := xrcp.Versions.Compatible(inv.Versions); !ok {
		return fmt.Errorf("%w: the controller speaks %v", xrcp.ErrVersion, inv.Versions)
	}
	if c.Pairing == nil {
		c.pairing, err = xrcp.NewControllerPairing(&inv.Invitation, c.Now())
		return err
	}
	c.pairing = c.Pairing.Next()
	return c.pairing.Check(&inv.Invitation)
}

func (c *connecting) move(e xrcp.PhaseEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to, err := c.phase.Next(e)
	if err != nil || to == c.phase {
		return
	}
	c.phase = to
	if c.OnPhase != nil {
		c.OnPhase(to)
	}
}

// secure sets up TLS with the controller of the invitation and no other.
func (c *connecting) secure(ctx context.Context) (conn *transport.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	chain, leaf, err := c.pairing.CA.Leaf(c.Now())
	if err != nil {
		return nil, err
	}
	cred := &transport.Credential{Chain: chain, Key: leaf}
	roads := c.Roads
	if len(roads) == 0 {
		roads = []carrier.Road{carrier.DialFunc{Via: carrier.TCP, Do: func(ctx context.Context) (net.Conn, error) {
			return c.Dial(ctx, "tcp", c.Invitation.Address())
		}}}
	}
	conn, c.road, err = carrier.Race(ctx, roads, func(ctx context.Context, sock *carrier.Conn) (*transport.Conn, error) {
		return c.verify(ctx, sock, cred)
	})
	if err != nil {
		return nil, fmt.Errorf("xrcphost: connecting: %w", err)
	}
	return conn, nil
}

// verify finds out whether a road has led to the controller.
func (c *connecting) verify(ctx context.Context, sock net.Conn, cred *transport.Credential) (*transport.Conn, error) {
	conn, err := transport.Client(ctx, sock, transport.ClientConfig{
		Fingerprint: c.Invitation.CA[:], Now: c.Now, Credential: cred,
	})
	if errors.Is(err, transport.ErrFingerprint) {
		return nil, fmt.Errorf("%w: certificate: %w", xrcp.ErrIdentity, err)
	}
	if err != nil {
		return nil, err
	}
	if len(conn.PeerChain()) != 2 {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: %d certificates", xrcp.ErrIdentity, len(conn.PeerChain()))
	}
	return conn, nil
}

func (c *connecting) greet(ctx context.Context, conn *transport.Conn) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.HelloTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	reading, err := c.compare(ctx, conn)
	if err != nil {
		return nil, err
	}
	c.move(xrcp.Compared)
	kem, err := sntrup.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("xrcphost: making a key: %w", err)
	}
	h, payload, err := xrcp.BeginHost(&c.Invitation.Invitation, c.pairing, c.App, kem, box.NewNonce())
	if err != nil {
		return nil, err
	}
	if err := c.save(ctx, c.pairing); err != nil {
		return nil, err
	}
	if err := conn.WriteBlock(payload); err != nil {
		return nil, fmt.Errorf("xrcphost: sending a hello: %w", err)
	}
	answer := <-reading
	if answer.err != nil {
		return nil, fmt.Errorf("xrcphost: waiting for a hello: %w", answer.err)
	}
	keys, err := h.Finish(answer.payload)
	if err != nil {
		return nil, err
	}
	if err := c.save(ctx, c.pairing.Confirm()); err != nil {
		return nil, err
	}
	return newSession(c, conn, keys), nil
}

func (c *connecting) save(ctx context.Context, p *xrcp.ControllerPairing) error {
	if c.Save == nil {
		return nil
	}
	if err := c.Save(ctx, p); err != nil {
		return fmt.Errorf("xrcphost: storing the pairing: %w", err)
	}
	return nil
}

type block struct {
	payload []byte
	err     error
}

// compare has the session code confirmed, while it already waits for the
// controller's hello so as to notice when the controller goes.
func (c *connecting) compare(ctx context.Context, conn *transport.Conn) (<-chan block, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reading := make(chan block, 1)
	c.wg.Go(func() {
		b, err := conn.ReadBlock()
		reading <- block{b.Payload(), err}
		cancel() // either it has gone, or it speaks before it is spoken to
	})
	err := c.Confirm(ctx, xrcp.SessionCode(conn.SessionID()))
	select {
	case b := <-reading:
		if b.err == nil {
			b.err = fmt.Errorf("%w: before the host's", xrcp.ErrHello)
		}
		return nil, fmt.Errorf("xrcphost: waiting for the session code: %w", b.err)
	default:
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCode, err)
	}
	return reading, nil
}
