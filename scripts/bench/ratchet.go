package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
)

// The sizes of the ratchet's rows: a text as short as most, and the largest body.
const (
	shortBody = 256
	longBody  = 15_840
)

func ratchetRows() []row {
	var out []row
	for _, r := range []struct {
		name string
		body int
	}{{"ratchet_256", shortBody}, {"ratchet_16k", longBody}} {
		out = append(out, row{
			name: r.name, unit: "messages/s, encrypted and decrypted", round: 2 * time.Second,
			floorIs: "AES-256-GCM, sealed and opened, of the same padded bytes",
			open:    func(context.Context, *options) (*sides, error) { return openRatchet(r.body) },
		})
	}
	return out
}

// openRatchet is a conversation in one direction, in one chain.
func openRatchet(body int) (*sides, error) {
	alice, bob, err := agreed(false)
	if err != nil {
		return nil, err
	}
	msg, size := make([]byte, body), body+2
	ours := func(_ context.Context, d time.Duration) (float64, error) {
		return repeat(d, func() error {
			next, sealed, err := alice.Encrypt(msg, size, ratchet.SendOptions{})
			if err != nil {
				return err
			}
			alice = next
			got, err := bob.Decrypt(nil, sealed)
			if err != nil {
				return err
			}
			bob = got.Next
			return nil
		})
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, sealed, opened := make([]byte, size), make([]byte, 0, size+16), make([]byte, 0, size)
	var nonce [12]byte
	floor := func(_ context.Context, d time.Duration) (float64, error) {
		return repeat(d, func() error {
			sealed = gcm.Seal(sealed[:0], nonce[:], plain, nil)
			_, err := gcm.Open(opened[:0], nonce[:], sealed, nil)
			return err
		})
	}
	return &sides{ours: ours, floor: floor, close: func() error { return nil }}, nil
}

// agreed are two parties after the first message.
func agreed(pq ratchet.PQSupport) (alice, bob *ratchet.State, err error) {
	version := ratchet.SupportedVersions().Max
	rcv, err := ratchet.GenerateRcv(version, pq)
	if err != nil {
		return nil, nil, err
	}
	snd, err := ratchet.GenerateSnd(rcv.Params(), pq)
	if err != nil {
		return nil, nil, err
	}
	if alice, err = ratchet.InitSnd(snd, rcv.Params(), version); err != nil {
		return nil, nil, err
	}
	if bob, err = ratchet.InitRcv(rcv, snd.Params(), pq, version); err != nil {
		return nil, nil, err
	}
	alice, first, err := alice.Encrypt([]byte("hello"), shortBody, ratchet.SendOptions{})
	if err != nil {
		return nil, nil, err
	}
	got, err := bob.Decrypt(nil, first)
	if err != nil {
		return nil, nil, fmt.Errorf("first message: %w", err)
	}
	return alice, got.Next, nil
}
