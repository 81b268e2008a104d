package box_test

import (
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ruled is a large value that may be given by {"rule", "length"}.
type ruled vectors.Large

func (r *ruled) UnmarshalJSON(b []byte) error {
	var rule struct {
		Rule   string
		Length int
	}
	if json.Unmarshal(b, &rule) == nil && rule.Rule != "" {
		*r = ruled{Length: rule.Length}
		return nil
	}
	return (*vectors.Large)(r).UnmarshalJSON(b)
}

func private(t *testing.T, der []byte) key.Private {
	t.Helper()
	k, err := key.ParsePrivate(der)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyEncodings(t *testing.T, c vectors.Case) {
	var v struct {
		Alg        string
		Raw        vectors.Hex `json:"private_raw"`
		DER        vectors.Hex `json:"private_pkcs8_der"`
		PublicRaw  vectors.Hex `json:"public_raw"`
		SPKI       vectors.Hex `json:"public_spki_der"`
		Encoded    vectors.Hex `json:"public_smp_encoded"`
		Text       string      `json:"public_str_encoded"`
		PrivateStr string      `json:"private_str_encoded"`
	}
	c.Decode(t, &v)
	k := private(t, v.DER)
	if k.Alg().String() != v.Alg {
		t.Errorf("kind %v", k.Alg())
	}
	same(t, "raw", k.(interface{ Raw() []byte }).Raw(), v.Raw)
	same(t, "PKCS #8", k.AppendPKCS8(nil), v.DER)
	p, err := key.ParsePublic(v.SPKI)
	if err != nil {
		t.Fatal(err)
	}
	if p != k.PublicKey() {
		t.Error("the public keys are not equal")
	}
	same(t, "public raw", p.Raw(), v.PublicRaw)
	same(t, "SPKI", p.AppendSPKI(nil), v.SPKI)
	same(t, "short SPKI", wire.AppendShort(nil, p.AppendSPKI(nil)), v.Encoded)
	for text, want := range map[string][]byte{v.Text: v.SPKI, v.PrivateStr: v.DER} {
		got, err := wire.ParseBase64(text)
		if err != nil || wire.Base64(want) != text {
			t.Errorf("text form: %v", err)
		}
		same(t, "text form", got, want)
	}
}

func keyEdge(t *testing.T, c vectors.Case) {
	type result struct {
		vectors.PublicKey
		Error string
	}
	var v struct {
		DER    vectors.Hex
		Any    result `json:"as_any_public_key"`
		Auth   result `json:"as_auth_key"`
		X25519 result `json:"as_x25519_key"`
	}
	c.Decode(t, &v)
	check := func(what string, got key.Public, err error, want result) {
		t.Helper()
		if want.Error != "" {
			if !errors.Is(err, key.ErrParse) {
				t.Errorf("%s: %v, the reference %s", what, err, want.Error)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got.Alg().String() != want.Alg {
			t.Errorf("%s: kind %v, want %s", what, got.Alg(), want.Alg)
		}
		same(t, what+": raw", got.Raw(), want.Raw)
		same(t, what+": SPKI", got.AppendSPKI(nil), want.DER)
	}
	k, err := key.ParsePublic(v.DER)
	check("any", k, err, v.Any)
	if err == nil && k.Alg() == key.X448 { // commands are authorized by any other kind
		err = key.ErrParse
	}
	check("auth", k, err, v.Auth)
	x, err := key.ParseX25519(v.DER)
	check("x25519", x, err, v.X25519)
}

func agreement(t *testing.T, c vectors.Case) {
	var v struct {
		Private1 vectors.PrivateKey `json:"private_1"`
		Private2 vectors.PrivateKey `json:"private_2"`
		Secret   vectors.Hex
	}
	c.Decode(t, &v)
	dh := func(a, b key.Private) []byte {
		var s []byte
		var err error
		switch a := a.(type) {
		case *key.X25519Private:
			s, err = a.DH(b.PublicKey().(key.X25519Public))
		case *key.X448Private:
			s, err = a.DH(b.PublicKey().(key.X448Public))
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := private(t, v.Private1.DER), private(t, v.Private2.DER)
	same(t, "secret", dh(a, b), v.Secret)
	same(t, "secret", dh(b, a), v.Secret)
}

func signature(t *testing.T, c vectors.Case) {
	var v struct {
		Private            vectors.PrivateKey
		Message, Signature vectors.Hex
	}
	c.Decode(t, &v)
	k := private(t, v.Private.DER).(key.SignKey)
	same(t, "signature", k.Sign(v.Message), v.Signature)
	p := k.PublicKey().(key.VerifyKey)
	if err := p.Verify(v.Message, v.Signature); err != nil {
		t.Error(err)
	}
	if err := p.Verify(append(v.Message, 0), v.Signature); !errors.Is(err, key.ErrSignature) {
		t.Errorf("another message: %v", err)
	}
	v.Signature[3] ^= 4
	if err := p.Verify(v.Message, v.Signature); !errors.Is(err, key.ErrSignature) {
		t.Errorf("another signature: %v", err)
	}
}

// The hashes are the standard library's; that they are the reference's too is
// what the other packages build on.
func hashes(t *testing.T, c vectors.Case) {
	var v struct {
		Message, SHA256, SHA512 vectors.Hex
		SHA3256                 vectors.Hex `json:"sha3_256"`
		SHA3384                 vectors.Hex `json:"sha3_384"`
	}
	c.Decode(t, &v)
	a, b, d, e := sha256.Sum256(v.Message), sha512.Sum512(v.Message), sha3.Sum256(v.Message), sha3.Sum384(v.Message)
	same(t, "SHA-256", a[:], v.SHA256)
	same(t, "SHA-512", b[:], v.SHA512)
	same(t, "SHA3-256", d[:], v.SHA3256)
	same(t, "SHA3-384", e[:], v.SHA3384)
}

func certChain(t *testing.T, c vectors.Case) {
	var v struct {
		Chain     []vectors.Hex      `json:"cert_chain_der_leaf_first"`
		Encoded   vectors.Hex        `json:"cert_chain_smp_encoded"`
		KeyHash   vectors.Hex        `json:"key_hash_sha256_of_last_cert"`
		HashText  string             `json:"key_hash_str"`
		LeafHash  vectors.Hex        `json:"leaf_fingerprint_sha256"`
		Leaf      vectors.PrivateKey `json:"leaf_private"`
		CA        vectors.PrivateKey `json:"ca_private"`
		X25519    vectors.PrivateKey
		Signed    vectors.Hex `json:"signed_x25519_der"`
		SignedSMP vectors.Hex `json:"signed_x25519_smp_encoded"`
		ToSign    vectors.Hex `json:"signed_x25519_to_be_signed"`
		Verifies  bool        `json:"signature_verifies_with_leaf_key"`
	}
	c.Decode(t, &v)
	b := wire.AppendListLen(nil, len(v.Chain))
	for i, der := range v.Chain {
		b = wire.AppendLarge(b, der)
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		want := []vectors.PrivateKey{v.Leaf, v.CA}[min(i, 1)]
		p, err := key.ParsePublic(cert.RawSubjectPublicKeyInfo)
		if err != nil || p != private(t, want.DER).PublicKey() {
			t.Errorf("key of certificate %d: %v", i, err)
		}
	}
	same(t, "chain", b, v.Encoded)
	leaf, last := sha256.Sum256(v.Chain[0]), sha256.Sum256(v.Chain[len(v.Chain)-1])
	same(t, "leaf", leaf[:], v.LeafHash)
	same(t, "key hash", last[:], v.KeyHash)
	if wire.Base64(last[:]) != v.HashText {
		t.Error("text of the key hash")
	}
	same(t, "large", wire.AppendLarge(nil, v.Signed), v.SignedSMP)
	var signed struct {
		Key       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(v.Signed, &signed); err != nil || len(rest) > 0 {
		t.Fatal(err, len(rest))
	}
	same(t, "what is signed", signed.Key.FullBytes, v.ToSign)
	same(t, "the signed key", signed.Key.Bytes, x25519(t, v.X25519).Public().AppendSPKI(nil)) // a sequence of it alone
	err := private(t, v.Leaf.DER).PublicKey().(key.VerifyKey).Verify(v.ToSign, signed.Signature.Bytes)
	if (err == nil) != v.Verifies {
		t.Error(err)
	}
}
