// Package box seals bytes as the SimpleX protocols do: NaCl's crypto_box with
// the library's additions.
//
//	sealed = tag (16) ‖ XSalsa20 ciphertext, Poly1305 over it
//
// Every key, an X25519 shared secret or a plain symmetric key alike, first
// goes through HSalsa20(key, 0¹⁶); what other documents call secret_box is
// therefore not NaCl's secretbox under that key, but under the derived one.
// Padded forms hold wire.Pad(message, size) so that all sealed messages of a
// kind have one length.
//
// Built on golang.org/x/crypto. Checked byte for byte against simplexmq 6.5.5
// (testdata). Pure but for [NewNonce].
package box

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/salsa20/salsa"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Overhead is the number of bytes that sealing adds.
const Overhead = secretbox.Overhead

// ErrOpen is returned for a box that was not sealed with this key and nonce.
var ErrOpen = errors.New("box: cannot open")

// Nonce is 24 bytes, never used twice with one key.
type Nonce [24]byte

// NewNonce is a random nonce.
func NewNonce() (n Nonce) {
	_, _ = rand.Read(n[:]) // crypto/rand.Read never returns an error
	return n
}

// NonceFrom pads b with zeros or cuts it to 24 bytes: how a corrId or message
// ID becomes a nonce.
func NonceFrom(b []byte) (n Nonce) {
	copy(n[:], b)
	return n
}

// Reverse has the bytes in reverse order: the nonce of a proxied response.
func (n Nonce) Reverse() (r Nonce) {
	for i, c := range n {
		r[len(r)-1-i] = c
	}
	return r
}

// Key is the symmetric key of a box: a DH secret or a random key. It is
// wrapped so that it cannot be compared with == or printed.
type Key struct {
	_ [0]func()
	k [32]byte
}

// NewKey copies 32 bytes; any other length is an error.
func NewKey(raw []byte) (*Key, error) {
	if len(raw) != 32 {
		return nil, fmt.Errorf("box: key of %d bytes, want 32", len(raw))
	}
	return &Key{k: [32]byte(raw)}, nil
}

// RandomKey makes a new symmetric key.
func RandomKey() *Key {
	k := new(Key)
	_, _ = rand.Read(k.k[:]) // crypto/rand.Read never returns an error
	return k
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

// Raw is a copy of the 32 bytes, for storage only.
func (k *Key) Raw() []byte { return append([]byte(nil), k.k[:]...) }

// Equal compares in constant time.
func (k *Key) Equal(o *Key) bool { return subtle.ConstantTimeCompare(k.k[:], o.k[:]) == 1 }

// Wipe overwrites the key.
func (k *Key) Wipe() { clear(k.k[:]) }

// Format prints "box-key" for every verb.
func (k *Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "box-key") }

// MarshalText gives "box-key", so that JSON and logs cannot leak the key.
func (k *Key) MarshalText() ([]byte, error) { return []byte("box-key"), nil }

func (k *Key) sub() *[32]byte {
	var zero [16]byte
	var out [32]byte
	salsa.HSalsa20(&out, &zero, &k.k, &salsa.Sigma)
	return &out
}

// Seal appends the sealed message to dst, len(msg) + [Overhead] bytes.
func (k *Key) Seal(dst []byte, n Nonce, msg []byte) []byte {
	return secretbox.Seal(dst, msg, (*[24]byte)(&n), k.sub())
}

// Open appends the message inside sealed to dst. The error is [ErrOpen].
func (k *Key) Open(dst []byte, n Nonce, sealed []byte) ([]byte, error) {
	out, ok := secretbox.Open(dst, sealed, (*[24]byte)(&n), k.sub())
	if !ok {
		return nil, fmt.Errorf("%w: %d bytes", ErrOpen, len(sealed))
	}
	return out, nil
}

// SealPadded pads msg to size bytes and seals it: size + [Overhead] bytes are
// appended to dst. The error is wire.ErrPadSize.
func (k *Key) SealPadded(dst []byte, n Nonce, msg []byte, size int) ([]byte, error) {
	padded, err := wire.Pad(make([]byte, 0, max(size, 0)), msg, size)
	if err != nil {
		return nil, err
	}
	return k.Seal(dst, n, padded), nil
}

// OpenPadded opens and removes the padding. The errors are [ErrOpen] and
// wire.ErrUnpad. The result is a new slice.
func (k *Key) OpenPadded(n Nonce, sealed []byte) ([]byte, error) {
	padded, err := k.Open(nil, n, sealed)
	if err != nil {
		return nil, err
	}
	return wire.Unpad(padded)
}

// AuthenticatorSize is the length of an X25519 authorization, in bytes.
const AuthenticatorSize = sha512.Size + Overhead

// Authenticate makes the deniable authenticator of a command: crypto_box of
// SHA-512(msg), nonce from corrID. smp: Cryptographic algorithms.
func (k *Key) Authenticate(corrID, msg []byte) []byte {
	h := sha512.Sum512(msg)
	return k.Seal(nil, NonceFrom(corrID), h[:])
}

// VerifyAuthenticator tells whether auth is the authenticator of msg, in
// constant time.
func (k *Key) VerifyAuthenticator(corrID, msg, auth []byte) bool {
	if len(auth) != AuthenticatorSize {
		return false
	}
	return subtle.ConstantTimeCompare(auth, k.Authenticate(corrID, msg)) == 1
}

// HKDF is HKDF with HMAC-SHA-512: n bytes, n ≤ 16320.
func HKDF(salt, secret []byte, info string, n int) []byte {
	out, err := hkdf.Key(sha512.New, secret, salt, info, n)
	if err != nil {
		panic("box: HKDF of " + fmt.Sprint(n) + " bytes") // misuse
	}
	return out
}

// ChainInit makes the two chain keys of a transport or session: bytes 0..31
// and 32..63 of HKDF(salt, secret, "SimpleXSbChainInit").
func ChainInit(salt, secret []byte) (first, second *Chain) {
	out := HKDF(salt, secret, "SimpleXSbChainInit", 64)
	return &Chain{key: [32]byte(out[:32])}, &Chain{key: [32]byte(out[32:])}
}

// Chain gives a fresh key and nonce for every block of one direction. Not for
// concurrent use; it cannot be rewound.
type Chain struct {
	_   [0]func()
	key [32]byte
}

// Next steps the chain.
func (c *Chain) Next() (*Key, Nonce) {
	out := HKDF(nil, c.key[:], "SimpleXSbChain", 88)
	c.key = [32]byte(out[:32])
	return &Key{k: [32]byte(out[32:64])}, Nonce(out[64:88])
}

// Format prints "box-chain" for every verb.
func (c *Chain) Format(f fmt.State, _ rune) { fmt.Fprint(f, "box-chain") }
