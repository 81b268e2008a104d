package agent

import (
	"context"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// Errors of the agent's methods, found with errors.Is.
var (
	ErrNotFound  = errors.New("agent: no such connection")
	ErrExists    = errors.New("agent: connection exists")
	ErrLink      = errors.New("agent: bad connection link")
	ErrVersion   = errors.New("agent: no common version")
	ErrState     = errors.New("agent: not possible in this state of the connection")
	ErrTooLarge  = errors.New("agent: message too large")
	ErrNoServers = relays.ErrNoServers
	ErrClosed    = relays.ErrClosed
)

// InviteOptions is what a new invitation or address is made with. The zero
// value asks for a relay of the configuration, without post-quantum keys.
type InviteOptions struct {
	Server     string // smp://…; empty: one of Config.Servers
	PQ         bool   // support the post-quantum ratchet
	PQLink     bool   // with PQ: put its key in the link (1.6 KB longer), not in the answer
	Standard   bool   // the slow handshake: the joiner may not secure the queue
	ClientData string // opaque text for the link's data parameter
	User       UserID // whose connection it is
	// Short asks for a short link too, to this data. With it, the ratchet's
	// post-quantum key is in the data, and in the full link only with PQLink.
	Short    *LinkData
	LinkType link.Type // of an address: link.Address (0), Group, Channel or Relay
}

// Link is a new link. A relay may be too old for short ones.
type Link struct {
	Full  string
	Short string // empty if there is none
}

// Resolved is what a short link leads to.
type Resolved struct {
	Info     LinkInfo
	Full     string // the full link
	Request  link.Request
	RootKey  key.Ed25519Public // who owns the link
	EntityID []byte            // nil if there is none
	User     link.User         // what its owners can change
}

// JoinOptions is what a connection is joined with.
type JoinOptions struct {
	Server string // for the reply queue: smp://…; empty: one of Config.Servers
	PQ     bool   // use the post-quantum ratchet if the link allows
	User   UserID // whose connection it is
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
	Short      bool      // a short link: PQ, ClientData and Version are not known
	Type       link.Type // of a short link
	Contact    bool      // an address that many can use, not an invitation
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
	Linker
	Messenger
	Manager
	Mover
	Mobile
}

// Connector makes connections. See [API].
type Connector interface {
	// CreateInvitation makes a queue on a relay and returns the one-time link
	// to it. id is a fresh [NewConnID]. It needs the relay: its errors and the
	// network's are returned and leave nothing behind. Also [ErrExists],
	// [ErrNoServers].
	CreateInvitation(ctx context.Context, id ConnID, o InviteOptions) (Link, error)
	// CreateAddress makes a contact address; requests arrive as [Request].
	CreateAddress(ctx context.Context, id ConnID, o InviteOptions) (Link, error)
	// CreateInvitationLater and CreateAddressLater do not wait for the relay;
	// [Created] follows, or a fatal [ConnError].
	CreateInvitationLater(ctx context.Context, id ConnID, o InviteOptions) error
	CreateAddressLater(ctx context.Context, id ConnID, o InviteOptions) error
	// Join connects with an invitation or, as a request, with an address, by
	// a full or a short link. info is our connInfo. It does not wait for the network: [Info] and
	// [Connected] tell how it goes, or a fatal [ConnError]. Also [ErrLink],
	// [ErrVersion], [ErrTooLarge], [ErrExists], [ErrNoServers].
	Join(ctx context.Context, id ConnID, link string, info []byte, o JoinOptions) error
	// Allow goes on with a connection after [Confirmation]. info is our
	// connInfo.
	Allow(ctx context.Context, id ConnID, conf ConfirmationID, info []byte) error
	// Accept joins the invitation inside a [Request] of the address addr; id
	// is a fresh [NewConnID] for the new connection, which is [ErrExists] if
	// the request was accepted with it before.
	Accept(ctx context.Context, id, addr ConnID, req RequestID, info []byte, o JoinOptions) error
	// Reject forgets a [Request].
	Reject(ctx context.Context, addr ConnID, req RequestID) error
}

// Linker looks after short links. See [API]. Methods that wait for the relay
// return its errors and the network's.
type Linker interface {
	// ParseLink tells what a link is. [ErrLink], [ErrVersion].
	ParseLink(link string) (LinkInfo, error)
	// ResolveLink asks the relay what a short link leads to. A one-time link
	// is ours from then on: nobody else can open it, and we can again.
	// [ErrLink], [ErrVersion].
	ResolveLink(ctx context.Context, short string, u UserID) (Resolved, error)
	// SetLink changes the data of the short link of an invitation or of an
	// address, which gets one if it has none. [ErrTooLarge], [ErrLink] for
	// owners whom nobody has let in.
	SetLink(ctx context.Context, id ConnID, d LinkData) (short string, err error)
	// SetLinkLater does not wait for the relay; [LinkSet] follows.
	SetLinkLater(ctx context.Context, id ConnID, d LinkData) error
	// DeleteLink deletes the data: the short link leads nowhere then.
	DeleteLink(ctx context.Context, id ConnID) error
	// DeleteLinkLater does not wait for the relay; [LinkSet] follows.
	DeleteLinkLater(ctx context.Context, id ConnID) error
	// ShortLink is a connection's, empty if there is none.
	ShortLink(ctx context.Context, id ConnID) (string, error)
	// NewOwner lets another key own the link of an address besides us; the
	// owner is to be put into [LinkData].
	NewOwner(ctx context.Context, id ConnID, ownerID []byte, k key.Ed25519Public) (link.Owner, error)
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
	// SecurityDigest is what both parties compare to know that nobody stands
	// between them; [ErrState] while there is no ratchet.
	SecurityDigest(ctx context.Context, id ConnID) ([32]byte, error)
	// Delete ends a connection: its queues are deleted on the relays, now or
	// when they can be reached; [Deleted] follows.
	Delete(ctx context.Context, id ConnID) error
	// Connection tells the state of one connection.
	Connection(ctx context.Context, id ConnID) (ConnInfo, error)
}

// Mover moves queues. See [API].
type Mover interface {
	// Switch moves our receiving queue to another relay of the configuration,
	// or to a new queue on the same; [Switched] tells how it goes.
	Switch(ctx context.Context, id ConnID) error
	// AbortSwitch gives a switch up that has not come so far that the other
	// party may use the new queue; [ErrState] if it has, or there is none.
	AbortSwitch(ctx context.Context, id ConnID) error
}

// Mobile is for devices that sleep and are woken. See [API].
type Mobile interface {
	// EnableNotifications lets a server of notifications know of messages on
	// our queue, with these credentials. It waits for the relay if they are
	// not there yet.
	EnableNotifications(ctx context.Context, id ConnID) (*Notifier, error)
	// DisableNotifications takes them away.
	DisableNotifications(ctx context.Context, id ConnID) error
	// EnableNotificationsLater and DisableNotificationsLater do not wait for
	// the relay; [NotifierSet] follows.
	EnableNotificationsLater(ctx context.Context, id ConnID) error
	DisableNotificationsLater(ctx context.Context, id ConnID) error
	// Fetch asks the relay for one message of a connection that is not
	// subscribed; ok tells whether there was one, and its event follows.
	Fetch(ctx context.Context, id ConnID) (ok bool, err error)
	// FetchLater does not wait for the relay; [Fetched] follows.
	FetchLater(ctx context.Context, id ConnID) error
	// Suspend takes no more messages, lets what is under way end until ctx
	// does, and then ends all sessions. What is not done is left for
	// [Mobile.Resume]. It returns when nothing runs any more.
	Suspend(ctx context.Context) error
	// Resume goes on after Suspend. [ErrClosed].
	Resume(ctx context.Context) error
}
