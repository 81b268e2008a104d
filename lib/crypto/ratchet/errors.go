package ratchet

import (
	"errors"
	"fmt"
)

// The errors of encryption and agreement. All leave the state as it was.
var (
	// ErrLarge is returned for a message that does not fit the padded size.
	ErrLarge = errors.New("ratchet: message too long for its padded size")
	// ErrNotReady is returned by Encrypt before the first message was
	// received by the side that made the invitation.
	ErrNotReady = errors.New("ratchet: no sending chain yet")
	// ErrKEMState is returned for KEM parameters that answer no proposal.
	ErrKEMState = errors.New("ratchet: KEM accepted that was not proposed")
	// ErrVersion is returned for E2E parameters of an unknown version.
	ErrVersion = errors.New("ratchet: unsupported E2E version")
	// ErrStored is wrapped by the errors of reading a stored value.
	ErrStored = errors.New("ratchet: bad stored value")
)

// The errors of decryption before the state changes.
var (
	// ErrSyntax is wrapped by the errors of a message or a header that is not
	// of the grammar.
	ErrSyntax = errors.New("ratchet: bad message")
	// ErrHeader is returned for a header that no key of the state opens: a
	// damaged message, one of a ratchet long gone, or of another ratchet.
	ErrHeader = errors.New("ratchet: cannot decrypt header")
)

// The errors of decryption after which the returned state is to be stored.
var (
	// ErrDuplicate is returned for a message equal in number to the last one.
	ErrDuplicate = errors.New("ratchet: duplicate message")
	// ErrBody is returned for a body that its key does not open. The key is
	// used up: the right message is a duplicate now.
	ErrBody = errors.New("ratchet: cannot decrypt body")
)

// EarlierError is returned for a message whose key is used up and that is not
// the last one: most often a duplicate too.
type EarlierError struct {
	Count uint32 // how many messages before the last one
}

func (e *EarlierError) Error() string {
	return fmt.Sprintf("ratchet: message from %d messages ago", e.Count)
}

// SkippedError is returned for a message that leaves a gap of more than
// [MaxSkip]. It leaves the state as it was if the gap is at the end of the
// previous chain.
type SkippedError struct {
	Count uint32 // how many messages are missing, the received one included
}

func (e *SkippedError) Error() string {
	return fmt.Sprintf("ratchet: %d messages skipped, at most %d", e.Count, MaxSkip)
}
