package smp

import (
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// RcvBody is what is inside the relay's encryption of a MSG:
//
//	int64 time, flags, ' ', tail body
//	"QUOTA ", int64 time
//
// smp: Deliver queue message
type RcvBody struct {
	Time  time.Time // when the relay took the message; whole seconds
	Flags MsgFlags
	Body  []byte
	Quota bool // the queue was full after this; no flags and body
}

// Append appends the encoding.
func (m RcvBody) Append(b []byte) []byte {
	if m.Quota {
		return wire.AppendTime(append(b, "QUOTA "...), m.Time)
	}
	b = wire.AppendBool(wire.AppendTime(b, m.Time), m.Flags.Notify)
	return append(append(b, ' '), m.Body...)
}

// ParseRcvBody parses a decrypted body; Body aliases b. The error is
// wire.ErrSyntax.
func ParseRcvBody(b []byte) (RcvBody, error) {
	d := wire.NewDecoder(b)
	if d.TryLit("QUOTA ") {
		m := RcvBody{Time: d.Time(), Quota: true}
		if d.Done() == nil {
			return m, nil
		}
		// A message may begin with the same bytes.
		d = wire.NewDecoder(b)
	}
	m := RcvBody{Time: d.Time(), Flags: flags(d)}
	d.Lit(" ")
	m.Body = d.Tail()
	if err := d.Done(); err != nil {
		return RcvBody{}, fmt.Errorf("smp: parse MSG body: %w", err)
	}
	return m, nil
}

// SealMsg encrypts the body of a MSG for the recipient, as a relay does. k is
// the DH of the queue's keys; the message's ID is the nonce. The error is
// wire.ErrPadSize.
func SealMsg(k *box.Key, id MsgID, m RcvBody) ([]byte, error) { return appendSealed(nil, k, id, m) }

func appendSealed(b []byte, k *box.Key, id MsgID, m RcvBody) ([]byte, error) {
	buf := plainPool.Get().(*[]byte)
	defer plainPool.Put(buf)
	*buf = m.Append((*buf)[:0])
	return k.SealPadded(b, box.NonceFrom([]byte(id)), *buf, RcvBodySize)
}

// plainPool has buffers for what is sealed: a message between the clients,
// which they have encrypted.
var plainPool = sync.Pool{New: func() any { b := make([]byte, 0, RcvBodySize); return &b }}

// OpenMsg decrypts a MSG. The errors are box.ErrOpen, wire.ErrUnpad and
// wire.ErrSyntax.
func OpenMsg(k *box.Key, m MSG) (RcvBody, error) {
	plain, err := k.OpenPadded(box.NonceFrom([]byte(m.ID)), m.Body)
	if err != nil {
		return RcvBody{}, fmt.Errorf("smp: open MSG: %w", err)
	}
	return ParseRcvBody(plain)
}

// NMsgMeta is what a notification says of its message.
type NMsgMeta struct {
	ID   MsgID
	Time time.Time
}

// Append appends the encoding.
func (m NMsgMeta) Append(b []byte) []byte {
	return wire.AppendTime(wire.AppendShort(b, m.ID), m.Time)
}

// ParseNMsgMeta parses decrypted metadata, ignoring what follows. The error
// is wire.ErrSyntax.
func ParseNMsgMeta(b []byte) (NMsgMeta, error) {
	d := wire.NewDecoder(b)
	m := NMsgMeta{readID[MsgID](d), d.Time()}
	if err := d.Err(); err != nil {
		return NMsgMeta{}, fmt.Errorf("smp: parse NMSG: %w", err)
	}
	return m, nil
}

// SealNMsgMeta encrypts metadata for the recipient, as a relay does. k is the
// DH of the keys in NKEY and NID. The error is wire.ErrPadSize.
func SealNMsgMeta(k *box.Key, n box.Nonce, m NMsgMeta) ([]byte, error) {
	return k.SealPadded(nil, n, m.Append(nil), NMsgMetaSize)
}

// OpenNMsgMeta decrypts the metadata of NMSG. The errors are box.ErrOpen,
// wire.ErrUnpad and wire.ErrSyntax.
func OpenNMsgMeta(k *box.Key, n box.Nonce, sealed []byte) (NMsgMeta, error) {
	plain, err := k.OpenPadded(n, sealed)
	if err != nil {
		return NMsgMeta{}, fmt.Errorf("smp: open NMSG: %w", err)
	}
	return ParseNMsgMeta(plain)
}

// ClientEnvelope is the body of SEND, encrypted between the clients:
//
//	word16 version, maybe short X25519 key, nonce 24, tail sealed
//
// smp: Send message
type ClientEnvelope struct {
	Version wire.Version      // one of [ClientVersions]
	Key     *key.X25519Public // the sender's, until the recipient has it
	Nonce   box.Nonce
	Sealed  []byte // a [ClientMessage], see [ClientEnvelope.Open]
}

// Append appends the encoding.
func (e ClientEnvelope) Append(b []byte) []byte {
	b = wire.AppendUint16(b, uint16(e.Version))
	b = wire.AppendMaybe(b, e.Key != nil, func(b []byte) []byte { return appendX25519(b, *e.Key) })
	return append(append(b, e.Nonce[:]...), e.Sealed...)
}

// ParseClientEnvelope parses a SEND body; Sealed aliases b. The error is
// wire.ErrSyntax.
func ParseClientEnvelope(b []byte) (ClientEnvelope, error) {
	d := wire.NewDecoder(b)
	e := ClientEnvelope{Version: d.Version()}
	if d.Maybe() {
		k := x25519(d)
		e.Key = &k
	}
	e.Nonce, e.Sealed = nonce(d), d.Tail()
	if err := d.Done(); err != nil {
		return ClientEnvelope{}, fmt.Errorf("smp: parse client envelope: %w", err)
	}
	return e, nil
}

// SealClient makes a SEND body of m. k is the DH of the queue's end-to-end
// keys; pub, if not nil, is sent along and makes the body a confirmation,
// padded to [ConfirmationSize] instead of [MessageSize]. The error is
// wire.ErrPadSize.
func SealClient(k *box.Key, v wire.Version, pub *key.X25519Public, n box.Nonce, m ClientMessage) ([]byte, error) {
	size := MessageSize
	if pub != nil {
		size = ConfirmationSize
	}
	e := ClientEnvelope{Version: v, Key: pub, Nonce: n}
	b := e.Append(make([]byte, 0, MaxStoredBody))
	return k.SealPadded(b, n, m.Append(make([]byte, 0, len(m.Body)+96)), size)
}

// Open decrypts the message inside. The errors are box.ErrOpen,
// wire.ErrUnpad and wire.ErrSyntax.
func (e ClientEnvelope) Open(k *box.Key) (ClientMessage, error) {
	plain, err := k.OpenPadded(e.Nonce, e.Sealed)
	if err != nil {
		return ClientMessage{}, fmt.Errorf("smp: open client envelope: %w", err)
	}
	return ParseClientMessage(plain)
}

// ClientMessage is what one client says to the other: '_', or 'K' and the
// key with which the sender wants to be secured, then the agent's envelope.
type ClientMessage struct {
	SenderKey key.Public // nil in all but a confirmation of a queue to be secured with KEY
	Body      []byte
}

// Append appends the encoding.
func (m ClientMessage) Append(b []byte) []byte {
	if m.SenderKey == nil {
		return append(append(b, '_'), m.Body...)
	}
	return append(appendPublic(append(b, 'K'), m.SenderKey), m.Body...)
}

// ParseClientMessage parses a decrypted message; Body aliases b. The error is
// wire.ErrSyntax.
func ParseClientMessage(b []byte) (ClientMessage, error) {
	d := wire.NewDecoder(b)
	var m ClientMessage
	switch c := d.Byte(); c {
	case 'K':
		m.SenderKey = authKey(d)
	case '_':
	default:
		unexpected(d, "client message", c)
	}
	m.Body = d.Tail()
	if err := d.Done(); err != nil {
		return ClientMessage{}, fmt.Errorf("smp: parse client message: %w", err)
	}
	return m, nil
}
