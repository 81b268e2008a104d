package box

import (
	"fmt"
	"log/slog"
)

// ChainInit makes the two chain keys of a transport or session: bytes 0..31
// and 32..63 of HKDF(salt, secret, "SimpleXSbChainInit").
func ChainInit(salt, secret []byte) (first, second *Chain) {
	out := HKDF(salt, secret, "SimpleXSbChainInit", 64)
	return &Chain{p: (*[32]byte)(out[:32])}, &Chain{p: (*[32]byte)(out[32:])}
}

// Chain gives a fresh key and nonce for every block of one direction. Not for
// concurrent use; it cannot be rewound, compared or printed.
type Chain struct {
	_ [0]func()
	p *[32]byte // see Key
}

// Next steps the chain.
func (c *Chain) Next() (*Key, Nonce) {
	out := HKDF(nil, c.p[:], "SimpleXSbChain", 88)
	copy(c.p[:], out[:32])
	return newKey([32]byte(out[32:64])), Nonce(out[64:88])
}

// Format prints "box-chain" for every verb.
func (c Chain) Format(f fmt.State, _ rune) { fmt.Fprint(f, "box-chain") }

// MarshalText gives "box-chain".
func (c Chain) MarshalText() ([]byte, error) { return []byte("box-chain"), nil }

// LogValue gives "box-chain".
func (c Chain) LogValue() slog.Value { return slog.StringValue("box-chain") }
