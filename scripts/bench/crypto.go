package main

import (
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// messageCrypto is the time, in seconds, of the cryptography that the protocol
// demands of a relay for a message beside TLS: SEND and ACK opened, OK, MSG
// and OK sealed, each a block with a key of its own; the body sealed for the
// recipient; the sender's authenticator and the recipient's signature
// verified.
func messageCrypto() (float64, error) {
	const size = transport.DefaultBlockSize - box.Overhead
	chain, _ := box.ChainInit(nil, make([]byte, 32))
	body, ack, ok := make([]byte, bodySize), make([]byte, 150), make([]byte, 60)
	k, nonce := box.RandomKey(), box.NewNonce()
	auth, signer := k.Authenticate(nonce[:], body), key.GenerateEd25519()
	sig := signer.Sign(ack)
	out := make([]byte, 0, transport.DefaultBlockSize)
	seal := func(payload []byte) {
		k, n := chain.Next()
		out, _ = k.SealPadded(out[:0], n, payload, size) // all fit
	}
	var opening time.Duration
	open := func(payload []byte) error {
		k, n := chain.Next()
		sealed, err := k.SealPadded(nil, n, payload, size) // the peer's work, not counted
		if err != nil {
			return err
		}
		start := time.Now()
		_, err = k.OpenPaddedInPlace(n, sealed)
		opening += time.Since(start)
		return err
	}
	const times = 500
	for range times {
		if err := errors.Join(open(body), open(ack)); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	for range times {
		seal(ok)
		seal(body)
		seal(ok)
		chain.Next() // of what was opened
		chain.Next()
		if _, err := smp.SealMsg(k, "message", smp.RcvBody{Body: body}); err != nil {
			return 0, err
		}
		if !k.VerifyAuthenticator(nonce[:], body, auth) || signer.Public().Verify(ack, sig) != nil {
			return 0, errors.New("a good authorization was refused")
		}
	}
	return (time.Since(start) + opening).Seconds() / times, nil
}
