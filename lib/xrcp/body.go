package xrcp

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var (
	// ErrBody is returned for a body that cannot be read or opened.
	ErrBody = errors.New("xrcp: bad body")
	// ErrBodySize is returned for a body that is longer than allowed.
	ErrBodySize = errors.New("xrcp: body too long")
	// ErrSignature is returned for a command that the controller did not sign.
	ErrSignature = errors.New("xrcp: command not signed by the controller")
	// ErrBinding is returned for a body of another TLS session.
	ErrBinding = errors.New("xrcp: body of another session")
	// ErrReplay is returned for a counter that was seen before.
	ErrReplay = errors.New("xrcp: counter seen before")
	// ErrGap is returned for a counter that is too far ahead.
	ErrGap = errors.New("xrcp: too many counters skipped")
)

// maxGap is how many counters may be skipped at a time, whose keys are kept.
const maxGap = 256

// maxSkipped bounds the keys that are kept in all; the oldest go first.
const maxSkipped = 1024

// DefaultMaxBody bounds a body, in bytes: a page of a thousand chat items is a
// few MiB.
const DefaultMaxBody = 64 << 20

// Keys are what the handshake has agreed on. Exactly one of Sign and Verify is
// set: controllers sign, hosts verify.
type Keys struct {
	Send, Recv *box.Chain
	Sign       *Signer
	Verify     *Verifier
}

// Signer holds the two keys that commands are signed with.
type Signer struct{ Session, ID *key.Ed25519Private }

// Verifier holds their public halves.
type Verifier struct {
	Session, ID key.Ed25519Public
	// Both runs two functions and returns when both have ended: the two
	// signatures of a command are the greater part of its cost, and a program
	// may check them at the same time. Nil runs one after the other.
	Both func(a, b func())
}

// Codec compresses what is inside bodies, where both programs said so.
type Codec interface {
	// Pack appends the compressed form.
	Pack(dst, src []byte) []byte
	// Unpack appends the content, refusing more than limit bytes of it.
	Unpack(dst, src []byte, limit int) ([]byte, error)
}

// Bodies seals and opens the bodies of one session. Safe for concurrent use:
// counters keep requests of several streams apart.
//
// xrcp: Controller/host session operation
type Bodies struct {
	binding  []byte
	sign     *Signer
	verify   *Verifier
	codec    Codec
	maxBody  int
	mu       sync.Mutex
	send     *box.Chain             // guarded by mu, as are the fields below
	recv     *box.Chain             //
	ready    [2]*messageKeys        // the next keys of send and of recv, if they are made
	sent     uint32                 // the last counter
	received uint32                 // the highest counter
	skipped  map[uint32]messageKeys // keys of counters that did not come
	order    []uint32               // of skipped, oldest first; may name taken ones
}

type messageKeys struct{ body, attachment SealKey }

// SealKey is the key and nonce for one body or one attachment.
type SealKey struct {
	key   *box.Key
	nonce box.Nonce
}

func next(c *box.Chain) (k messageKeys) {
	k.body.key, k.body.nonce = c.Next()
	k.attachment.key, k.attachment.nonce = c.Next()
	return k
}

// The directions of ready.
const (
	sending   = 0
	receiving = 1
)

// Prepare makes the keys of the next body in each direction, so that neither
// waits for them. It is to be called while nothing else is to be done.
func (b *Bodies) Prepare() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for direction, c := range [...]*box.Chain{b.send, b.recv} {
		if b.ready[direction] == nil {
			k := next(c)
			b.ready[direction] = &k
		}
	}
}

// nextLocked are the next keys of a direction.
func (b *Bodies) nextLocked(direction int) messageKeys {
	if k := b.ready[direction]; k != nil {
		b.ready[direction] = nil
		return *k
	}
	if direction == sending {
		return next(b.send)
	}
	return next(b.recv)
}

// NewBodies takes over the keys. binding is the TLS session's identifier. codec
// may be nil. A maxBody of 0 is [DefaultMaxBody].
func NewBodies(k *Keys, binding []byte, codec Codec, maxBody int) *Bodies {
	if maxBody == 0 {
		maxBody = DefaultMaxBody
	}
	return &Bodies{
		binding: bytes.Clone(binding), sign: k.Sign, verify: k.Verify, codec: codec, maxBody: maxBody,
		send: k.Send, recv: k.Recv, skipped: map[uint32]messageKeys{},
	}
}

// Seal makes a body of JSON. The key is for the attachment, if one follows.
// The error is [ErrBodySize].
func (b *Bodies) Seal(msg []byte) (sealed []byte, attachment SealKey, err error) {
	if b.codec != nil {
		msg = b.codec.Pack(nil, msg)
	}
	if len(msg) > b.maxBody {
		return nil, SealKey{}, fmt.Errorf("%w: %d bytes", ErrBodySize, len(msg))
	}
	plain := append(wire.AppendShort(make([]byte, 0, len(msg)+256), b.binding), msg...)
	b.mu.Lock()
	b.sent++
	counter, k := b.sent, b.nextLocked(sending)
	b.mu.Unlock()
	defer k.body.key.Wipe()
	sealed = make([]byte, 0, len(plain)+8+box.Overhead+2*(1+signatureSize))
	sealed = wire.AppendUint32(sealed, counter)
	sealed = wire.AppendUint32(sealed, uint32(len(plain)+box.Overhead))
	sealed = k.body.key.SealTail(sealed, k.body.nonce, plain)
	if b.sign != nil {
		sealed = b.sign.append(sealed)
	}
	return sealed, k.attachment, nil
}

// append appends both signatures over b: of its hash by the session key, and
// of the hash of it and the first signature by the identity key.
func (s *Signer) append(b []byte) []byte {
	h := sha512.New()
	_, _ = h.Write(b) // a hash never returns an error
	session := s.Session.Sign(h.Sum(nil))
	_, _ = h.Write(session)
	return wire.AppendShort(wire.AppendShort(b, session), s.ID.Sign(h.Sum(nil)))
}

// Open reads a body, and no more of r than that: an attachment may follow. A
// command's signatures are checked before anything else is believed. The
// errors are [ErrBody], [ErrBodySize], [ErrSignature], [ErrReplay], [ErrGap],
// [ErrBinding] and those of r.
func (b *Bodies) Open(r io.Reader) (msg []byte, attachment SealKey, err error) {
	signed, err := b.read(r)
	if err != nil {
		return nil, SealKey{}, err
	}
	k, err := b.keysFor(binary.BigEndian.Uint32(signed))
	if err != nil {
		return nil, SealKey{}, err
	}
	defer k.body.key.Wipe()
	plain, err := k.body.key.OpenTail(nil, k.body.nonce, signed[8:])
	if err != nil {
		return nil, SealKey{}, fmt.Errorf("%w: %v", ErrBody, err)
	}
	d := wire.NewDecoder(plain)
	binding := d.Short()
	msg = d.Tail()
	if d.Err() != nil || !bytes.Equal(binding, b.binding) {
		return nil, SealKey{}, ErrBinding
	}
	if b.codec != nil {
		if msg, err = b.codec.Unpack(nil, msg, b.maxBody); err != nil {
			return nil, SealKey{}, fmt.Errorf("%w: %v", ErrBody, err)
		}
	}
	return msg, k.attachment, nil
}

// read is counter, length and sealed bytes, with signatures checked.
func (b *Bodies) read(r io.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, bodyError(err)
	}
	n := int64(binary.BigEndian.Uint32(head[4:]))
	if n < box.Overhead {
		return nil, fmt.Errorf("%w: %d bytes", ErrBody, n)
	}
	if n > int64(b.maxBody)+1+wire.MaxShort+box.Overhead {
		return nil, fmt.Errorf("%w: %d bytes", ErrBodySize, n)
	}
	// The buffer grows with what really comes.
	buf := bytes.NewBuffer(head[:])
	if _, err := io.CopyN(buf, r, n); err != nil {
		return nil, bodyError(err)
	}
	if b.verify == nil {
		return buf.Bytes(), nil
	}
	var sigs [2 * (1 + signatureSize)]byte
	if _, err := io.ReadFull(r, sigs[:]); err != nil {
		return nil, bodyError(err)
	}
	return buf.Bytes(), b.verify.check(buf.Bytes(), sigs[:])
}

func bodyError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends early", ErrBody)
	}
	return err
}

func (v *Verifier) check(signed, sigs []byte) error {
	d := wire.NewDecoder(sigs)
	session, id := d.Short(), d.Short()
	if d.Done() != nil {
		return ErrSignature
	}
	h := sha512.New()
	_, _ = h.Write(signed) // a hash never returns an error
	first := h.Sum(nil)
	_, _ = h.Write(session)
	second := h.Sum(nil)
	both := v.Both
	if both == nil {
		both = func(a, b func()) { a(); b() }
	}
	var sessionErr, idErr error
	both(func() { sessionErr = v.Session.Verify(first, session) }, func() { idErr = v.ID.Verify(second, id) })
	switch {
	case sessionErr != nil:
		return fmt.Errorf("%w: session key", ErrSignature)
	case idErr != nil:
		return fmt.Errorf("%w: identity key", ErrSignature)
	}
	return nil
}

// keysFor steps the receiving chain to the keys of a counter, keeping those in
// between. Each counter's keys are given out once.
func (b *Bodies) keysFor(counter uint32) (messageKeys, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if counter <= b.received {
		k, ok := b.skipped[counter]
		if !ok {
			return k, fmt.Errorf("%w: %d after %d", ErrReplay, counter, b.received)
		}
		delete(b.skipped, counter)
		return k, nil
	}
	if counter-b.received > maxGap {
		return messageKeys{}, fmt.Errorf("%w: %d after %d", ErrGap, counter, b.received)
	}
	for b.received+1 < counter {
		b.received++
		b.skipped[b.received] = b.nextLocked(receiving)
		b.order = append(b.order, b.received)
	}
	for len(b.order) > maxSkipped {
		delete(b.skipped, b.order[0])
		b.order = b.order[1:]
	}
	b.received = counter
	return b.nextLocked(receiving), nil
}
