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

// The last byte of the OID 1.3.101.x by kind.
var oidByte = map[Alg]byte{X25519: 110, X448: 111, Ed25519: 112, Ed448: 113}

// spkiPrefix is what stands before the raw key in a SubjectPublicKeyInfo.
func spkiPrefix(a Alg) []byte {
	n := byte(a.Size())
	return []byte{0x30, n + 10, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, oidByte[a], 0x03, n + 1, 0x00}
}

// pkcs8Prefix is what stands before the raw key in a PKCS #8 private key.
func pkcs8Prefix(a Alg) []byte {
	n := byte(a.Size())
	return []byte{0x30, n + 14, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, oidByte[a], 0x04, n + 2, 0x04, n}
}

func parse(der []byte, prefix func(Alg) []byte) (Alg, []byte, error) {
	for _, a := range []Alg{X25519, Ed25519, X448, Ed448} {
		p := prefix(a)
		if len(der) == len(p)+a.Size() && string(der[:len(p)]) == string(p) {
			return a, der[len(p):], nil
		}
	}
	return 0, nil, fmt.Errorf("%w: %d bytes of DER", ErrParse, len(der))
}
