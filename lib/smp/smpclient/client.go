package smpclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/session"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smphandshake"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var (
	// ErrTimeout is returned when the relay did not answer in time. Whether it
	// has obeyed the command is not known.
	ErrTimeout = session.ErrTimeout
	// ErrClosed is returned by methods of a client whose session has ended.
	ErrClosed = session.ErrClosed
	// ErrFingerprint is returned when the relay is not the one of the address.
	ErrFingerprint = transport.ErrFingerprint
	// ErrVersion is returned when there is no common version.
	ErrVersion = smphandshake.ErrVersion
	// ErrHandshake is returned when TLS or the hellos went wrong otherwise.
	ErrHandshake = smphandshake.ErrHandshake
	// ErrConnect is returned when no host of the relay could be reached.
	ErrConnect = errors.New("smpclient: relay not reached")
	// ErrNoHost is returned, with [ErrConnect], when the relay's name does not
	// resolve.
	ErrNoHost = errors.New("smpclient: no such host")
	// ErrUnexpected is returned when the relay answered something that is no
	// answer to the command.
	ErrUnexpected = errors.New("smpclient: unexpected answer")
	// ErrOldVersion is returned for commands that the agreed version does not
	// have; nothing was sent.
	ErrOldVersion = errors.New("smpclient: not in the agreed version")
)

// Options are for [Dial]; the zero value is fit for use.
type Options struct {
	// OnMessage is called for all that the relay sends unasked (MSG, NMSG, END,
	// ENDS, DELD), and for the MSG that answers SUB or ACK, in order and one
	// at a time; entity names the queue. It is called by the session's reader,
	// so it must return soon and must not call methods of the client that
	// wait; it may be called before Dial returns. Bodies belong to it. Nil
	// ignores all.
	OnMessage func(entity smp.EntityID, m smp.Message)

	// Dialer says how to open sockets; onion hosts are tried only through its
	// Socket, such as that of a transport.SOCKS5.
	Dialer   transport.Dialer
	Versions wire.VersionRange // zero is smp.Versions
	NoALPN   bool              // as clients before ALPN: version 6
	// ProxyServer marks the client as a relay that forwards for others.
	ProxyServer bool
	// Service makes the session one of a service, from version 16 on.
	Service *smphandshake.Service

	ConnectTimeout time.Duration // to be ready for commands; 0 is 30 s
	Timeout        time.Duration // for an answer; 0 is 15 s
	WriteTimeout   time.Duration // for the relay to take a block; 0 is 30 s
	PingInterval   time.Duration // of silence before PING; 0 is 10 min
	PingCount      int           // unanswered PINGs before the session ends; 0 is 3
	Log            *slog.Logger  // nil: none

	// TestOnlyEdit changes what the relay has sent in a block, as a hostile one
	// does. It is called by the session's reader; the slice is its own.
	TestOnlyEdit func([]smp.Response) []smp.Response
}

// Client is a session with a relay. Its methods are safe for concurrent use.
type Client struct {
	addr  smp.ServerAddr
	hello *smphandshake.Client
	s     *session.Session[smp.Message]
	on    func(smp.EntityID, smp.Message)
	done  chan struct{}
}

// Dial connects to a relay and returns when it is ready for commands. ctx and
// [Options.ConnectTimeout] bound only that: the session lives until
// [Client.Close]. The errors are listed in the package comment.
func Dial(ctx context.Context, addr smp.ServerAddr, o Options) (*Client, error) {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	conn, err := dial(ctx, addr, o)
	if err != nil {
		return nil, dialError(ctx, err)
	}
	hello, err := smphandshake.Connect(ctx, conn, smphandshake.ClientConfig{
		Identity: addr.KeyHash, Versions: o.Versions, ProxyServer: o.ProxyServer, Service: o.Service,
	})
	if err != nil {
		_ = conn.Abort()
		return nil, dialError(ctx, err)
	}
	return start(conn, hello, addr, o), nil
}

func dial(ctx context.Context, addr smp.ServerAddr, o Options) (*transport.Conn, error) {
	cfg := transport.ClientConfig{Fingerprint: []byte(addr.KeyHash), ALPN: []string{smp.ALPN}}
	if o.NoALPN {
		cfg.ALPN = nil
	}
	if o.Service != nil {
		cfg.Credential = o.Service.Credential
	}
	hosts := addr.Hosts
	if o.Dialer.Socket == nil {
		hosts = slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return smp.KindOf(h) == smp.HostOnion })
	}
	if len(hosts) == 0 {
		return nil, errOnion
	}
	ports := []string{addr.Port}
	if addr.Port == "" {
		ports = smp.DefaultPorts
	}
	var err error
	for i, port := range ports {
		var conn *transport.Conn
		part, cancel := transport.Share(ctx, len(ports)-i)
		conn, err = o.Dialer.Dial(part, hosts, port, cfg)
		cancel()
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// errOnion keeps names of onion hosts from the resolver of names.
var errOnion = errors.New("onion hosts need a proxy")

// dialError sorts what may go wrong into the errors of the package.
func dialError(ctx context.Context, err error) error {
	var nerr net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("smpclient: connecting: %w", ctx.Err())
	case ctx.Err() != nil, errors.As(err, &nerr) && nerr.Timeout():
		return fmt.Errorf("smpclient: connecting: %w: %w", ErrTimeout, err)
	case errors.Is(err, ErrFingerprint), errors.Is(err, ErrVersion), errors.Is(err, ErrHandshake):
		return fmt.Errorf("smpclient: connecting: %w", err)
	case errors.Is(err, transport.ErrHandshake), errors.Is(err, transport.ErrChain), errors.Is(err, transport.ErrSuite):
		return fmt.Errorf("smpclient: connecting: %w: %w", ErrHandshake, err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("%w: %w: %w", ErrConnect, ErrNoHost, err)
	}
	return fmt.Errorf("%w: %w", ErrConnect, err)
}

func start(conn *transport.Conn, hello *smphandshake.Client, addr smp.ServerAddr, o Options) *Client {
	c := &Client{addr: addr, hello: hello, on: o.OnMessage, done: make(chan struct{})}
	params := &hello.Params
	c.s = session.New(session.Config[smp.Message]{
		Conn:      conn,
		Parse:     func(block []byte) []session.Received[smp.Message] { return parse(params, block, o.TestOnlyEdit) },
		OnReceive: c.receive,
		Ping: func(id smp.CorrID) (smp.Item, error) {
			return params.EncodeCommand(id, "", smp.PING{}, smp.Credentials{})
		},
		Timeout: o.Timeout, WriteTimeout: o.WriteTimeout,
		PingInterval: o.PingInterval, PingCount: o.PingCount, Log: o.Log,
	})
	go func() {
		defer close(c.done)
		_ = c.s.Run(context.Background()) // the reason stays in c.s.Err
	}()
	return c
}

func parse(p *smp.Params, block []byte, edit func([]smp.Response) []smp.Response) []session.Received[smp.Message] {
	rs := p.ParseResponses(block)
	if edit != nil {
		rs = edit(rs)
	}
	out := make([]session.Received[smp.Message], len(rs))
	for i, r := range rs {
		out[i] = session.Received[smp.Message]{CorrID: r.CorrID, EntityID: r.EntityID, Message: r.Message}
		if r.Err != nil {
			out[i].Err = r.Err
		}
	}
	return out
}

// receive passes on events and messages, also those that answer a command
// whose caller has given up.
func (c *Client) receive(r session.Received[smp.Message]) {
	if c.on == nil {
		return
	}
	switch r.Message.(type) {
	case smp.MSG:
		c.on(r.EntityID, r.Message)
	case smp.NMSG, smp.END, smp.ENDS, smp.DELD:
		if r.CorrID == "" {
			c.on(r.EntityID, r.Message)
		}
	}
}

// Addr is the relay's address.
func (c *Client) Addr() smp.ServerAddr { return c.addr }

// Version is the agreed version.
func (c *Client) Version() wire.Version { return c.hello.Params.Version }

// SessionID is the session identifier of the connection. The caller must not
// change it.
func (c *Client) SessionID() []byte { return c.hello.Params.SessionID }

// Handshake is what the hellos have established. The caller must not change
// it.
func (c *Client) Handshake() *smphandshake.Client { return c.hello }

// Done is closed when the session has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is nil while the session lives, then [ErrClosed] with the reason.
func (c *Client) Err() error { return c.s.Err() }

// Close ends the session and waits for it. Always nil; it may be called again.
func (c *Client) Close() error {
	_ = c.s.Close()
	<-c.done
	return nil
}

// request encodes and authorizes a command. An empty ID makes one.
func (c *Client) request(id smp.CorrID, entity smp.EntityID, k key.Private, cmd smp.Command) (session.Request, error) {
	if id == "" {
		id = session.NewCorrID()
	}
	cred := smp.Credentials{Key: k}
	if smp.SignedByService(cmd) {
		cred.Service = c.hello.Service
	}
	item, err := c.hello.Params.EncodeCommand(id, entity, cmd, cred)
	if err != nil {
		return session.Request{}, fmt.Errorf("smpclient: %s: %w", cmd.Tag(), err)
	}
	_, quiet := cmd.(smp.GET)
	return session.Request{CorrID: id, Entity: entity, Item: item, Quiet: quiet}, nil
}

// do sends a command and waits. ERR becomes an error.
func (c *Client) do(ctx context.Context, entity smp.EntityID, k key.Private, cmd smp.Command) (smp.Message, error) {
	return c.doID(ctx, "", entity, k, cmd)
}

func (c *Client) doID(ctx context.Context, id smp.CorrID, entity smp.EntityID, k key.Private, cmd smp.Command) (smp.Message, error) {
	req, err := c.request(id, entity, k, cmd)
	if err != nil {
		return nil, err
	}
	m, err := c.s.Do(ctx, req)
	return answer(cmd, m, err)
}

func answer(cmd smp.Command, m smp.Message, err error) (smp.Message, error) {
	if err == nil {
		e, ok := m.(smp.ERR)
		if !ok {
			return m, nil
		}
		err = e.Err
	}
	return nil, fmt.Errorf("smpclient: %s: %w", cmd.Tag(), err)
}

// expect is do for commands with one kind of answer.
func expect[M smp.Message](m smp.Message, err error, cmd smp.Command) (M, error) {
	var zero M
	if err != nil {
		return zero, err
	}
	if got, ok := m.(M); ok {
		return got, nil
	}
	return zero, unexpected(cmd, m)
}

func unexpected(cmd smp.Command, m smp.Message) error {
	return fmt.Errorf("%w: %s to %s", ErrUnexpected, m.Tag(), cmd.Tag())
}

func (c *Client) since(v wire.Version, cmd smp.Command) error { return since(c.Version(), v, cmd) }

func since(have, min wire.Version, cmd smp.Command) error {
	if have < min {
		return fmt.Errorf("%w: %s needs %d, agreed on %d", ErrOldVersion, cmd.Tag(), min, have)
	}
	return nil
}
