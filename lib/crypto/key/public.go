package key

import (
	"crypto/ed25519"
	"fmt"

	"github.com/cloudflare/circl/sign/ed448"
)

// Public is any public key: [X25519Public], [X448Public], [Ed25519Public] or
// [Ed448Public]. All of them are comparable, so two Public values of the same
// key are equal with ==.
type Public interface {
	Alg() Alg
	// Raw is a copy of the raw key.
	Raw() []byte
	// AppendSPKI appends the DER SubjectPublicKeyInfo.
	AppendSPKI(b []byte) []byte
}

// VerifyKey is a public key that checks signatures.
type VerifyKey interface {
	Public
	// Verify returns [ErrSignature] if sig is not this key's over msg.
	Verify(msg, sig []byte) error
}

// X25519Public is a raw X25519 public key.
type X25519Public [32]byte

// X448Public is a raw X448 public key.
type X448Public [56]byte

// Ed25519Public is a raw Ed25519 public key.
type Ed25519Public [32]byte

// Ed448Public is a raw Ed448 public key.
type Ed448Public [57]byte

var (
	_ Public    = X25519Public{}
	_ Public    = X448Public{}
	_ VerifyKey = Ed25519Public{}
	_ VerifyKey = Ed448Public{}
)

// Alg is [X25519].
func (X25519Public) Alg() Alg { return X25519 }

// Alg is [X448].
func (X448Public) Alg() Alg { return X448 }

// Alg is [Ed25519].
func (Ed25519Public) Alg() Alg { return Ed25519 }

// Alg is [Ed448].
func (Ed448Public) Alg() Alg { return Ed448 }

// Raw is a copy of the 32 bytes.
func (p X25519Public) Raw() []byte { return p[:] }

// Raw is a copy of the 56 bytes.
func (p X448Public) Raw() []byte { return p[:] }

// Raw is a copy of the 32 bytes.
func (p Ed25519Public) Raw() []byte { return p[:] }

// Raw is a copy of the 57 bytes.
func (p Ed448Public) Raw() []byte { return p[:] }

// AppendSPKI appends 44 bytes.
func (p X25519Public) AppendSPKI(b []byte) []byte {
	return append(appendSPKIPrefix(b, X25519), p[:]...)
}

// AppendSPKI appends 68 bytes.
func (p X448Public) AppendSPKI(b []byte) []byte {
	return append(appendSPKIPrefix(b, X448), p[:]...)
}

// AppendSPKI appends 44 bytes.
func (p Ed25519Public) AppendSPKI(b []byte) []byte {
	return append(appendSPKIPrefix(b, Ed25519), p[:]...)
}

// AppendSPKI appends 69 bytes.
func (p Ed448Public) AppendSPKI(b []byte) []byte {
	return append(appendSPKIPrefix(b, Ed448), p[:]...)
}

// Verify returns [ErrSignature] if sig is not this key's over msg.
func (p Ed25519Public) Verify(msg, sig []byte) error {
	if len(sig) != ed25519.SignatureSize || !ed25519.Verify(p[:], msg, sig) {
		return ErrSignature
	}
	return nil
}

// Verify returns [ErrSignature] if sig is not this key's over msg. The
// context string is empty.
func (p Ed448Public) Verify(msg, sig []byte) error {
	if len(sig) != ed448.SignatureSize || !ed448.Verify(p[:], msg, sig, "") {
		return ErrSignature
	}
	return nil
}

// ParsePublic parses a DER SubjectPublicKeyInfo of any of the four kinds. The
// error is [ErrParse].
func ParsePublic(der []byte) (Public, error) {
	a, raw, err := parseSPKI(der)
	if err != nil {
		return nil, err
	}
	return PublicFromRaw(a, raw)
}

// PublicFromRaw makes a public key of raw bytes. The error is [ErrParse].
func PublicFromRaw(a Alg, raw []byte) (Public, error) {
	if len(raw) != a.Size() || len(raw) == 0 {
		return nil, fmt.Errorf("%w: %d raw bytes for %v", ErrParse, len(raw), a)
	}
	switch a {
	case X25519:
		return X25519Public(raw), nil
	case X448:
		return X448Public(raw), nil
	case Ed25519:
		return Ed25519Public(raw), nil
	}
	return Ed448Public(raw), nil // the only other kind with a size
}

// ParseX25519 parses the SPKI of an X25519 key. The error is [ErrParse].
func ParseX25519(der []byte) (X25519Public, error) { return parseAs[X25519Public](der) }

// ParseX448 parses the SPKI of an X448 key. The error is [ErrParse].
func ParseX448(der []byte) (X448Public, error) { return parseAs[X448Public](der) }

// ParseEd25519 parses the SPKI of an Ed25519 key. The error is [ErrParse].
func ParseEd25519(der []byte) (Ed25519Public, error) { return parseAs[Ed25519Public](der) }

// ParseVerifyKey parses the SPKI of an Ed25519 or Ed448 key. The error is
// [ErrParse].
func ParseVerifyKey(der []byte) (VerifyKey, error) {
	p, err := ParsePublic(der)
	if err != nil {
		return nil, err
	}
	v, ok := p.(VerifyKey)
	if !ok {
		return nil, fmt.Errorf("%w: %v cannot verify", ErrParse, p.Alg())
	}
	return v, nil
}

func parseAs[K Public](der []byte) (K, error) {
	var zero K
	p, err := ParsePublic(der)
	if err != nil {
		return zero, err
	}
	k, ok := p.(K)
	if !ok {
		return zero, fmt.Errorf("%w: %v instead of %v", ErrParse, p.Alg(), zero.Alg())
	}
	return k, nil
}
