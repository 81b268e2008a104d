package agent

import (
	"context"
	"errors"
)

// Errors of the agent's methods, found with errors.Is.
var (
	ErrNotFound  = errors.New("agent: no such connection")
	ErrExists    = errors.New("agent: connection exists")
	ErrLink      = errors.New("agent: bad connection link")
	ErrVersion   = errors.New("agent: no common version")
	ErrState     = errors.New("agent: not possible in this state of the connection")
	ErrTooLarge  = errors.New("agent: message too large")
	ErrNoServers = errors.New("agent: no relays configured")
	ErrClosed    = errors.New("agent: not running")
)

// InviteOptions is what a new invitation or address is made with. The zero
// value asks for a relay of the configuration, without post-quantum keys.
type InviteOptions struct {
	Server     string // smp://…; empty: one of Config.Servers
	PQ         bool   // support the post-quantum ratchet
	PQLink     bool   // with PQ: put its key in the link (1.6 KB longer), not in the answer
	Standard   bool   // the slow handshake: the joiner may not secure the queue
	ClientData string // opaque text for the link's data parameter
}

// JoinOptions is what a connection is joined with.
type JoinOptions struct {
	Server string // for the reply queue: smp://…; empty: one of Config.Servers
	PQ     bool   // use the post-quantum ratchet if the link allows
}

// Outgoing is a message to send.
type Outgoing struct {
	Body   []byte
	Notify bool // ask the relay to notify the other party's device
	// Key makes Send idempotent, if not empty: a second Send with the same
	// key on one connection returns the first one's number and sends nothing.
	Key string
}

// LinkInfo is what can be told of a link without the network.
type LinkInfo struct {
	Contact    bool // an address that many can use, not an invitation
	PQ         bool
	ClientData string
	Server     string
	Version    int // the agent version that both sides would speak
}

// ConnInfo is what is known of a connection, for people and bots.
type ConnInfo struct {
	ID         ConnID
	Version    int // agreed agent version; 0 before
	Status     string
	PQ         bool // the last message was post-quantum both ways
	PQSupport  bool
	Sync       SyncState
	RcvServers []string
	SndServers []string
	Subscribed bool
	MaxBody    int // bytes of the largest message
}

// API is all that a client can ask of an [Agent]. Every method that changes
// something has it on disk when it returns, and what the network has to do is
// resumed after a restart. Safe for concurrent use, handlers included.
//
// Errors: [ErrNotFound], [ErrState], [ErrClosed], and what each method names.
type API interface {
	Connector
	Messenger
	Manager
}

// Connector makes connections. See [API].
type Connector interface {
	// CreateInvitation makes a queue on a relay and returns the one-time link
	// to it. id is a fresh [NewConnID]. It needs the relay: its errors and the
	// network's are returned and leave nothing behind. Also [ErrExists],
	// [ErrNoServers].
	CreateInvitation(ctx context.Context, id ConnID, o InviteOptions) (link string, err error)
	// CreateAddress makes a contact address; requests arrive as [Request].
	CreateAddress(ctx context.Context, id ConnID, o InviteOptions) (link string, err error)
	// Join connects with an invitation or, as a request, with an address. info
	// is our connInfo. It does not wait for the network: [Info] and
	// [Connected] tell how it goes, or a fatal [ConnError]. Also [ErrLink],
	// [ErrVersion], [ErrTooLarge], [ErrExists], [ErrNoServers].
	Join(ctx context.Context, id ConnID, link string, info []byte, o JoinOptions) error
	// Allow goes on with a connection after [Confirmation]. info is our
	// connInfo.
	Allow(ctx context.Context, id ConnID, conf ConfirmationID, info []byte) error
	// Accept joins the invitation inside a [Request] of the address addr; id
	// is a fresh [NewConnID] for the new connection.
	Accept(ctx context.Context, id, addr ConnID, req RequestID, info []byte, o JoinOptions) error
	// Reject forgets a [Request].
	Reject(ctx context.Context, addr ConnID, req RequestID) error
}

// Messenger sends. See [API].
type Messenger interface {
	// Send puts a message into the connection's durable queue and returns its
	// number; [Sent] or [SendError] follows. Also [ErrTooLarge].
	Send(ctx context.Context, id ConnID, m Outgoing) (msgID int64, err error)
	// SendReceipt tells the other party that a received message was taken.
	SendReceipt(ctx context.Context, id ConnID, msgID int64) error
}

// Manager looks after connections. See [API].
type Manager interface {
	// Subscribe takes connections back after [Ended].
	Subscribe(ctx context.Context, ids ...ConnID) error
	// SyncRatchet begins a new ratchet after [RatchetSync] said that it is
	// allowed or required; force does so in any state.
	SyncRatchet(ctx context.Context, id ConnID, force bool) error
	// Switch moves our receiving queue to another relay of the configuration,
	// or to a new queue on the same; [Switched] tells how it goes.
	Switch(ctx context.Context, id ConnID) error
	// Delete ends a connection: its queues are deleted on the relays, now or
	// when they can be reached; [Deleted] follows.
	Delete(ctx context.Context, id ConnID) error
	// ParseLink tells what a link is. [ErrLink], [ErrVersion].
	ParseLink(link string) (LinkInfo, error)
	// Connection tells the state of one connection.
	Connection(ctx context.Context, id ConnID) (ConnInfo, error)
}
