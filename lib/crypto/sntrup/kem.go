package sntrup

import (
	"crypto/sha512"
	"fmt"
	"io"
)

// hash is the first half of SHA-512 of a prefix byte and the parts.
func hash(prefix byte, parts ...[]byte) [32]byte {
	h := sha512.New()
	h.Write([]byte{prefix})
	for _, b := range parts {
		h.Write(b)
	}
	var sum [sha512.Size]byte
	h.Sum(sum[:0])
	return [32]byte(sum[:])
}

// The prefixes of hash.
const (
	hashFailure = iota // session secret of a bad ciphertext
	hashSession
	hashConfirm
	hashInput
	hashPublic
)

// GenerateKey makes a new key. The error is rand's.
func GenerateKey(rand io.Reader) (*SecretKey, error) {
	var inverse small
	g, ok := small{}, false
	var err error
	for !ok {
		if g, err = randomSmall(rand); err != nil {
			return nil, err
		}
		inverse, ok = inverse3(&g)
	}
	f, err := randomShort(rand)
	if err != nil {
		return nil, err
	}
	third := inverseThird(&f)
	h := mulSmall(&third, &g)
	k := new(SecretKey)
	b := appendSmall(appendSmall(k.k[:0], &f), &inverse)
	b = appendRing(b, &h)
	rho := k.k[offRho:offCache]
	if _, err := io.ReadFull(rand, rho); err != nil {
		return nil, fmt.Errorf("sntrup: reading random bytes: %w", err)
	}
	cache := hash(hashPublic, b[offPublic:])
	copy(k.k[offCache:], cache[:])
	clear(f[:])
	clear(g[:])
	clear(third[:])
	clear(inverse[:])
	return k, nil
}

// Encapsulate makes a shared secret of 32 bytes and the ciphertext that gives
// it to the owner of the key. The error is rand's.
func (k *PublicKey) Encapsulate(rand io.Reader) (*Ciphertext, []byte, error) {
	r, err := randomShort(rand)
	if err != nil {
		return nil, nil, err
	}
	cache := hash(hashPublic, k[:])
	var input [smallSize]byte
	appendSmall(input[:0], &r)
	c := hide(&r, input[:], k[:], cache[:])
	secret := session(hashSession, input[:], c)
	clear(r[:])
	clear(input[:])
	return c, secret, nil
}

// Decapsulate is the secret that was encapsulated to the key in c or, for a
// bad ciphertext, 32 bytes that nobody can foresee.
func (k *SecretKey) Decapsulate(c *Ciphertext) []byte {
	r := k.decrypt(c)
	var input [smallSize]byte
	appendSmall(input[:0], &r)
	again := hide(&r, input[:], k.k[offPublic:offRho], k.k[offCache:])
	var diff byte
	for i, x := range c {
		diff |= x ^ again[i]
	}
	bad := byte(-(int16(diff)) >> 15) // 0, or 255 if there is a difference
	for i, x := range k.k[offRho:offCache] {
		input[i] ^= bad & (input[i] ^ x)
	}
	secret := session(hashSession&^(bad&1), input[:], c)
	clear(r[:])
	clear(input[:])
	return secret
}

func session(prefix byte, input []byte, c *Ciphertext) []byte {
	x := hash(hashInput, input)
	secret := hash(prefix, x[:], c[:])
	return secret[:]
}

// hide encrypts r to the encoded public key and appends the confirmation.
func hide(r *small, input, public, cache []byte) *Ciphertext {
	h := decodeRing(public)
	hr := mulSmall(&h, r)
	for i, x := range hr {
		hr[i] = x - int16(freeze3(int32(x))) // round to a multiple of 3
	}
	c := new(Ciphertext)
	b := appendRounded(c[:0], &hr)
	x := hash(hashInput, input)
	confirm := hash(hashConfirm, x[:], cache)
	copy(c[len(b):], confirm[:])
	return c
}

// decrypt is the r of the ciphertext, or one of fixed form if that has not
// weight w.
func (k *SecretKey) decrypt(c *Ciphertext) (r small) {
	f, inverse := decodeSmall(k.k[:offInverse]), decodeSmall(k.k[offInverse:offPublic])
	cr := decodeRounded(c[:roundedSize])
	cf := mulSmall(&cr, &f)
	var e small
	for i, x := range cf {
		e[i] = freeze3(int32(freezeQ(3 * int32(x))))
	}
	r = mul3(&e, &inverse)
	weight := int32(0)
	for _, x := range r {
		weight += int32(x & 1)
	}
	bad := int8((-(weight ^ w) | (weight ^ w)) >> 31) // 0, or -1 for a wrong weight
	for i := range w {
		r[i] = (r[i]^1)&^bad ^ 1
	}
	for i := w; i < p; i++ {
		r[i] &^= bad
	}
	clear(f[:])
	clear(inverse[:])
	clear(cf[:])
	clear(e[:])
	return r
}
