package box

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// SealGCM appends tag (16) ‖ AES-256-GCM ciphertext of msg to dst. Here the
// key is used as it is. iv has 12 bytes for the frames of calls and 16 in the
// ratchet, whose GCM hashes it; other sizes panic. Never use one iv twice.
func (k *Key) SealGCM(dst, iv, ad, msg []byte) []byte {
	sealed := k.gcm(len(iv)).Seal(nil, iv, msg, ad)
	at := len(sealed) - Overhead
	return append(append(dst, sealed[at:]...), sealed[:at]...)
}

// OpenGCM appends the message inside tag ‖ ciphertext to dst. The error is
// [ErrOpen].
func (k *Key) OpenGCM(dst, iv, ad, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, fmt.Errorf("%w: %d bytes", ErrOpen, len(sealed))
	}
	tagLast := append(append(make([]byte, 0, len(sealed)), sealed[Overhead:]...), sealed[:Overhead]...)
	msg, err := k.gcm(len(iv)).Open(tagLast[:0], iv, tagLast, ad)
	if err != nil {
		return nil, fmt.Errorf("%w: %d bytes", ErrOpen, len(sealed))
	}
	return append(dst, msg...), nil
}

func (k *Key) gcm(ivSize int) cipher.AEAD {
	if ivSize != 12 && ivSize != 16 {
		panic(fmt.Sprintf("box: initialization vector of %d bytes", ivSize)) // misuse
	}
	block, err := aes.NewCipher(k.p().raw[:])
	if err == nil {
		var a cipher.AEAD
		if a, err = cipher.NewGCMWithNonceSize(block, ivSize); err == nil {
			return a
		}
	}
	panic(err) // unreachable: sizes are right
}
