package box

import (
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// ChainInit makes the two chain keys of a transport or session: bytes 0..31
// and 32..63 of HKDF(salt, secret, "SimpleXSbChainInit").
func ChainInit(salt, secret []byte) (first, second *Chain) {
	out := HKDF(salt, secret, "SimpleXSbChainInit", 64)
	return newChain([32]byte(out)), newChain([32]byte(out[32:]))
}

// Chain gives a fresh key and nonce for every block of one direction. Not for
// concurrent use; it cannot be rewound, compared or printed.
type Chain struct {
	p func() *[32]byte // see Key
}

func newChain(key [32]byte) *Chain { return &Chain{p: func() *[32]byte { return &key }} }

const chainInfo = "SimpleXSbChain"

// Next steps the chain: HKDF(none, chain key, "SimpleXSbChain", 88) is the
// next chain key, the block's key and its nonce.
func (c *Chain) Next() (*Key, Nonce) {
	// HKDF of crypto/hkdf, without its allocations: this runs for each block.
	var in [128]byte
	prk := hmacSHA512(nil, append(in[:0], c.p()[:]...))
	one := hmacSHA512(prk[:], append(append(in[:0], chainInfo...), 1))
	two := hmacSHA512(prk[:], append(append(append(in[:0], one[:]...), chainInfo...), 2))
	copy(c.p()[:], one[:32])
	clear(in[:])
	return newKey([32]byte(one[32:])), Nonce(two[:24])
}

// hmacSHA512 takes a key of at most 128 bytes, and a message of as many.
func hmacSHA512(key, msg []byte) [sha512.Size]byte {
	var pad [sha512.BlockSize]byte
	var buf [2 * sha512.BlockSize]byte
	defer clear(buf[:])
	for i := range pad {
		pad[i] = 0x36
	}
	subtle.XORBytes(pad[:], pad[:], key)
	inner := sha512.Sum512(append(append(buf[:0], pad[:]...), msg...))
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	return sha512.Sum512(append(append(buf[:0], pad[:]...), inner[:]...))
}

// Format prints "box-chain" for every verb.
func (c Chain) Format(f fmt.State, _ rune) { fmt.Fprint(f, "box-chain") }

// MarshalText gives "box-chain".
func (c Chain) MarshalText() ([]byte, error) { return []byte("box-chain"), nil }

// LogValue gives "box-chain".
func (c Chain) LogValue() slog.Value { return slog.StringValue("box-chain") }
