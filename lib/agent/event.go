package agent

import (
	"context"
	"time"
)

// Event is what happened to a connection: one of the structs of this file
// that say so. Events of a connection are handled in order, one at a time.
type Event interface{ event() }

// Handler is the agent's client. Its methods are called from goroutines of
// [Agent.Run], for different connections at once, with no lock held and no
// transaction open: they may call any method of the agent. Byte slices belong
// to the handler.
type Handler interface {
	// HandleEvent takes a durable event. After nil the event is forgotten (and
	// a received message is acknowledged to the relay), so nil means that all
	// of it that matters is on disk. After an error it is handled again later,
	// and nothing after it on this connection before that. After a crash an
	// event may come again: handlers must be idempotent, a [Message] by
	// (ConnID, Message.ID).
	HandleEvent(ctx context.Context, conn ConnID, ev Event) error
	// HandleStatus takes news of a relay. It is not durable and must return
	// soon.
	HandleStatus(ctx context.Context, st Status)
}

// Confirmation is the other party's answer to our invitation (CONF); the
// connection waits until [Agent.Allow].
type Confirmation struct {
	ID      ConfirmationID
	Info    []byte // the other party's connInfo
	PQ      bool   // the other party supports the post-quantum ratchet
	Servers []string
}

// Request is a request to connect that came to our contact address (REQ); see
// [Agent.Accept] and [Agent.Reject].
type Request struct {
	ID   RequestID
	Info []byte // the other party's connInfo
	PQ   bool   // the request offers a post-quantum ratchet
}

// Info is the connInfo of the party whose invitation we joined (INFO).
type Info struct {
	Info []byte
	PQ   bool
}

// Connected says that both parties can send (CON).
type Connected struct {
	PQ bool // the ratchet is post-quantum now
}

// Message is a received message (MSG).
type Message struct {
	ID         int64 // the agent's number of the message, rising in a connection
	SenderID   int64 // the sender's number of the message, from 1
	BrokerID   []byte
	BrokerTime time.Time // when the relay accepted it
	ReceivedAt time.Time
	Integrity  Integrity
	Notify     bool // the sender asked for a notification
	PQ         bool // encrypted with a post-quantum secret
	Hash       []byte
	Body       []byte
}

// Sent says that the relay has accepted a message of ours (SENT).
type Sent struct {
	MsgID int64
	PQ    bool
}

// SendError says that a message will not be sent (MERR), or, if Temporary,
// that it has been delayed and is still being tried (MWARN).
type SendError struct {
	MsgID     int64
	Err       *Error
	Temporary bool
}

// Receipt says that the other party's client has received messages (RCVD).
type Receipt struct {
	MsgID    int64 // what [Agent.Send] returned
	BadHash  bool  // the other party saw a different message
	BrokerAt time.Time
}

// ConnError is an error of a connection that no message carries (ERR): a
// failed join, a message that cannot be decrypted, a queue gone.
type ConnError struct {
	Err *Error
	// Fatal means that the connection will not be established or used again
	// without help.
	Fatal bool
}

// Ended says that another client has subscribed to the connection's queue
// (END); this agent receives nothing on it until [Agent.Subscribe].
type Ended struct{}

// QueueFreed says that the other party has emptied its queue after it was
// full, and that sending goes on (QCONT).
type QueueFreed struct{}

// RatchetSync reports a change of the ratchet's state (RSYNC).
type RatchetSync struct {
	State SyncState
	Err   *Error // what led to it, or nil
}

// Switched reports a step of moving a queue to another relay (SWITCH).
type Switched struct {
	Receiving bool // our receiving queue moves, else the sending one
	Phase     SwitchPhase
}

// Deleted says that the connection is gone here and its queues on the relays
// (DEL_CONNS). It is the last event of a connection.
type Deleted struct{}

func (Confirmation) event() {}
func (Request) event()      {}
func (Info) event()         {}
func (Connected) event()    {}
func (Message) event()      {}
func (Sent) event()         {}
func (SendError) event()    {}
func (Receipt) event()      {}
func (ConnError) event()    {}
func (Ended) event()        {}
func (QueueFreed) event()   {}
func (RatchetSync) event()  {}
func (Switched) event()     {}
func (Deleted) event()      {}
func (LinkSet) event()      {}
func (Created) event()      {}
func (NotifierSet) event()  {}
func (Fetched) event()      {}

// LinkSet says that the data of a short link is on the relay, after
// [Agent.SetLinkLater] (LINK), or is gone, after [Agent.DeleteLinkLater]; or
// that this will not be.
type LinkSet struct {
	Short   string
	Deleted bool `json:",omitempty"`
	Err     *Error
}

// Created has the link that [Agent.CreateInvitationLater] or
// [Agent.CreateAddressLater] was to make (INV). A fatal [ConnError] comes in
// its place if it cannot be made.
type Created struct{ Link Link }

// NotifierSet says that notifications are enabled, after
// [Agent.EnableNotificationsLater], or disabled; with Err, that they stay as
// they were.
type NotifierSet struct {
	Enabled bool
	Err     *Error
}

// Fetched ends [Agent.FetchLater]: there was a message, whose event follows, or
// none, or the relay refused.
type Fetched struct {
	Message bool
	Err     *Error
}

// Status is news of a relay (UP, DOWN).
type Status struct {
	Server string   // smp://fingerprint@host
	Up     bool     // its queues are subscribed
	Conns  []ConnID // the connections that the news concerns
	Err    error    // why it is down
}
