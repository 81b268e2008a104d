package transport

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	"github.com/cloudflare/circl/sign/ed448"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	tls "github.com/simplexkit/simplexkit/lib/transport/gotls"
)

// validity is how long generated certificates are valid: about 100 years. A
// relay's identity is its CA certificate, so it must not run out.
const validity = 36500 * 24 * time.Hour

// backdate covers peers whose clocks are slow.
const backdate = time.Hour

// Credential is a certificate chain with the private key of its leaf.
// It must not change once it is in use, and is passed by pointer.
type Credential struct {
	Chain Chain
	Key   key.SignKey

	ready atomic.Pointer[tls.Certificate] // the form for TLS, made once
}

// CA is a self-signed certificate and its key, kept offline: it only signs
// leaves. The SHA-256 of Cert is the fingerprint in addresses.
type CA struct {
	Cert []byte      // DER
	Key  key.SignKey // Ed25519 or Ed448
}

// GenerateCA makes a CA with an Ed25519 key. The name is its subject, such as
// "SMP server CA"; valid from an hour before now.
func GenerateCA(name string, now time.Time) (*CA, error) {
	k := key.GenerateEd25519()
	t := template(name, now)
	t.IsCA = true
	t.SubjectKeyId = k.Public().Raw()[:20]
	der, err := x509.CreateCertificate(rand.Reader, t, t, stdPublic(k), stdPrivate(k))
	if err != nil {
		return nil, fmt.Errorf("%w: CA: %v", ErrCredential, err)
	}
	return &CA{Cert: der, Key: k}, nil
}

// GenerateLeaf makes a key and a certificate under the CA. The name is the
// subject, such as the relay's host; peers do not check it.
func (ca *CA) GenerateLeaf(name string, now time.Time) (*Credential, error) {
	parent, err := x509.ParseCertificate(ca.Cert)
	if err != nil {
		return nil, fmt.Errorf("%w: CA: %v", ErrCredential, err)
	}
	k := key.GenerateEd25519()
	t := template(name, now)
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyAgreement
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	var der []byte
	switch signer := ca.Key.(type) {
	case *key.Ed25519Private:
		der, err = x509.CreateCertificate(rand.Reader, t, parent, stdPublic(k), stdPrivate(signer))
	case *key.Ed448Private:
		der, err = createEd448(t, parent, stdPublic(k), signer)
	default:
		err = errors.New("no key")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: leaf: %v", ErrCredential, err)
	}
	return &Credential{Chain: Chain{der, ca.Cert}, Key: k}, nil
}

// createEd448 is x509.CreateCertificate for a CA with an Ed448 key, which
// crypto/x509 does not know: it has the certificate made with an Ed25519 key
// that nobody keeps, names Ed448 in it and signs it anew.
func createEd448(t, parent *x509.Certificate, pub crypto.PublicKey, signer *key.Ed448Private) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, stdPrivate(key.GenerateEd25519()))
	if err != nil {
		return nil, err
	}
	var cert struct {
		TBS asn1.RawValue
		Alg asn1.RawValue
		Sig asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &cert); err != nil {
		return nil, err
	}
	// AlgorithmIdentifiers of both have the same length and no parameters. In
	// the signed part it follows version and serial number, before any name.
	ed25519ID, ed448ID := []byte{0x30, 5, 6, 3, 43, 101, 112}, []byte{0x30, 5, 6, 3, 43, 101, 113}
	if !bytes.Equal(cert.Alg.FullBytes, ed25519ID) || !bytes.Contains(cert.TBS.FullBytes, ed25519ID) {
		return nil, errors.New("unexpected algorithm")
	}
	tbs := bytes.Replace(cert.TBS.FullBytes, ed25519ID, ed448ID, 1)
	sig := signer.Sign(tbs)
	return asn1.Marshal(struct {
		TBS asn1.RawValue
		Alg asn1.RawValue
		Sig asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, asn1.RawValue{FullBytes: ed448ID}, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}})
}

func template(name string, now time.Time) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // crypto/rand.Read never returns an error
	serial[0] = serial[0]&0x7f | 0x40
	return &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{CommonName: name, Organization: []string{"SimpleX"}},
		NotBefore:             now.Add(-backdate).UTC(),
		NotAfter:              now.Add(validity).UTC(),
		BasicConstraintsValid: true,
	}
}

func stdPublic(k *key.Ed25519Private) crypto.PublicKey {
	return ed25519.PublicKey(k.Public().Raw())
}

func stdPrivate(k *key.Ed25519Private) ed25519.PrivateKey {
	seed := k.Raw()
	defer clear(seed)
	return ed25519.NewKeyFromSeed(seed)
}

// Check tells whether the key is the leaf's and the chain good at now. The
// errors are [ErrCredential] and [ErrChain].
func (c *Credential) Check(now time.Time) error {
	if c == nil || c.Key == nil {
		return fmt.Errorf("%w: no key", ErrCredential)
	}
	if err := c.Chain.Verify(now, 1); err != nil {
		return err
	}
	leaf, err := c.Chain.LeafKey()
	if err != nil {
		return err
	}
	if key.Public(leaf) != c.Key.PublicKey() {
		return fmt.Errorf("%w: the key is not the leaf's", ErrCredential)
	}
	return nil
}

// tls is the form that crypto/tls wants. Leaf keys of Ed448 need the patched
// copy of it.
func (c *Credential) tls() (*tls.Certificate, error) {
	if c == nil {
		return nil, fmt.Errorf("%w: none", ErrCredential)
	}
	if out := c.ready.Load(); out != nil {
		return out, nil
	}
	out := &tls.Certificate{Certificate: c.Chain}
	switch k := c.Key.(type) {
	case *key.Ed25519Private:
		out.PrivateKey = stdPrivate(k)
	case *key.Ed448Private:
		if !tls.Patched {
			return nil, fmt.Errorf("%w: this build cannot use an ed448 leaf", ErrCredential)
		}
		seed := k.Raw()
		defer clear(seed)
		out.PrivateKey = ed448.NewKeyFromSeed(seed)
	default:
		return nil, fmt.Errorf("%w: no key", ErrCredential)
	}
	c.ready.Store(out)
	return out, nil
}

// PEM block types.
const (
	pemCert = "CERTIFICATE"
	pemKey  = "PRIVATE KEY"
)

// AppendPEM appends the chain's certificates, each as a PEM block.
func (c Chain) AppendPEM(b []byte) []byte {
	for _, der := range c {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: der})...)
	}
	return b
}

// ParseChainPEM reads all certificates of PEM text, leaf first, with other
// blocks and words between them skipped. The error is [ErrCredential].
func ParseChainPEM(text []byte) (Chain, error) {
	var c Chain
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemCert {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("%w: certificate %d: %v", ErrCredential, len(c)+1, err)
		}
		c = append(c, block.Bytes)
	}
	if len(c) == 0 {
		return nil, fmt.Errorf("%w: no certificate in PEM text", ErrCredential)
	}
	return c, nil
}

// AppendKeyPEM appends a signature key as PKCS #8 PEM, for files of mode 0600.
func AppendKeyPEM(b []byte, k key.SignKey) []byte {
	der := k.AppendPKCS8(nil)
	defer clear(der)
	return append(b, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})...)
}

// ParseKeyPEM reads the first private key of PEM text, Ed25519 or Ed448. The
// error is [ErrCredential] and does not hold the input.
func ParseKeyPEM(text []byte) (key.SignKey, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemKey {
			continue
		}
		p, err := key.ParsePrivate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: private key is neither ed25519 nor ed448", ErrCredential)
		}
		k, ok := p.(key.SignKey)
		if !ok {
			return nil, fmt.Errorf("%w: private key is %v", ErrCredential, p.Alg())
		}
		return k, nil
	}
	return nil, fmt.Errorf("%w: no private key in PEM text", ErrCredential)
}
