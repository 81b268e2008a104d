package link

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/wire"
)

type dataCase struct {
	Mode     string
	Root     *vectors.PrivateKey `json:"root_ed25519"`
	SignedBy string              `json:"user_data_signed_by"`
	Versions [2]wire.Version     `json:"agent_version_range"`
	EntityID vectors.Hex         `json:"link_entity_id"`
	Request  requestCase         `json:"connection_request"`
	User     struct {
		Direct bool
		Owners []struct {
			ID      vectors.Hex       `json:"owner_id"`
			Key     vectors.PublicKey `json:"owner_key"`
			Sig     vectors.Hex       `json:"auth_owner_sig"`
			Encoded vectors.Hex
		}
		Relays []string
		Length int         `json:"user_data_length"`
		Data   vectors.Hex `json:"user_data"`
	} `json:"user_data"`
	Fixed       vectors.Hex `json:"signed_fixed_data"`
	SignedUser  vectors.Hex `json:"signed_user_data"`
	LinkKey     vectors.Hex `json:"link_key_sha3_256_of_fixed_data_without_signature"`
	LinkID      vectors.Hex `json:"link_id_for_contact"`
	BoxKey      vectors.Hex `json:"secretbox_key"`
	EncFixed    vectors.Hex `json:"enc_fixed_data"`
	EncUser     vectors.Hex `json:"enc_user_data"`
	Lengths     [2]int      `json:"enc_lengths"`
	Decrypts    any
	OwnerKeys   []*vectors.PrivateKey `json:"owner_private_keys"`
	Validate    any                   `json:"validate_owners_result"`
	SealRefused *string               `json:"encryption_error"`
}

func edKey(t *testing.T, k *vectors.PrivateKey) *key.Ed25519Private {
	t.Helper()
	p, err := key.ParsePrivate(k.DER)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*key.Ed25519Private)
}

func (c *dataCase) user(t *testing.T) User {
	t.Helper()
	u := User{Mode: Invitation, Versions: versions(c.Versions), Data: c.User.Data}
	if c.Mode == "contact" {
		u.Mode, u.Direct = ContactMode, c.User.Direct
	}
	if len(u.Data) != c.User.Length {
		t.Fatalf("%d bytes of user data, want %d", len(u.Data), c.User.Length)
	}
	for _, o := range c.User.Owners {
		k, err := key.ParseEd25519(o.Key.DER)
		if err != nil {
			t.Fatal(err)
		}
		owner := Owner{ID: o.ID, Key: k, Sig: o.Sig}
		if b := owner.Append(nil); !bytes.Equal(b, o.Encoded) {
			t.Errorf("owner\n%x, want\n%x", b, []byte(o.Encoded))
		}
		u.Owners = append(u.Owners, owner)
	}
	for _, text := range c.User.Relays {
		r, err := ParseShort(text)
		if err != nil {
			t.Fatal(err)
		}
		u.Relays = append(u.Relays, r)
	}
	return u
}

// errorOf is the error that the reference names in a result.
func errorOf(t *testing.T, result any) error {
	t.Helper()
	text, ok := result.(string)
	if !ok || text == "ok" {
		return nil
	}
	for part, err := range map[string]error{
		"link data hash": ErrHash, "link data signature": ErrFixedSignature, "user data signature": ErrUserSignature,
		"invalid authorization of owner": ErrOwners, "duplicate owner": ErrOwners, "matches root key": ErrOwners,
	} {
		if strings.Contains(text, part) {
			return err
		}
	}
	t.Fatalf("unknown result %q", text)
	return nil
}

func checkData(t *testing.T, vc vectors.Case) {
	var c dataCase
	vc.Decode(t, &c)
	root, u := edKey(t, c.Root), c.user(t)
	f := Fixed{Versions: versions(c.Versions), Request: c.Request.request(t), EntityID: c.EntityID}
	linkKey, signedFixed := SignFixed(root, f)
	if !bytes.Equal(signedFixed, c.Fixed) || string(linkKey) != string(c.LinkKey) {
		t.Errorf("signed fixed data\n%x, want\n%x", signedFixed, []byte(c.Fixed))
	}
	signers := append([]*vectors.PrivateKey{c.Root}, c.OwnerKeys...)
	signed := false
	for i, k := range signers {
		if bytes.Equal(Sign(edKey(t, k), u.Append(nil)), c.SignedUser) {
			signed = signed || (i == 0) == (c.SignedBy == "root key")
		}
	}
	stranger := errorOf(t, c.Decrypts) == ErrUserSignature && bytes.Equal(u.Append(nil), c.SignedUser[65:])
	if !signed && !stranger {
		t.Errorf("user data signed by %s differs", c.SignedBy)
	}
	id, _ := ContactKeys(linkKey)
	k := DataKey(u.Mode, linkKey)
	if c.LinkID != nil && string(id) != string(c.LinkID) || !bytes.Equal(k.Raw(), c.BoxKey) {
		t.Error("other keys")
	}
	if err := ValidateOwners(root.Public(), u.Owners); c.Validate != nil && !errors.Is(err, errorOf(t, c.Validate)) {
		t.Errorf("owners: %v, want %v", err, c.Validate)
	}
	if c.SealRefused != nil {
		if _, err := Seal(k, c.Fixed, c.SignedUser); !errors.Is(err, wire.ErrPadSize) {
			t.Errorf("sealing: %v, want %s", err, *c.SealRefused)
		}
		return
	}
	c.sealed(t, k, linkKey, u)
}

func (c *dataCase) sealed(t *testing.T, k *box.Key, linkKey Key, u User) {
	data := smp.LinkData{Fixed: c.EncFixed, User: c.EncUser}
	fixed, err1 := sealWith(k, box.Nonce(data.Fixed[:24]), c.Fixed, FixedSize)
	user, err2 := sealWith(k, box.Nonce(data.User[:24]), c.SignedUser, UserSize)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(fixed, data.Fixed) || !bytes.Equal(user, data.User) {
		t.Errorf("seals differently: %v", err)
	}
	if len(fixed) != c.Lengths[0] || len(user) != c.Lengths[1] {
		t.Errorf("%d and %d bytes, want %v", len(fixed), len(user), c.Lengths)
	}
	f, got, err := Open(u.Mode, linkKey, k, data)
	want := errorOf(t, c.Decrypts)
	if want != nil || err != nil {
		if !errors.Is(err, want) {
			t.Errorf("opens: %v, want %v", err, want)
		}
		return
	}
	if !bytes.Equal(f.Append(nil), c.Fixed[65:]) || !bytes.Equal(f.EntityID, c.EntityID) || (f.EntityID == nil) != (c.EntityID == nil) {
		t.Error("fixed data opens as other data")
	}
	if !bytes.Equal(got.Append(nil), c.SignedUser[65:]) || !bytes.Equal(got.Data, u.Data) {
		t.Error("user data opens as other data")
	}
	other := Invitation
	if u.Mode == Invitation {
		other = ContactMode
	}
	if _, _, err := Open(other, linkKey, k, data); !errors.Is(err, ErrMode) {
		t.Errorf("as data of the other mode: %v", err)
	}
	again, err := Seal(k, c.Fixed, c.SignedUser)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(u.Mode, linkKey, k, again); err != nil {
		t.Errorf("sealed again: %v", err)
	}
}

func checkTampered(t *testing.T, vc vectors.Case) {
	var c struct {
		LinkKey  vectors.Hex `json:"link_key"`
		BoxKey   vectors.Hex `json:"secretbox_key"`
		EncFixed vectors.Hex `json:"enc_fixed_data"`
		EncUser  vectors.Hex `json:"enc_user_data"`
		What     string
		Result   string
	}
	vc.Decode(t, &c)
	k, err := box.NewKey(c.BoxKey)
	if err != nil {
		t.Fatal(err)
	}
	data := smp.LinkData{Fixed: c.EncFixed, User: c.EncUser}
	_, _, err = Open(ContactMode, Key(c.LinkKey), k, data)
	if errors.Is(err, ErrMode) {
		_, _, err = Open(Invitation, Key(c.LinkKey), k, data)
	}
	if want := errorOf(t, c.Result); !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", c.What, err, want)
	}
}
