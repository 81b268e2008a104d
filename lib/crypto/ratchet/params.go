package ratchet

import (
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// The versions of the end-to-end encryption.
const (
	VersionKDF wire.Version = 2 // the first with HKDF in X3DH
	VersionPQ  wire.Version = 3 // the first with the KEM

	VersionMin     = VersionKDF
	VersionCurrent = VersionPQ
)

// SupportedVersions is what this package speaks.
func SupportedVersions() wire.VersionRange {
	return wire.VersionRange{Min: VersionMin, Max: VersionCurrent}
}

// ErrParams is wrapped by every error of parsing E2E parameters.
var ErrParams = errors.New("ratchet: bad E2E parameters")

// KEMParams is the KEM part of E2E parameters and of message headers.
type KEMParams struct {
	// Key is the sender's own KEM key, never nil.
	Key *sntrup.PublicKey
	// Ciphertext was made for the receiver's last KEM key. Nil in a proposal.
	Ciphertext *sntrup.Ciphertext
}

// Accepted tells an acceptance, which has a ciphertext, from a proposal.
func (k *KEMParams) Accepted() bool { return k != nil && k.Ciphertext != nil }

func (k *KEMParams) equal(o *KEMParams) bool {
	if k == nil || o == nil {
		return k == o
	}
	return *k.Key == *o.Key && k.Accepted() == o.Accepted() &&
		(!k.Accepted() || *k.Ciphertext == *o.Ciphertext)
}

func appendKEM(b []byte, k *KEMParams) []byte {
	if k == nil {
		return append(b, '0')
	}
	if k.Ciphertext == nil {
		b = append(b, "1P"...)
	} else {
		b = wire.AppendLarge(append(b, "1A"...), k.Ciphertext[:])
	}
	return wire.AppendLarge(b, k.Key[:])
}

// readKEM copies what it keeps.
func readKEM(d *wire.Decoder) *KEMParams {
	if !d.Maybe() {
		return nil
	}
	k := new(KEMParams)
	switch tag := d.Byte(); {
	case d.Err() != nil:
		return nil
	case tag == 'A':
		ct, err := sntrup.ParseCiphertext(d.Large())
		if err != nil {
			d.Fail(err)
			return nil
		}
		k.Ciphertext = ct
	case tag != 'P':
		d.Expected("KEM parameters 'P' or 'A', found 0x%02x", tag)
		return nil
	}
	pub, err := sntrup.ParsePublicKey(d.Large())
	if err != nil {
		d.Fail(err)
		return nil
	}
	k.Key = pub
	return k
}

// Params are one party's E2E parameters at the version that both speak: what
// the joiner sends in the confirmation and both send to synchronise ratchets.
type Params struct {
	Version    wire.Version
	Key1, Key2 key.X448Public
	KEM        *KEMParams // nil without; not sent below [VersionPQ]
}

// URI gives the parameters the range of versions they are offered at.
func (p Params) URI(r wire.VersionRange) ParamsURI {
	return ParamsURI{Versions: r, Key1: p.Key1, Key2: p.Key2, KEM: p.KEM}
}

// Equal compares all fields.
func (p Params) Equal(o Params) bool {
	return p.Version == o.Version && p.Key1 == o.Key1 && p.Key2 == o.Key2 && p.KEM.equal(o.KEM)
}

// Append appends the binary form: word16 version, two short SPKIs and, from
// [VersionPQ], maybe KEM parameters.
func (p Params) Append(b []byte) []byte {
	b = wire.AppendUint16(b, uint16(p.Version))
	b = wire.AppendShort(b, p.Key1.AppendSPKI(nil))
	b = wire.AppendShort(b, p.Key2.AppendSPKI(nil))
	if p.Version >= VersionPQ {
		b = appendKEM(b, p.KEM)
	}
	return b
}

// ReadParams reads the binary form out of a longer one.
func ReadParams(d *wire.Decoder) Params {
	p := Params{Version: d.Version(), Key1: readX448(d), Key2: readX448(d)}
	if p.Version >= VersionPQ {
		p.KEM = readKEM(d)
	}
	return p
}

// ParseParams parses the binary form. The error wraps [ErrParams].
func ParseParams(b []byte) (Params, error) {
	d := wire.NewDecoder(b)
	p := ReadParams(d)
	if err := d.Done(); err != nil {
		return Params{}, fmt.Errorf("%w: %v", ErrParams, err)
	}
	return p, nil
}

func readX448(d *wire.Decoder) key.X448Public {
	der := d.Short()
	if d.Err() != nil {
		return key.X448Public{}
	}
	k, err := key.ParseX448(der)
	if err != nil {
		d.Fail(err)
	}
	return k
}
