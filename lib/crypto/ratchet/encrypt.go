package ratchet

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// SendOptions change what a message says; the zero value is the usual one.
type SendOptions struct {
	PQ         PQSwitch
	MaxVersion wire.Version // the highest to offer, zero for VersionCurrent
}

// Encrypt makes the next message: msg is padded to size bytes, the message
// has [Overhead] more. next replaces s and must be stored before the message
// is sent. The errors are [ErrNotReady] and [ErrLarge].
func (s *State) Encrypt(msg []byte, size int, o SendOptions) (next *State, out []byte, err error) {
	if !fits(len(msg), size) {
		return nil, nil, fmt.Errorf("%w: %d bytes into %d", ErrLarge, len(msg), size)
	}
	next, k, err := s.EncryptHeader(o)
	if err != nil {
		return nil, nil, err
	}
	defer k.Wipe()
	out, err = k.Seal(msg, size)
	if err != nil {
		return nil, nil, err
	}
	return next, out, nil
}

// SendKey seals one message whose place in the chain is taken: what Encrypt
// does in one go, in two.
type SendKey struct {
	_       [0]func()
	version wire.Version
	ad      [adSize]byte
	key     MessageKey
	header  []byte // encrypted, without prefix
}

// EncryptHeader takes the next place in the sending chain. The error is
// [ErrNotReady]. pqdr: Encrypting messages.
//
// All headers of a chain carry the same KEM parameters, also after the KEM
// was switched off: whichever message comes first, the receiver needs the
// ciphertext that the chain was made with. (The reference turns it into a
// proposal after the message that switches off; if that one is lost or late,
// its receiver cannot follow.)
func (s *State) EncryptHeader(o SendOptions) (next *State, k *SendKey, err error) {
	if s.snd == nil {
		return nil, nil, ErrNotReady
	}
	n := s.copyOf()
	chain, mk, headerIV := chainKDF(s.snd.key)
	n.snd = &chainState{key: chain, header: s.snd.header}
	n.ns++
	n.enable = o.PQ.apply(s.enable)
	n.support = supportAfter(s.current, s.support, n.enable)
	n.max = offered(s.current, o)
	h := header{max: n.max, dh: s.dh.pub, kem: s.kem.params(), pn: s.pn, n: s.ns}
	k = &SendKey{version: s.current, ad: s.ad, key: mk}
	k.header = s.sealHeader(&h, headerIV, paddedHeaderSize(s.current, n.support))
	return n, k, nil
}

// offered is the highest version to name in a header. Asking for the KEM
// implies its version.
func offered(current wire.Version, o SendOptions) wire.Version {
	v := o.MaxVersion
	if v == 0 {
		v = VersionCurrent
	}
	if o.PQ == PQEnable {
		return max(v, VersionPQ)
	}
	return max(v, current)
}

// params is what a header says of the KEM.
func (k *kemState) params() *KEMParams {
	if k == nil {
		return nil
	}
	return &KEMParams{Key: k.key.Public(), Ciphertext: k.ct}
}

// sealHeader makes the encrypted header without its prefix.
func (s *State) sealHeader(h *header, iv [ivSize]byte, size int) []byte {
	plain := h.append(make([]byte, 0, size), s.current)
	sealed := appendSealed(nil, s.snd.header[:], iv[:], s.ad[:], plain, size)
	b := make([]byte, 0, 2+ivSize+tagSize+2+size)
	b = wire.AppendUint16(b, uint16(s.current))
	b = append(append(b, iv[:]...), sealed[:tagSize]...)
	return appendPrefixed(b, sealed[tagSize:], s.current)
}

// Seal makes the message: msg padded to size bytes. A second call with other
// bytes would use the key twice; call it again only for the same message. The
// error is [ErrLarge].
func (k *SendKey) Seal(msg []byte, size int) ([]byte, error) {
	if !fits(len(msg), size) {
		return nil, fmt.Errorf("%w: %d bytes into %d", ErrLarge, len(msg), size)
	}
	ad := append(append(make([]byte, 0, adSize+len(k.header)), k.ad[:]...), k.header...)
	out := make([]byte, 0, 2+len(k.header)+tagSize+size+tagSize)
	out = appendPrefixed(out, k.header, k.version)
	return appendSealed(out, k.key[:32], k.key[32:], ad, msg, size), nil
}

// Wipe overwrites the key, which is unusable afterwards.
func (k *SendKey) Wipe() { clear(k.key[:]) }

// Format prints "ratchet-send-key" for every verb.
func (k *SendKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "ratchet-send-key") }

// MarshalText gives "ratchet-send-key", so that JSON and logs cannot leak it.
func (k *SendKey) MarshalText() ([]byte, error) { return []byte("ratchet-send-key"), nil }

// AppendBinary appends the stored form: word16 version, short associated
// data, short key, short IV, large encrypted header.
func (k *SendKey) AppendBinary(b []byte) ([]byte, error) {
	b = wire.AppendUint16(b, uint16(k.version))
	b = wire.AppendShort(b, k.ad[:])
	b = append(wire.AppendShort(b, k.key[:32]), k.key[32:]...)
	return wire.AppendLarge(b, k.header), nil
}

// UnmarshalBinary reads the stored form. The error wraps [ErrStored] and does
// not hold the input.
func (k *SendKey) UnmarshalBinary(b []byte) error {
	d := wire.NewDecoder(b)
	v, ad, mk, iv, h := d.Version(), d.Short(), d.Short(), d.Bytes(ivSize), d.Large()
	if d.Done() != nil || len(ad) != adSize || len(mk) != 32 {
		return fmt.Errorf("%w: message key of %d bytes", ErrStored, len(b))
	}
	k.version, k.ad, k.header = v, [adSize]byte(ad), append([]byte(nil), h...)
	copy(k.key[copy(k.key[:], mk):], iv)
	return nil
}
