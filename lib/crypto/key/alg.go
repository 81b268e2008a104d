package key

import (
	"errors"
	"fmt"
)

// Alg is one of the four key kinds; the zero value is none of them.
type Alg uint8

// The key kinds of the protocols.
const (
	X25519 Alg = iota + 1
	X448
	Ed25519
	Ed448
)

// String is the name as in the reference's messages: "x25519", "ed448", ….
func (a Alg) String() string {
	switch a {
	case X25519:
		return "x25519"
	case X448:
		return "x448"
	case Ed25519:
		return "ed25519"
	case Ed448:
		return "ed448"
	}
	return fmt.Sprintf("Alg(%d)", uint8(a))
}

// Size is the number of bytes of a raw key, public and private alike.
func (a Alg) Size() int {
	switch a {
	case X25519, Ed25519:
		return 32
	case X448:
		return 56
	case Ed448:
		return 57
	}
	return 0
}

// IsDH tells a key-agreement kind from a signature kind.
func (a Alg) IsDH() bool { return a == X25519 || a == X448 }

var (
	// ErrParse is returned for a key that is not of the form or the kind
	// asked for. Its text never holds the input.
	ErrParse = errors.New("key: not a key of this kind")
	// ErrLowOrder is returned by DH for a public key that gives an all-zero
	// secret.
	ErrLowOrder = errors.New("key: public key of low order")
	// ErrSignature is returned by Verify.
	ErrSignature = errors.New("key: wrong signature")
)

// oid is the last byte of the OID 1.3.101.x.
func (a Alg) oid() byte {
	switch a {
	case X25519:
		return 110
	case X448:
		return 111
	case Ed25519:
		return 112
	}
	return 113
}

// unusedBits is the place in a SubjectPublicKeyInfo of the number of unused
// bits of the key.
const unusedBits = 11

// appendSPKIPrefix appends what stands before the raw key in a
// SubjectPublicKeyInfo.
func appendSPKIPrefix(b []byte, a Alg) []byte {
	n := byte(a.Size())
	return append(b, 0x30, n+10, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, a.oid(), 0x03, n+1, 0x00)
}

// appendPKCS8Prefix appends what stands before the raw key in a PKCS #8
// private key.
func appendPKCS8Prefix(b []byte, a Alg) []byte {
	n := byte(a.Size())
	return append(b, 0x30, n+14, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, a.oid(), 0x04, n+2, 0x04, n)
}

// parseSPKI does not look at the number of unused bits, as far as it can be
// one: the reference reads such keys, and uses all their bits.
func parseSPKI(der []byte) (Alg, []byte, error) {
	if len(der) > unusedBits && der[unusedBits] <= 7 {
		for _, a := range []Alg{X25519, Ed25519, X448, Ed448} {
			var buf [16]byte
			p := appendSPKIPrefix(buf[:0], a)
			if len(der) == len(p)+a.Size() && string(der[:unusedBits]) == string(p[:unusedBits]) {
				return a, der[len(p):], nil
			}
		}
	}
	return 0, nil, fmt.Errorf("%w: %d bytes of DER", ErrParse, len(der))
}

func parsePKCS8(der []byte) (Alg, []byte, error) {
	for _, a := range []Alg{X25519, Ed25519, X448, Ed448} {
		var buf [16]byte
		p := appendPKCS8Prefix(buf[:0], a)
		if len(der) == len(p)+a.Size() && string(der[:len(p)]) == string(p) {
			return a, der[len(p):], nil
		}
	}
	return 0, nil, fmt.Errorf("%w: %d bytes of DER", ErrParse, len(der))
}
