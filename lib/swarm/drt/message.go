package drt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// Version is that of the messages.
	Version = 3
	// MaxMessage is the size of a message that is read at most.
	MaxMessage = 256 << 10
	// MaxNodes is how many IDs, and how many leases, a message may name.
	MaxNodes = 128
	maxCerts = 32
	maxText  = 256
	maxCert  = 8 << 10
)

// Kinds of requests and answers (q).
const (
	qFind = 1 + iota
	qFound
	qCerts
	qCertsFound
)

// ErrMessage is what malformed messages return, wrapped.
var ErrMessage = errors.New("drt: bad message")

// Find asks for the Num nodes closest to Node.
type Find struct {
	Num  int
	Node ID
}

// Found answers a Find. Mobiles are IDs without leases, as version 2 sent them;
// they are read and not used.
type Found struct {
	Nodes   []ID
	Mobiles []ID
	Leases  []*Lease
}

// Message is one message of the channel.
type Message struct {
	Mobile    bool   // the sender is a mobile device
	Lease     *Lease // its own
	Find      *Find
	Found     *Found
	WantCerts []ID
	Certs     [][]byte // DER
}

// Append adds the message's bytes to b.
func (m *Message) Append(b []byte) []byte {
	n := 2
	for _, on := range []bool{m.Lease != nil, m.Find != nil, m.Found != nil, m.WantCerts != nil, m.Certs != nil} {
		if on {
			n++
		}
	}
	b = appendMap(b, n)
	b = appendUint(appendStr(b, "v"), Version)
	b = appendBool(appendStr(b, "is_mobile"), m.Mobile)
	if m.Lease != nil {
		b = m.Lease.append(appendStr(b, "self_mobile_info"))
	}
	if f := m.Find; f != nil {
		b = appendMap(appendStr(b, "request"), 3)
		b = appendUint(appendStr(b, "q"), qFind)
		b = appendUint(appendStr(b, "num"), uint64(max(f.Num, 0)))
		b = appendBin(appendStr(b, "nodeId"), f.Node[:])
	}
	if f := m.Found; f != nil {
		b = f.append(appendStr(b, "response"))
	}
	if m.WantCerts != nil {
		b = appendMap(appendStr(b, "cert_request"), 2)
		b = appendUint(appendStr(b, "q"), qCerts)
		b = appendIDs(appendStr(b, "nodes"), m.WantCerts)
	}
	if m.Certs != nil {
		b = appendMap(appendStr(b, "cert_response"), 2)
		b = appendUint(appendStr(b, "q"), qCertsFound)
		b = appendArray(appendStr(b, "certs"), len(m.Certs))
		for _, c := range m.Certs {
			b = appendBin(b, c)
		}
	}
	return b
}

func (f *Found) append(b []byte) []byte {
	b = appendMap(b, 4)
	b = appendUint(appendStr(b, "q"), qFound)
	b = appendIDs(appendStr(b, "nodes"), f.Nodes)
	b = appendIDs(appendStr(b, "mobile_nodes"), f.Mobiles)
	b = appendArray(appendStr(b, "mobile_node_infos"), len(f.Leases))
	for _, l := range f.Leases {
		b = l.append(b)
	}
	return b
}

func (l *Lease) append(b []byte) []byte {
	b = appendMap(b, 7)
	b = appendUint(appendStr(b, "format_version"), leaseVersion)
	b = appendStr(appendStr(b, "conversation_id"), l.Conversation)
	b = appendStr(appendStr(b, "issuer_id"), l.Issuer)
	b = appendStr(appendStr(b, "device_id"), l.Device.String())
	b = appendUint(appendStr(b, "issued_at"), uint64(max(l.Issued.Unix(), 0)))
	b = appendUint(appendStr(b, "expires_at"), uint64(max(l.Expires.Unix(), 0)))
	return appendBin(appendStr(b, "signature"), l.Signature)
}

func appendIDs(b []byte, ids []ID) []byte {
	b = appendArray(b, len(ids))
	for _, id := range ids {
		b = appendBin(b, id[:])
	}
	return b
}

// Parse reads one message that is all of b.
func Parse(b []byte) (*Message, error) {
	r := bufio.NewReader(bytes.NewReader(b))
	m, err := Read(r)
	if err == io.EOF {
		err = fmt.Errorf("%w: empty", ErrMessage)
	}
	if err != nil {
		return nil, err
	}
	if _, err := r.ReadByte(); err == nil {
		return nil, fmt.Errorf("%w: bytes after it", ErrMessage)
	}
	return m, nil
}

// Read reads the next message of a channel. At the end of the channel the error
// is io.EOF; that of a malformed message wraps ErrMessage, and the channel is
// no use then. Unknown members are skipped.
func Read(r *bufio.Reader) (*Message, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	d := &decoder{r: r, left: MaxMessage}
	m := d.message()
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

func (d *decoder) message() *Message {
	m := &Message{}
	version := uint64(0)
	d.fields(func(name string) {
		switch name {
		case "v":
			version = d.uint()
		case "is_mobile":
			m.Mobile = d.bool()
		case "self_mobile_info":
			m.Lease = d.lease()
		case "request":
			m.Find = d.find()
		case "response":
			m.Found = d.found()
		case "cert_request":
			m.WantCerts = d.wantCerts()
		case "cert_response":
			m.Certs = d.certs()
		default:
			d.skip(0)
		}
	})
	if d.err == nil && version < 1 {
		d.fail("no version")
	}
	return m
}

func (d *decoder) find() *Find {
	f := &Find{}
	q := uint64(0)
	d.fields(func(name string) {
		switch name {
		case "q":
			q = d.uint()
		case "num":
			f.Num = int(min(d.uint(), MaxNodes))
		case "nodeId":
			f.Node = d.id()
		default:
			d.skip(0)
		}
	})
	d.want(q, qFind)
	return f
}

func (d *decoder) found() *Found {
	f := &Found{}
	q := uint64(0)
	d.fields(func(name string) {
		switch name {
		case "q":
			q = d.uint()
		case "nodes":
			f.Nodes = d.ids()
		case "mobile_nodes":
			f.Mobiles = d.ids()
		case "mobile_node_infos":
			for range d.array(MaxNodes) {
				f.Leases = append(f.Leases, d.lease())
			}
		default:
			d.skip(0)
		}
	})
	d.want(q, qFound)
	return f
}

func (d *decoder) wantCerts() []ID {
	ids, q := []ID{}, uint64(0)
	d.fields(func(name string) {
		switch name {
		case "q":
			q = d.uint()
		case "nodes":
			ids = d.ids()
		default:
			d.skip(0)
		}
	})
	d.want(q, qCerts)
	return ids
}

func (d *decoder) certs() [][]byte {
	certs, q := [][]byte{}, uint64(0)
	d.fields(func(name string) {
		switch name {
		case "q":
			q = d.uint()
		case "certs":
			for range d.array(maxCerts) {
				certs = append(certs, d.bytes(maxCert))
			}
		default:
			d.skip(0)
		}
	})
	d.want(q, qCertsFound)
	return certs
}

func (d *decoder) lease() *Lease {
	l := &Lease{}
	version := uint64(0)
	d.fields(func(name string) {
		switch name {
		case "format_version":
			version = d.uint()
		case "conversation_id":
			l.Conversation = string(d.bytes(maxText))
		case "issuer_id":
			l.Issuer = string(d.bytes(maxText))
		case "device_id":
			l.Device = d.id()
		case "issued_at":
			l.Issued = d.time()
		case "expires_at":
			l.Expires = d.time()
		case "signature":
			l.Signature = d.bytes(2 << 10)
		default:
			d.skip(0)
		}
	})
	d.want(version, leaseVersion)
	return l
}

// id reads 32 bytes, or 64 hex digits.
func (d *decoder) id() (id ID) {
	b := d.bytes(2 * IDSize)
	if d.err != nil {
		return id
	}
	if len(b) == IDSize {
		return ID(b)
	}
	id, err := ParseID(string(b))
	if err != nil {
		d.fail("ID")
	}
	return id
}

func (d *decoder) ids() []ID {
	ids := []ID{}
	for range d.array(MaxNodes) {
		ids = append(ids, d.id())
	}
	return ids
}

func (d *decoder) time() time.Time {
	return time.Unix(int64(min(d.uint(), 1<<40)), 0)
}

func (d *decoder) want(got, want uint64) {
	if got != want {
		d.fail("kind or version")
	}
}
