package smp

import (
	"bytes"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Params are what encoding on a connection depends on: set once after the
// handshake, then for concurrent use.
type Params struct {
	Version   wire.Version
	SessionID []byte
	// PeerKey is the relay's session key, on the client's side; nil if the
	// relay sent none (v6).
	PeerKey *key.X25519Public
	// Key is the relay's own session key, on the relay's side.
	Key *key.X25519Private
	// Shared, unless nil, keeps the DH of Key and the keys that have authorized
	// a command on this connection; with any other key the time of Verify stays
	// what it is. Verify may then be called by one goroutine at a time.
	Shared map[key.X25519Public]*box.Key
}

// implied tells whether transmissions are sent without the session ID.
func (p *Params) implied() bool { return p.Version >= VersionAuth }

func (p *Params) serviceAuth() bool { return p.Version >= VersionService }

// Item is an encoded transmission, complete in itself: 0x01, the count of a
// block with one transmission, and the transmission as a large string. [Pack]
// joins items to blocks.
type Item []byte

// overhead is the count and the length in an [Item].
const overhead = 3

// newItem begins an item; n is the expected size of the transmission.
func newItem(n int) []byte { return append(make([]byte, 0, n+overhead), 1, 0, 0) }

func endItem(b []byte) (Item, error) {
	n := len(b) - overhead
	if n > wire.MaxLarge {
		return nil, ErrTransportLargeMsg
	}
	b[1], b[2] = byte(n>>8), byte(n)
	return b, nil
}

// Credentials authorize commands. The zero value sends without authorization.
type Credentials struct {
	Key     key.Private  // of the queue: Ed25519, Ed448 or X25519
	Service *ServiceKeys // of the session; used where [SignedByService] says so, v16+
}

// ServiceKeys are the client's side of a session with a service certificate.
type ServiceKeys struct {
	ServiceID   ServiceID
	Role        ServiceRole
	Certificate Fingerprint // SHA-256 of the identity certificate
	Key         *key.Ed25519Private
}

// EncodeCommand encodes and authorizes a command:
//
//	short authorization [, maybe short service signature: v16+, authorized]
//	[short session ID: v6] short corrID, short entity, command
//
// The errors are [ErrTransportNoAuth], for an X25519 key if the relay has no
// session key, [ErrTransportLargeMsg], and key.ErrLowOrder.
func (p *Params) EncodeCommand(id CorrID, entity EntityID, c Command, cred Credentials) (Item, error) {
	if !p.serviceAuth() || !SignedByService(c) {
		cred.Service = nil
	}
	// What is authorized must be in one piece, and begins with what is not
	// sent. It is written before the body, and then the authorization over it,
	// so that bodies are copied once.
	room := max(maxHead, 1+len(p.SessionID)+len(cred.certificate()))
	b := make([]byte, room, room+p.sizeHint(id, entity, c))
	b = AppendCommand(p.appendHead(b, id, entity), p.Version, c)
	auth, service, err := p.authorize(id, b, room, cred)
	if err != nil {
		return nil, err
	}
	head := wire.AppendShort(make([]byte, 0, maxHead), auth)
	if p.serviceAuth() && cred.Key != nil {
		head = wire.AppendMaybe(head, service != nil, func(b []byte) []byte { return wire.AppendShort(b, service) })
	}
	at := room - len(head)
	copy(b[at:], head)
	at -= overhead
	b[at] = 1
	return endItem(b[at:])
}

// maxHead is the largest size of what stands before the IDs in an [Item]:
// count, length, an Ed448 signature and a service's signature.
const maxHead = overhead + 1 + ed448Size + 2 + ed25519Size

// EncodeMessage encodes what a relay sends; id is empty in events. The error
// is [ErrTransportLargeMsg].
func (p *Params) EncodeMessage(id CorrID, entity EntityID, m Message) (Item, error) {
	n := 192
	if msg, ok := m.(MSG); ok {
		n += len(msg.Body)
	}
	b := append(newItem(n), 0)
	return endItem(AppendMessage(p.appendHead(b, id, entity), p.Version, m))
}

// EncodeSealed is EncodeMessage of a [MSG] whose body is that of [SealMsg], in
// the memory of buf if that has room for [MaxItem] bytes: with neither copy nor
// allocation. The errors are those of both.
func (p *Params) EncodeSealed(buf []byte, id CorrID, entity EntityID, k *box.Key, msg MsgID, m RcvBody) (Item, error) {
	b := append(buf[:0], 1, 0, 0, 0) // see newItem; no authorization
	b = AppendMessage(p.appendHead(b, id, entity), p.Version, MSG{ID: msg})
	b, err := appendSealed(b, k, msg, m)
	if err != nil {
		return nil, err
	}
	return endItem(b)
}

// MaxItem is the most that an [Item] in a block has, in bytes.
const MaxItem = MaxBatch + overhead

// EncodeMessageAt is EncodeMessage for the transmission inside a proxied
// answer, whose version is that of PFWD.
func (p *Params) EncodeMessageAt(v wire.Version, id CorrID, entity EntityID, m Message) (Item, error) {
	return p.At(v).EncodeMessage(id, entity, m)
}

// At is a copy with another version: for transmissions inside proxied ones.
func (p *Params) At(v wire.Version) *Params {
	q := *p
	q.Version = v
	return &q
}

func (p *Params) sizeHint(id CorrID, entity EntityID, c Command) int {
	n := len(p.SessionID) + len(id) + len(entity) + 256
	switch c := c.(type) {
	case SEND:
		n += len(c.Body)
	case PFWD:
		n += len(c.Body)
	case RFWD:
		n += len(c.Body)
	}
	return n
}

func (p *Params) appendSession(b []byte) []byte { return wire.AppendShort(b, p.SessionID) }

func (p *Params) appendHead(b []byte, id CorrID, entity EntityID) []byte {
	if !p.implied() {
		b = p.appendSession(b)
	}
	return appendIDs(b, id, entity)
}

func appendIDs(b []byte, id CorrID, entity EntityID) []byte {
	return wire.AppendShort(wire.AppendShort(b, id), entity)
}

// authorize makes the authorization and the service's signature of the
// transmission b[room:], using what is before room. With a service the
// queue's key authorizes the service's certificate as well: its fingerprint
// stands before the rest, without a length.
func (p *Params) authorize(id CorrID, b []byte, room int, cred Credentials) (auth, service []byte, err error) {
	if cred.Key == nil {
		return nil, nil, nil
	}
	at := room
	if p.implied() {
		at -= 1 + len(p.SessionID)
		p.appendSession(b[:at])
	}
	if cred.Service != nil {
		service = cred.Service.Key.Sign(b[at:])
		at -= len(cred.certificate())
		copy(b[at:], cred.certificate())
	}
	switch k := cred.Key.(type) {
	case key.SignKey:
		return k.Sign(b[at:]), service, nil
	case *key.X25519Private:
		if p.PeerKey == nil {
			return nil, nil, ErrTransportNoAuth
		}
		shared, err := box.SharedKey(*p.PeerKey, k)
		if err != nil {
			return nil, nil, err
		}
		return shared.Authenticate([]byte(id), b[at:]), service, nil
	}
	return nil, nil, ErrTransportNoAuth
}

func (c Credentials) certificate() Fingerprint {
	if c.Service == nil {
		return ""
	}
	return c.Service.Certificate
}

// raw is a transmission before its command is parsed.
type raw struct {
	auth    []byte
	service []byte // nil if absent
	signed  []byte // session ID (v6 only), IDs and command
	session []byte // v6 only
	id      CorrID
	entity  EntityID
	body    []byte
}

// parseRaw is false if the transmission is malformed.
func (p *Params) parseRaw(b []byte) (t raw, ok bool) {
	d := wire.NewDecoder(b)
	t.auth = d.Short()
	if p.serviceAuth() && len(t.auth) > 0 && d.Maybe() {
		t.service = d.Short()
		if len(t.service) != ed25519Size {
			return raw{}, false
		}
	}
	t.signed = b[d.Offset():]
	if !p.implied() {
		t.session = d.Short()
	}
	t.id, t.entity, t.body = readID[CorrID](d), readID[EntityID](d), d.Tail()
	return t, d.Err() == nil
}

// Request is a command as a relay receives it. If Err is set, Command is nil
// and the answer is ERR with Err; IDs are empty if they could not be read.
type Request struct {
	CorrID   CorrID
	EntityID EntityID
	Command  Command
	Err      *Error

	auth, service, signed []byte
}

// HasAuth tells whether the transmission is authorized, rightly or not.
func (r *Request) HasAuth() bool { return len(r.auth) > 0 }

// HasServiceSig tells whether a service has signed as well.
func (r *Request) HasServiceSig() bool { return r.service != nil }

// Response is what a client receives. If Err is set, Message is nil: what the
// relay sent does not parse, or has an entity where it must not.
type Response struct {
	CorrID   CorrID
	EntityID EntityID
	Message  Message
	Err      *Error
}

// ParseRequests parses the content of a block from a client. The result is
// never empty: a malformed block is one Request with [ErrBlock]. Bodies and
// authorizations alias b.
func (p *Params) ParseRequests(b []byte) []Request {
	items, ok := unpack(b)
	if !ok {
		return []Request{{Err: ErrBlock}}
	}
	rs := make([]Request, 0, min(len(items), MaxBatchCount))
	for _, item := range items {
		rs = append(rs, p.parseRequest(item))
	}
	return rs
}

func (p *Params) parseRequest(b []byte) Request {
	t, ok := p.parseRaw(b)
	switch {
	case !ok:
		return Request{Err: ErrBlock}
	case !p.implied() && !bytes.Equal(t.session, p.SessionID):
		return Request{CorrID: t.id, Err: ErrSession}
	case !validAuth(t.auth):
		return Request{CorrID: t.id, Err: ErrBlock}
	}
	r := Request{CorrID: t.id, EntityID: t.entity, auth: t.auth, service: t.service, signed: t.signed}
	c, err := ParseCommand(p.Version, t.body)
	if err != nil {
		r.Err = protocolError(err)
		return r
	}
	if r.Err = CheckCommand(c, r.HasAuth(), t.entity); r.Err == nil {
		r.Command = c
	}
	return r
}

// ParseResponses parses the content of a block from a relay. The result is
// never empty: a malformed block is one Response with [ErrBlock]. Bodies
// alias b.
func (p *Params) ParseResponses(b []byte) []Response {
	items, ok := unpack(b)
	if !ok {
		return []Response{{Err: ErrBlock}}
	}
	rs := make([]Response, 0, min(len(items), MaxBatchCount))
	for _, item := range items {
		rs = append(rs, p.parseResponse(item))
	}
	return rs
}

func (p *Params) parseResponse(b []byte) Response {
	t, ok := p.parseRaw(b)
	switch {
	case !ok:
		return Response{Err: ErrBlock}
	case !p.implied() && !bytes.Equal(t.session, p.SessionID):
		return Response{CorrID: t.id, Err: ErrSession}
	}
	r := Response{CorrID: t.id, EntityID: t.entity}
	m, err := ParseMessage(p.Version, t.body)
	if err != nil {
		r.Err = protocolError(err)
		return r
	}
	if r.Err = CheckMessage(m, t.entity); r.Err == nil {
		r.Message = m
	}
	return r
}

func protocolError(err error) *Error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return ErrSyntax
}
