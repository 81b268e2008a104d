package link

import (
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func TestOwners(t *testing.T) {
	root, first, second := key.GenerateEd25519(), key.GenerateEd25519(), key.GenerateEd25519()
	a := NewOwner([]byte("a"), first.Public(), root)
	b := NewOwner([]byte("b"), second.Public(), first)
	for what, row := range map[string]struct {
		owners []Owner
		good   bool
	}{
		"none":                      {nil, true},
		"by the root":               {[]Owner{a}, true},
		"by the root and an owner":  {[]Owner{a, b}, true},
		"before who let it in":      {[]Owner{b, a}, false},
		"twice":                     {[]Owner{a, a}, false},
		"the root itself":           {[]Owner{NewOwner([]byte("r"), root.Public(), root)}, false},
		"by a stranger":             {[]Owner{NewOwner([]byte("c"), first.Public(), second)}, false},
		"same ID":                   {[]Owner{a, NewOwner([]byte("a"), second.Public(), root)}, false},
		"other ID under the letter": {[]Owner{{[]byte("x"), a.Key, a.Sig}}, false},
	} {
		if err := ValidateOwners(root.Public(), row.owners); (err == nil) != row.good || err != nil && !errors.Is(err, ErrOwners) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestSignUserRefusesLarge(t *testing.T) {
	k := key.GenerateEd25519()
	long := Owner{ID: make([]byte, MaxOwnerID+1), Key: k.Public(), Sig: make([]byte, 64)}
	fits := long
	fits.ID = fits.ID[1:]
	for what, row := range map[string]struct {
		u    User
		good bool
	}{
		"empty":          {User{Mode: ContactMode}, true},
		"longest owner":  {User{Mode: ContactMode, Owners: []Owner{fits}}, true},
		"long owner":     {User{Mode: ContactMode, Owners: []Owner{long}}, false},
		"data":           {User{Mode: Invitation, Data: make([]byte, 70000)}, false},
		"too many":       {User{Mode: ContactMode, Owners: make([]Owner, 256)}, false},
		"too many relay": {User{Mode: ContactMode, Relays: make([]Short, 256)}, false},
	} {
		signed, err := SignUser(k, row.u)
		if (err == nil) != row.good || err != nil && !errors.Is(err, wire.ErrPadSize) {
			t.Errorf("%s: %v", what, err)
		}
		if err == nil {
			if u, err := ParseUser(signed[65:]); err != nil || u.Mode != row.u.Mode || len(u.Owners) != len(row.u.Owners) {
				t.Errorf("%s: %+v, %v", what, u, err)
			}
		}
	}
}

func TestErrorsDoNotEchoLinks(t *testing.T) {
	for _, s := range []string{"simplex:/a#hiddenhidden", "simplex:/contact#/?v=2&smp=hidden", "smp://AQID:hidden@h/"} {
		_, err := Parse(s)
		_, err1 := ParseRequest(s)
		_, err2 := ParseShort(s)
		_, err3 := ParseQueueURI(s)
		for _, err := range []error{err, err1, err2, err3} {
			if err == nil || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%q: %v", s, err)
			}
		}
	}
}

func TestSameContact(t *testing.T) {
	a, err1 := ParseShort("https://smp.example.com/a#XA8w2c89qzo0emrz2EWfEONtDcwncbGxzXR3Pf7HZEs")
	b, err2 := ParseShort("simplex:/a#XA8w2c89qzo0emrz2EWfEONtDcwncbGxzXR3Pf7HZEs?h=smp.example.com")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if b.Type = Address; !a.SameContact(b) {
		t.Error("the same link in another form is another one")
	}
	if b.Key = "other"; a.SameContact(b) {
		t.Error("another key is the same link")
	}
}
