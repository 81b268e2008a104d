package link

import (
	"crypto/sha3"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Sizes of the padded parts; with nonce and tag they are 2048 and 13824.
const (
	FixedSize = 2008
	UserSize  = 13784
)

// The errors of [Open], besides box.ErrOpen, wire.ErrUnpad and
// wire.ErrSyntax.
var (
	ErrHash           = errors.New("link: the data is not that of the link")
	ErrFixedSignature = errors.New("link: wrong signature of the fixed data")
	ErrUserSignature  = errors.New("link: wrong signature of the user data")
	ErrOwners         = errors.New("link: wrong owners")
	ErrMode           = errors.New("link: data for another mode")
)

// Fixed is the part of the data that the link's key fixes.
type Fixed struct {
	Versions wire.VersionRange // of the agent
	RootKey  key.Ed25519Public
	Request  Request
	EntityID []byte // of the application, at most 255 bytes; nil is none
}

// Append appends the encoding, which [KeyOf] hashes.
func (f Fixed) Append(b []byte) []byte {
	b = wire.AppendShort(f.Versions.Append(b), f.RootKey.AppendSPKI(nil))
	b = f.Request.Append(b)
	if f.EntityID != nil {
		b = wire.AppendShort(b, f.EntityID)
	}
	return b
}

// ParseFixed parses the encoding; what follows is ignored, so that it can be
// extended. The error is wire.ErrSyntax, or of the parts.
func ParseFixed(b []byte) (Fixed, error) {
	d := wire.NewDecoder(b)
	f := Fixed{Versions: d.VersionRange(), RootKey: readEd25519(d), Request: ReadRequest(d)}
	if err := d.Err(); err != nil {
		return Fixed{}, fmt.Errorf("link: parse fixed data: %w", err)
	}
	if id := d.Short(); d.Err() == nil {
		f.EntityID = id
	}
	return f, nil
}

// User is the part of the data that its owners can change.
type User struct {
	Mode     Mode
	Versions wire.VersionRange
	// Direct, Owners and Relays are of contact links only.
	Direct bool    // the request in the fixed data may be used
	Owners []Owner // who may sign besides the root key; at most 255
	Relays []Short // chat relays that take requests; at most 255
	Data   []byte  // of the application
}

// Append appends the encoding. It panics on sizes over those of the fields;
// [SignUser] checks them.
func (u User) Append(b []byte) []byte {
	b = u.Versions.Append(append(b, byte(u.Mode)))
	if u.Mode == ContactMode {
		b = wire.AppendListLen(wire.AppendBool(b, u.Direct), len(u.Owners))
		for _, o := range u.Owners {
			b = o.Append(b)
		}
		b = wire.AppendListLen(b, len(u.Relays))
		for _, r := range u.Relays {
			b = r.Append(b)
		}
	}
	if len(u.Data) < 255 {
		return wire.AppendShort(b, u.Data)
	}
	return wire.AppendLarge(append(b, 255), u.Data)
}

// ParseUser parses the encoding; what follows is ignored. The error is
// wire.ErrSyntax.
func ParseUser(b []byte) (User, error) {
	d := wire.NewDecoder(b)
	u := User{Mode: readConnMode(d), Versions: d.VersionRange()}
	if u.Mode == ContactMode {
		u.Direct = d.Bool()
		n := d.ListLen(0)
		for i := 0; i < n && d.Err() == nil; i++ {
			u.Owners = append(u.Owners, readOwner(d))
		}
		n = d.ListLen(0)
		for i := 0; i < n && d.Err() == nil; i++ {
			r := ReadShort(d)
			if r.Type == OneTime {
				d.Expected("contact link of a relay")
			}
			u.Relays = append(u.Relays, r)
		}
	}
	if d.Err() == nil {
		u.Data = readData(d, b)
	}
	if err := d.Err(); err != nil {
		return User{}, fmt.Errorf("link: parse user data: %w", err)
	}
	return u, nil
}

// readData reads 0xff and a large string, or a short one, which may have 255
// bytes too.
func readData(d *wire.Decoder, b []byte) []byte {
	if c, _ := d.Peek(); c == 255 {
		try := wire.NewDecoder(b[d.Offset()+1:])
		if data := try.Large(); try.Err() == nil {
			return data
		}
	}
	return d.Short()
}

func readEd25519(d *wire.Decoder) key.Ed25519Public {
	k, err := key.ParseEd25519(d.Short())
	if err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	return k
}

// SignUser encodes and signs user data. The error is wire.ErrPadSize for data
// that [Seal] would not take either.
func SignUser(k *key.Ed25519Private, u User) ([]byte, error) {
	for _, o := range u.Owners {
		if len(o.ID) > MaxOwnerID {
			return nil, fmt.Errorf("link: owner ID: %w", wire.ErrPadSize)
		}
	}
	if len(u.Data) > UserSize || len(u.Owners) > 255 || len(u.Relays) > 255 {
		return nil, fmt.Errorf("link: user data: %w", wire.ErrPadSize)
	}
	return Sign(k, u.Append(nil)), nil
}

// KeyOf is the link key of encoded fixed data, its signature left out.
func KeyOf(fixed []byte) Key {
	h := sha3.Sum256(fixed)
	return Key(h[:])
}

// ContactKeys derives from a contact link's key where its data is and the key
// that opens it.
func ContactKeys(k Key) (smp.LinkID, *box.Key) {
	out := box.HKDF(nil, []byte(k), "SimpleXContactLink", 56)
	return smp.LinkID(out[:24]), boxKey(out[24:])
}

// InvitationKey derives the key that opens the data of a one-time link.
func InvitationKey(k Key) *box.Key {
	return boxKey(box.HKDF(nil, []byte(k), "SimpleXInvLink", 32))
}

// DataKey is the key that opens the data of a link.
func DataKey(m Mode, k Key) *box.Key {
	if m == Invitation {
		return InvitationKey(k)
	}
	_, b := ContactKeys(k)
	return b
}

func boxKey(raw []byte) *box.Key {
	k, err := box.NewKey(raw)
	if err != nil {
		panic(err) // unreachable: 32 bytes
	}
	return k
}

// Sign puts the short signature before encoded data.
func Sign(k *key.Ed25519Private, data []byte) []byte {
	return append(wire.AppendShort(make([]byte, 0, len(data)+65), k.Sign(data)), data...)
}

// SignFixed encodes and signs fixed data with the root key, whose public half
// it sets, and gives the link key. See [SignUser] for the other part.
func SignFixed(root *key.Ed25519Private, f Fixed) (Key, []byte) {
	f.RootKey = root.Public()
	data := f.Append(nil)
	return KeyOf(data), Sign(root, data)
}

// Seal encrypts both signed parts with new nonces. The error is
// wire.ErrPadSize.
func Seal(k *box.Key, signedFixed, signedUser []byte) (smp.LinkData, error) {
	fixed, err := seal(k, signedFixed, FixedSize)
	if err != nil {
		return smp.LinkData{}, fmt.Errorf("link: seal fixed data: %w", err)
	}
	user, err := SealUser(k, signedUser)
	return smp.LinkData{Fixed: fixed, User: user}, err
}

// SealUser encrypts signed user data with a new nonce, for LSET. The error is
// wire.ErrPadSize.
func SealUser(k *box.Key, signedUser []byte) ([]byte, error) {
	b, err := seal(k, signedUser, UserSize)
	if err != nil {
		return nil, fmt.Errorf("link: seal user data: %w", err)
	}
	return b, nil
}

func seal(k *box.Key, signed []byte, size int) ([]byte, error) {
	return sealWith(k, box.NewNonce(), signed, size)
}

func sealWith(k *box.Key, n box.Nonce, signed []byte, size int) ([]byte, error) {
	b := append(make([]byte, 0, len(n)+size+box.Overhead), n[:]...)
	return k.SealPadded(b, n, signed, size)
}

// Open decrypts the data of a link of mode m and checks that it is the link's
// and who has signed it. The errors are named above.
func Open(m Mode, linkKey Key, k *box.Key, data smp.LinkData) (Fixed, User, error) {
	fixedSig, fixed, err := open(k, data.Fixed)
	if err != nil {
		return Fixed{}, User{}, fmt.Errorf("link: open fixed data: %w", err)
	}
	userSig, user, err := open(k, data.User)
	if err != nil {
		return Fixed{}, User{}, fmt.Errorf("link: open user data: %w", err)
	}
	f, err := ParseFixed(fixed)
	if err != nil {
		return Fixed{}, User{}, err
	}
	u, err := ParseUser(user)
	if err != nil {
		return Fixed{}, User{}, err
	}
	switch {
	case f.Request.Mode != m || u.Mode != m:
		err = ErrMode
	case KeyOf(fixed) != linkKey:
		err = ErrHash
	case f.RootKey.Verify(fixed, fixedSig) != nil:
		err = ErrFixedSignature
	default:
		err = u.verify(f.RootKey, user, userSig)
	}
	if err != nil {
		return Fixed{}, User{}, err
	}
	return f, u, nil
}

func open(k *box.Key, sealed []byte) (sig, data []byte, err error) {
	d := wire.NewDecoder(sealed)
	var n box.Nonce
	copy(n[:], d.Bytes(len(n)))
	body := d.Tail()
	if d.Err() != nil {
		return nil, nil, d.Err()
	}
	plain, err := k.OpenPadded(n, body)
	if err != nil {
		return nil, nil, err
	}
	d = wire.NewDecoder(plain)
	sig, data = readSignature(d), d.Tail()
	return sig, data, d.Done()
}

func (u User) verify(root key.Ed25519Public, user, sig []byte) error {
	if err := ValidateOwners(root, u.Owners); err != nil {
		return err
	}
	if root.Verify(user, sig) == nil {
		return nil
	}
	for _, o := range u.Owners {
		if o.Key.Verify(user, sig) == nil {
			return nil
		}
	}
	return ErrUserSignature
}
