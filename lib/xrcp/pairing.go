package xrcp

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// ErrRecord is returned for a stored pairing that cannot be read. Its text does
// not hold the input.
var ErrRecord = errors.New("xrcp: bad record of a pairing")

// CA is what one side of one pairing is known by: a self-signed certificate and
// its key. A leaf is made for every session and never stored.
//
// xrcp: Establishing TLS connection
type CA struct {
	Cert []byte // DER
	Key  *key.Ed25519Private
}

// Certificates are good for a long time, as the reference's: nobody renews them.
const (
	caBackdate   = 25 * time.Hour
	leafBackdate = time.Hour
	validity     = 100 * 365 * 24 * time.Hour
)

// NewCA makes a CA for a new pairing.
func NewCA(now time.Time) (*CA, error) {
	k := key.GenerateEd25519()
	t := template("ca", now, caBackdate)
	der, err := sign(t, t, k.Public(), k)
	if err != nil {
		return nil, fmt.Errorf("xrcp: making a CA: %w", err)
	}
	return &CA{Cert: der, Key: k}, nil
}

// Fingerprint is the identity.
func (c *CA) Fingerprint() Fingerprint { return FingerprintOf(c.Cert) }

// Leaf makes a certificate for one session: the chain, leaf first, and the
// leaf's key.
func (c *CA) Leaf(now time.Time) (chain [][]byte, k *key.Ed25519Private, err error) {
	parent, err := x509.ParseCertificate(c.Cert)
	if err != nil {
		return nil, nil, fmt.Errorf("xrcp: making a leaf: %w", err)
	}
	k = key.GenerateEd25519()
	der, err := sign(template("localhost", now, leafBackdate), parent, k.Public(), c.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("xrcp: making a leaf: %w", err)
	}
	return [][]byte{der, c.Cert}, k, nil
}

// template has no extensions, like the certificates of the reference.
func template(name string, now time.Time, backdate time.Duration) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-backdate).UTC(),
		NotAfter:     now.Add(validity).UTC(),
	}
}

func sign(t, parent *x509.Certificate, pub key.Ed25519Public, by *key.Ed25519Private) ([]byte, error) {
	seed := by.Raw()
	defer clear(seed)
	return x509.CreateCertificate(rand.Reader, t, parent, ed25519.PublicKey(pub.Raw()), ed25519.NewKeyFromSeed(seed))
}

// HostPairing is what a controller keeps of its pairing with one host.
type HostPairing struct {
	CA *CA                 // this controller's, for this host only
	ID *key.Ed25519Private // signs invitations and commands
	// Host is nil until the first session.
	Host *KnownHost
}

// KnownHost is a host that a session was had with.
type KnownHost struct {
	Fingerprint Fingerprint
	DH          key.X25519Public // of the last session: announcements are sealed for it
}

// NewHostPairing makes the keys for a host that is yet to come.
func NewHostPairing(now time.Time) (*HostPairing, error) {
	ca, err := NewCA(now)
	if err != nil {
		return nil, err
	}
	return &HostPairing{CA: ca, ID: key.GenerateEd25519()}, nil
}

// ControllerPairing is what a host keeps of its pairing with one controller.
type ControllerPairing struct {
	CA         *CA         // this host's, for this controller only
	Controller Fingerprint // the controller's CA
	IDKey      key.Ed25519Public
	// DH is this host's key of the latest session, or of one that was begun.
	DH *key.X25519Private
	// PrevDH is the key before, nil in the first session. The controller may
	// not have got DH, and then announces itself with this one.
	PrevDH *key.X25519Private
	// Confirmed tells that the controller has answered to DH.
	Confirmed bool
}

// NewControllerPairing makes the keys for the controller of an invitation.
func NewControllerPairing(inv *Invitation, now time.Time) (*ControllerPairing, error) {
	ca, err := NewCA(now)
	if err != nil {
		return nil, err
	}
	return &ControllerPairing{CA: ca, Controller: inv.CA, IDKey: inv.IDKey, DH: key.GenerateX25519()}, nil
}

// Next is the pairing for another session: with a new key, unless the
// controller never answered to the one that is there. So one of both keys is
// always the one that the controller knows.
func (p *ControllerPairing) Next() *ControllerPairing {
	n := *p
	if p.Confirmed {
		n.DH, n.PrevDH, n.Confirmed = key.GenerateX25519(), p.DH, false
	}
	return &n
}

// Confirm is the pairing after the controller's hello.
func (p *ControllerPairing) Confirm() *ControllerPairing {
	n := *p
	n.Confirmed = true
	return &n
}

// Check tells whether an invitation is from this controller. The error is
// [ErrIdentity].
func (p *ControllerPairing) Check(inv *Invitation) error {
	if inv.CA != p.Controller || inv.IDKey != p.IDKey {
		return fmt.Errorf("%w: the invitation's", ErrIdentity)
	}
	return nil
}

func (p *ControllerPairing) keys() []*key.X25519Private {
	if p.PrevDH == nil {
		return []*key.X25519Private{p.DH}
	}
	return []*key.X25519Private{p.DH, p.PrevDH}
}

// Records begin with the version of their form and the side that keeps them.
const (
	hostRecord       = "\x01H"
	controllerRecord = "\x01C"
)

// AppendBinary appends the record, with private keys, for storage only:
//
//	0x01 'H' large(CA certificate) short(CA key) short(identity key)
//	maybe(fingerprint32 short(X25519 key))
func (p *HostPairing) AppendBinary(b []byte) ([]byte, error) {
	b = p.CA.append(append(b, hostRecord...))
	b = wire.AppendShort(b, p.ID.AppendPKCS8(nil))
	return wire.AppendMaybe(b, p.Host != nil, func(b []byte) []byte {
		b = append(b, p.Host.Fingerprint[:]...)
		return wire.AppendShort(b, p.Host.DH.AppendSPKI(nil))
	}), nil
}

// ParseHostPairing reads a record. The error is [ErrRecord].
func ParseHostPairing(b []byte) (*HostPairing, error) {
	d := wire.NewDecoder(b)
	d.Lit(hostRecord)
	p := &HostPairing{CA: decodeCA(d), ID: decodePrivate[*key.Ed25519Private](d)}
	if d.Maybe() {
		p.Host = &KnownHost{Fingerprint: decodeFingerprint(d), DH: decodeX25519(d)}
	}
	if err := d.Done(); err != nil {
		return nil, ErrRecord
	}
	return p, nil
}

// AppendBinary appends the record, with private keys, for storage only:
//
//	0x01 'C' large(CA certificate) short(CA key) fingerprint32 short(identity key)
//	short(X25519 private key) maybe(short(previous one)) bool(confirmed)
func (p *ControllerPairing) AppendBinary(b []byte) ([]byte, error) {
	b = p.CA.append(append(b, controllerRecord...))
	b = append(b, p.Controller[:]...)
	b = wire.AppendShort(b, p.IDKey.AppendSPKI(nil))
	b = wire.AppendShort(b, p.DH.AppendPKCS8(nil))
	b = wire.AppendMaybe(b, p.PrevDH != nil, func(b []byte) []byte {
		return wire.AppendShort(b, p.PrevDH.AppendPKCS8(nil))
	})
	return wire.AppendBool(b, p.Confirmed), nil
}

// ParseControllerPairing reads a record. The error is [ErrRecord].
func ParseControllerPairing(b []byte) (*ControllerPairing, error) {
	d := wire.NewDecoder(b)
	d.Lit(controllerRecord)
	p := &ControllerPairing{CA: decodeCA(d), Controller: decodeFingerprint(d)}
	id, err := key.ParseEd25519(d.Short())
	if err != nil {
		d.Fail(err)
	}
	p.IDKey, p.DH = id, decodePrivate[*key.X25519Private](d)
	if d.Maybe() {
		p.PrevDH = decodePrivate[*key.X25519Private](d)
	}
	p.Confirmed = d.Bool()
	if err := d.Done(); err != nil {
		return nil, ErrRecord
	}
	return p, nil
}

func (c *CA) append(b []byte) []byte {
	return wire.AppendShort(wire.AppendLarge(b, c.Cert), c.Key.AppendPKCS8(nil))
}

func decodeCA(d *wire.Decoder) *CA {
	c := &CA{Cert: append([]byte(nil), d.Large()...), Key: decodePrivate[*key.Ed25519Private](d)}
	if d.Err() != nil {
		return c
	}
	cert, err := x509.ParseCertificate(c.Cert)
	if err != nil {
		d.Fail(err)
	} else if pub, ok := cert.PublicKey.(ed25519.PublicKey); !ok || key.Ed25519Public(pub) != c.Key.Public() {
		d.Fail(ErrRecord)
	}
	return c
}

func decodePrivate[K key.Private](d *wire.Decoder) (k K) {
	p, err := key.ParsePrivate(d.Short())
	if err != nil {
		d.Fail(err)
		return k
	}
	k, ok := p.(K)
	if !ok {
		d.Fail(ErrRecord)
	}
	return k
}

func decodeFingerprint(d *wire.Decoder) (f Fingerprint) {
	copy(f[:], d.Bytes(len(f)))
	return f
}
