package ratchet

import (
	"crypto/sha256"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Private is the secret side of one party's E2E parameters, kept until the
// ratchet is there. It cannot be compared or printed.
type Private struct {
	_          [0]func()
	version    wire.Version
	key1, key2 *key.X448Private
	kem        *privateKEM // nil without
}

// privateKEM is an own KEM key and, if the peer's proposal was accepted, what
// was made for the peer's key.
type privateKEM struct {
	key    *sntrup.SecretKey
	ct     *sntrup.Ciphertext // nil in a proposal
	shared []byte             // 32 bytes with ct
}

// GenerateRcv makes the parameters of the party who invites, at the highest
// version it offers; also those of both parties who synchronise ratchets. A
// KEM key is proposed if pq is on and v knows it.
func GenerateRcv(v wire.Version, pq PQSupport) (*Private, error) {
	return generate(cryptoSource{}, v, bool(pq), nil)
}

// GenerateSnd makes the parameters of the party who joins, at the version of
// peer. If pq is on and the version knows the KEM, the peer's proposal is
// accepted or, without one, a KEM key is proposed.
func GenerateSnd(peer Params, pq PQSupport) (*Private, error) {
	var theirs *sntrup.PublicKey
	if peer.KEM != nil {
		theirs = peer.KEM.Key
	}
	return generate(cryptoSource{}, peer.Version, bool(pq), theirs)
}

func generate(src source, v wire.Version, useKEM bool, theirs *sntrup.PublicKey) (*Private, error) {
	p := &Private{version: v, key1: key.GenerateX448(), key2: key.GenerateX448()}
	if !useKEM || v < VersionPQ {
		return p, nil
	}
	k, err := src.kemKey()
	if err != nil {
		return nil, err
	}
	p.kem = &privateKEM{key: k}
	if theirs != nil {
		if p.kem.ct, p.kem.shared, err = src.encapsulate(theirs); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Params is the public side, at the version it was made for.
func (p *Private) Params() Params {
	out := Params{Version: p.version, Key1: p.key1.Public(), Key2: p.key2.Public()}
	if p.kem != nil {
		out.KEM = &KEMParams{Key: p.kem.key.Public(), Ciphertext: p.kem.ct}
	}
	return out
}

// Hash is SHA-256 of the two raw keys. It orders the two parties who
// synchronise ratchets and recognises parameters that were received before.
func (p Params) Hash() [32]byte {
	return sha256.Sum256(append(p.Key1.Raw(), p.Key2.Raw()...))
}

// Wipe overwrites the keys, which are unusable afterwards.
func (p *Private) Wipe() {
	p.key1.Wipe()
	p.key2.Wipe()
	if p.kem != nil {
		p.kem.key.Wipe()
		clear(p.kem.shared)
	}
}

// Format prints "ratchet-private" for every verb.
func (p *Private) Format(f fmt.State, _ rune) { fmt.Fprint(f, "ratchet-private") }

// MarshalText gives "ratchet-private", so that JSON and logs cannot leak keys.
func (p *Private) MarshalText() ([]byte, error) { return []byte("ratchet-private"), nil }

const privateFormat = 1

// AppendBinary appends the stored form: format, version, the raw keys, and
// the KEM's secret key, ciphertext and secret where there are some.
func (p *Private) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, privateFormat)
	b = wire.AppendUint16(b, uint16(p.version))
	b = append(append(b, p.key1.Raw()...), p.key2.Raw()...)
	switch {
	case p.kem == nil:
		return append(b, '0'), nil
	case p.kem.ct == nil:
		return p.kem.key.AppendRaw(append(b, 'P')), nil
	}
	b = p.kem.key.AppendRaw(append(b, 'A'))
	return append(append(b, p.kem.ct[:]...), p.kem.shared...), nil
}

// UnmarshalBinary reads the stored form. The error wraps [ErrStored] and does
// not hold the input.
func (p *Private) UnmarshalBinary(b []byte) error {
	d := wire.NewDecoder(b)
	if f := d.Byte(); d.Err() == nil && f != privateFormat {
		return fmt.Errorf("%w: E2E keys in format %d", ErrStored, f)
	}
	v := d.Version()
	raw1, raw2, tag := d.Bytes(56), d.Bytes(56), d.Byte()
	var kem *privateKEM
	if tag == 'P' || tag == 'A' {
		kem = readPrivateKEM(d, tag == 'A')
	}
	if err := d.Done(); err != nil || tag != '0' && kem == nil {
		return fmt.Errorf("%w: E2E keys of %d bytes", ErrStored, len(b))
	}
	k1, err1 := key.X448FromRaw(raw1)
	k2, err2 := key.X448FromRaw(raw2)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%w: E2E keys", ErrStored)
	}
	p.version, p.key1, p.key2, p.kem = v, k1, k2, kem
	return nil
}

func readPrivateKEM(d *wire.Decoder, accepted bool) *privateKEM {
	raw := d.Bytes(sntrup.SecretKeySize)
	var ct, shared []byte
	if accepted {
		ct, shared = d.Bytes(sntrup.CiphertextSize), d.Bytes(sntrup.SharedSize)
	}
	if d.Err() != nil {
		return nil
	}
	k := new(privateKEM)
	k.key, _ = sntrup.ParseSecretKey(raw) // of the right size
	if accepted {
		k.ct, _ = sntrup.ParseCiphertext(ct)
		k.shared = append([]byte(nil), shared...)
	}
	return k
}
