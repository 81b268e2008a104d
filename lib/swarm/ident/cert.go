package ident

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Limits of what is read as a certificate or a revocation list.
const (
	MaxCertificateFile = 64 << 10
	minBits, maxBits   = 2048, 8192
)

// ErrCertificate is wrapped by what ParseCertificate, ParseChain and ParseCRL
// return for bytes that are not what they should be.
var ErrCertificate = errors.New("malformed certificate")

// ErrSignature is wrapped by the errors of SignedBy and Verify.
var ErrSignature = errors.New("bad signature")

var oidUID = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}

// Certificate is the certificate of a CA, an account or a device. It does not
// change and may be shared.
type Certificate struct {
	x      *x509.Certificate
	key    *rsa.PublicKey
	uri    URI
	device DeviceID
	issuer URI
}

// ParseCertificate reads the first PEM block of b, or b as DER.
func ParseCertificate(b []byte) (*Certificate, error) {
	if len(b) > MaxCertificateFile {
		return nil, fmt.Errorf("ident: %d bytes: %w", len(b), ErrCertificate)
	}
	if block, _ := pem.Decode(b); block != nil {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("ident: PEM block %q: %w", block.Type, ErrCertificate)
		}
		b = block.Bytes
	}
	return parseDER(b)
}

// ParseChain reads all PEM blocks of b, at most 4: an account and its CA, or a
// device, its account and the CA.
func ParseChain(b []byte) ([]*Certificate, error) {
	if len(b) > MaxCertificateFile {
		return nil, fmt.Errorf("ident: %d bytes: %w", len(b), ErrCertificate)
	}
	var out []*Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := parseDER(block.Bytes)
		if err != nil {
			return nil, err
		}
		if out = append(out, c); len(out) > 4 {
			return nil, fmt.Errorf("ident: chain of more than 4: %w", ErrCertificate)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("ident: no PEM block: %w", ErrCertificate)
	}
	return out, nil
}

func parseDER(der []byte) (*Certificate, error) {
	x, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("ident: %v: %w", err, ErrCertificate)
	}
	key, ok := x.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("ident: key of kind %v: %w", x.PublicKeyAlgorithm, ErrCertificate)
	}
	if n := key.N.BitLen(); n < minBits || n > maxBits {
		return nil, fmt.Errorf("ident: key of %d bits: %w", n, ErrCertificate)
	}
	c := &Certificate{x: x, key: key}
	c.uri = sha1.Sum(x.RawSubjectPublicKeyInfo)
	c.device = sha256.Sum256(x.RawSubjectPublicKeyInfo)
	for _, n := range x.Issuer.Names {
		if s, ok := n.Value.(string); ok && n.Type.Equal(oidUID) {
			if u, err := ParseURI(s); err == nil {
				c.issuer = u
			}
		}
	}
	return c, nil
}

// URI is the name of the key as an account.
func (c *Certificate) URI() URI { return c.uri }

// DeviceID is the name of the key as a device.
func (c *Certificate) DeviceID() DeviceID { return c.device }

// Issuer is the account that the certificate claims to be signed by; ok is
// false if it names none.
func (c *Certificate) Issuer() (u URI, ok bool) { return c.issuer, !c.issuer.IsZero() }

// Serial is the serial number, which may be negative. The caller must not
// change it.
func (c *Certificate) Serial() *big.Int { return c.x.SerialNumber }

// Validity is the time from which and until which the certificate holds.
func (c *Certificate) Validity() (from, until time.Time) { return c.x.NotBefore, c.x.NotAfter }

// ExpiredAt tells whether the certificate ended before t. Certificates are
// young when a conversation begins and clocks differ, so that a t before the
// certificate's beginning is not looked at.
func (c *Certificate) ExpiredAt(t time.Time) bool { return t.After(c.x.NotAfter) }

// DER is the certificate's bytes, which the caller must not change.
func (c *Certificate) DER() []byte { return c.x.Raw }

// PEM is the certificate as it stands in files.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.x.Raw})
}

// Equal tells whether both are the same bytes.
func (c *Certificate) Equal(o *Certificate) bool {
	return c != nil && o != nil && bytes.Equal(c.x.Raw, o.x.Raw)
}

// SameKey tells whether both certify the same key.
func (c *Certificate) SameKey(o *Certificate) bool { return c.device == o.device }

// SignedBy checks the signature that parent should have made; the error wraps
// ErrSignature. Nothing but the signature and the right to sign is looked at.
func (c *Certificate) SignedBy(parent *Certificate) error {
	if err := c.x.CheckSignatureFrom(parent.x); err != nil {
		return fmt.Errorf("ident: certificate: %v: %w", err, ErrSignature)
	}
	return nil
}

// Verify checks a signature over the SHA-512 of message, PKCS #1 v1.5, made
// with the key of the certificate. The error is ErrSignature.
func (c *Certificate) Verify(hashed, sig []byte) error {
	if rsa.VerifyPKCS1v15(c.key, crypto.SHA512, hashed, sig) != nil {
		return ErrSignature
	}
	return nil
}

// X509 is the certificate in the form of the standard library, to hand to TLS.
// The caller must not change it.
func (c *Certificate) X509() *x509.Certificate { return c.x }

// PublicKey is the certified key.
func (c *Certificate) PublicKey() *rsa.PublicKey { return c.key }
