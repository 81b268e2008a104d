package smp

import (
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// NEW creates a queue; the answer is [IDS]. smp: Create queue command
type NEW struct {
	AuthKey   key.Public // authorizes the recipient's commands; not X448
	DHKey     key.X25519Public
	BasicAuth *BasicAuth // the relay's password for creating queues
	Create    bool       // only create; false subscribes as well
	Queue     *QueueReq  // v9+; nil is read as contact below v15
	NtfCreds  *NtfReq    // v17+
}

// Tag is "NEW".
func (NEW) Tag() string { return "NEW" }

// Party is [Creator].
func (NEW) Party() Party { return Creator }

// QueueMode says who may secure a queue.
type QueueMode byte

// The queue modes. The zero value is a queue older than modes.
const (
	// Messaging queues are secured by the sender with SKEY.
	Messaging QueueMode = 'M'
	// Contact queues stay open: anybody may send, the recipient may not
	// secure it through the sender.
	Contact QueueMode = 'C'
)

// String is "messaging", "contact" or "".
func (m QueueMode) String() string {
	switch m {
	case Messaging:
		return "messaging"
	case Contact:
		return "contact"
	}
	return ""
}

// QueueReq asks for a mode and, optionally, puts a short link's data on the
// relay at once.
type QueueReq struct {
	Mode QueueMode
	Data *QueueReqData // nil: no short link
}

// QueueReqData is the data of a short link of a new queue.
type QueueReqData struct {
	LinkID   LinkID   // contact mode only; the relay chooses in messaging mode
	SenderID SenderID // must be [SenderIDFrom] the transmission's CorrID
	Data     LinkData
}

// NtfReq are the keys with which a queue's notifications are switched on.
type NtfReq struct {
	AuthKey key.Public // authorizes NSUB; not X448
	DHKey   key.X25519Public
}

func (c NEW) appendTo(b []byte, v wire.Version) []byte {
	b = append(b, "NEW "...)
	b = appendX25519(appendPublic(b, c.AuthKey), c.DHKey)
	if v >= VersionSenderKey {
		b = appendMaybeBasicAuth(b, c.BasicAuth)
	} else if c.BasicAuth != nil {
		b = wire.AppendShort(append(b, 'A'), *c.BasicAuth)
	}
	b = append(b, subMode(c.Create))
	switch {
	case v >= VersionShortLinks:
		b = c.Queue.appendMaybe(b)
	case v >= VersionSenderKey:
		b = wire.AppendBool(b, c.Queue != nil && c.Queue.Mode == Messaging)
	}
	if v >= VersionNtfCreds {
		b = wire.AppendMaybe(b, c.NtfCreds != nil, func(b []byte) []byte { return c.NtfCreds.appendTo(b) })
	}
	return b
}

func parseNEW(d *wire.Decoder, v wire.Version) NEW {
	c := NEW{AuthKey: space(d, authKey), DHKey: x25519(d)}
	if v >= VersionSenderKey {
		c.BasicAuth = maybeBasicAuth(d)
	} else if d.TryLit("A") {
		c.BasicAuth = readBasicAuth(d)
	}
	switch m := d.Byte(); m {
	case 'S':
	case 'C':
		c.Create = true
	default:
		unexpected(d, "subscription mode", m)
	}
	switch {
	case v >= VersionShortLinks:
		if d.Maybe() {
			c.Queue = queueReq(d)
		}
	case v >= VersionSenderKey:
		c.Queue = &QueueReq{Mode: secureMode(d.Bool())}
	}
	if v >= VersionNtfCreds && d.Maybe() {
		n := ntfReq(d)
		c.NtfCreds = &n
	}
	return c
}

func subMode(create bool) byte {
	if create {
		return 'C'
	}
	return 'S'
}

func secureMode(senderCanSecure bool) QueueMode {
	if senderCanSecure {
		return Messaging
	}
	return Contact
}

func readMode(d *wire.Decoder) QueueMode {
	m := QueueMode(d.Byte())
	if m != Messaging && m != Contact {
		unexpected(d, "queue mode", byte(m))
	}
	return m
}

func (q *QueueReq) appendMaybe(b []byte) []byte {
	if q == nil {
		return append(b, '0')
	}
	b = append(b, '1', byte(q.Mode))
	if q.Data == nil {
		return append(b, '0')
	}
	b = append(b, '1')
	if q.Mode == Contact {
		b = wire.AppendShort(b, q.Data.LinkID)
	}
	return q.Data.Data.Append(wire.AppendShort(b, q.Data.SenderID))
}

func queueReq(d *wire.Decoder) *QueueReq {
	q := &QueueReq{Mode: readMode(d)}
	if d.Maybe() {
		q.Data = new(QueueReqData)
		if q.Mode == Contact {
			q.Data.LinkID = readID[LinkID](d)
		}
		q.Data.SenderID = readID[SenderID](d)
		q.Data.Data = linkData(d)
	}
	return q
}

func (n NtfReq) appendTo(b []byte) []byte { return appendX25519(appendPublic(b, n.AuthKey), n.DHKey) }

func ntfReq(d *wire.Decoder) NtfReq { return NtfReq{authKey(d), x25519(d)} }

// IDS is the answer to [NEW]. smp: Create queue command
type IDS struct {
	RecipientID RecipientID
	SenderID    SenderID
	DHKey       key.X25519Public
	Mode        QueueMode // v9+; zero if the relay did not say
	LinkID      LinkID    // v15+; empty if there is no short link
	ServiceID   ServiceID // v16+; empty if not associated with a service
	NtfCreds    *NtfIDs   // v17+
}

// NtfIDs are what the relay answers to a [NtfReq].
type NtfIDs struct {
	NotifierID NotifierID
	DHKey      key.X25519Public
}

// Tag is "IDS".
func (IDS) Tag() string { return "IDS" }

func (m IDS) appendTo(b []byte, v wire.Version) []byte {
	b = wire.AppendShort(append(b, "IDS "...), m.RecipientID)
	b = appendX25519(wire.AppendShort(b, m.SenderID), m.DHKey)
	if v < VersionSenderKey {
		return b
	}
	if v < VersionShortLinks {
		return wire.AppendBool(b, m.Mode == Messaging)
	}
	b = wire.AppendMaybe(b, m.Mode != 0, func(b []byte) []byte { return append(b, byte(m.Mode)) })
	b = appendMaybeID(b, m.LinkID)
	if v >= VersionService {
		b = appendMaybeID(b, m.ServiceID)
	}
	if v >= VersionNtfCreds {
		b = wire.AppendMaybe(b, m.NtfCreds != nil, func(b []byte) []byte { return m.NtfCreds.appendTo(b) })
	}
	return b
}

func parseIDS(d *wire.Decoder, v wire.Version) IDS {
	m := IDS{RecipientID: space(d, readID[RecipientID]), SenderID: readID[SenderID](d), DHKey: x25519(d)}
	if v < VersionSenderKey {
		return m
	}
	if v < VersionShortLinks {
		m.Mode = secureMode(d.Bool())
		return m
	}
	if d.Maybe() {
		m.Mode = readMode(d)
	}
	m.LinkID = maybeID[LinkID](d)
	if v >= VersionService {
		m.ServiceID = maybeID[ServiceID](d)
	}
	if v >= VersionNtfCreds && d.Maybe() {
		n := ntfIDs(d)
		m.NtfCreds = &n
	}
	return m
}

func (n NtfIDs) appendTo(b []byte) []byte {
	return appendX25519(wire.AppendShort(b, n.NotifierID), n.DHKey)
}

func ntfIDs(d *wire.Decoder) NtfIDs { return NtfIDs{readID[NotifierID](d), x25519(d)} }
