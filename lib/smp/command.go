package smp

import (
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Command is what a client sends: one of NEW, SUB, SUBS, KEY, RKEY, LSET,
// LDEL, NKEY, NDEL, GET, ACK, OFF, DEL, QUE, SKEY, SEND, PING, LKEY, LGET,
// NSUB, NSUBS, PRXY, PFWD, RFWD, all by value.
type Command interface {
	// Tag is the name on the wire.
	Tag() string
	// Party is who may send it.
	Party() Party
	appendTo(b []byte, v wire.Version) []byte
}

// Party is a role in which a client sends commands.
type Party uint8

// The parties, in the words of the protocol.
const (
	Creator Party = iota + 1
	Recipient
	RecipientService
	Sender
	IdleClient
	Notifier
	NotifierService
	SenderLink
	ProxiedClient
	ProxyService
)

var partyNames = [...]string{
	Creator: "Creator", Recipient: "Recipient", RecipientService: "RecipientService", Sender: "Sender",
	IdleClient: "IdleClient", Notifier: "Notifier", NotifierService: "NotifierService",
	SenderLink: "SenderLink", ProxiedClient: "ProxiedClient", ProxyService: "ProxyService",
}

// String is the name in the protocol's words.
func (p Party) String() string {
	if int(p) < len(partyNames) && p != 0 {
		return partyNames[p]
	}
	return "Party(?)"
}

// ServiceRole is the role that a session with a service certificate must
// have to send commands of this party; ok is false if any has.
func (p Party) ServiceRole() (r ServiceRole, ok bool) {
	switch p {
	case Notifier, NotifierService:
		return RoleNotifier, true
	case ProxyService:
		return RoleProxy, true
	case IdleClient:
		return 0, false
	}
	return RoleMessaging, true
}

// AppendCommand appends the encoding of c at version v. It panics on misuse
// only: an ID over 255 bytes or more than 255 keys.
func AppendCommand(b []byte, v wire.Version, c Command) []byte { return c.appendTo(b, v) }

// ParseCommand parses a whole command. Bodies alias b. The error is an
// *[Error]: CMD UNKNOWN or CMD SYNTAX.
func ParseCommand(v wire.Version, b []byte) (Command, error) {
	d := wire.NewDecoder(b)
	var c Command
	switch d.Word() {
	case "NEW":
		c = parseNEW(d, v)
	case "SUB":
		c = SUB{}
	case "SUBS":
		c = SUBS{}
	case "KEY":
		c = KEY{space(d, authKey)}
	case "RKEY":
		c = parseRKEY(d)
	case "LSET":
		c = LSET{space(d, readID[LinkID]), linkData(d)}
	case "LDEL":
		c = LDEL{}
	case "NKEY":
		c = NKEY{space(d, ntfReq)}
	case "NDEL":
		c = NDEL{}
	case "GET":
		c = GET{}
	case "ACK":
		c = ACK{space(d, readID[MsgID])}
	case "OFF":
		c = OFF{}
	case "DEL":
		c = DEL{}
	case "QUE":
		c = QUE{}
	case "SKEY":
		c = SKEY{space(d, authKey)}
	case "SEND":
		c = SEND{space(d, flags), space(d, (*wire.Decoder).Tail)}
	case "PING":
		c = PING{}
	case "LKEY":
		c = LKEY{space(d, authKey)}
	case "LGET":
		c = LGET{}
	case "NSUB":
		c = NSUB{}
	case "NSUBS":
		c = NSUBS{}
	case "PRXY":
		c = PRXY{space(d, ReadServer), maybeBasicAuth(d)}
	case "PFWD":
		c = PFWD{space(d, (*wire.Decoder).Version), x25519(d), d.Tail()}
	case "RFWD":
		c = RFWD{space(d, (*wire.Decoder).Tail)}
	default:
		return nil, ErrUnknown
	}
	if d.Done() != nil {
		return nil, ErrSyntax
	}
	return c, nil
}

// space reads ' ' and then what read reads: the first parameter.
func space[T any](d *wire.Decoder, read func(*wire.Decoder) T) T {
	d.Lit(" ")
	return read(d)
}

// CheckCommand is what a relay checks before it looks at keys: whether the
// transmission has the authorization and the entity that c needs. The result
// is nil or CMD NO_AUTH, HAS_AUTH, NO_ENTITY. smp: Command verification
func CheckCommand(c Command, hasAuth bool, entity EntityID) *Error {
	hasEntity := entity != ""
	switch c.(type) {
	case NEW:
		switch {
		case !hasAuth:
			return ErrNoAuth
		case hasEntity:
			return ErrHasAuth
		}
	case SEND:
		if !hasEntity {
			return ErrNoEntity
		}
	case LGET, PFWD:
		switch {
		case !hasEntity:
			return ErrNoEntity
		case hasAuth:
			return ErrHasAuth
		}
	case PING, PRXY, RFWD:
		if hasAuth || hasEntity {
			return ErrHasAuth
		}
	default:
		if !hasAuth || !hasEntity {
			return ErrNoAuth
		}
	}
	return nil
}

// SignedByService tells whether c is also signed by the key of a session
// with a service certificate.
func SignedByService(c Command) bool {
	switch c.(type) {
	case NEW, SUB, NSUB:
		return true
	}
	return false
}
