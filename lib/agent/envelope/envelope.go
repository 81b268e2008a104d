package envelope

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Sizes in bytes that a [Plain] is padded to before it is encrypted. With
// post-quantum support, from agent version 5, headers and reply queues need
// the room.
const (
	connInfoSize   = 14832
	connInfoSizePQ = 11106
	messageSize    = 15840
	messageSizePQ  = 13618

	versionPQ wire.Version = 5
)

// ConnInfoSize is the padded size of what is inside a [Confirmation].
func ConnInfoSize(v wire.Version, pq bool) int {
	if pq && v >= versionPQ {
		return connInfoSizePQ
	}
	return connInfoSize
}

// MessageSize is the padded size of what is inside a [Message].
func MessageSize(v wire.Version, pq bool) int {
	if pq && v >= versionPQ {
		return messageSizePQ
	}
	return messageSize
}

// Envelope is a [Confirmation], [Message], [Invitation] or [RatchetKey].
type Envelope interface {
	// AgentVersion is the version of the sender's agent.
	AgentVersion() wire.Version
	appendTo(b []byte) []byte
}

// Confirmation confirms a queue; Info is a [ConnInfo] or [ConnInfoReply]
// encrypted by the ratchet.
type Confirmation struct {
	Version wire.Version
	E2E     *ratchet.Params // of the joiner; nil from the inviter
	Info    []byte
}

// Message is an [AgentMessage] encrypted by the ratchet.
type Message struct {
	Version wire.Version
	Body    []byte
}

// Invitation asks the owner of a contact address to connect. It is not
// encrypted by a ratchet.
type Invitation struct {
	Version wire.Version
	Link    string // an invitation's text form, at most 65535 bytes
	Info    []byte // the sender's connInfo
}

// RatchetKey begins a new ratchet. It is not encrypted by the old one.
type RatchetKey struct {
	Version wire.Version
	E2E     ratchet.Params
	Info    []byte // a [RatchetInfo]
}

// AgentVersion is the version of the sender's agent.
func (e Confirmation) AgentVersion() wire.Version { return e.Version }

// AgentVersion is the version of the sender's agent.
func (e Message) AgentVersion() wire.Version { return e.Version }

// AgentVersion is the version of the sender's agent.
func (e Invitation) AgentVersion() wire.Version { return e.Version }

// AgentVersion is the version of the sender's agent.
func (e RatchetKey) AgentVersion() wire.Version { return e.Version }

func head(b []byte, v wire.Version, tag byte) []byte {
	return append(wire.AppendUint16(b, uint16(v)), tag)
}

func (e Confirmation) appendTo(b []byte) []byte {
	b = head(b, e.Version, 'C')
	b = wire.AppendMaybe(b, e.E2E != nil, func(b []byte) []byte { return e.E2E.Append(b) })
	return append(b, e.Info...)
}

func (e Message) appendTo(b []byte) []byte { return append(head(b, e.Version, 'M'), e.Body...) }

func (e Invitation) appendTo(b []byte) []byte {
	return append(wire.AppendLarge(head(b, e.Version, 'I'), e.Link), e.Info...)
}

func (e RatchetKey) appendTo(b []byte) []byte {
	return append(e.E2E.Append(head(b, e.Version, 'R')), e.Info...)
}

// Append appends the encoding. It panics on misuse only: a link over 65535
// bytes.
func Append(b []byte, e Envelope) []byte { return e.appendTo(b) }

// Parse parses a decrypted client message; byte slices alias b. The error is
// wire.ErrSyntax or ratchet.ErrParams.
func Parse(b []byte) (Envelope, error) {
	d := wire.NewDecoder(b)
	v := d.Version()
	var e Envelope
	switch tag := d.Byte(); {
	case d.Err() != nil:
	case tag == 'C':
		c := Confirmation{Version: v}
		if d.Maybe() {
			p := ratchet.ReadParams(d)
			c.E2E = &p
		}
		c.Info = d.Tail()
		e = c
	case tag == 'M':
		e = Message{v, d.Tail()}
	case tag == 'I':
		e = Invitation{v, string(d.Large()), d.Tail()}
	case tag == 'R':
		e = RatchetKey{v, ratchet.ReadParams(d), d.Tail()}
	default:
		d.Expected("envelope 'C', 'M', 'I' or 'R', found 0x%02x", tag)
	}
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("envelope: parse: %w", err)
	}
	return e, nil
}
