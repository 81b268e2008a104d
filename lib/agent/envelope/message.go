package envelope

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// AMessage is a message of one agent to the other: one of [Hello], [AMsg],
// [Rcvd], [QCont], [QAdd], [QKey], [QUse], [QTest], [Ready].
type AMessage interface{ appendTo(b []byte) []byte }

// Hello says that the queue is secured. agent: HELLO message
type Hello struct{}

// AMsg is a message of the client. agent: A_MSG message
type AMsg struct{ Body []byte }

// Rcvd says which messages the client has received. agent: A_RCVD message
type Rcvd struct{ Receipts []Receipt }

// Receipt is of one message.
type Receipt struct {
	ID   int64  // the number that its sender gave it
	Hash []byte // SHA-256 of its Plain as received
	Info []byte // at most 65535 bytes, not used today
}

// QueueAddr names a queue by its sender's side.
type QueueAddr struct {
	Server   smp.ServerAddr
	SenderID smp.SenderID
}

// QCont says that a queue that was full is empty. agent: A_QCONT message
type QCont struct{ Queue QueueAddr }

// QAdd offers queues to move to. agent: Rotating messaging queue
type QAdd struct{ Queues []NewQueue }

// NewQueue is a queue in place of another.
type NewQueue struct {
	Queue    link.QueueURI
	Replaces *QueueAddr
}

// QKey gives the keys for queues that were offered.
type QKey struct{ Queues []QueueKey }

// QueueKey is the sender's key of a queue; the queue's DHKey is the sender's.
type QueueKey struct {
	Queue link.QueueInfo
	Key   key.Public
}

// QUse says that queues are secured.
type QUse struct{ Queues []ReadyQueue }

// ReadyQueue is a queue to be used from now on.
type ReadyQueue struct {
	Queue   QueueAddr
	Primary bool
}

// QTest is the first message in new queues.
type QTest struct{ Queues []QueueAddr }

// Ready says that the new ratchet is in use. agent: EREADY message
type Ready struct {
	LastID int64 // of the last message decrypted with the old ratchet
}

func (Hello) appendTo(b []byte) []byte  { return append(b, 'H') }
func (m AMsg) appendTo(b []byte) []byte { return append(append(b, 'M'), m.Body...) }

func (m Rcvd) appendTo(b []byte) []byte {
	b = wire.AppendListLen(append(b, 'V'), len(m.Receipts))
	for _, r := range m.Receipts {
		b = wire.AppendShort(wire.AppendInt64(b, r.ID), r.Hash)
		b = wire.AppendLarge(b, r.Info)
	}
	return b
}

func (m QCont) appendTo(b []byte) []byte { return m.Queue.appendTo(append(b, "QC"...)) }

func (m QAdd) appendTo(b []byte) []byte {
	b = wire.AppendListLen(append(b, "QA"...), len(m.Queues))
	for _, q := range m.Queues {
		b = wire.AppendMaybe(q.Queue.Append(b), q.Replaces != nil, func(b []byte) []byte { return q.Replaces.appendTo(b) })
	}
	return b
}

func (m QKey) appendTo(b []byte) []byte {
	b = wire.AppendListLen(append(b, "QK"...), len(m.Queues))
	for _, q := range m.Queues {
		b = wire.AppendShort(q.Queue.Append(b), q.Key.AppendSPKI(nil))
	}
	return b
}

func (m QUse) appendTo(b []byte) []byte {
	b = wire.AppendListLen(append(b, "QU"...), len(m.Queues))
	for _, q := range m.Queues {
		b = wire.AppendBool(q.Queue.appendTo(b), q.Primary)
	}
	return b
}

func (m QTest) appendTo(b []byte) []byte {
	b = wire.AppendListLen(append(b, "QT"...), len(m.Queues))
	for _, q := range m.Queues {
		b = q.appendTo(b)
	}
	return b
}

func (m Ready) appendTo(b []byte) []byte { return wire.AppendInt64(append(b, 'E'), m.LastID) }

func (a QueueAddr) appendTo(b []byte) []byte {
	return wire.AppendShort(a.Server.Append(b), a.SenderID)
}

// AppendMessage appends the encoding of a message by itself.
func AppendMessage(b []byte, m AMessage) []byte { return m.appendTo(b) }

// ParseMessage parses a message by itself; byte slices alias b. The error is
// wire.ErrSyntax.
func ParseMessage(b []byte) (AMessage, error) {
	d := wire.NewDecoder(b)
	m := readMessage(d)
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("envelope: parse message: %w", err)
	}
	return m, nil
}

func readMessage(d *wire.Decoder) AMessage {
	switch tag := d.Byte(); {
	case d.Err() != nil:
	case tag == 'H':
		return Hello{}
	case tag == 'M':
		return AMsg{d.Tail()}
	case tag == 'V':
		return Rcvd{list(d, readReceipt)}
	case tag == 'E':
		return Ready{d.Int64()}
	case tag == 'Q':
		return readQueueMessage(d)
	default:
		d.Expected("message tag, found 0x%02x", tag)
	}
	return nil
}

func readQueueMessage(d *wire.Decoder) AMessage {
	switch tag := d.Byte(); {
	case d.Err() != nil:
	case tag == 'C':
		return QCont{readQueueAddr(d)}
	case tag == 'A':
		return QAdd{list(d, readNewQueue)}
	case tag == 'K':
		return QKey{list(d, readQueueKey)}
	case tag == 'U':
		return QUse{list(d, func(d *wire.Decoder) ReadyQueue { return ReadyQueue{readQueueAddr(d), d.Bool()} })}
	case tag == 'T':
		return QTest{list(d, readQueueAddr)}
	default:
		d.Expected("message tag after 'Q', found 0x%02x", tag)
	}
	return nil
}

func readReceipt(d *wire.Decoder) Receipt { return Receipt{d.Int64(), d.Short(), d.Large()} }

func readQueueAddr(d *wire.Decoder) QueueAddr {
	return QueueAddr{smp.ReadServer(d), smp.SenderID(d.Short())}
}

func readNewQueue(d *wire.Decoder) NewQueue {
	q := NewQueue{Queue: link.ReadQueueURI(d)}
	if d.Maybe() {
		a := readQueueAddr(d)
		q.Replaces = &a
	}
	return q
}

func readQueueKey(d *wire.Decoder) QueueKey {
	q := QueueKey{Queue: link.ReadQueueInfo(d)}
	der := d.Short()
	if d.Err() != nil {
		return q
	}
	k, err := key.ParsePublic(der)
	if err == nil && k.Alg() == key.X448 {
		err = fmt.Errorf("%w: x448 does not authorize", key.ErrParse)
	}
	if err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	q.Key = k
	return q
}
