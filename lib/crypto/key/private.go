package key

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/dh/x448"
	"github.com/cloudflare/circl/sign/ed448"
)

// Private is any private key, by pointer.
type Private interface {
	Alg() Alg
	// PublicKey is the key's other half.
	PublicKey() Public
	// AppendPKCS8 appends the DER PKCS #8 form, for storage only.
	AppendPKCS8(b []byte) []byte
	// Wipe overwrites the key, which is unusable afterwards.
	Wipe()
}

// SignKey is a private key that makes signatures.
type SignKey interface {
	Private
	Sign(msg []byte) []byte
}

// secret holds a private key. It cannot be compared or printed: fmt prints
// fields of other structs without asking them, and may follow pointers in
// them, but it does not call functions.
type secret[P Public] struct {
	mat func() *material
	pub P
}

func newSecret[P Public](pub P, m *material) secret[P] {
	return secret[P]{mat: func() *material { return m }, pub: pub}
}

// material is a raw key, and the form in which the library of the curve uses
// it where that is not the raw key.
type material struct {
	raw     []byte
	ed25519 ed25519.PrivateKey
	ed448   ed448.PrivateKey
}

// String is a mark of the public key: kind and 8 hex digits.
func (s secret[P]) String() string {
	h := sha256.Sum256(s.pub.AppendSPKI(nil))
	return fmt.Sprintf("%v-private:%s", s.pub.Alg(), hex.EncodeToString(h[:4]))
}

// Format prints the mark of String for every verb.
func (s secret[P]) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText gives the mark of String, so that JSON cannot leak the key.
func (s secret[P]) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue gives the mark of String.
func (s secret[P]) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Alg is the kind of the key.
func (s *secret[P]) Alg() Alg { return s.pub.Alg() }

// Public is the key's other half.
func (s *secret[P]) Public() P { return s.pub }

// PublicKey is the key's other half.
func (s *secret[P]) PublicKey() Public { return s.pub }

// Raw is a copy of the raw key, for storage and vectors only.
func (s *secret[P]) Raw() []byte { return append([]byte(nil), s.mat().raw...) }

// AppendPKCS8 appends the DER PKCS #8 form, for storage only.
func (s *secret[P]) AppendPKCS8(b []byte) []byte {
	return append(appendPKCS8Prefix(b, s.pub.Alg()), s.mat().raw...)
}

// Wipe overwrites the key, which is unusable afterwards: methods that need it
// panic.
func (s *secret[P]) Wipe() {
	m := s.mat()
	clear(m.raw)
	clear(m.ed25519)
	clear(m.ed448)
	*m = material{}
}

// X25519Private is an X25519 private key.
type X25519Private struct{ secret[X25519Public] }

// X448Private is an X448 private key.
type X448Private struct{ secret[X448Public] }

// Ed25519Private is an Ed25519 private key.
type Ed25519Private struct{ secret[Ed25519Public] }

// Ed448Private is an Ed448 private key.
type Ed448Private struct{ secret[Ed448Public] }

var (
	_ Private = (*X25519Private)(nil)
	_ Private = (*X448Private)(nil)
	_ SignKey = (*Ed25519Private)(nil)
	_ SignKey = (*Ed448Private)(nil)
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never returns an error
	return b
}

// GenerateX25519 makes a new key.
func GenerateX25519() *X25519Private { return must(X25519FromRaw(random(32))) }

// GenerateX448 makes a new key.
func GenerateX448() *X448Private { return must(X448FromRaw(random(56))) }

// GenerateEd25519 makes a new key.
func GenerateEd25519() *Ed25519Private { return must(Ed25519FromSeed(random(32))) }

// GenerateEd448 makes a new key.
func GenerateEd448() *Ed448Private { return must(Ed448FromSeed(random(57))) }

func must[K any](k K, err error) K {
	if err != nil {
		panic(err) // unreachable: sizes are right
	}
	return k
}

func sized(a Alg, raw []byte) ([]byte, error) {
	if len(raw) != a.Size() {
		return nil, fmt.Errorf("%w: %d raw bytes for %v", ErrParse, len(raw), a)
	}
	return append([]byte(nil), raw...), nil
}

// X25519FromRaw copies a raw key of 32 bytes. The error is [ErrParse].
func X25519FromRaw(raw []byte) (*X25519Private, error) {
	b, err := sized(X25519, raw)
	if err != nil {
		return nil, err
	}
	k, p := x25519.Key(b), x25519.Key{}
	defer clear(k[:])
	x25519.KeyGen(&p, &k)
	return &X25519Private{newSecret(X25519Public(p), &material{raw: b})}, nil
}

// X448FromRaw copies a raw key of 56 bytes. The error is [ErrParse].
func X448FromRaw(raw []byte) (*X448Private, error) {
	b, err := sized(X448, raw)
	if err != nil {
		return nil, err
	}
	k, p := x448.Key(b), x448.Key{}
	x448.KeyGen(&p, &k)
	return &X448Private{newSecret(X448Public(p), &material{raw: b})}, nil
}

// Ed25519FromSeed copies a seed of 32 bytes. The error is [ErrParse].
func Ed25519FromSeed(seed []byte) (*Ed25519Private, error) {
	b, err := sized(Ed25519, seed)
	if err != nil {
		return nil, err
	}
	k := ed25519.NewKeyFromSeed(b)
	return &Ed25519Private{newSecret(Ed25519Public(k[32:]), &material{raw: b, ed25519: k})}, nil
}

// Ed448FromSeed copies a seed of 57 bytes. The error is [ErrParse].
func Ed448FromSeed(seed []byte) (*Ed448Private, error) {
	b, err := sized(Ed448, seed)
	if err != nil {
		return nil, err
	}
	k := ed448.NewKeyFromSeed(b)
	return &Ed448Private{newSecret(Ed448Public(k[57:]), &material{raw: b, ed448: k})}, nil
}

// ParsePrivate parses a DER PKCS #8 key of any of the four kinds. The error
// is [ErrParse] and does not hold the input.
func ParsePrivate(der []byte) (Private, error) {
	a, raw, err := parsePKCS8(der)
	if err != nil {
		return nil, err
	}
	switch a {
	case X25519:
		return X25519FromRaw(raw)
	case X448:
		return X448FromRaw(raw)
	case Ed25519:
		return Ed25519FromSeed(raw)
	}
	return Ed448FromSeed(raw)
}

// Equal compares two keys in constant time.
func (k *X25519Private) Equal(o *X25519Private) bool {
	return subtle.ConstantTimeCompare(k.mat().raw, o.mat().raw) == 1
}

// DH is the shared secret with p, 32 bytes. The error is [ErrLowOrder].
func (k *X25519Private) DH(p X25519Public) ([]byte, error) {
	var out x25519.Key
	priv, pub := x25519.Key(k.mat().raw), x25519.Key(p)
	defer clear(priv[:])
	if !x25519.Shared(&out, &priv, &pub) {
		return nil, ErrLowOrder
	}
	return out[:], nil
}

// DH is the shared secret with p, 56 bytes. The error is [ErrLowOrder].
func (k *X448Private) DH(p X448Public) ([]byte, error) {
	var out x448.Key
	priv, pub := x448.Key(k.mat().raw), x448.Key(p)
	if !x448.Shared(&out, &priv, &pub) {
		return nil, ErrLowOrder
	}
	return out[:], nil
}

// Sign makes a signature of 64 bytes.
func (k *Ed25519Private) Sign(msg []byte) []byte { return ed25519.Sign(k.mat().ed25519, msg) }

// Sign makes a signature of 114 bytes with the empty context.
func (k *Ed448Private) Sign(msg []byte) []byte { return ed448.Sign(k.mat().ed448, msg, "") }
