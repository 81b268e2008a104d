package ident

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"time"
)

// KeyBits is the size of the keys made here.
const KeyBits = 4096

// Lifetime is how long the certificates made here hold: ten years of 365 days.
const Lifetime = 3650 * 24 * time.Hour

// Account is the key of an account: what makes its devices and revokes them.
type Account struct {
	key      *rsa.PrivateKey
	Cert, CA *Certificate
}

// Device is the key that writes commits.
type Device struct {
	key *rsa.PrivateKey
	// Cert is the device's certificate, Account that of its account, CA the one
	// above it, which may be nil.
	Cert, Account, CA *Certificate
}

// NewAccount makes a CA and an account below it. It takes seconds.
func NewAccount(now time.Time) (*Account, error) {
	ca, err := rsa.GenerateKey(rand.Reader, KeyBits)
	if err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, KeyBits)
	if err != nil {
		return nil, err
	}
	return newAccount(ca, key, now)
}

func newAccount(ca, key *rsa.PrivateKey, now time.Time) (*Account, error) {
	caCert, err := issue("Jami CA", &ca.PublicKey, nil, ca, true, now)
	if err != nil {
		return nil, err
	}
	cert, err := issue("Jami", &key.PublicKey, caCert, ca, true, now)
	if err != nil {
		return nil, err
	}
	return &Account{key: key, Cert: cert, CA: caCert}, nil
}

// NewDevice makes a device of the account. It takes seconds.
func (a *Account) NewDevice(now time.Time) (*Device, error) {
	key, err := rsa.GenerateKey(rand.Reader, KeyBits)
	if err != nil {
		return nil, err
	}
	return a.deviceOf(key, now)
}

func (a *Account) deviceOf(key *rsa.PrivateKey, now time.Time) (*Device, error) {
	cert, err := a.Certify(&key.PublicKey, now)
	if err != nil {
		return nil, err
	}
	return &Device{key: key, Cert: cert, Account: a.Cert, CA: a.CA}, nil
}

// Certify makes a certificate for a device whose key is elsewhere; also a new
// one for a device whose certificate ends.
func (a *Account) Certify(key *rsa.PublicKey, now time.Time) (*Certificate, error) {
	return issue("Jami device", key, a.Cert, a.key, false, now)
}

// URI is the name of the account.
func (a *Account) URI() URI { return a.Cert.URI() }

func uidName(cn string, spkiSHA1 URI) pkix.Name {
	return pkix.Name{CommonName: cn, ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: oidUID, Value: spkiSHA1.String()},
	}}
}

// issue makes a certificate; without a parent it signs itself.
func issue(cn string, pub *rsa.PublicKey, parent *Certificate, by *rsa.PrivateKey, ca bool, now time.Time) (*Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<63-2))
	if err != nil {
		return nil, err
	}
	id := sha1.Sum(spki)
	t := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: uidName(cn, id),
		NotBefore: now.UTC().Truncate(time.Second), NotAfter: now.UTC().Truncate(time.Second).Add(Lifetime),
		SignatureAlgorithm: x509.SHA384WithRSA,
	}
	if ca {
		t.IsCA, t.BasicConstraintsValid, t.SubjectKeyId = true, true, id[:]
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	signer := t
	if parent != nil {
		// A copy without the key id: certificates here name their issuer only.
		p := *parent.x
		p.SubjectKeyId = nil
		signer = &p
	}
	der, err := x509.CreateCertificate(rand.Reader, t, signer, pub, by)
	if err != nil {
		return nil, fmt.Errorf("ident: certificate of %s: %w", cn, err)
	}
	return parseDER(der)
}

// ID is the name of the device.
func (d *Device) ID() DeviceID { return d.Cert.DeviceID() }

// URI is the name of the device's account.
func (d *Device) URI() URI { return d.Account.URI() }

// Sign signs the SHA-512 of message, PKCS #1 v1.5, as commits want it.
func (d *Device) Sign(message []byte) ([]byte, error) {
	h := sha512.Sum512(message)
	return rsa.SignPKCS1v15(nil, d.key, crypto.SHA512, h[:])
}

// Signer is the private key, for TLS.
func (d *Device) Signer() crypto.Signer { return d.key }

// AccountPEM is the account's certificate and that of its CA, as it stands in
// admins/ and members/.
func (d *Device) AccountPEM() []byte { return chainPEM(d.Account, d.CA) }

func chainPEM(certs ...*Certificate) []byte {
	var out []byte
	for _, c := range certs {
		if c != nil {
			out = append(out, c.PEM()...)
		}
	}
	return out
}

// MarshalPEM is the account with its key in the clear, to be kept in a sealed
// archive.
func (a *Account) MarshalPEM() ([]byte, error) { return keyPEM(a.key, a.Cert, a.CA) }

// MarshalPEM is the device with its key in the clear, to be kept in a sealed
// place.
func (d *Device) MarshalPEM() ([]byte, error) { return keyPEM(d.key, d.Cert, d.Account, d.CA) }

func keyPEM(key *rsa.PrivateKey, certs ...*Certificate) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), chainPEM(certs...)...), nil
}

// ErrKey is wrapped by the errors of ParseAccount and ParseDevice.
var ErrKey = errors.New("malformed key file")

// ParseAccount reads what MarshalPEM of an account wrote.
func ParseAccount(b []byte) (*Account, error) {
	key, chain, err := parseKeyed(b)
	if err != nil {
		return nil, err
	}
	a := &Account{key: key, Cert: chain[0]}
	if len(chain) > 1 {
		a.CA = chain[1]
	}
	return a, nil
}

// ParseDevice reads what MarshalPEM of a device wrote: a key, then the
// certificates of device, account and, if any, CA. The chain must hold.
func ParseDevice(b []byte) (*Device, error) {
	key, chain, err := parseKeyed(b)
	if err != nil {
		return nil, err
	}
	if len(chain) < 2 {
		return nil, fmt.Errorf("ident: device without the certificate of its account: %w", ErrKey)
	}
	if err := chain[0].SignedBy(chain[1]); err != nil {
		return nil, err
	}
	d := &Device{key: key, Cert: chain[0], Account: chain[1]}
	if len(chain) > 2 {
		d.CA = chain[2]
	}
	return d, nil
}

func parseKeyed(b []byte) (*rsa.PrivateKey, []*Certificate, error) {
	if len(b) > MaxCertificateFile {
		return nil, nil, fmt.Errorf("ident: %d bytes: %w", len(b), ErrKey)
	}
	var key *rsa.PrivateKey
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if k, err := parseKey(block); err == nil && k != nil {
			key = k
			break
		}
	}
	if key == nil {
		return nil, nil, fmt.Errorf("ident: no private key: %w", ErrKey)
	}
	chain, err := ParseChain(b)
	if err != nil {
		return nil, nil, err
	}
	if !key.PublicKey.Equal(chain[0].key) {
		return nil, nil, fmt.Errorf("ident: key of another certificate: %w", ErrKey)
	}
	return key, chain, nil
}

func parseKey(block *pem.Block) (*rsa.PrivateKey, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		r, _ := k.(*rsa.PrivateKey)
		return r, err
	}
	return nil, nil
}

// Format writes the name only: keys are not for logs.
func (a *Account) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "account "+a.URI().String()[:8])
}

// Format writes the name only: keys are not for logs.
func (d *Device) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "device "+d.ID().String()[:8]) }

// LogValue is the short name.
func (a *Account) LogValue() slog.Value { return slog.StringValue(hex.EncodeToString(a.Cert.uri[:4])) }

// LogValue is the short name.
func (d *Device) LogValue() slog.Value {
	return slog.StringValue(hex.EncodeToString(d.Cert.device[:4]))
}
