package xrcp

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

var (
	// ErrInvitation is returned for an invitation that cannot be read, or whose
	// signatures are wrong.
	ErrInvitation = errors.New("xrcp: bad invitation")
	// ErrStale is returned for an invitation of another time.
	ErrStale = errors.New("xrcp: the invitation is not of this time")
	// ErrIdentity is returned for a peer that is not the one paired with.
	ErrIdentity = errors.New("xrcp: the peer has another identity")
	// ErrVersion is returned where both sides have no version in common.
	ErrVersion = errors.New("xrcp: no version in common")
)

// Versions are the protocol versions of this package.
var Versions = wire.VersionRange{Min: 1, Max: 1}

// DefaultWindow is how far an invitation's time may lie from the host's clock,
// before or after. A QR code is shown for minutes, and clocks differ.
const DefaultWindow = 15 * time.Minute

// maxInvitation bounds the text of an invitation, in bytes; QR codes hold less.
const maxInvitation = 8192

// Fingerprint is the SHA-256 of a CA certificate's DER: who a device is.
type Fingerprint [sha256.Size]byte

// FingerprintOf is the fingerprint of a certificate.
func FingerprintOf(der []byte) Fingerprint { return sha256.Sum256(der) }

// String is base64url, as in invitations.
func (f Fingerprint) String() string { return wire.Base64(f[:]) }

// ParseFingerprint reads base64url. The error is [ErrInvitation].
func ParseFingerprint(s string) (f Fingerprint, err error) {
	b, err := wire.ParseBase64(s)
	if err != nil || len(b) != len(f) {
		return f, fmt.Errorf("%w: fingerprint", ErrInvitation)
	}
	return Fingerprint(b), nil
}

// Invitation says where a controller is and which keys it will use in one
// session.
//
// xrcp: Session invitation
type Invitation struct {
	CA   Fingerprint // of the controller, for good
	Host string      // IPv4 address, [IPv6 address], or name
	Port uint16
	// Versions are those that the controller speaks.
	Versions wire.VersionRange
	// App is a JSON value for the host's program, as [CtrlApp] describes it.
	App json.RawMessage
	// Unix is when the session was begun, in seconds since 1970.
	Unix       int64
	SessionKey key.Ed25519Public // signs commands of the session
	IDKey      key.Ed25519Public // signs them too, for good
	DH         key.X25519Public  // of the session
}

// Address is host:port to dial.
func (i *Invitation) Address() string {
	return i.Host + ":" + strconv.Itoa(int(i.Port))
}

// CheckTime tells whether the invitation was made within window of now. The
// error is [ErrStale]; it names the difference, as the cause may be a clock.
func (i *Invitation) CheckTime(now time.Time, window time.Duration) error {
	d := now.Sub(time.Unix(i.Unix, 0))
	if d.Abs() > window {
		side := "before"
		if d < 0 {
			side = "after"
		}
		return fmt.Errorf("%w: made %v %s now by this device's clock, at most %v is allowed",
			ErrStale, d.Abs().Round(time.Second), side, window)
	}
	return nil
}

// AppendText appends the URI without signatures, as the reference would write
// it.
func (i *Invitation) AppendText(b []byte) []byte {
	b = append(b, "xrcp:/"...)
	b = append(b, i.CA.String()...)
	b = append(append(append(b, '@'), i.Host...), ':')
	b = strconv.AppendUint(b, uint64(i.Port), 10)
	b = append(b, "#/?v="...)
	b = appendPercent(b, i.Versions.String())
	b = appendPercent(append(b, "&app="...), i.App)
	b = strconv.AppendInt(append(b, "&ts="...), i.Unix, 10)
	b = appendPercent(append(b, "&skey="...), wire.Base64(i.SessionKey.AppendSPKI(nil)))
	b = appendPercent(append(b, "&idkey="...), wire.Base64(i.IDKey.AppendSPKI(nil)))
	return appendPercent(append(b, "&dh="...), wire.Base64(i.DH.AppendSPKI(nil)))
}

// SignedInvitation is what is shown or announced.
type SignedInvitation struct {
	Invitation
	SessionSig, IDSig []byte
	// Hints are not signed.
	Hints []Hint
}

// Sign signs the invitation with both keys of the controller, whose public
// halves are filled in, after the app information has got its one written
// form. The error is [ErrInvitation] where that cannot be carried: a plus sign
// or a percent sign with two hex digits would be read as something else.
func (i Invitation) Sign(session, id *key.Ed25519Private) (*SignedInvitation, error) {
	app, err := canonicalJSON(i.App)
	if err != nil {
		return nil, err
	}
	if percentDecode(string(app)) != string(app) {
		return nil, fmt.Errorf("%w: app has a plus sign or a percent code", ErrInvitation)
	}
	i.App, i.SessionKey, i.IDKey = app, session.Public(), id.Public()
	if host, rest, err := parseHost(i.Host + ":"); err != nil || rest != ":" || host != i.Host {
		return nil, fmt.Errorf("%w: bad host", ErrInvitation)
	}
	s := &SignedInvitation{Invitation: i}
	text := i.AppendText(nil)
	s.SessionSig = session.Sign(text)
	s.IDSig = id.Sign(s.appendSessionSig(text))
	if s.Invitation.Versions.Min == 0 || len(s.String()) > maxInvitation {
		return nil, fmt.Errorf("%w: no version, or too long", ErrInvitation)
	}
	return s, nil
}

func (s *SignedInvitation) appendSessionSig(b []byte) []byte {
	return append(append(b, "&ssig="...), wire.Base64(s.SessionSig)...)
}

// String is the URI for a QR code.
func (s *SignedInvitation) String() string {
	b := s.appendSessionSig(s.Invitation.AppendText(nil))
	b = append(append(b, "&idsig="...), wire.Base64(s.IDSig)...)
	return string(appendHints(b, s.Hints))
}

// Verify checks both signatures over the invitation as this package writes it.
// The error is [ErrInvitation]. It says nothing of the time, see
// [Invitation.CheckTime], nor of who the signer is.
func (s *SignedInvitation) Verify() error {
	text := s.Invitation.AppendText(nil)
	if s.SessionKey.Verify(text, s.SessionSig) != nil {
		return fmt.Errorf("%w: wrong session signature", ErrInvitation)
	}
	if s.IDKey.Verify(s.appendSessionSig(text), s.IDSig) != nil {
		return fmt.Errorf("%w: wrong identity signature", ErrInvitation)
	}
	return nil
}

// Same tells whether both are the same invitation with the same signatures.
func (s *SignedInvitation) Same(o *SignedInvitation) bool {
	return bytes.Equal([]byte(s.String()), []byte(o.String()))
}

// ParseInvitation reads a signed invitation. Its signatures are not checked;
// see [SignedInvitation.Verify]. The error is [ErrInvitation] and does not hold
// the input. As the reference does, it reads a port modulo 2¹⁶.
func ParseInvitation(text string) (*SignedInvitation, error) {
	if len(text) > maxInvitation {
		return nil, fmt.Errorf("%w: %d bytes", ErrInvitation, len(text))
	}
	rest, ok := strings.CutPrefix(text, "xrcp:/")
	if !ok || strings.ContainsAny(text, " \n\r\t") {
		return nil, fmt.Errorf("%w: not an xrcp link", ErrInvitation)
	}
	ca, rest, ok := strings.Cut(rest, "@")
	if !ok {
		return nil, fmt.Errorf("%w: no address", ErrInvitation)
	}
	s, err := new(SignedInvitation), error(nil)
	if s.CA, err = ParseFingerprint(ca); err != nil {
		return nil, err
	}
	if s.Host, rest, err = parseHost(rest); err != nil {
		return nil, err
	}
	port, query, ok := strings.Cut(rest, "#/?")
	if !ok {
		return nil, fmt.Errorf("%w: no parameters", ErrInvitation)
	}
	if s.Port, err = parsePort(port); err != nil {
		return nil, err
	}
	if err := s.parseParams(parseQuery(query)); err != nil {
		return nil, err
	}
	_, sigs, ok := strings.Cut(text, "&ssig=")
	if !ok {
		return nil, fmt.Errorf("%w: no signatures", ErrInvitation)
	}
	q := parseQuery("ssig=" + sigs)
	s.Hints = parseHints(q)
	return s, s.parseSigs(q)
}

func parsePort(s string) (uint16, error) {
	s, ok := strings.CutPrefix(s, ":")
	if !ok || s == "" || len(s) > 20 {
		return 0, fmt.Errorf("%w: no port", ErrInvitation)
	}
	var n uint16
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%w: bad port", ErrInvitation)
		}
		n = n*10 + uint16(s[i]-'0') // wraps around, as in the reference
	}
	return n, nil
}

func (s *SignedInvitation) parseParams(q map[string]string) (err error) {
	if s.Versions, err = wire.ParseVersionRange(q["v"]); err != nil {
		return fmt.Errorf("%w: version range", ErrInvitation)
	}
	if s.App, err = canonicalJSON([]byte(percentDecode(q["app"]))); err != nil {
		return err
	}
	if s.Unix, err = strconv.ParseInt(percentDecode(q["ts"]), 10, 64); err != nil {
		return fmt.Errorf("%w: time", ErrInvitation)
	}
	if s.SessionKey, err = parseKey(q["skey"], key.ParseEd25519); err != nil {
		return fmt.Errorf("%w: session key", ErrInvitation)
	}
	if s.IDKey, err = parseKey(q["idkey"], key.ParseEd25519); err != nil {
		return fmt.Errorf("%w: identity key", ErrInvitation)
	}
	if s.DH, err = parseKey(q["dh"], key.ParseX25519); err != nil {
		return fmt.Errorf("%w: DH key", ErrInvitation)
	}
	return nil
}

func parseKey[K any](s string, parse func([]byte) (K, error)) (k K, err error) {
	der, err := wire.ParseBase64(s)
	if err != nil {
		return k, err
	}
	return parse(der)
}

func (s *SignedInvitation) parseSigs(q map[string]string) (err error) {
	for _, sig := range []struct {
		name string
		into *[]byte
	}{{"ssig", &s.SessionSig}, {"idsig", &s.IDSig}} {
		if *sig.into, err = wire.ParseBase64(q[sig.name]); err != nil || len(*sig.into) != signatureSize {
			return fmt.Errorf("%w: no %s", ErrInvitation, sig.name)
		}
	}
	return nil
}

const signatureSize = 64
