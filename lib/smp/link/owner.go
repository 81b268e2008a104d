package link

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Owner may sign the user data of a contact link besides the root key.
type Owner struct {
	ID  []byte // of the application, at most [MaxOwnerID] bytes, unique in the list
	Key key.Ed25519Public
	Sig []byte // over ID and DER of Key, by the root key or an earlier owner
}

// MaxOwnerID is the longest ID in bytes with which an owner fits a short
// string.
const MaxOwnerID = 144

// NewOwner makes an owner whom signer, the root key or that of an owner
// before, lets in.
func NewOwner(id []byte, k key.Ed25519Public, signer *key.Ed25519Private) Owner {
	o := Owner{ID: id, Key: k}
	o.Sig = signer.Sign(o.signed())
	return o
}

func (o Owner) signed() []byte { return o.Key.AppendSPKI(append([]byte(nil), o.ID...)) }

// Append appends the encoding: a short string of short ID, short key, short
// signature, so that readers can skip what they do not know. It panics on an
// ID over 120 bytes, with which the whole would not fit.
func (o Owner) Append(b []byte) []byte {
	in := wire.AppendShort(wire.AppendShort(nil, o.ID), o.Key.AppendSPKI(nil))
	return wire.AppendShort(b, wire.AppendShort(in, o.Sig))
}

func readOwner(d *wire.Decoder) Owner {
	in := wire.NewDecoder(d.Short())
	o := Owner{ID: in.Short(), Key: readEd25519(in), Sig: readSignature(in)}
	if err := in.Err(); err != nil {
		d.Fail(err)
	}
	return o
}

func readSignature(d *wire.Decoder) []byte {
	sig := d.Short()
	if d.Err() == nil && len(sig) != 64 {
		d.Expected("Ed25519 signature, found %d bytes", len(sig))
	}
	return sig
}

// ValidateOwners checks that each owner was let in by the root key or by an
// owner earlier in the list, and that IDs and keys are unique. The error is
// [ErrOwners].
func ValidateOwners(root key.Ed25519Public, owners []Owner) error {
	for i, o := range owners {
		if o.Key == root {
			return fmt.Errorf("%w: owner %d has the root key", ErrOwners, i)
		}
		signed := root.Verify(o.signed(), o.Sig) == nil
		for _, p := range owners[:i] {
			if p.Key == o.Key || string(p.ID) == string(o.ID) {
				return fmt.Errorf("%w: owner %d is there twice", ErrOwners, i)
			}
			signed = signed || p.Key.Verify(o.signed(), o.Sig) == nil
		}
		if !signed {
			return fmt.Errorf("%w: nobody has let owner %d in", ErrOwners, i)
		}
	}
	return nil
}
