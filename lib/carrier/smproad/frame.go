package smproad

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var (
	// ErrAddress is returned for a queue's address that cannot be read.
	ErrAddress = errors.New("smproad: bad address of a queue")
	errMessage = errors.New("smproad: bad message")
)

// Address is a queue with the key that its owner is written to with.
type Address struct {
	Relay smp.ServerAddr
	ID    smp.SenderID
	Key   key.X25519Public
}

const maxAddress = 512 // bytes of text

// String is the address as an invitation has it: the relay without its scheme,
// the queue's ID and the key in base64url, with slashes between.
func (a Address) String() string {
	return strings.TrimPrefix(a.Relay.String(), "smp://") + "/" + wire.Base64([]byte(a.ID)) + "/" + wire.Base64(a.Key[:])
}

// ParseAddress reads an address. The error is [ErrAddress].
func ParseAddress(s string) (a Address, err error) {
	parts := strings.Split(s, "/")
	if len(s) > maxAddress || len(parts) != 3 {
		return a, fmt.Errorf("%w: not relay/queue/key", ErrAddress)
	}
	if a.Relay, err = smp.ParseServerAddr("smp://" + parts[0]); err != nil {
		return Address{}, fmt.Errorf("%w: relay", ErrAddress)
	}
	id, err := wire.ParseBase64(parts[1])
	if err != nil || len(id) == 0 || len(id) > wire.MaxShort {
		return Address{}, fmt.Errorf("%w: queue", ErrAddress)
	}
	k, err := wire.ParseBase64(parts[2])
	if err != nil || len(k) != len(a.Key) {
		return Address{}, fmt.Errorf("%w: key", ErrAddress)
	}
	a.ID, a.Key = smp.SenderID(id), key.X25519Public(k)
	return a, nil
}

// Sizes in bytes.
const (
	padded  = 15900                // of what is in the box, of every message
	idSize  = 8                    //
	maxData = padded - 2 - 1 - 4   // of the bytes in a D
	maxBody = padded + 16 + 1 + 45 // of a message, the first being the longest
)

// streamID is the name of a stream.
type streamID [idSize]byte

func idOf(k key.X25519Public) (id streamID) {
	sum := sha256.Sum256(k[:])
	copy(id[:], sum[:])
	return id
}

// direction is in the nonce.
type direction byte

const (
	fromCaller direction = 1
	fromCallee direction = 2
)

func (d direction) nonce(number uint64) (n box.Nonce) {
	n[0] = byte(d)
	binary.BigEndian.PutUint64(n[len(n)-8:], number)
	return n
}

func sealFirst(k *box.Key, pub key.X25519Public, text []byte) ([]byte, error) {
	b := wire.AppendShort(append(make([]byte, 0, maxBody), 1), pub.AppendSPKI(nil))
	return k.SealPadded(b, fromCaller.nonce(0), text, padded)
}

func sealNext(k *box.Key, id streamID, d direction, number uint64, frame []byte) ([]byte, error) {
	b := append(append(make([]byte, 0, maxBody), 2), id[:]...)
	b = binary.BigEndian.AppendUint64(b, number)
	return k.SealPadded(b, d.nonce(number), frame, padded)
}

// message is a body that was read and not opened.
type message struct {
	first  bool
	pub    key.X25519Public // of first
	id     streamID
	number uint64
	box    []byte
}

func parseMessage(b []byte) (m message, err error) {
	d := wire.NewDecoder(b)
	switch d.Byte() {
	case 1:
		m.first = true
		if m.pub, err = key.ParseX25519(d.Short()); err != nil {
			d.Fail(err)
		}
		m.id = idOf(m.pub)
	case 2:
		copy(m.id[:], d.Bytes(idSize))
		if n := d.Bytes(8); len(n) == 8 {
			m.number = binary.BigEndian.Uint64(n)
		}
	default:
		d.Fail(errMessage)
	}
	m.box = d.Tail()
	if err := d.Done(); err != nil {
		return message{}, errMessage
	}
	return m, nil
}

func (m message) open(k *box.Key, d direction) ([]byte, error) {
	text, err := k.OpenPadded(d.nonce(m.number), m.box)
	if err != nil || len(text) == 0 {
		return nil, errMessage
	}
	return text, nil
}

// frame is what a next message holds.
type frame struct {
	kind  byte // 'D', 'A' or 'F'
	taken uint32
	data  []byte
}

func (f frame) append(b []byte) []byte {
	b = append(b, f.kind)
	if f.kind == 'F' {
		return b
	}
	return append(wire.AppendUint32(b, f.taken), f.data...)
}

func parseFrame(b []byte) (f frame, err error) {
	switch {
	case len(b) == 1 && b[0] == 'F':
		return frame{kind: 'F'}, nil
	case len(b) > 5 && b[0] == 'D', len(b) == 5 && b[0] == 'A':
		return frame{kind: b[0], taken: binary.BigEndian.Uint32(b[1:]), data: b[5:]}, nil
	}
	return frame{}, errMessage
}
