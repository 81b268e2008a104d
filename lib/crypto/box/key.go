package box

import (
	"crypto/rand"
	"crypto/sha3"
	"crypto/subtle"
	"fmt"
	"log/slog"

	//lint:ignore SA1019 the derived key of the protocol is HSalsa20
	"golang.org/x/crypto/salsa20/salsa"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

// Key is the symmetric key of a box: a DH secret or a random key. It cannot be
// compared with == or printed. Safe for concurrent use, but for Wipe.
type Key struct {
	// fmt prints fields without asking them, and may follow pointers, but it
	// does not call functions.
	p func() *keys
}

// keys are the key, and HSalsa20 of it, which every box needs.
type keys struct{ raw, sub [32]byte }

func newKey(raw [32]byte) *Key {
	k := &keys{raw: raw}
	var zero [16]byte
	salsa.HSalsa20(&k.sub, &zero, &k.raw, &salsa.Sigma)
	return &Key{p: func() *keys { return k }}
}

// NewKey copies 32 bytes; any other length is an error.
func NewKey(raw []byte) (*Key, error) {
	if len(raw) != 32 {
		return nil, fmt.Errorf("box: key of %d bytes, want 32", len(raw))
	}
	return newKey([32]byte(raw)), nil
}

// RandomKey makes a new symmetric key.
func RandomKey() *Key {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // crypto/rand.Read never returns an error
	return newKey(raw)
}

// SharedKey is the key that priv and pub agree on. The error is
// key.ErrLowOrder.
func SharedKey(pub key.X25519Public, priv *key.X25519Private) (*Key, error) {
	s, err := priv.DH(pub)
	if err != nil {
		return nil, err
	}
	return NewKey(s)
}

// HybridKey is the key of a DH secret and the secret of a KEM: SHA3-256 of
// both, one after the other.
func HybridKey(dh, kem []byte) *Key {
	h := sha3.New256()
	_, _ = h.Write(dh) // a hash never returns an error
	_, _ = h.Write(kem)
	return newKey([32]byte(h.Sum(nil)))
}

// Raw is a copy of the 32 bytes, for storage only.
func (k *Key) Raw() []byte { return append([]byte(nil), k.p().raw[:]...) }

// Equal compares in constant time.
func (k *Key) Equal(o *Key) bool { return subtle.ConstantTimeCompare(k.p().raw[:], o.p().raw[:]) == 1 }

// Wipe overwrites the key, which is unusable afterwards.
func (k *Key) Wipe() { *k.p() = keys{} }

// Format prints "box-key" for every verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "box-key") }

// MarshalText gives "box-key", so that JSON cannot leak the key.
func (k Key) MarshalText() ([]byte, error) { return []byte("box-key"), nil }

// LogValue gives "box-key".
func (k Key) LogValue() slog.Value { return slog.StringValue("box-key") }
