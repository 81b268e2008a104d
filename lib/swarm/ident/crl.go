package ident

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// CRL is a list of device certificates that an account has taken back.
type CRL struct {
	x       *x509.RevocationList
	revoked map[string]bool
}

// ParseCRL reads the first PEM block of b, or b as DER.
func ParseCRL(b []byte) (*CRL, error) {
	if len(b) > MaxCertificateFile {
		return nil, fmt.Errorf("ident: list of %d bytes: %w", len(b), ErrCertificate)
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	x, err := x509.ParseRevocationList(b)
	if err != nil {
		return nil, fmt.Errorf("ident: %v: %w", err, ErrCertificate)
	}
	l := &CRL{x: x, revoked: make(map[string]bool, len(x.RevokedCertificateEntries))}
	for _, e := range x.RevokedCertificateEntries {
		l.revoked[e.SerialNumber.String()] = true
	}
	return l, nil
}

// Revokes tells whether the list names the certificate. Once named it stays so,
// whatever time the list gives: a revoked device can choose its dates.
func (l *CRL) Revokes(c *Certificate) bool { return l.revoked[c.x.SerialNumber.String()] }

// Number grows with every list of an account; a list without one has 0.
func (l *CRL) Number() *big.Int {
	if l.x.Number == nil {
		return new(big.Int)
	}
	return l.x.Number
}

// SignedBy checks that the account made the list; the error wraps ErrSignature.
func (l *CRL) SignedBy(account *Certificate) error {
	if !bytes.Equal(l.x.RawIssuer, account.x.RawSubject) {
		return fmt.Errorf("ident: list of another account: %w", ErrSignature)
	}
	if err := l.x.CheckSignatureFrom(account.x); err != nil {
		return fmt.Errorf("ident: list: %v: %w", err, ErrSignature)
	}
	return nil
}

// Includes tells whether everything that old names is named here too.
func (l *CRL) Includes(old *CRL) bool {
	for s := range old.revoked {
		if !l.revoked[s] {
			return false
		}
	}
	return true
}

// Revoke makes a list of all certificates of old, which may be nil, and certs.
// It returns the list in PEM.
func (a *Account) Revoke(old *CRL, now time.Time, certs ...*Certificate) ([]byte, error) {
	t := &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now.UTC(), NextUpdate: now.UTC().Add(Lifetime),
		SignatureAlgorithm: x509.SHA384WithRSA,
	}
	if old != nil {
		t.Number = new(big.Int).Add(old.Number(), big.NewInt(1))
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, old.x.RevokedCertificateEntries...)
	}
	for _, c := range certs {
		if old == nil || !old.Revokes(c) {
			t.RevokedCertificateEntries = append(t.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: c.x.SerialNumber, RevocationTime: now.UTC()})
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, t, a.Cert.x, a.key)
	if err != nil {
		return nil, fmt.Errorf("ident: list: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), nil
}
