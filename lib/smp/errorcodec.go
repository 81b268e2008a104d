package smp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// The binary and the text form of errors are the same words with spaces
// between them; they differ in how a text inside a broker error is written:
// a short string of Latin-1 on the wire, UTF-8 to the end in text.

// appendLatin1 writes a text as the wire has it. Characters over U+00FF lose
// their high bits, and the text is cut at 255, as the length is one byte.
func appendLatin1(b []byte, s string) []byte {
	at := len(b)
	b = append(b, 0)
	n := 0
	for _, r := range s {
		if n == wire.MaxShort {
			break
		}
		b = append(b, byte(r))
		n++
	}
	b[at] = byte(n)
	return b
}

func appendUTF8(b []byte, s string) []byte { return append(b, s...) }

func latin1(d *wire.Decoder) string {
	var s strings.Builder
	for _, c := range d.Short() {
		s.WriteRune(rune(c))
	}
	return s.String()
}

func (e *Error) appendTo(b []byte, text func([]byte, string) []byte) []byte {
	b = append(b, e.Type...)
	switch e.Type {
	case TypeCmd:
		b = append(append(b, ' '), e.Cmd...)
	case TypeStore:
		b = append(append(b, ' '), e.Text...)
	case TypeBlocked:
		b = append(b, ' ')
		if e.Blocked != nil {
			b = e.Blocked.appendTo(b)
		}
	case TypeProxy:
		if e.Proxy != nil {
			b = e.Proxy.appendTo(append(b, ' '), text)
		}
	}
	return b
}

func (e *ProxyError) appendTo(b []byte, text func([]byte, string) []byte) []byte {
	b = append(b, e.Type...)
	switch {
	case e.Type == ProxyProtocol && e.Protocol != nil:
		b = e.Protocol.appendTo(append(b, ' '), text)
	case e.Type == ProxyBroker && e.Broker != nil:
		b = e.Broker.appendTo(append(b, ' '), text)
	}
	return b
}

func (e *BrokerError) appendTo(b []byte, text func([]byte, string) []byte) []byte {
	b = append(b, e.Type...)
	switch e.Type {
	case BrokerResponse, BrokerUnexpected:
		b = text(append(b, ' '), e.Text)
	case BrokerTransport:
		if e.Transport != nil {
			b = append(append(b, ' '), e.Transport.String()...)
		}
	}
	return b
}

func (i BlockingInfo) appendTo(b []byte) []byte {
	b = append(append(b, "reason="...), i.Reason...)
	if i.Notice == nil {
		return b
	}
	b = append(b, ",notice={"...)
	if i.Notice.TTL != nil {
		b = fmt.Appendf(b, `"ttl":%d`, *i.Notice.TTL)
	}
	return append(b, '}')
}

func bad(d *wire.Decoder, what, word string) {
	d.Fail(fmt.Errorf("%w: %s of %d bytes", wire.ErrSyntax, what, len(word)))
}

// readError reads an error as it is on the wire. Nesting is limited by the
// input only: each level takes 15 bytes of it.
func readError(d *wire.Decoder) *Error {
	e := &Error{Type: ErrorType(d.Word())}
	switch e.Type {
	case TypeCmd:
		e.Cmd = space(d, cmdError)
	case TypeProxy:
		e.Proxy = space(d, proxyError)
	case TypeBlocked:
		e.Blocked = space(d, blockingInfo)
	case TypeStore:
		e.Text = space(d, func(d *wire.Decoder) string { return validUTF8(d.Tail()) })
	case TypeBlock, TypeSession, TypeAuth, TypeService, TypeCrypto, TypeQuota, TypeNoMsg,
		TypeLargeMsg, TypeExpired, TypeInternal, TypeDuplicate:
	default:
		bad(d, "error type", string(e.Type))
	}
	return e
}

func validUTF8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

func cmdError(d *wire.Decoder) CmdError {
	switch w := CmdError(d.Word()); w {
	case CmdUnknown, CmdSyntax, CmdProhibited, CmdNoAuth, CmdHasAuth, CmdNoEntity:
		return w
	case "NO_QUEUE": // the name of NO_ENTITY in old relays
		return CmdNoEntity
	default:
		bad(d, "command error", string(w))
	}
	return ""
}

func proxyError(d *wire.Decoder) *ProxyError {
	e := &ProxyError{Type: ProxyErrorType(d.Word())}
	switch e.Type {
	case ProxyProtocol:
		e.Protocol = space(d, readError)
	case ProxyBroker:
		e.Broker = space(d, brokerError)
	case ProxyBasicAuth, ProxyNoSession:
	default:
		bad(d, "proxy error", string(e.Type))
	}
	return e
}

func brokerError(d *wire.Decoder) *BrokerError {
	e := &BrokerError{Type: BrokerErrorType(d.Word())}
	switch e.Type {
	case BrokerResponse, BrokerUnexpected:
		e.Text = space(d, latin1)
	case BrokerTransport:
		t := space(d, transportError)
		e.Transport = &t
	case BrokerNetwork:
		e.Network = &NetworkError{Type: NetworkFailed}
		if d.Len() > 0 {
			e.Network = space(d, networkError)
		}
	case BrokerHost, BrokerNoService, BrokerTimeout:
	default:
		bad(d, "broker error", string(e.Type))
	}
	return e
}

func networkError(d *wire.Decoder) *NetworkError {
	e := &NetworkError{Type: NetworkErrorType(d.Word())}
	switch e.Type {
	case NetworkConnect, NetworkTLS, NetworkSubscribe:
		e.Text = space(d, latin1)
	case NetworkUnknownCA, NetworkFailed, NetworkTimeout:
	default:
		bad(d, "network error", string(e.Type))
	}
	return e
}

func transportError(d *wire.Decoder) TransportError {
	e := TransportError{Type: TransportErrorType(d.Word())}
	switch e.Type {
	case TransportHandshake:
		e.Handshake = space(d, handshakeError)
	case TransportBlock, TransportVersion, TransportLargeMsg, TransportSession, TransportNoAuth:
	default:
		bad(d, "transport error", string(e.Type))
	}
	return e
}

func handshakeError(d *wire.Decoder) HandshakeError {
	switch w := HandshakeError(d.Word()); w {
	case HandshakeParse, HandshakeIdentity, HandshakeBadAuth, HandshakeBadService:
		return w
	default:
		bad(d, "handshake error", string(w))
	}
	return ""
}

func blockingInfo(d *wire.Decoder) *BlockingInfo {
	d.Lit("reason=")
	i := new(BlockingInfo)
	switch {
	case d.TryLit("spam"):
		i.Reason = BlockedSpam
	case d.TryLit("content"):
		i.Reason = BlockedContent
	default:
		bad(d, "blocking reason", "")
	}
	if d.TryLit(",notice=") {
		i.Notice = new(ClientNotice)
		text := bytes.TrimLeft(d.Tail(), " \t\r\n")
		if err := json.Unmarshal(text, i.Notice); err != nil || text[0] != '{' {
			bad(d, "client notice", string(text))
		}
	}
	return i
}
