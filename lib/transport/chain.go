package transport

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
)

// MaxChain is the greatest number of certificates in a chain.
const MaxChain = 4

// Chain is a certificate chain in DER, leaf first.
type Chain [][]byte

// Identity is the SHA-256 of the certificate that names the peer: the second,
// or the only one. It is zero for an empty chain.
func (c Chain) Identity() (fp [sha256.Size]byte) {
	switch len(c) {
	case 0:
		return fp
	case 1:
		return sha256.Sum256(c[0])
	}
	return sha256.Sum256(c[1])
}

// Equal tells whether both chains hold the same bytes.
func (c Chain) Equal(o Chain) bool {
	if len(c) != len(o) {
		return false
	}
	for i := range c {
		if !bytes.Equal(c[i], o[i]) {
			return false
		}
	}
	return true
}

// LeafKey is the key of the first certificate, Ed25519 or Ed448. The error is
// [ErrChain].
func (c Chain) LeafKey() (key.VerifyKey, error) {
	if len(c) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrChain)
	}
	cert, err := x509.ParseCertificate(c[0])
	if err != nil {
		return nil, fmt.Errorf("%w: leaf: %v", ErrChain, err)
	}
	return certKey(cert)
}

// Verify checks the chain at a time: at least shortest and at most [MaxChain]
// certificates, each signed by the next. The last is the anchor and trusted as
// it is; the others must be valid at now, and those between leaf and anchor
// marked as CA. A single certificate must have signed itself. The error is
// [ErrChain].
func (c Chain) Verify(now time.Time, shortest int) error {
	if len(c) < max(shortest, 1) || len(c) > MaxChain {
		return fmt.Errorf("%w: %d certificates", ErrChain, len(c))
	}
	certs := make([]*x509.Certificate, len(c))
	for i, der := range c {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%w: certificate %d: %v", ErrChain, i+1, err)
		}
		certs[i] = cert
	}
	anchor := certs[len(certs)-1]
	for i, cert := range certs {
		if i > 0 && cert == anchor {
			break
		}
		issuer := anchor
		if i+1 < len(certs) {
			issuer = certs[i+1]
		}
		err := checkCert(cert, i, now)
		if err == nil {
			err = checkIssuer(cert, issuer)
		}
		if err != nil {
			return fmt.Errorf("%w: certificate %d: %w", ErrChain, i+1, err)
		}
	}
	return nil
}

func checkCert(cert *x509.Certificate, depth int, now time.Time) error {
	if now.Before(cert.NotBefore) {
		return fmt.Errorf("not valid before %s", cert.NotBefore.Format(time.RFC3339))
	}
	if now.After(cert.NotAfter) {
		return fmt.Errorf("expired %s", cert.NotAfter.Format(time.RFC3339))
	}
	if depth == 0 {
		return nil
	}
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return fmt.Errorf("not marked as CA")
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Errorf("may not sign certificates")
	}
	// MaxPathLen counts the CA certificates between this one and the leaf.
	if (cert.MaxPathLen > 0 || cert.MaxPathLenZero) && depth-1 > cert.MaxPathLen {
		return fmt.Errorf("has %d CAs below it, may have %d", depth-1, cert.MaxPathLen)
	}
	return nil
}

func checkIssuer(cert, issuer *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return fmt.Errorf("issuer is not the next one's subject")
	}
	k, err := certKey(issuer)
	if err != nil {
		return err
	}
	alg, err := signatureAlg(cert.Raw)
	if err != nil {
		return err
	}
	if alg != k.Alg() {
		return fmt.Errorf("signed with %v, the issuer's key is %v", alg, k.Alg())
	}
	if k.Verify(cert.RawTBSCertificate, cert.Signature) != nil {
		return fmt.Errorf("wrong signature")
	}
	return nil
}

// certKey is the certificate's key; crypto/x509 leaves Ed448 keys unparsed.
func certKey(cert *x509.Certificate) (key.VerifyKey, error) {
	if k, ok := cert.PublicKey.(ed25519.PublicKey); ok {
		return key.Ed25519Public(k), nil
	}
	k, err := key.ParseVerifyKey(cert.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, fmt.Errorf("%w: key is neither ed25519 nor ed448", ErrChain)
	}
	return k, nil
}

// signatureAlg reads the algorithm outside the signed part of a certificate
// that crypto/x509 has parsed, and so found equal to the one inside.
func signatureAlg(der []byte) (key.Alg, error) {
	var outer struct {
		TBS asn1.RawValue
		Alg struct {
			OID    asn1.ObjectIdentifier
			Params asn1.RawValue `asn1:"optional"`
		}
		Sig asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return 0, fmt.Errorf("signature algorithm: %v", err)
	}
	switch {
	case outer.Alg.OID.Equal(asn1.ObjectIdentifier{1, 3, 101, 112}):
		return key.Ed25519, nil
	case outer.Alg.OID.Equal(asn1.ObjectIdentifier{1, 3, 101, 113}):
		return key.Ed448, nil
	}
	return 0, fmt.Errorf("signature algorithm %v", outer.Alg.OID)
}
