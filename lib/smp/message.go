package smp

import (
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Message is what a relay sends, answers and events: one of IDS, LNK, SOK,
// SOKS, MSG, NID, NMSG, PKEY, RRES, PRES, END, ENDS, DELD, INFO, OK, ERR,
// PONG, all by value.
type Message interface {
	// Tag is the name on the wire.
	Tag() string
	appendTo(b []byte, v wire.Version) []byte
}

// AppendMessage appends the encoding of m at version v. What the version
// does not know is lost: SOK is OK below v16, DELD is END below v10, BLOCKED
// is AUTH below v12. It panics on misuse only: an ID over 255 bytes.
func AppendMessage(b []byte, v wire.Version, m Message) []byte { return m.appendTo(b, v) }

// ParseMessage parses a whole message of a relay. Bodies alias b. The error
// is an *[Error]: CMD UNKNOWN or CMD SYNTAX.
func ParseMessage(v wire.Version, b []byte) (Message, error) {
	d := wire.NewDecoder(b)
	var m Message
	switch d.Word() {
	case "MSG":
		m = MSG{space(d, readID[MsgID]), d.Tail()}
	case "OK":
		m = OK{}
	case "IDS":
		m = parseIDS(d, v)
	case "LNK":
		m = LNK{space(d, readID[SenderID]), linkData(d)}
	case "SOK":
		m = SOK{space(d, maybeID[ServiceID])}
	case "SOKS":
		m = SOKS{space(d, (*wire.Decoder).Int64)}
	case "NID":
		m = NID{space(d, ntfIDs)}
	case "NMSG":
		m = NMSG{space(d, nonce), d.Short()}
	case "PKEY":
		m = PKEY{space(d, readID[EntityID]), d.VersionRange(), certChainKey(d)}
	case "RRES":
		m = RRES{space(d, (*wire.Decoder).Tail)}
	case "PRES":
		m = PRES{space(d, (*wire.Decoder).Tail)}
	case "END":
		m = END{}
	case "ENDS":
		m = ENDS{space(d, (*wire.Decoder).Int64)}
	case "DELD":
		m = DELD{}
	case "INFO":
		m = INFO{space(d, queueInfo)}
	case "ERR":
		m = ERR{space(d, readError)}
	case "PONG":
		m = PONG{}
	default:
		return nil, ErrUnknown
	}
	if d.Done() != nil {
		return nil, ErrSyntax
	}
	return m, nil
}

// CheckMessage is what a client checks: whether the entity is there or not
// as m needs. The result is nil or CMD NO_ENTITY, HAS_AUTH.
func CheckMessage(m Message, entity EntityID) *Error {
	switch m.(type) {
	case IDS, ERR:
	case PONG, PKEY, RRES:
		if entity != "" {
			return ErrHasAuth
		}
	default:
		if entity == "" {
			return ErrNoEntity
		}
	}
	return nil
}
