package smp

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ErrChain is wrapped by the errors about certificate chains and signed keys.
var ErrChain = errors.New("smp: bad certificate chain")

// CertChainKey is a session key signed with the key of a certificate:
//
//	list of large DER certificates, leaf first; large DER of
//	SEQUENCE { SEQUENCE { SubjectPublicKeyInfo }, AlgorithmIdentifier, BIT STRING }
//
// The signature is over the inner sequence.
type CertChainKey struct {
	Chain     [][]byte
	SignedKey []byte
}

// Append appends the encoding.
func (c CertChainKey) Append(b []byte) []byte {
	b = wire.AppendListLen(b, len(c.Chain))
	for _, cert := range c.Chain {
		b = wire.AppendLarge(b, cert)
	}
	return wire.AppendLarge(b, c.SignedKey)
}

// certChainKey reads the parts and checks that they are certificates and a
// signed key; signatures are for [CertChainKey.Verify].
func certChainKey(d *wire.Decoder) CertChainKey {
	var c CertChainKey
	n := d.ListLen(1)
	for i := 0; i < n && d.Err() == nil; i++ {
		c.Chain = append(c.Chain, d.Large())
	}
	c.SignedKey = d.Large()
	if d.Err() != nil {
		return CertChainKey{}
	}
	for _, cert := range c.Chain {
		if _, err := x509.ParseCertificate(cert); err != nil {
			d.Fail(fmt.Errorf("%w: %w: %v", wire.ErrSyntax, ErrChain, err))
		}
	}
	if _, err := parseSigned(c.SignedKey); err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	return c
}

// Identity is the fingerprint of the identity certificate: the second one,
// the first if it is alone; empty for a chain that is none (over 4, or 0).
func (c CertChainKey) Identity() Fingerprint { return ChainIdentity(c.Chain) }

// ChainIdentity is the fingerprint of the identity certificate of a chain,
// leaf first: SHA-256 of the second one, of the first if it is alone; empty
// for no or more than 4 certificates.
func ChainIdentity(chain [][]byte) Fingerprint {
	var id []byte
	switch len(chain) {
	case 1:
		id = chain[0]
	case 2, 3, 4:
		id = chain[1]
	default:
		return ""
	}
	h := sha256.Sum256(id)
	return Fingerprint(h[:])
}

// Leaf is the signature key of the first certificate. The error is
// [ErrChain].
func (c CertChainKey) Leaf() (key.VerifyKey, error) {
	if len(c.Chain) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrChain)
	}
	cert, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrChain, err)
	}
	k, err := key.ParseVerifyKey(cert.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, fmt.Errorf("%w: leaf: %w", ErrChain, err)
	}
	return k, nil
}

// Verify checks the signature of the session key with leaf, which must be
// the key that the peer has proved in TLS, and gives the session key. The
// errors are [ErrChain] and key.ErrSignature.
func (c CertChainKey) Verify(leaf key.VerifyKey) (key.Public, error) {
	s, err := parseSigned(c.SignedKey)
	if err != nil {
		return nil, err
	}
	if alg := leaf.Alg(); !s.Algorithm.Equal(oids[alg]) {
		return nil, fmt.Errorf("%w: signed with another kind of key than %v", ErrChain, alg)
	}
	if err := leaf.Verify(s.Key.FullBytes, s.Signature.RightAlign()); err != nil {
		return nil, fmt.Errorf("%w: signed key: %w", ErrChain, err)
	}
	return key.ParsePublic(s.Key.Bytes)
}

// VerifyServer is what a client checks in a relay's hello or in PKEY: the
// identity and the signed X25519 key. leaf is as in Verify; with nil the
// chain's own leaf is taken. The error is [ErrHandshakeBadAuth].
func (c CertChainKey) VerifyServer(identity Fingerprint, leaf key.VerifyKey) (key.X25519Public, error) {
	fail := func(err error) (key.X25519Public, error) {
		return key.X25519Public{}, fmt.Errorf("%w: %w", ErrHandshakeBadAuth, err)
	}
	if len(c.Chain) < 2 || c.Identity() != identity {
		return fail(fmt.Errorf("%w: another identity", ErrChain))
	}
	if leaf == nil {
		var err error
		if leaf, err = c.Leaf(); err != nil {
			return fail(err)
		}
	}
	k, err := c.Verify(leaf)
	if err != nil {
		return fail(err)
	}
	x, ok := k.(key.X25519Public)
	if !ok {
		return fail(fmt.Errorf("%w: signed key is %v", ErrChain, k.Alg()))
	}
	return x, nil
}

var oids = map[key.Alg]asn1.ObjectIdentifier{
	key.Ed25519: {1, 3, 101, 112},
	key.Ed448:   {1, 3, 101, 113},
}

type signedObject struct {
	Key       asn1.RawValue
	Algorithm asn1.ObjectIdentifier
	Signature asn1.BitString
}

func parseSigned(der []byte) (signedObject, error) {
	var s struct {
		Key       asn1.RawValue
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Signature asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &s)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes left over", len(rest))
	}
	if err != nil {
		return signedObject{}, fmt.Errorf("%w: signed key: %v", ErrChain, err)
	}
	if _, err := key.ParsePublic(s.Key.Bytes); err != nil {
		return signedObject{}, fmt.Errorf("%w: signed key: %w", ErrChain, err)
	}
	return signedObject{s.Key, s.Algorithm.OID, s.Signature}, nil
}

// SignKey makes a CertChainKey: k signed with the key of the chain's leaf.
func SignKey(chain [][]byte, leaf key.SignKey, k key.Public) (CertChainKey, error) {
	oid, ok := oids[leaf.Alg()]
	if !ok {
		return CertChainKey{}, fmt.Errorf("%w: %v cannot sign", ErrChain, leaf.Alg())
	}
	object, err := asn1.Marshal(struct{ Key asn1.RawValue }{asn1.RawValue{FullBytes: k.AppendSPKI(nil)}})
	if err != nil {
		return CertChainKey{}, fmt.Errorf("%w: %v", ErrChain, err)
	}
	sig := leaf.Sign(object)
	der, err := asn1.Marshal(struct {
		Key       asn1.RawValue
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: object}, struct{ OID asn1.ObjectIdentifier }{oid},
		asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}})
	if err != nil {
		return CertChainKey{}, fmt.Errorf("%w: %v", ErrChain, err)
	}
	return CertChainKey{Chain: chain, SignedKey: der}, nil
}
