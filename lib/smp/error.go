package smp

import (
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ErrorType is the first word of an error.
type ErrorType string

// The error types. smp: Error responses
const (
	TypeBlock     ErrorType = "BLOCK"
	TypeSession   ErrorType = "SESSION"
	TypeCmd       ErrorType = "CMD"
	TypeProxy     ErrorType = "PROXY"
	TypeAuth      ErrorType = "AUTH"
	TypeBlocked   ErrorType = "BLOCKED"
	TypeService   ErrorType = "SERVICE"
	TypeCrypto    ErrorType = "CRYPTO"
	TypeQuota     ErrorType = "QUOTA"
	TypeStore     ErrorType = "STORE"
	TypeNoMsg     ErrorType = "NO_MSG"
	TypeLargeMsg  ErrorType = "LARGE_MSG"
	TypeExpired   ErrorType = "EXPIRED"
	TypeInternal  ErrorType = "INTERNAL"
	TypeDuplicate ErrorType = "DUPLICATE_"
)

// CmdError is the second word of a CMD error.
type CmdError string

// The CMD errors.
const (
	CmdUnknown    CmdError = "UNKNOWN"
	CmdSyntax     CmdError = "SYNTAX"
	CmdProhibited CmdError = "PROHIBITED"
	CmdNoAuth     CmdError = "NO_AUTH"
	CmdHasAuth    CmdError = "HAS_AUTH"
	CmdNoEntity   CmdError = "NO_ENTITY"
)

// Error is an error of the protocol: what a relay answers, and what parsing
// gives. errors.Is compares it with the variables below by type and details.
type Error struct {
	Type    ErrorType
	Cmd     CmdError      // with CMD
	Proxy   *ProxyError   // with PROXY
	Blocked *BlockingInfo // with BLOCKED
	Text    string        // with STORE
}

// Errors without further details. They are shared: do not change them.
var (
	ErrBlock      = &Error{Type: TypeBlock}
	ErrSession    = &Error{Type: TypeSession}
	ErrUnknown    = &Error{Type: TypeCmd, Cmd: CmdUnknown}
	ErrSyntax     = &Error{Type: TypeCmd, Cmd: CmdSyntax}
	ErrProhibited = &Error{Type: TypeCmd, Cmd: CmdProhibited}
	ErrNoAuth     = &Error{Type: TypeCmd, Cmd: CmdNoAuth}
	ErrHasAuth    = &Error{Type: TypeCmd, Cmd: CmdHasAuth}
	ErrNoEntity   = &Error{Type: TypeCmd, Cmd: CmdNoEntity}
	ErrAuth       = &Error{Type: TypeAuth}
	ErrService    = &Error{Type: TypeService}
	ErrCrypto     = &Error{Type: TypeCrypto}
	ErrQuota      = &Error{Type: TypeQuota}
	ErrNoMsg      = &Error{Type: TypeNoMsg}
	ErrLargeMsg   = &Error{Type: TypeLargeMsg}
	ErrExpired    = &Error{Type: TypeExpired}
	ErrInternal   = &Error{Type: TypeInternal}
	ErrDuplicate  = &Error{Type: TypeDuplicate}

	ErrProxyBasicAuth = &Error{Type: TypeProxy, Proxy: &ProxyError{Type: ProxyBasicAuth}}
	ErrProxyNoSession = &Error{Type: TypeProxy, Proxy: &ProxyError{Type: ProxyNoSession}}
)

// StoreError is STORE with a text for the relay's operator.
func StoreError(text string) *Error { return &Error{Type: TypeStore, Text: text} }

// BlockedError is BLOCKED with the reason.
func BlockedError(b BlockingInfo) *Error { return &Error{Type: TypeBlocked, Blocked: &b} }

// ProxyProtocolError is a relay's error as a proxy passes it on.
func ProxyProtocolError(e *Error) *Error {
	return &Error{Type: TypeProxy, Proxy: &ProxyError{Type: ProxyProtocol, Protocol: e}}
}

// ProxyBrokerError is what a proxy answers when it cannot talk to a relay.
func ProxyBrokerError(e BrokerError) *Error {
	return &Error{Type: TypeProxy, Proxy: &ProxyError{Type: ProxyBroker, Broker: &e}}
}

// Error is "smp: " and the text form of [Error.String].
func (e *Error) Error() string { return "smp: " + e.String() }

// Is tells whether target is an *Error of the same type and details.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	if !ok || t == nil || e == nil {
		return false
	}
	return e == t || e.String() == t.String()
}

// String is the text form: the words of the wire, with texts in UTF-8.
func (e *Error) String() string { return string(e.appendTo(nil, appendUTF8)) }

// ProxyErrorType is the second word of a PROXY error.
type ProxyErrorType string

// The PROXY errors.
const (
	ProxyProtocol  ProxyErrorType = "PROTOCOL" // the relay answered an error
	ProxyBroker    ProxyErrorType = "BROKER"   // no answer from the relay
	ProxyBasicAuth ProxyErrorType = "BASIC_AUTH"
	ProxyNoSession ProxyErrorType = "NO_SESSION"
)

// ProxyError is an error of a proxy.
type ProxyError struct {
	Type     ProxyErrorType
	Protocol *Error       // with PROTOCOL
	Broker   *BrokerError // with BROKER
}

// BrokerErrorType is the first word of a [BrokerError].
type BrokerErrorType string

// The broker errors.
const (
	BrokerResponse   BrokerErrorType = "RESPONSE"   // the answer does not parse
	BrokerUnexpected BrokerErrorType = "UNEXPECTED" // the answer fits no command
	BrokerNetwork    BrokerErrorType = "NETWORK"
	BrokerHost       BrokerErrorType = "HOST" // no host that may be used
	BrokerNoService  BrokerErrorType = "NO_SERVICE"
	BrokerTransport  BrokerErrorType = "TRANSPORT"
	BrokerTimeout    BrokerErrorType = "TIMEOUT"
)

// BrokerError says why a proxy got no answer from a relay.
type BrokerError struct {
	Type      BrokerErrorType
	Text      string          // with RESPONSE, UNEXPECTED
	Network   *NetworkError   // with NETWORK, never written to the wire; nil is FAILED
	Transport *TransportError // with TRANSPORT
}

// NetworkErrorType is the first word of a [NetworkError].
type NetworkErrorType string

// The network errors.
const (
	NetworkConnect   NetworkErrorType = "CONNECT"
	NetworkTLS       NetworkErrorType = "TLS"
	NetworkUnknownCA NetworkErrorType = "UNKNOWNCA"
	NetworkFailed    NetworkErrorType = "FAILED"
	NetworkTimeout   NetworkErrorType = "TIMEOUT"
	NetworkSubscribe NetworkErrorType = "SUBSCRIBE"
)

// NetworkError says why there is no connection.
type NetworkError struct {
	Type NetworkErrorType
	Text string // with CONNECT, TLS, SUBSCRIBE
}

// TransportErrorType is the first word of a [TransportError].
type TransportErrorType string

// The transport errors.
const (
	TransportBlock     TransportErrorType = "BLOCK"
	TransportVersion   TransportErrorType = "VERSION"
	TransportLargeMsg  TransportErrorType = "LARGE_MSG"
	TransportSession   TransportErrorType = "SESSION"
	TransportNoAuth    TransportErrorType = "NO_AUTH"
	TransportHandshake TransportErrorType = "HANDSHAKE"
)

// HandshakeError is the second word of a HANDSHAKE error.
type HandshakeError string

// The handshake errors.
const (
	HandshakeParse      HandshakeError = "PARSE"
	HandshakeIdentity   HandshakeError = "IDENTITY"
	HandshakeBadAuth    HandshakeError = "BAD_AUTH"
	HandshakeBadService HandshakeError = "BAD_SERVICE"
)

// TransportError is an error of blocks or of the handshake. It is comparable
// by value and an error itself.
type TransportError struct {
	Type      TransportErrorType
	Handshake HandshakeError // with HANDSHAKE
}

// Errors of blocks and handshakes.
var (
	ErrTransportBlock    = TransportError{Type: TransportBlock}
	ErrTransportVersion  = TransportError{Type: TransportVersion}
	ErrTransportLargeMsg = TransportError{Type: TransportLargeMsg}
	ErrTransportSession  = TransportError{Type: TransportSession}
	ErrTransportNoAuth   = TransportError{Type: TransportNoAuth}
	ErrHandshakeParse    = TransportError{TransportHandshake, HandshakeParse}
	ErrHandshakeIdentity = TransportError{TransportHandshake, HandshakeIdentity}
	ErrHandshakeBadAuth  = TransportError{TransportHandshake, HandshakeBadAuth}
	ErrHandshakeService  = TransportError{TransportHandshake, HandshakeBadService}
)

// Error is "smp: transport: " and the words of the wire.
func (e TransportError) Error() string { return "smp: transport: " + e.String() }

// String is the words of the wire.
func (e TransportError) String() string {
	if e.Type == TransportHandshake {
		return string(e.Type) + " " + string(e.Handshake)
	}
	return string(e.Type)
}

// BlockingReason says why a queue was blocked.
type BlockingReason string

// The blocking reasons.
const (
	BlockedSpam    BlockingReason = "spam"
	BlockedContent BlockingReason = "content"
)

// BlockingInfo is why the operator of a relay blocked a queue.
type BlockingInfo struct {
	Reason BlockingReason `json:"reason"`
	Notice *ClientNotice  `json:"notice,omitempty"` // v18+
}

// ClientNotice asks the client to show a notice.
type ClientNotice struct {
	TTL *int64 `json:"ttl,omitempty"` // seconds; nil is for ever
}

// ERR is the answer that a command failed.
type ERR struct{ Err *Error }

// Tag is "ERR".
func (ERR) Tag() string { return "ERR" }

func (m ERR) appendTo(b []byte, v wire.Version) []byte {
	e := m.Err
	if e.Type == TypeBlocked {
		switch {
		case v < VersionBlocked:
			e = ErrAuth
		case v < VersionNotices && e.Blocked != nil && e.Blocked.Notice != nil:
			e = BlockedError(BlockingInfo{Reason: e.Blocked.Reason})
		}
	}
	return e.appendTo(append(b, "ERR "...), appendLatin1)
}
