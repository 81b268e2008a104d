package smp

import (
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// SEND puts a message into a queue. Body is at most [MaxBody]; it is the
// caller's slice, or aliases the parsed block. smp: Send message
type SEND struct {
	Flags MsgFlags
	Body  []byte
}

// MsgFlags are readable by the relay.
type MsgFlags struct {
	Notify bool // wake the recipient through the notification server
}

// ACK says that the recipient has stored the message with the ID; the answer
// is [OK] or the next [MSG]. smp: Acknowledge message delivery
type ACK struct{ ID MsgID }

// MSG delivers a message; Body opens with [OpenMsg]. smp: Deliver queue message
type MSG struct {
	ID   MsgID
	Body []byte
}

// NMSG tells a notification server of a message; Meta opens with
// [OpenNMsgMeta] by the recipient only. smp: Deliver message notification
type NMSG struct {
	Nonce box.Nonce
	Meta  []byte
}

// Tag is "SEND".
func (SEND) Tag() string { return "SEND" }

// Tag is "ACK".
func (ACK) Tag() string { return "ACK" }

// Tag is "MSG".
func (MSG) Tag() string { return "MSG" }

// Tag is "NMSG".
func (NMSG) Tag() string { return "NMSG" }

// Party is [Sender].
func (SEND) Party() Party { return Sender }

// Party is [Recipient].
func (ACK) Party() Party { return Recipient }

func (c SEND) appendTo(b []byte, _ wire.Version) []byte {
	b = wire.AppendBool(append(b, "SEND "...), c.Flags.Notify)
	return append(append(b, ' '), c.Body...)
}

// flags reads the flags and skips those that this version does not know, up
// to the space.
func flags(d *wire.Decoder) MsgFlags {
	f := MsgFlags{d.Bool()}
	d.Word()
	return f
}

func (c ACK) appendTo(b []byte, _ wire.Version) []byte {
	return wire.AppendShort(append(b, "ACK "...), c.ID)
}

func (m MSG) appendTo(b []byte, _ wire.Version) []byte {
	return append(wire.AppendShort(append(b, "MSG "...), m.ID), m.Body...)
}

func (m NMSG) appendTo(b []byte, _ wire.Version) []byte {
	return wire.AppendShort(append(append(b, "NMSG "...), m.Nonce[:]...), m.Meta)
}

func nonce(d *wire.Decoder) (n box.Nonce) {
	copy(n[:], d.Bytes(len(n)))
	return n
}
