package main

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// messageCrypto is the processor time, in seconds, of the cryptography that
// the protocol demands of a relay for a message beside TLS: SEND and ACK
// opened, OK, MSG and OK sealed, each a block with a key of its own; the body
// sealed for the recipient; the sender's authenticator and the recipient's
// signature verified.
func messageCrypto() (float64, error) {
	const size = transport.DefaultBlockSize - box.Overhead
	chain, _ := box.ChainInit(nil, make([]byte, 32))
	body, ack, ok := make([]byte, bodySize), make([]byte, 150), make([]byte, 60)
	k, nonce := box.RandomKey(), box.NewNonce()
	auth, signer := k.Authenticate(nonce[:], body), key.GenerateEd25519()
	sig := signer.Sign(ack)
	block := make([]byte, transport.DefaultBlockSize)
	var incoming [2][]byte
	for i, payload := range [][]byte{body, ack} {
		var err error
		if incoming[i], err = k.SealPadded(nil, nonce, payload, size); err != nil {
			return 0, err
		}
	}
	one := func() error {
		for _, in := range incoming {
			chain.Next()
			copy(block, in)
			if _, err := k.OpenPaddedInPlace(nonce, block); err != nil {
				return err
			}
		}
		for _, out := range [][]byte{ok, body, ok} {
			k, n := chain.Next()
			if _, err := k.SealPadded(block[:0], n, out, size); err != nil {
				return err
			}
		}
		if _, err := smp.SealMsg(k, "message", smp.RcvBody{Body: body}); err != nil {
			return err
		}
		if !k.VerifyAuthenticator(nonce[:], body, auth) || signer.Public().Verify(ack, sig) != nil {
			return errors.New("a good authorization was refused")
		}
		return nil
	}
	const times = 500
	before, err := ownTime()
	if err != nil {
		return 0, err
	}
	for range times {
		if err := one(); err != nil {
			return 0, err
		}
	}
	after, err := ownTime()
	return (after - before).Seconds() / times, err
}

// ownTime is the processor time that this process has used.
func ownTime() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
