package relays

import (
	"context"
	"errors"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/session"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/transport"
)

var (
	// ErrClosed is returned while the pool does not run.
	ErrClosed = errors.New("agent: not running")
	// ErrAddress is returned for text that is no relay's address.
	ErrAddress = errors.New("agent: bad relay address")
	// ErrNoServers is returned if the configuration has no relays.
	ErrNoServers = errors.New("agent: no relays configured")
	// ErrHost is returned for a relay none of whose hosts may be used.
	ErrHost = errors.New("agent: relay has no host that may be used")

	errSessionEnded = errors.New("agent: session with the relay ended")
)

// Relay is a session with a relay. Errors are *smp.Error if the relay answered
// with one, others are of the network. Methods may be called at once.
type Relay interface {
	Recipient
	Owner
	Sender
	// Proxy asks the relay to connect to another one, for a sender's commands
	// (PRXY). What it returns lives no longer than the session.
	Proxy(ctx context.Context, relay smp.ServerAddr, auth *smp.BasicAuth) (Sender, error)
	// Done is closed when the session has ended.
	Done() <-chan struct{}
	// Close ends the session and waits for it.
	Close() error
}

// Recipient is what the recipient of queues asks of a relay.
type Recipient interface {
	// CreateWith makes a queue and subscribes to it; the correlation ID is one
	// of smpclient.NewCorrID.
	CreateWith(ctx context.Context, id smp.CorrID, k key.Private, req smp.NEW) (smp.IDS, error)
	// Subscribe subscribes to queues; the errors are in the order of qs.
	Subscribe(ctx context.Context, qs []QueueAuth) []error
	// Get asks for the first message of a queue that is not subscribed; ok is
	// false if there is none.
	Get(ctx context.Context, q QueueAuth) (m smp.MSG, ok bool, err error)
	Ack(ctx context.Context, q QueueAuth, id smp.MsgID) error
	// Secure sets the sender's key (KEY).
	Secure(ctx context.Context, q QueueAuth, sender key.Public) error
	// Suspend closes a queue for its sender (OFF).
	Suspend(ctx context.Context, q QueueAuth) error
	// Info is the state of a queue (QUE).
	Info(ctx context.Context, q QueueAuth) (smp.QueueInfo, error)
	Delete(ctx context.Context, q QueueAuth) error
}

// Owner is what the recipient asks for its links and notifications.
type Owner interface {
	SetLink(ctx context.Context, q QueueAuth, id smp.LinkID, data smp.LinkData) error
	DeleteLink(ctx context.Context, q QueueAuth) error
	EnableNotifications(ctx context.Context, q QueueAuth, req smp.NtfReq) (smp.NtfIDs, error)
	DisableNotifications(ctx context.Context, q QueueAuth) error
}

// Sender is what a sender asks of a relay, directly or through a proxy.
type Sender interface {
	// SecureSender sets our key on a queue that we send to (SKEY).
	SecureSender(ctx context.Context, id smp.SenderID, k key.Private) error
	// Send sends to a queue; k is nil for messages without authorization.
	Send(ctx context.Context, id smp.SenderID, k key.Private, m smp.SEND) error
	// SecureByLink gets the data of a one-time link and sets our key (LKEY).
	SecureByLink(ctx context.Context, id smp.LinkID, k key.Private) (smp.LNK, error)
	// GetLink gets the data of a contact link (LGET).
	GetLink(ctx context.Context, id smp.LinkID) (smp.LNK, error)
}

// QueueAuth is a queue with the key that authorizes its recipient.
type QueueAuth = smpclient.Queue

// Target is a relay to connect to.
type Target struct {
	Addr   smp.ServerAddr     // with the hosts that may be used, in their order
	Socket transport.DialFunc // opens sockets; nil: directly
}

// Dialer connects to a relay. onMessage is called for every MSG, END and DELD
// that comes unasked or with an answer, in order and not at once, and returns
// soon; it may be called before the Dialer returns.
type Dialer func(ctx context.Context, t Target, onMessage func(smp.RecipientID, smp.Message)) (Relay, error)

// client is a session over smpclient.
type client struct{ *smpclient.Client }

var _ Relay = client{}

// Proxy implements [Relay].
func (c client) Proxy(ctx context.Context, relay smp.ServerAddr, auth *smp.BasicAuth) (Sender, error) {
	p, err := c.Client.Proxy(ctx, relay, auth)
	if err != nil {
		return nil, err // not a nil *Proxied in a Sender
	}
	return p, nil
}

// DialSMP is the [Dialer] of real relays. o.OnMessage is not used.
func DialSMP(o smpclient.Options) Dialer {
	return func(ctx context.Context, t Target, onMessage func(smp.RecipientID, smp.Message)) (Relay, error) {
		o := o
		if t.Socket != nil {
			o.Dialer.Socket = t.Socket
		}
		o.OnMessage = func(entity smp.EntityID, m smp.Message) { onMessage(smp.RecipientID(entity), m) }
		c, err := smpclient.Dial(ctx, t.Addr, o)
		if err != nil {
			return nil, err
		}
		return client{c}, nil
	}
}

// Temporary tells errors that may pass if the same is tried again.
func Temporary(err error) bool {
	var e *smp.Error
	switch {
	case errors.Is(err, ErrAddress), errors.Is(err, ErrHost), errors.Is(err, ErrNoServers):
		return false
	case !errors.As(err, &e), errors.Is(err, session.ErrAnswer): // the relay has not said so
		return true
	}
	return temporaryType(e)
}

func temporaryType(e *smp.Error) bool {
	switch e.Type {
	case smp.TypeStore, smp.TypeInternal, smp.TypeSession, smp.TypeQuota:
		return true
	case smp.TypeProxy:
		switch {
		case e.Proxy == nil:
			return true
		case e.Proxy.Type == smp.ProxyProtocol && e.Proxy.Protocol != nil:
			return temporaryType(e.Proxy.Protocol)
		}
		return e.Proxy.Type != smp.ProxyBasicAuth
	}
	return false
}
