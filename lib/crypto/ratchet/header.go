package ratchet

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// header is the plain text of a message's header.
//
// pqdr: Plaintext message header.
type header struct {
	max wire.Version // the highest the sender speaks
	dh  key.X448Public
	kem *KEMParams
	pn  uint32
	n   uint32
}

// append appends the header as of version v.
func (h *header) append(b []byte, v wire.Version) []byte {
	b = wire.AppendUint16(b, uint16(h.max))
	b = wire.AppendShort(b, h.dh.AppendSPKI(nil))
	if v >= VersionPQ {
		b = appendKEM(b, h.kem)
	}
	return wire.AppendUint32(wire.AppendUint32(b, h.pn), h.n)
}

// parseHeader reads a header of version v; later versions may append to it.
func parseHeader(b []byte, v wire.Version) (*header, error) {
	d := wire.NewDecoder(b)
	h := &header{max: d.Version(), dh: readX448(d)}
	if v >= VersionPQ {
		h.kem = readKEM(d)
	}
	h.pn, h.n = d.Uint32(), d.Uint32()
	if err := d.Err(); err != nil {
		return nil, fmt.Errorf("%w: header: %v", ErrSyntax, err)
	}
	return h, nil
}

// message is a message taken apart. The slices alias the input.
//
// pqdr: Encrypted ratchet message, Encrypted message header.
type message struct {
	header []byte // encrypted header without its prefix

	version          wire.Version // the sender's current one, gives the form of the header
	headerIV         []byte
	headerTag, inner []byte

	tag, body []byte
}

// parseMessage takes a message apart. The error wraps [ErrSyntax].
func parseMessage(b []byte) (*message, error) {
	d := wire.NewDecoder(b)
	m := &message{header: readPrefixed(d), tag: d.Bytes(tagSize), body: d.Tail()}
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSyntax, err)
	}
	d = wire.NewDecoder(m.header)
	m.version, m.headerIV, m.headerTag = d.Version(), d.Bytes(ivSize), d.Bytes(tagSize)
	m.inner = readPrefixed(d)
	if err := d.Done(); err != nil {
		return nil, fmt.Errorf("%w: encrypted header: %v", ErrSyntax, err)
	}
	return m, nil
}

// readPrefixed reads a string with a length of one byte or, if the first byte
// is below 32, of two. No header is shorter than 32 bytes or longer than 8191.
func readPrefixed(d *wire.Decoder) []byte {
	if c, ok := d.Peek(); ok && c < 32 {
		return d.Large()
	}
	return d.Short()
}

func appendPrefixed(b, s []byte, v wire.Version) []byte {
	if v >= VersionPQ {
		return wire.AppendLarge(b, s)
	}
	return wire.AppendShort(b, s)
}

// open decrypts the header. The errors are [ErrHeader] for another key and
// [ErrSyntax].
func (m *message) open(k HeaderKey, ad []byte) (*header, error) {
	plain, err := openSealed(k[:], m.headerIV, ad, m.headerTag, m.inner)
	if err != nil {
		return nil, ErrHeader
	}
	return parseHeader(plain, m.version)
}

// openBody decrypts the body. The error is [ErrBody].
func (m *message) openBody(k MessageKey, ad []byte) ([]byte, error) {
	ad = append(append(make([]byte, 0, len(ad)+len(m.header)), ad...), m.header...)
	plain, err := openSealed(k[:32], k[32:], ad, m.tag, m.body)
	if err != nil {
		return nil, ErrBody
	}
	return plain, nil
}
