package sntrup

import (
	"crypto/subtle"
	"errors"
	"fmt"
)

// Sizes in bytes.
const (
	PublicKeySize  = 1158
	SecretKeySize  = 1763
	CiphertextSize = 1039
	SharedSize     = 32
)

// ErrSize is returned for a key or ciphertext of another length.
var ErrSize = errors.New("sntrup: wrong size")

// PublicKey is a key to encapsulate to. Every value is usable.
type PublicKey [PublicKeySize]byte

// Ciphertext is what the owner of the secret key decapsulates.
type Ciphertext [CiphertextSize]byte

// ParsePublicKey copies 1158 bytes. The error is [ErrSize].
func ParsePublicKey(b []byte) (*PublicKey, error) {
	if len(b) != PublicKeySize {
		return nil, fmt.Errorf("%w: public key of %d bytes, want %d", ErrSize, len(b), PublicKeySize)
	}
	return (*PublicKey)(append([]byte(nil), b...)), nil
}

// ParseCiphertext copies 1039 bytes. The error is [ErrSize].
func ParseCiphertext(b []byte) (*Ciphertext, error) {
	if len(b) != CiphertextSize {
		return nil, fmt.Errorf("%w: ciphertext of %d bytes, want %d", ErrSize, len(b), CiphertextSize)
	}
	return (*Ciphertext)(append([]byte(nil), b...)), nil
}

// SecretKey holds the public key too. It cannot be compared or printed.
type SecretKey struct {
	_ [0]func()
	k [SecretKeySize]byte
}

// Offsets of the parts of a secret key.
const (
	offInverse = smallSize
	offPublic  = offInverse + smallSize
	offRho     = offPublic + PublicKeySize
	offCache   = offRho + smallSize
)

// ParseSecretKey copies 1763 bytes. The error is [ErrSize] and does not hold
// the input.
func ParseSecretKey(b []byte) (*SecretKey, error) {
	if len(b) != SecretKeySize {
		return nil, fmt.Errorf("%w: secret key of %d bytes, want %d", ErrSize, len(b), SecretKeySize)
	}
	return &SecretKey{k: [SecretKeySize]byte(b)}, nil
}

// Public is a copy of the public key inside.
func (k *SecretKey) Public() *PublicKey {
	p := PublicKey(k.k[offPublic:offRho])
	return &p
}

// AppendRaw appends the 1763 bytes, for storage only.
func (k *SecretKey) AppendRaw(b []byte) []byte { return append(b, k.k[:]...) }

// Equal compares in constant time.
func (k *SecretKey) Equal(o *SecretKey) bool { return subtle.ConstantTimeCompare(k.k[:], o.k[:]) == 1 }

// Wipe overwrites the key, which is unusable afterwards.
func (k *SecretKey) Wipe() { clear(k.k[:]) }

// Format prints "sntrup761-secret-key" for every verb.
func (k *SecretKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, "sntrup761-secret-key") }

// MarshalText gives "sntrup761-secret-key", so that JSON and logs cannot leak
// the key.
func (k *SecretKey) MarshalText() ([]byte, error) { return []byte("sntrup761-secret-key"), nil }
