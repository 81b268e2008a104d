package ratchet

import (
	"crypto/sha512"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
)

// rootKDF is KDF_RK_HE: the next root key, a chain key and the header key of
// the chain after that. It overwrites dh. kem is nil without a KEM secret.
func rootKDF(root [32]byte, dh, kem []byte) (next, chain [32]byte, header HeaderKey) {
	secret := append(append(make([]byte, 0, 88), dh...), kem...)
	out := box.HKDF(root[:], secret, "SimpleXRootRatchet", 96)
	next, chain, header = [32]byte(out[:32]), [32]byte(out[32:64]), HeaderKey(out[64:])
	clear(secret)
	clear(dh)
	clear(out)
	return next, chain, header
}

const chainInfo = "SimpleXChainRatchet"

// chainKDF is KDF_CK: the next chain key, the key of a message and the IV of
// its header.
//
// It is HKDF(no salt, chain, chainInfo, 96), written out without allocations,
// as a gap of skipped messages takes up to 512 steps at once.
func chainKDF(chain [32]byte) (next [32]byte, mk MessageKey, headerIV [ivSize]byte) {
	var h hmacSHA512
	var in [sha512.Size + len(chainInfo) + 1]byte
	prk := h.sum(nil, chain[:])
	info := append(in[:0], chainInfo...)
	first := h.sum(prk[:], append(info, 1))
	second := h.sum(prk[:], append(append(append(in[:0], first[:]...), chainInfo...), 2))
	next = [32]byte(first[:])
	copy(mk[copy(mk[:], first[32:]):], second[:])
	copy(headerIV[:], second[16:])
	h = hmacSHA512{}
	clear(in[:])
	clear(prk[:])
	clear(first[:])
	clear(second[:])
	return next, mk, headerIV
}

// hmacSHA512 is scratch space for HMAC with keys and messages of up to a
// block, 128 bytes.
type hmacSHA512 [2 * sha512.BlockSize]byte

func (h *hmacSHA512) sum(key, msg []byte) [sha512.Size]byte {
	h.pad(key, 0x36)
	inner := sha512.Sum512(append(h[:sha512.BlockSize], msg...))
	h.pad(key, 0x5c)
	return sha512.Sum512(append(h[:sha512.BlockSize], inner[:]...))
}

func (h *hmacSHA512) pad(key []byte, x byte) {
	n := copy(h[:sha512.BlockSize], key)
	clear(h[n:sha512.BlockSize])
	for i := range sha512.BlockSize {
		h[i] ^= x
	}
}
