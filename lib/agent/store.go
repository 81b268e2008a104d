package agent

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Store keeps all that an agent knows. It is used by one agent at a time.
type Store interface {
	// View runs fn on a snapshot that it cannot change.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn once, in one transaction that is on disk when Update
	// returns nil. Concurrent calls may share a commit.
	Update(ctx context.Context, fn func(Tx) error) error
}

// Tx is a transaction of a [Store]. Methods that look for one row return
// [ErrNotFound] if there is none. Rows are the caller's; byte slices inside
// them are not changed by either side.
type Tx interface {
	ConnStore
	QueueStore
	RatchetStore
	RequestStore
	SendStore
	ReceiveStore
	EventStore
	CommandStore
	LinkStore
	NotifierStore
}

// ConnStore keeps connections.
type ConnStore interface {
	// InsertConn returns [ErrExists] for an ID in use.
	InsertConn(c *Conn) error
	Conn(id ConnID) (*Conn, error)
	UpdateConn(c *Conn) error
	// DeleteConn deletes a connection with everything that belongs to it.
	DeleteConn(id ConnID) error
	// Conns lists all connections.
	Conns() ([]ConnID, error)
	// Users tells whose connections are not those of user 0.
	Users() (map[ConnID]UserID, error)
}

// QueueStore keeps the queues of connections.
type QueueStore interface {
	// PutRcvQueue inserts q if its Row is 0, and sets Row, else it updates.
	PutRcvQueue(q *RcvQueue) error
	// PutSndQueue does the same.
	PutSndQueue(q *SndQueue) error
	// RcvQueues are a connection's in the order of Row.
	RcvQueues(id ConnID) ([]*RcvQueue, error)
	SndQueues(id ConnID) ([]*SndQueue, error)
	DeleteRcvQueue(row int64) error
	// DeleteSndQueue deletes a queue and what waits to be sent to it.
	DeleteSndQueue(row int64) error
	// CopyDeliveries lets what waits for one queue go to another as well.
	CopyDeliveries(from, to int64) error
	// AllRcvQueues lists those of all connections for subscribing.
	AllRcvQueues() ([]*RcvQueue, error)
}

// RatchetStore keeps the secrets of the end-to-end encryption.
type RatchetStore interface {
	// Ratchet is a connection's ratchet state as it was put.
	Ratchet(id ConnID) (state []byte, err error)
	PutRatchet(id ConnID, state []byte) error
	// SkippedChains and SkippedKey look among the keys of messages that the
	// ratchet skipped.
	SkippedChains(id ConnID) ([]ratchet.HeaderKey, error)
	SkippedKey(id ConnID, chain ratchet.HeaderKey, n uint32) (ratchet.MessageKey, error)
	ApplySkipped(id ConnID, d ratchet.SkippedDiff) error
	// DeleteSkipped forgets all of them, for a new ratchet.
	DeleteSkipped(id ConnID) error
	// AgreementKeys are the private keys behind the parameters that we sent,
	// with what else is needed until the ratchet is in use.
	AgreementKeys(id ConnID) ([]byte, error)
	PutAgreementKeys(id ConnID, keys []byte) error
}

// RequestStore keeps what waits for the client's decision.
type RequestStore interface {
	PutConfirmation(c *PendingConfirmation) error
	Confirmation(conn ConnID, id ConfirmationID) (*PendingConfirmation, error)
	DeleteConfirmations(conn ConnID) error
	PutRequest(r *PendingRequest) error
	Request(addr ConnID, id RequestID) (*PendingRequest, error)
	DeleteRequest(addr ConnID, id RequestID) error
}

// SendStore keeps messages to send.
type SendStore interface {
	// PutSent inserts m, to be delivered to each of the queues.
	PutSent(m *SentMessage, queues ...int64) error
	// NextDelivery is the first message that waits for a queue.
	NextDelivery(queue int64) (*Delivery, error)
	// RetryDelivery remembers how a delivery is going.
	RetryDelivery(queue, msgID int64, attempts int, delay time.Duration) error
	// DeleteDelivery ends one delivery. With the last one of a message its
	// body is erased, and unless keep is set the row as well.
	DeleteDelivery(conn ConnID, queue, msgID int64, keep bool) error
	// DeliveryQueues lists the queues that messages wait for.
	DeliveryQueues() (map[int64]ConnID, error)
	// SentByKey finds a message by its Outgoing.Key.
	SentByKey(conn ConnID, key string) (msgID int64, err error)
	// SentByNumber finds a message by SndID; the body may be gone.
	SentByNumber(conn ConnID, sndID int64) (*SentMessage, error)
	// MarkReceipt remembers that a message's receipt has come.
	MarkReceipt(conn ConnID, msgID int64) error
}

// ReceiveStore keeps what must be remembered of received messages.
type ReceiveStore interface {
	PutReceived(m *ReceivedMessage) error
	Received(conn ConnID, msgID int64) (*ReceivedMessage, error)
	// SeenHash tells whether a message with this hash of its encrypted bytes
	// was received.
	SeenHash(conn ConnID, encHash []byte) (bool, error)
	// SeenKeys and AddKeys remember the ratchet parameters that came to
	// re-synchronise, by their hash.
	SeenKeys(conn ConnID, hash []byte) (bool, error)
	AddKeys(conn ConnID, hash []byte, at time.Time) error
	// Expire forgets received and delivered messages, ratchet parameters and
	// opened links older than t.
	Expire(t time.Time) error
}

// EventStore is the outbox of events to the client.
type EventStore interface {
	AddEvent(e *StoredEvent) error
	// NextEvent is the first event of a connection.
	NextEvent(conn ConnID) (*StoredEvent, error)
	DeleteEvent(row int64) error
	// EventConns lists the connections with events.
	EventConns() ([]ConnID, error)
	// EventPending tells whether the event of a relay's message is there.
	EventPending(conn ConnID, queue int64, broker smp.MsgID) (bool, error)
}

// CommandStore keeps the network steps that are still to be done.
type CommandStore interface {
	AddCommand(c *StoredCommand) error
	// NextCommand is the first command of a connection.
	NextCommand(conn ConnID) (*StoredCommand, error)
	DeleteCommand(row int64) error
	// DeleteCommands deletes all of a connection.
	DeleteCommands(conn ConnID) error
	CommandConns() ([]ConnID, error)
}

// Role is a side of a connection.
type Role string

// The roles.
const (
	Inviter Role = "inviter" // made the invitation
	Joiner  Role = "joiner"  // joined with it
	Address Role = "address" // a contact address
)

// Phase is how far a connection has come. See the package comment.
type Phase string

// The phases, in their order.
const (
	PhaseCreating  Phase = "creating"  // inviter, address: the queue is to be made
	PhaseInvited   Phase = "invited"   // inviter: the link is out
	PhaseConfirmed Phase = "confirmed" // inviter: waiting for Allow
	PhaseAllowed   Phase = "allowed"   // inviter: answering
	PhaseJoining   Phase = "joining"   // joiner: queues are being made
	PhaseAccepted  Phase = "accepted"  // joiner: waiting for the inviter
	PhaseConnected Phase = "connected"
	PhaseFailed    Phase = "failed"  // never to be connected
	PhaseDeleted   Phase = "deleted" // queues are being deleted
)

// Conn is a connection's row.
type Conn struct {
	ID        ConnID
	User      UserID // whose connection it is; see Isolation
	Role      Role
	Phase     Phase
	Version   wire.Version // agent version: agreed, or our highest before
	PQ        bool         // post-quantum ratchet supported by both, as far as known
	Encrypted bool         // the last message either way had a PQ secret
	LastMsgID int64        // agent's number of the last message either way
	SndID     int64        // number of the last message sent
	SndHash   []byte       // SHA-256 of it, empty before the first
	RcvID     int64        // sender's number of the last message received
	RcvHash   []byte       // SHA-256 of it, empty before the first
	Sync      SyncState
	CreatedAt time.Time
}

// QueueStatus is how far a queue has come.
type QueueStatus string

// The statuses of queues.
const (
	QueueNew       QueueStatus = "new"
	QueueConfirmed QueueStatus = "confirmed" // keys agreed; sending: confirmation sent
	QueueSecured   QueueStatus = "secured"   // the relay has the sender's key
	QueueActive    QueueStatus = "active"    // messages have passed
	QueueDeleting  QueueStatus = "deleting"  // receiving: to be deleted on the relay
)

// SwitchState is where a queue is in a switch; empty outside of one.
type SwitchState string

// RcvQueue is a queue that we receive from.
type RcvQueue struct {
	Row        int64
	Conn       ConnID
	Server     string // smp://fingerprint@hosts
	RcvID      smp.RecipientID
	SndID      smp.SenderID
	Mode       smp.QueueMode
	Status     QueueStatus
	AuthKey    key.Private  // authorizes our commands
	RelayKey   []byte       // 32 bytes: the relay's encryption of bodies to us
	E2EPrivate []byte       // 32 bytes, raw X25519: ours, behind the link
	E2ESecret  []byte       // 32 bytes, nil before the confirmation
	Version    wire.Version // SMP client version
	LastBroker smp.MsgID    // last message taken from the relay
	Primary    bool
	Replaces   int64 // Row of the queue that this one replaces, or 0
	Switch     SwitchState
}

// e2eKey is the key behind the link.
func (q *RcvQueue) e2eKey() (*key.X25519Private, error) { return key.X25519FromRaw(q.E2EPrivate) }

// SndQueue is a queue that we send to.
type SndQueue struct {
	Row       int64
	Conn      ConnID
	Server    string
	SndID     smp.SenderID
	Mode      smp.QueueMode
	Status    QueueStatus
	AuthKey   key.Private // authorizes our messages
	E2EPublic key.X25519Public
	E2ESecret []byte       // 32 bytes
	Version   wire.Version // SMP client version
	Primary   bool
	Replaces  int64
	Switch    SwitchState
}

// PendingConfirmation is a joiner's confirmation.
type PendingConfirmation struct {
	Conn       ConnID
	ID         ConfirmationID
	SenderKey  []byte // SPKI of the key that the joiner will send with; nil if the queue is secured
	ReplyQueue []byte // the joiner's queue, as in the confirmation
	OwnInfo    []byte // given to Allow, nil before
}

// PendingRequest is a request that came to an address.
type PendingRequest struct {
	Address ConnID
	ID      RequestID
	Link    string // the invitation inside it
}

// SentMessage is a message that we send.
type SentMessage struct {
	Conn      ConnID
	ID        int64 // agent's number
	SndID     int64 // number in the message
	Kind      MessageKind
	Notify    bool
	Hash      []byte // SHA-256 of the agent message
	Body      []byte // the agent envelope, encrypted by the ratchet
	PQ        bool
	Key       string
	Receipt   bool // the receipt has come
	CreatedAt time.Time
}

// MessageKind is what a sent message is, for what its delivery leads to.
type MessageKind string

// The kinds of messages.
const (
	KindConnInfo      MessageKind = "connInfo"      // the inviter's confirmation
	KindConnInfoReply MessageKind = "connInfoReply" // the joiner's
	KindRequest       MessageKind = "request"       // to an address
	KindRatchetKey    MessageKind = "ratchetKey"
	KindHello         MessageKind = "hello"
	KindUser          MessageKind = "user"
	KindReceipt       MessageKind = "receipt"
	KindQCont         MessageKind = "qcont"
	KindReady         MessageKind = "eready"
	KindQAdd          MessageKind = "qadd"
	KindQKey          MessageKind = "qkey"
	KindQUse          MessageKind = "quse"
	KindQTest         MessageKind = "qtest"
)

// Delivery is a message on its way to one queue.
type Delivery struct {
	SentMessage
	Attempts int
	Delay    time.Duration // the last wait between attempts
}

// ReceivedMessage is what is remembered of a received message.
type ReceivedMessage struct {
	Conn       ConnID
	ID         int64  // agent's number
	SenderID   int64  // the sender's number
	Hash       []byte // SHA-256 of the agent message, for receipts
	EncHash    []byte // SHA-256 of the encrypted agent message
	User       bool   // a message of the client
	ReceivedAt time.Time
}

// StoredEvent is an event in the outbox.
type StoredEvent struct {
	Row    int64
	Conn   ConnID
	Queue  int64     // Row of the queue that is acknowledged with the event, or 0
	Broker smp.MsgID // the message to acknowledge
	Kind   string
	Data   []byte // JSON
	Body   []byte
}

// StoredCommand is a network step to be done.
type StoredCommand struct {
	Row       int64
	Conn      ConnID
	Kind      CommandKind
	Queue     int64 // Row of the queue concerned, or 0
	Data      []byte
	CreatedAt time.Time
}

// CommandKind names a network step.
type CommandKind string
