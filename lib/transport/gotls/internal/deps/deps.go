//go:build simplextls

// Package deps stands in for the internal packages of the standard library
// that crypto/tls imports, so that the generated copy of crypto/tls compiles
// outside the standard library. Each name is what the original package calls
// it; the FIPS 140 and BoringCrypto modes do not exist here.
package deps

import (
	"crypto/cipher"
	"encoding/binary"
	"hash"

	"crypto/hkdf"
	"crypto/hmac"
)

// Enabled is boring.Enabled: never.
const Enabled = false

// Unreachable is boring.Unreachable.
func Unreachable() {}

// NewGCMTLS is boring.NewGCMTLS, which cannot be reached.
func NewGCMTLS(b cipher.Block) (cipher.AEAD, error) { return cipher.NewGCM(b) }

// NewGCMTLS13 is boring.NewGCMTLS13, which cannot be reached.
func NewGCMTLS13(b cipher.Block) (cipher.AEAD, error) { return cipher.NewGCM(b) }

// NewGCMForTLS12 is gcm.NewGCMForTLS12 without the check of the nonce order.
func NewGCMForTLS12(b cipher.Block) (cipher.AEAD, error) { return cipher.NewGCM(b) }

// NewGCMForTLS13 is gcm.NewGCMForTLS13 without the check of the nonce order.
func NewGCMForTLS13(b cipher.Block) (cipher.AEAD, error) { return cipher.NewGCM(b) }

// Required is fips140tls.Required: never.
func Required() bool { return false }

// LEUint32 is byteorder.LEUint32.
func LEUint32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// Setting is a godebug.Setting that was not set.
type Setting struct{}

// New is godebug.New.
func New(string) *Setting { return &Setting{} }

// Value is empty: the default behaviour.
func (*Setting) Value() string { return "" }

// IncNonDefault does nothing.
func (*Setting) IncNonDefault() {}

// PRF is the pseudo-random function of TLS 1.2 (RFC 5246, section 5).
func PRF(newHash func() hash.Hash, secret []byte, label string, seed []byte, n int) []byte {
	labelAndSeed := append([]byte(label), seed...)
	mac := func(parts ...[]byte) []byte {
		m := hmac.New(newHash, secret)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	out := make([]byte, 0, n+newHash().Size())
	for a := mac(labelAndSeed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, labelAndSeed)...)
	}
	return out[:n]
}

// ExtendedMasterSecret is tls12.MasterSecret (RFC 7627, section 4).
func ExtendedMasterSecret(newHash func() hash.Hash, preMaster, transcript []byte) []byte {
	return PRF(newHash, preMaster, "extended master secret", transcript, 48)
}

// ExpandLabel is HKDF-Expand-Label of TLS 1.3 (RFC 8446, section 7.1).
func ExpandLabel(newHash func() hash.Hash, secret []byte, label string, context []byte, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "...), label...)
	info = append(append(info, byte(len(context))), context...)
	out, err := hkdf.Expand(newHash, secret, string(info), n)
	if err != nil {
		panic(err) // unreachable: n is the size of a hash or a key
	}
	return out
}
