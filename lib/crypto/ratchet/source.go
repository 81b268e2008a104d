package ratchet

import (
	"crypto/rand"

	"github.com/cloudflare/circl/dh/x448"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
)

// source makes everything that is random, so that tests can replay what
// another implementation drew.
type source interface {
	dhKey() dhKey
	kemKey() (*sntrup.SecretKey, error)
	encapsulate(*sntrup.PublicKey) (*sntrup.Ciphertext, []byte, error)
}

type cryptoSource struct{}

func (cryptoSource) dhKey() dhKey { return newDHKey() }

func (cryptoSource) kemKey() (*sntrup.SecretKey, error) { return sntrup.GenerateKey(rand.Reader) }

func (cryptoSource) encapsulate(p *sntrup.PublicKey) (*sntrup.Ciphertext, []byte, error) {
	return p.Encapsulate(rand.Reader)
}

// dhKey is the X448 key of a sending chain. Unlike key.X448Private it is
// stored with its public half, as computing that for every stored message
// would cost more than the message.
type dhKey struct {
	priv [56]byte
	pub  key.X448Public
}

func newDHKey() dhKey {
	var k dhKey
	_, _ = rand.Read(k.priv[:]) // crypto/rand.Read never returns an error
	x448.KeyGen((*x448.Key)(&k.pub), (*x448.Key)(&k.priv))
	return k
}

func dhKeyOf(p *key.X448Private) dhKey {
	raw := p.Raw()
	defer clear(raw)
	return dhKey{priv: [56]byte(raw), pub: p.Public()}
}

// with is the shared secret with pub. The error is key.ErrLowOrder.
func (k *dhKey) with(pub key.X448Public) ([]byte, error) {
	out := new(x448.Key)
	if !x448.Shared(out, (*x448.Key)(&k.priv), (*x448.Key)(&pub)) {
		return nil, key.ErrLowOrder
	}
	return out[:], nil
}
