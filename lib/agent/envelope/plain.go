package envelope

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Plain is what the ratchet encrypts: a [ConnInfo], [ConnInfoReply],
// [RatchetInfo] or [AgentMessage].
type Plain interface{ appendPlain(b []byte) []byte }

// ConnInfo is the inviter's answer to the confirmation.
type ConnInfo struct{ Info []byte }

// ConnInfoReply is what the joiner confirms with.
type ConnInfoReply struct {
	Queues []link.QueueInfo // for answers, at least one
	Info   []byte
}

// RatchetInfo comes with new ratchet keys; it is empty today.
type RatchetInfo struct{ Info []byte }

// AgentMessage is every other message.
type AgentMessage struct {
	ID       int64  // the sender's number, from 1; the confirmation has taken 1
	PrevHash []byte // SHA-256 of the sender's Plain before, empty for the first
	Message  AMessage
}

func (p ConnInfo) appendPlain(b []byte) []byte    { return append(append(b, 'I'), p.Info...) }
func (p RatchetInfo) appendPlain(b []byte) []byte { return append(append(b, 'R'), p.Info...) }

func (p ConnInfoReply) appendPlain(b []byte) []byte {
	b = wire.AppendListLen(append(b, 'D'), len(p.Queues))
	for _, q := range p.Queues {
		b = q.Append(b)
	}
	return append(b, p.Info...)
}

func (p AgentMessage) appendPlain(b []byte) []byte {
	b = wire.AppendInt64(append(b, 'M'), p.ID)
	return p.Message.appendTo(wire.AppendShort(b, p.PrevHash))
}

// AppendPlain appends the encoding. It panics on misuse only: lists over 255
// items and hashes over 255 bytes.
func AppendPlain(b []byte, p Plain) []byte { return p.appendPlain(b) }

// ParsePlain parses a decrypted message; byte slices alias b. The error is
// wire.ErrSyntax.
func ParsePlain(b []byte) (Plain, error) {
	d := wire.NewDecoder(b)
	var p Plain
	switch tag := d.Byte(); {
	case d.Err() != nil:
	case tag == 'I':
		p = ConnInfo{d.Tail()}
	case tag == 'D':
		p = ConnInfoReply{list(d, link.ReadQueueInfo), d.Tail()}
	case tag == 'R':
		p = RatchetInfo{d.Tail()}
	case tag == 'M':
		p = AgentMessage{d.Int64(), d.Short(), readMessage(d)}
	default:
		d.Expected("agent message 'I', 'D', 'R' or 'M', found 0x%02x", tag)
	}
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("envelope: parse agent message: %w", err)
	}
	return p, nil
}

// list reads a list of at least one item.
func list[T any](d *wire.Decoder, read func(*wire.Decoder) T) []T {
	n := d.ListLen(1)
	var out []T
	for range n {
		if d.Err() != nil {
			return nil
		}
		out = append(out, read(d))
	}
	return out
}
