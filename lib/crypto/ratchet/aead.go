package ratchet

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

const (
	ivSize  = 16
	tagSize = 16
)

var errOpen = errors.New("ratchet: wrong tag or padding")

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // unreachable: keys have 32 bytes
	}
	a, err := cipher.NewGCMWithNonceSize(block, ivSize)
	if err != nil {
		panic(err) // unreachable: the size is above zero
	}
	return a
}

// fits tells whether n bytes can be padded to size.
func fits(n, size int) bool { return n <= 65533 && n+2 <= size }

// appendSealed appends tag ‖ sealed(pad(msg, size)). The caller has checked
// that msg fits.
func appendSealed(dst, key, iv, ad, msg []byte, size int) []byte {
	start := len(dst)
	dst = grow(dst, tagSize+size+tagSize)
	body := dst[start+tagSize:]
	body[0], body[1] = byte(len(msg)>>8), byte(len(msg))
	fill(body[2+copy(body[2:], msg) : size])
	gcm(key).Seal(body[:0], iv, body[:size], ad)
	copy(dst[start:], body[size:]) // the tag comes first here
	return dst[:start+tagSize+size]
}

// grow makes dst n bytes longer.
func grow(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		dst = append(make([]byte, 0, len(dst)+n), dst...)
	}
	return dst[:len(dst)+n]
}

// fill writes padding bytes.
func fill(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = '#'
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// openSealed is the message inside; it does not change sealed.
func openSealed(key, iv, ad, tag, sealed []byte) ([]byte, error) {
	buf := make([]byte, len(sealed)+tagSize)
	copy(buf[copy(buf, sealed):], tag)
	plain, err := gcm(key).Open(buf[:0], iv, buf, ad)
	if err != nil || len(plain) < 2 {
		return nil, errOpen
	}
	n := int(plain[0])<<8 | int(plain[1])
	if n > len(plain)-2 {
		return nil, errOpen
	}
	return plain[2 : 2+n], nil
}
