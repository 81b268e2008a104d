package api

import (
	"encoding/json"
	"time"
)

// Error is the answer to a structured call that failed, and to a line that
// could not be read: {"type":"error","code":"notFound","message":"..."}.
type Error struct {
	Type    string    `json:"type"` // "error"
	Code    ErrorCode `json:"code"`
	Message string    `json:"message"`
}

// ErrorCode names the cause, for programs; the exit codes of simplexd follow it.
type ErrorCode string

// The codes of [Error].
const (
	CodeUsage       ErrorCode = "usage"       // wrong method, parameters or command
	CodeData        ErrorCode = "data"        // a line, link or message that cannot be read
	CodeNotFound    ErrorCode = "notFound"    // no such contact, item or queue
	CodeExists      ErrorCode = "exists"      // the profile or the name exists
	CodeUnavailable ErrorCode = "unavailable" // the relay cannot be reached
	CodeNoHost      ErrorCode = "noHost"      // the relay's name does not resolve
	CodeTimeout     ErrorCode = "timeout"     // queued, or waiting, not confirmed in time
	CodeProtocol    ErrorCode = "protocol"    // no common version, handshake failed
	CodeRefused     ErrorCode = "refused"     // fingerprint or authorization refused
	CodeIO          ErrorCode = "io"          // the disk is full, not writable or broken
	CodeInternal    ErrorCode = "internal"    // a fault of this program
	CodeLineTooLong ErrorCode = "lineTooLong" // the line is over the limit and was skipped
)

// Error gives the message alone.
func (e *Error) Error() string { return e.Message }

// InitParams are the parameters of "init": create the first user.
type InitParams struct {
	DisplayName string `json:"displayName"`
	FullName    string `json:"fullName,omitempty"`
}

// InfoResult is the result of "info".
type InfoResult struct {
	Type     string `json:"type"` // "info"
	User     *User  `json:"user,omitempty"`
	Contacts int    `json:"contacts"`
	Pending  int    `json:"pending"`
	Unread   int    `json:"unread"`
	LastSeq  int64  `json:"lastSeq"`
	Version  string `json:"version,omitempty"`
}

// InviteResult is the result of "invite".
type InviteResult struct {
	Type      string `json:"type"` // "invitation"
	Link      string `json:"link"`
	ShortLink string `json:"shortLink,omitempty"` // the relay keeps the link, and the profile with it
	ConnID    ConnID `json:"connId"`
}

// ConnectParams are the parameters of "connect".
type ConnectParams struct {
	Link string `json:"link"`
	// Wait lets the answer come when both sides are connected.
	Wait bool `json:"wait,omitempty"`
}

// ConnectResult is the result of "connect" and of "wait" for a connection.
// State is "joining" or "connected"; Contact is there when connected.
type ConnectResult struct {
	Type    string       `json:"type"` // "connection"
	State   string       `json:"state"`
	ConnID  ConnID       `json:"connId"`
	Contact *ContactLine `json:"contact,omitempty"`
}

// ContactLine is a contact in one line.
type ContactLine struct {
	ContactID ContactID `json:"contactId"`
	Name      string    `json:"name"`
	FullName  string    `json:"fullName,omitempty"`
	Alias     string    `json:"alias,omitempty"` // a name of our own giving
	// State is "connecting", "connected" or "deleted".
	State     string    `json:"state"`
	Unread    int       `json:"unread"`
	CreatedAt time.Time `json:"createdAt"`
}

// ContactsResult is the result of "contacts".
type ContactsResult struct {
	Type     string        `json:"type"` // "contacts"
	Contacts []ContactLine `json:"contacts"`
}

// ChatTo names a chat: a number (contact id), "@name", or {"contactId":2}.
type ChatTo struct {
	ContactID ContactID `json:"contactId,omitempty"`
	Name      string    `json:"name,omitempty"`
}

// UnmarshalJSON reads any of the three forms.
func (t *ChatTo) UnmarshalJSON(b []byte) error {
	type plain ChatTo
	if len(b) > 0 && b[0] == '{' {
		return json.Unmarshal(b, (*plain)(t))
	}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &t.Name)
	}
	return json.Unmarshal(b, &t.ContactID)
}

// SendParams are the parameters of "send".
type SendParams struct {
	To   ChatTo `json:"to"`
	Text string `json:"text"`
	// Idem makes the call safe to repeat: a second call with the same value
	// sends nothing and answers for the message of the first.
	Idem string `json:"idem,omitempty"`
	// Wait is the level to answer at: "queued" (in the store), "sent" (the
	// relay said OK; the default), "delivered" (a receipt came back).
	Wait string `json:"wait,omitempty"`
}

// SendResult is the result of "send". State is the level reached.
type SendResult struct {
	Type      string     `json:"type"` // "sent"
	ItemID    ChatItemID `json:"itemId"`
	MessageID string     `json:"messageId"`
	State     string     `json:"state"`
	Elapsed   float64    `json:"elapsed"` // seconds
}

// RecvParams are the parameters of "recv": a page of received messages after
// Since, in the order of their numbers; without Since, of the unread ones.
type RecvParams struct {
	Since *int64 `json:"since,omitempty"`
	// Unread leaves out what has been read, with Since too.
	Unread bool   `json:"unread,omitempty"`
	From   ChatTo `json:"from,omitzero"`
	// Follow waits until there is a message, and gives what there is then.
	Follow bool `json:"follow,omitempty"`
	// Limit is the most messages to give; a page has 100 at most.
	Limit int `json:"limit,omitempty"`
}

// RecvLine is one received message.
type RecvLine struct {
	Type       string     `json:"type"` // "message"
	V          int        `json:"v"`
	Seq        int64      `json:"seq"`
	Contact    string     `json:"contact"`
	ContactID  ContactID  `json:"contactId"`
	ItemID     ChatItemID `json:"itemId"`
	MsgID      string     `json:"msgId"`
	SentAt     time.Time  `json:"sentAt"`
	ReceivedAt time.Time  `json:"receivedAt"`
	Text       string     `json:"text"`
	// MsgType is the content's type when it is not "text".
	MsgType string `json:"msgType,omitempty"`
	// Integrity says what the agent found when it was not in order.
	Integrity *MsgErrorType `json:"integrity,omitempty"`
	// Swarm is the message as its conversation has it; Contact is then "swarm:"
	// and the conversation, MsgID the commit.
	Swarm *SwarmMessage `json:"swarm,omitempty"`
}

// RecvResult is the result of "recv".
type RecvResult struct {
	Type     string     `json:"type"` // "messages"
	Messages []RecvLine `json:"messages"`
	// LastSeq is where to go on: Since of the next call.
	LastSeq int64 `json:"lastSeq"`
}

// MarkReadParams are the parameters of "markRead": one message by Seq, or all
// up to and including UpTo.
type MarkReadParams struct {
	Seq  int64 `json:"seq,omitempty"`
	UpTo int64 `json:"upTo,omitempty"`
}

// SubscribeParams are the parameters of "subscribe". Without After a named
// consumer goes on after what it acknowledged last, an unnamed one sees what
// comes from now on.
type SubscribeParams struct {
	Consumer string   `json:"consumer,omitempty"`
	After    *int64   `json:"after,omitempty"`
	Types    []string `json:"types,omitempty"`
}

// AckParams are the parameters of "ack".
type AckParams struct {
	Consumer string `json:"consumer,omitempty"`
	Seq      int64  `json:"seq"`
}

// WaitParams are the parameters of "wait": for a connection, an item, or a
// contact's name.
type WaitParams struct {
	ConnID ConnID     `json:"connId,omitempty"`
	ItemID ChatItemID `json:"itemId,omitempty"`
	State  string     `json:"state,omitempty"`
}

// OK is the result of a call that has nothing to say.
type OK struct {
	Type string `json:"type"` // "ok"
	Seq  int64  `json:"seq,omitempty"`
}
