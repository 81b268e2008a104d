package chat

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// ErrNotFound is what the store's getters return for what is not there.
var ErrNotFound = errors.New("chat: not found")

// Store keeps what chat knows. It is implemented by package chatdb.
type Store interface {
	// Update runs fn in a transaction: all of it is on disk when Update
	// returns nil, none of it when fn or the commit fails. fn runs once and
	// must not call the agent.
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn on a consistent state that it only reads.
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx is a transaction. Put methods insert what has no ID and set it, and
// replace what has one; getters return [ErrNotFound]; lists are ordered by ID
// unless it is said otherwise.
type Tx interface {
	UserTx
	ContactTx
	ConnTx
	AddressTx
	ItemTx
	TimerTx
	ReadTx
	OutTx
	LogTx
	LineTx
}

// UserTx keeps users.
type UserTx interface {
	PutUser(u *User) error
	User(id api.UserID) (*User, error)
	Users() ([]*User, error)
	DeleteUser(id api.UserID) error
	// NewProfileID counts profiles, ours and others'.
	NewProfileID() (api.ProfileID, error)
}

// ContactTx keeps contacts.
type ContactTx interface {
	PutContact(c *Contact) error
	Contact(id api.ContactID) (*Contact, error)
	// ContactByName finds a contact of a user by its local display name.
	ContactByName(u api.UserID, name string) (*Contact, error)
	Contacts(u api.UserID) ([]*Contact, error)
	// DeleteContact deletes the contact with its items.
	DeleteContact(id api.ContactID) error
}

// ConnTx keeps connections.
type ConnTx interface {
	PutConn(c *Conn) error
	Conn(id api.ConnID) (*Conn, error)
	ConnByAgentID(id agent.ConnID) (*Conn, error)
	// Conns are all connections of a user.
	Conns(u api.UserID) ([]*Conn, error)
	DeleteConn(id api.ConnID) error
}

// AddressTx keeps contact addresses, at most one a user, and requests to them.
type AddressTx interface {
	PutAddress(a *Address) error
	Address(u api.UserID) (*Address, error)
	AddressByAgentID(id agent.ConnID) (*Address, error)
	DeleteAddress(id api.UserContactLinkID) error
	PutRequest(r *Request) error
	Request(id api.ContactRequestID) (*Request, error)
	// Requests are all of a user.
	Requests(u api.UserID) ([]*Request, error)
	DeleteRequest(id api.ContactRequestID) error
}

// ItemTx keeps chat items.
type ItemTx interface {
	PutItem(it *Item) error
	Item(id api.ChatItemID) (*Item, error)
	// ItemByMsgID finds the item of a message by the sender's name for it.
	ItemByMsgID(c api.ContactID, sent bool, msgID string) (*Item, error)
	ItemByIdem(u api.UserID, key string) (*Item, error)
	Items(q ItemQuery) ([]*Item, error)
	DeleteItem(id api.ChatItemID) error
	AddVersion(id api.ChatItemID, v ItemVersion) error
	// Versions are an item's versions, the newest first.
	Versions(id api.ChatItemID) ([]ItemVersion, error)
}

// TimerTx keeps when items are to disappear.
type TimerTx interface {
	PutTimer(id api.ChatItemID, at time.Time) error
	// Timers are the items that are due, up to limit, and when the next is.
	Timers(now time.Time, limit int) (due []api.ChatItemID, next time.Time, err error)
}

// ReadTx counts and changes what is unread.
type ReadTx interface {
	Unread(c api.ContactID) (Unread, error)
	UnreadOfUser(u api.UserID) (int, error)
	// MarkRead marks unread items of a contact: all, or those named.
	MarkRead(c api.ContactID, ids ...api.ChatItemID) error
	// MarkReadSeq marks unread items with from <= Seq <= to.
	MarkReadSeq(u api.UserID, from, to int64) error
}

// OutTx keeps what is on its way to the agent, and which message of the agent
// carries which item.
type OutTx interface {
	PutOut(o *Out) error
	// Outs are the messages not yet given to the agent, of one connection or,
	// with 0, of all.
	Outs(c api.ConnID) ([]*Out, error)
	DeleteOut(id int64) error
	PutDelivery(c api.ConnID, msgID int64, it api.ChatItemID) error
	// Delivery is the item that a message of the agent carries.
	Delivery(c api.ConnID, msgID int64) (api.ChatItemID, error)
	// MaxOutMsgID is the highest msgID put with PutDelivery.
	MaxOutMsgID(c api.ConnID) (int64, error)
}

// LogTx is the event log.
type LogTx interface {
	// AppendEvent gives the event its number, which is higher than any before.
	AppendEvent(e *Event) error
	// Events are up to limit events after seq, in order.
	Events(after int64, limit int) ([]Event, error)
	// LogRange is the first and the last number of the log: all up to first-1
	// have been deleted. 1, 0 for an empty log.
	LogRange() (first, last int64, err error)
	// DeleteEvents deletes events up to seq.
	DeleteEvents(seq int64) error
	// Cursor is the last number that a consumer acknowledged, 0 if none.
	Cursor(consumer string) (int64, error)
	PutCursor(consumer string, seq int64) error
	DeleteCursor(consumer string) error
	// MinCursor is the lowest cursor, ok is false if there are none.
	MinCursor() (seq int64, ok bool, err error)
}

// User is a profile of ours.
type User struct {
	ID         api.UserID
	ContactID  api.ContactID
	ProfileID  api.ProfileID
	Name       string // local display name
	Profile    api.Profile
	Active     bool
	Order      int64
	ShowNtfs   bool
	Receipts   bool // to contacts
	RcptGroups bool
	AutoAccept bool
	NamedAt    *time.Time // when a name or the picture changed last
	Hidden     *api.UserPwdHash
	ItemTTL    int64 // seconds that items live, 0: for ever
	Tags       []api.ChatTag
	LastTag    int64
}

// Contact is a person, or the contact that stands for a user of ours (IsUser).
type Contact struct {
	ID        api.ContactID
	UserID    api.UserID
	ProfileID api.ProfileID
	Name      string // local display name, unique among a user's contacts
	IsUser    bool
	Profile   api.Profile
	Alias     string
	Used      bool
	Status    string // active, deleted (by the other party), deletedByUser
	Settings  api.ChatSettings
	UserPrefs api.Preferences
	ConnID    api.ConnID           // 0: none
	RequestID api.ContactRequestID // that came to our address, or 0
	// Incognito is set when the contact sees a profile of its own.
	Incognito bool
	Tags      []int64
	ItemTTL   *int64 // nil: the user's
	Unread    bool   // the user said so
	Deleted   bool   // the chat, not the contact
	CreatedAt time.Time
	UpdatedAt time.Time
	ChatTS    *time.Time
}

// Address is a contact address of ours.
type Address struct {
	ID       api.UserContactLinkID
	UserID   api.UserID
	AgentID  agent.ConnID
	Link     *api.CreatedConnLink // nil while it is made
	Data     bool                 // the short link tells who we are
	Stale    int                  // changes of that which the agent was not given yet
	Settings api.AddressSettings
}

// Request is somebody who asks to connect through our address. It has a
// contact from the beginning, without a connection until it is accepted.
type Request struct {
	ID        api.ContactRequestID
	UserID    api.UserID
	AddressID api.UserContactLinkID
	AgentAddr agent.ConnID
	AgentReq  agent.RequestID
	ContactID api.ContactID
	Name      string
	ProfileID api.ProfileID
	Profile   api.Profile
	Peer      api.VersionRange
	XID       string // theirs, the same when they ask again
	PQ        bool
	Accepted  bool
	CreatedAt time.Time
	UpdatedAt time.Time
}

// CustomProfile is one that only one contact sees in place of the user's.
type CustomProfile struct {
	ID      api.ProfileID
	Profile api.Profile
}

// Conn is a connection of the agent.
type Conn struct {
	ID        api.ConnID
	UserID    api.UserID
	AgentID   agent.ConnID
	ContactID api.ContactID // 0: pending
	Status    string        // see the constants
	Initiated bool
	Link      *api.CreatedConnLink
	// Request is set when we asked an address: the connection is pending until
	// somebody accepts.
	Request   bool
	XID       string                // our name for the request, for asking again
	Address   api.UserContactLinkID // through which the contact came, or 0
	Custom    *CustomProfile        // shown instead of the user's
	Alias     string
	Version   int
	Peer      api.VersionRange
	PQSupport bool
	PQ        *bool // of the last message, once connected
	// Code is the security code that the user has compared, nil if none.
	Code *api.SecurityCode
	// LastRcv is the highest number of a message of the agent that was taken.
	LastRcv   int64
	Error     string // of a connection that failed, for people
	ErrCode   string // its agent.ErrorCode
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Statuses of connections.
const (
	ConnNew       = "new"       // an invitation nobody has used
	ConnJoined    = "joined"    // we used one; the relay does not know yet
	ConnRequested = "requested" // our invitation was used
	ConnAccepted  = "accepted"  // and we have answered
	ConnSndReady  = "snd-ready" // we used one and can send
	ConnReady     = "ready"
	ConnDeleted   = "deleted"
	ConnFailed    = "failed"
)

// Item is an entry of a chat.
type Item struct {
	ID        api.ChatItemID
	UserID    api.UserID
	ContactID api.ContactID
	Sent      bool
	Message   bool // a message, not a notice of the program
	MsgID     string
	Unread    bool
	// Seq is the number of the event that told of a received item.
	Seq int64
	// Idem is the client's key for a sent item, if it gave one.
	Idem string
	// Integrity is set when the agent found a message out of order.
	Integrity *api.MsgErrorType
	// Reactions are those of both sides.
	Reactions []Reaction
	// Batch are the items that the same message of the agent carries after
	// this one.
	Batch []api.ChatItemID
	// Item is the item as the API shows it, except what depends on the time:
	// Deletable and Editable.
	Item api.ChatItem
}

// Reaction is one side's reaction to an item.
type Reaction struct {
	Emoji string
	Ours  bool
}

// ItemQuery selects items of a user, or of one contact.
type ItemQuery struct {
	UserID    api.UserID
	ContactID api.ContactID // 0: all
	After     api.ChatItemID
	Before    api.ChatItemID
	AfterSeq  *int64 // received items only, ordered by Seq
	Messages  bool   // no notices
	Unread    bool
	SentOnly  bool
	Search    string // in the text, ignoring case
	Limit     int    // 0: none
	Last      bool   // the last Limit items instead of the first; ascending all the same
}

// ItemVersion is the content an item has or had.
type ItemVersion struct {
	ID      int64
	Content api.MsgContent
	TS      time.Time // when the sender wrote it
	Created time.Time
}

// Unread counts a chat.
type Unread struct {
	Count int
	Min   api.ChatItemID // 0: none
}

// Out is a message for the agent.
type Out struct {
	ID     int64
	ConnID api.ConnID
	ItemID api.ChatItemID // 0: carries none
	Key    string         // what makes giving it twice harmless
	Body   []byte
	Notify bool
}

// Event is an entry of the event log.
type Event struct {
	Seq  int64
	TS   time.Time
	Type string
	// Resp is the event's JSON, an api.Response.
	Resp json.RawMessage
}
