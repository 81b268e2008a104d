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
// Beside boxes there are the streams that files are sealed with ([Stream], the
// tag last), and AES-256-GCM for the frames of calls ([Key.SealGCM]).
//
// Built on golang.org/x/crypto. Checked byte for byte against simplexmq 6.5.5
// (testdata). Pure but for [NewNonce] and [RandomKey].
package box

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/nacl/secretbox"

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

// Seal appends the sealed message to dst, len(msg) + [Overhead] bytes. With
// room in dst it allocates nothing.
func (k *Key) Seal(dst []byte, n Nonce, msg []byte) []byte {
	return secretbox.Seal(dst, msg, (*[24]byte)(&n), &k.p().sub)
}

// Open appends the message inside sealed to dst. The error is [ErrOpen].
func (k *Key) Open(dst []byte, n Nonce, sealed []byte) ([]byte, error) {
	out, ok := secretbox.Open(dst, sealed, (*[24]byte)(&n), &k.p().sub)
	if !ok {
		return nil, fmt.Errorf("%w: %d bytes", ErrOpen, len(sealed))
	}
	return out, nil
}

// SealPadded pads msg to size bytes and seals it: size + [Overhead] bytes are
// appended to dst, in whose free space msg must not lie. The error is
// wire.ErrPadSize.
func (k *Key) SealPadded(dst []byte, n Nonce, msg []byte, size int) ([]byte, error) {
	at := len(dst)
	body := at + Overhead
	out, err := wire.Pad(slices.Grow(dst, Overhead+max(size, 0))[:body], msg, size)
	if err != nil {
		return nil, err
	}
	s := k.NewStream(n)
	s.apply(out[body:])
	_, _ = s.mac.Write(out[body:]) // a MAC never returns an error
	s.mac.Sum(out[at:at])
	return out, nil
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

// OpenPaddedInPlace is OpenPadded within the memory of sealed, which the result
// aliases. The padding stays sealed: only the message costs its decryption.
// After an error sealed may have changed.
func (k *Key) OpenPaddedInPlace(n Nonce, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, fmt.Errorf("%w: %d bytes", ErrOpen, len(sealed))
	}
	s, padded := k.NewStream(n), sealed[Overhead:]
	_, _ = s.mac.Write(padded) // a MAC never returns an error
	if err := s.Verify(sealed[:Overhead]); err != nil {
		return nil, fmt.Errorf("%w: %d bytes", err, len(sealed))
	}
	head := min(len(padded), len(s.block)-s.used) // the rest of the first block of key stream
	s.apply(padded[:head])
	msg, err := wire.Unpad(padded)
	if err != nil {
		return nil, err
	}
	if end := 2 + len(msg); end > head {
		s.apply(padded[head:end])
	}
	return msg, nil
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
	h := sha512.Sum512(msg)
	var want [AuthenticatorSize]byte
	return subtle.ConstantTimeCompare(auth, k.Seal(want[:0], NonceFrom(corrID), h[:])) == 1
}

// HKDF is HKDF with HMAC-SHA-512: n bytes, n ≤ 16320.
func HKDF(salt, secret []byte, info string, n int) []byte {
	out, err := hkdf.Key(sha512.New, secret, salt, info, n)
	if err != nil {
		panic("box: HKDF of " + fmt.Sprint(n) + " bytes") // misuse
	}
	return out
}
