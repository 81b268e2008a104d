package transport

import "errors"

var (
	// ErrFingerprint is returned when a chain is good but not the identity's
	// that was asked for.
	ErrFingerprint = errors.New("transport: the peer has another fingerprint")
	// ErrChain is returned for a certificate chain that cannot be followed to
	// its anchor.
	ErrChain = errors.New("transport: bad certificate chain")
	// ErrSuite is returned when TLS agreed on a suite outside the protocol.
	ErrSuite = errors.New("transport: suite outside the protocol")
	// ErrHandshake wraps every other reason why TLS was not set up.
	ErrHandshake = errors.New("transport: TLS handshake")
	// ErrBlock is returned for a block whose padding or seal is wrong. The
	// connection is of no use afterwards.
	ErrBlock = errors.New("transport: bad block")
	// ErrTooLarge is returned for a payload that does not fit a block; nothing
	// was written.
	ErrTooLarge = errors.New("transport: payload does not fit a block")
	// ErrCredential is returned for keys and chains that do not belong
	// together or cannot be used for TLS.
	ErrCredential = errors.New("transport: bad credential")
)
