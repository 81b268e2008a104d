package ident_test

import (
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
)

var now = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// Names of files are the ids of the certificates in them, account certificates
// chain up to their CA, device certificates to the account, and some serial
// numbers are negative.
func TestCertificatesVectors(t *testing.T) {
	negative := 0
	for _, real := range swarmtest.Reals(t) {
		repo := swarmtest.Load(t, real.Name)
		head, err := commit.ReadCommit(t.Context(), repo.Objects, real.Head)
		if err != nil {
			t.Fatal(err)
		}
		trees := commit.NewTrees(repo.Objects)
		read := func(dir string, fn func(name string, chain []*ident.Certificate)) {
			entries, err := trees.List(t.Context(), head.Tree, dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				b, err := trees.Blob(t.Context(), e.ID)
				if err != nil {
					t.Fatal(err)
				}
				chain, err := ident.ParseChain(b)
				if err != nil {
					t.Fatalf("%s: %s/%s: %v", real.Name, dir, e.Name, err)
				}
				for _, c := range chain {
					if c.Serial().Sign() < 0 {
						negative++
					}
				}
				fn(strings.TrimSuffix(e.Name, ".crt"), chain)
			}
		}
		accounts := map[ident.URI]*ident.Certificate{}
		for _, dir := range []string{"admins", "members", "banned/members"} {
			read(dir, func(name string, chain []*ident.Certificate) {
				accounts[chain[0].URI()] = chain[0]
				if chain[0].URI().String() != name || len(chain) != 2 {
					t.Errorf("%s: %s is of %v, chain of %d", real.Name, name, chain[0].URI(), len(chain))
				} else if err := chain[0].SignedBy(chain[1]); err != nil {
					t.Errorf("%s: %s: %v", real.Name, name, err)
				}
			})
		}
		read("devices", func(name string, chain []*ident.Certificate) {
			d := chain[0]
			issuer, ok := d.Issuer()
			if d.DeviceID().String() != name || !ok || accounts[issuer] == nil {
				t.Errorf("%s: device %s is %v of %v", real.Name, name, d.DeviceID(), issuer)
			} else if err := d.SignedBy(accounts[issuer]); err != nil {
				t.Errorf("%s: %s: %v", real.Name, name, err)
			}
		})
	}
	if negative == 0 {
		t.Log("no negative serial numbers")
	}
}

func TestLabDevicesVectors(t *testing.T) {
	for _, name := range []string{"a", "a2", "b", "c", "e"} {
		d := swarmtest.LabDevice(t, name)
		sig, err := d.Sign([]byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		h := sha512.Sum512([]byte("hello"))
		if err := d.Cert.Verify(h[:], sig); err != nil {
			t.Error(name, err)
		}
		h[0] ^= 1
		if err := d.Cert.Verify(h[:], sig); !errors.Is(err, ident.ErrSignature) {
			t.Error(name, err)
		}
	}
}

// What Certify makes has the form of the daemon's.
func TestCertify(t *testing.T) {
	a, d := swarmtest.Account(t, 0), swarmtest.Device(t, 0, 0)
	c, err := a.Certify(d.Cert.PublicKey(), now)
	if err != nil {
		t.Fatal(err)
	}
	x := c.X509()
	if issuer, ok := c.Issuer(); !ok || issuer != a.URI() || len(x.Extensions) != 0 || x.Subject.CommonName != "Jami device" ||
		x.Issuer.CommonName != "Jami" || x.SignatureAlgorithm.String() != "SHA384-RSA" {
		t.Errorf("issuer %v, %d extensions, %v, %v, %v", issuer, len(x.Extensions), x.Subject, x.Issuer, x.SignatureAlgorithm)
	}
	if err := c.SignedBy(a.Cert); err != nil || !c.SameKey(d.Cert) || c.Equal(d.Cert) {
		t.Error(err)
	}
	if err := c.SignedBy(swarmtest.Account(t, 1).Cert); !errors.Is(err, ident.ErrSignature) {
		t.Error(err)
	}
	if c.ExpiredAt(now.Add(ident.Lifetime-time.Hour)) || !c.ExpiredAt(now.Add(ident.Lifetime+time.Hour)) {
		t.Error("expiry")
	}
	acc := a.Cert.X509()
	if !acc.IsCA || fmt.Sprintf("%x", acc.SubjectKeyId) != a.URI().String() {
		t.Errorf("account: CA %v, key id %x", acc.IsCA, acc.SubjectKeyId)
	}
	if again, err := ident.ParseCertificate(c.DER()); err != nil || !again.Equal(c) {
		t.Errorf("DER: %v", err)
	}
}

func TestRevocation(t *testing.T) {
	a, one, two := swarmtest.Account(t, 0), swarmtest.Device(t, 0, 0), swarmtest.Device(t, 0, 1)
	b, err := a.Revoke(nil, now, one.Cert)
	if err != nil {
		t.Fatal(err)
	}
	first, err := ident.ParseCRL(b)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Revokes(one.Cert) || first.Revokes(two.Cert) || first.Number().Cmp(big.NewInt(1)) != 0 {
		t.Error("first list")
	}
	if b, err = a.Revoke(first, now, one.Cert, two.Cert); err != nil {
		t.Fatal(err)
	}
	second, err := ident.ParseCRL(b)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Revokes(two.Cert) || !second.Includes(first) || first.Includes(second) || second.Number().Cmp(big.NewInt(2)) != 0 {
		t.Error("second list")
	}
	if err := second.SignedBy(a.Cert); err != nil {
		t.Error(err)
	}
	if err := second.SignedBy(swarmtest.Account(t, 1).Cert); !errors.Is(err, ident.ErrSignature) {
		t.Error(err)
	}
	// A daemon's certificates have negative serial numbers.
	lab := swarmtest.LabDevice(t, "a")
	if b, err = a.Revoke(second, now, lab.Cert); err != nil {
		t.Fatal(err)
	}
	if third, err := ident.ParseCRL(b); err != nil || !third.Revokes(lab.Cert) {
		t.Errorf("%v", err)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	a, d := swarmtest.Account(t, 0), swarmtest.Device(t, 0, 0)
	for _, v := range []any{a, d} {
		j, _ := json.Marshal(v)
		for _, s := range []string{fmt.Sprint(v), fmt.Sprintf("%+v %#v %s %x", v, v, v, v), string(j)} {
			if len(s) > 200 && !json.Valid([]byte(s)) || strings.Contains(s, "PRIVATE") {
				t.Errorf("printed %.80s", s)
			}
		}
	}
}

func TestKeyFilesRefused(t *testing.T) {
	a, d := swarmtest.Account(t, 0), swarmtest.Device(t, 0, 0)
	pa, _ := a.MarshalPEM()
	pd, _ := d.MarshalPEM()
	key, certs, _ := strings.Cut(string(pd), "-----BEGIN CERT")
	other, _ := swarmtest.Device(t, 1, 0).MarshalPEM()
	_, otherCerts, _ := strings.Cut(string(other), "-----BEGIN CERT")
	for name, s := range map[string]string{
		"empty": "", "no key": "-----BEGIN CERT" + certs, "no certificate": key,
		"key of another": key + "-----BEGIN CERT" + otherCerts, "account": string(pa[:len(pa)/2]), "long": strings.Repeat("a", ident.MaxCertificateFile+1),
	} {
		if _, err := ident.ParseDevice([]byte(s)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if got, err := ident.ParseDevice(pd); err != nil || got.ID() != d.ID() {
		t.Error(err)
	}
}

func TestIDsRefused(t *testing.T) {
	for _, s := range []string{"", strings.Repeat("0", 40), strings.Repeat("A", 40), strings.Repeat("a", 39), strings.Repeat("g", 40)} {
		if _, err := ident.ParseURI(s); !errors.Is(err, ident.ErrID) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := ident.ParseDeviceID(strings.Repeat("a", 40)); !errors.Is(err, ident.ErrID) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, o := range swarmtest.Load(f, "group2-base-at-a").Objects {
		if o.Type == commit.TypeBlob {
			f.Add(o.Data)
		}
	}
	crl, err := swarmtest.Account(f, 0).Revoke(nil, now, swarmtest.Device(f, 0, 0).Cert)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(crl)
	f.Add([]byte(strings.Repeat("a", 40)))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if u, err := ident.ParseURI(string(b)); err == nil && u.String() != string(b) {
			t.Fatal(u)
		}
		if d, err := ident.ParseDeviceID(string(b)); err == nil && d.String() != string(b) {
			t.Fatal(d)
		}
		if c, err := ident.ParseCertificate(b); err == nil {
			if again, err := ident.ParseCertificate(c.PEM()); err != nil || !again.Equal(c) {
				t.Fatal(err)
			}
		}
		if chain, err := ident.ParseChain(b); err == nil && len(chain) == 0 {
			t.Fatal("empty chain")
		}
		if l, err := ident.ParseCRL(b); err == nil && !l.Includes(l) {
			t.Fatal("list without itself")
		}
		if a, err := ident.ParseAccount(b); err == nil && a.URI() != a.Cert.URI() {
			t.Fatal(a)
		}
		if d, err := ident.ParseDevice(b); err == nil && d.Cert.SignedBy(d.Account) != nil {
			t.Fatal(d)
		}
	})
}
