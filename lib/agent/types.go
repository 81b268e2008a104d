package agent

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// ConnID names a connection: 12 random bytes as base64url text, what the bot
// API calls agentConnId. It is never sent to anybody.
type ConnID string

// NewConnID is a random ConnID. Clients make it before they ask for a
// connection, so that they know it when the first event comes.
func NewConnID() ConnID { return ConnID(randomID()) }

// UserID is a number of the client's for one of several users of an agent.
// Sessions with relays are not shared between users.
type UserID int64

// ConfirmationID names a [Confirmation] waiting for [Agent.Allow].
type ConfirmationID string

// RequestID names a [Request] waiting for [Agent.Accept].
type RequestID string

func randomID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	return base64.URLEncoding.EncodeToString(b[:])
}

// Verdict is what the sender's numbers and hashes say about a received
// message. agent: Messages between SMP agents.
type Verdict string

// The verdicts.
const (
	IntegrityOK        Verdict = "ok"           // the next number, and the hash fits
	IntegritySkipped   Verdict = "skipped"      // numbers From..To never came
	IntegrityBadID     Verdict = "badMsgId"     // a number from the past
	IntegrityBadHash   Verdict = "badMsgHash"   // the next number, another history
	IntegrityDuplicate Verdict = "duplicateMsg" // the last number again
)

// Integrity is a verdict with its numbers.
type Integrity struct {
	Verdict Verdict
	From    int64 // first skipped SenderID
	To      int64 // last skipped SenderID
	Prev    int64 // for IntegrityBadID: the SenderID before
}

// String is the verdict in words.
func (i Integrity) String() string {
	if i.Verdict == IntegritySkipped {
		return fmt.Sprintf("skipped %d-%d", i.From, i.To)
	}
	return string(i.Verdict)
}

// SyncState is the state of the ratchet as the client sees it.
type SyncState string

// The states of a ratchet.
const (
	SyncOK       SyncState = "ok"
	SyncAllowed  SyncState = "allowed"  // errors: re-synchronising may help
	SyncRequired SyncState = "required" // nothing can be sent before it
	SyncStarted  SyncState = "started"
	SyncAgreed   SyncState = "agreed"
)

// SwitchPhase is a step of moving a queue.
type SwitchPhase string

// The phases of a switch.
const (
	SwitchStarted   SwitchPhase = "started"
	SwitchConfirmed SwitchPhase = "confirmed"
	SwitchSecured   SwitchPhase = "secured"
	SwitchCompleted SwitchPhase = "completed"
)

// ErrorCode classifies an [Error] for programs.
type ErrorCode string

// The codes of errors that reach the client.
const (
	CodeAuth     ErrorCode = "auth"     // the queue is gone or refuses our key
	CodeQuota    ErrorCode = "quota"    // the other party's queue is full
	CodeNetwork  ErrorCode = "network"  // the relay cannot be reached
	CodeNoHost   ErrorCode = "noHost"   // the relay's name does not resolve
	CodeIdentity ErrorCode = "identity" // the relay is not the one of the address
	CodeTimeout  ErrorCode = "timeout"  // the relay does not answer
	CodeServer   ErrorCode = "server"   // the relay answered with another error
	CodeVersion  ErrorCode = "version"  // no common version
	CodeDecrypt  ErrorCode = "decrypt"  // a message cannot be decrypted
	CodeProtocol ErrorCode = "protocol" // the other party broke the protocol
	CodeExpired  ErrorCode = "expired"  // tried for too long
	CodeTooLarge ErrorCode = "large"    // does not fit a message
	CodeInternal ErrorCode = "internal" // a fault of this program
)

// Error is an error inside an event. It is stored with the event, so it has
// no cause to unwrap.
type Error struct {
	Code   ErrorCode `json:"code"`
	Detail string    `json:"detail,omitempty"` // for people
	Server string    `json:"server,omitempty"` // the relay concerned
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return "agent: " + string(e.Code)
	}
	return "agent: " + string(e.Code) + ": " + e.Detail
}
