package xrcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/sntrup"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Sizes in bytes: of the blocks that hellos travel in, and of what is padded
// inside of them.
const (
	BlockSize = 16384
	HelloSize = 12288
)

var (
	// ErrHello is returned for a hello that cannot be read or opened.
	ErrHello = errors.New("xrcp: bad hello")
	// ErrRefused wraps what a controller said instead of its hello.
	ErrRefused = errors.New("xrcp: the controller refused")
)

// SessionCode is the channel binding as people compare it: a decimal number in
// groups of five digits, as the reference shows it.
//
// xrcp: Session verification and protocol negotiation
func SessionCode(tlsUnique []byte) string {
	digits := new(big.Int).SetBytes(tlsUnique).String()
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && i%5 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// SameCode tells whether two codes differ in nothing but spaces.
func SameCode(a, b string) bool {
	join := func(s string) string { return strings.Join(strings.Fields(s), "") }
	return join(a) == join(b)
}

// HostHello is what a host tells the controller, sealed with the DH secret.
type HostHello struct {
	Version wire.Version
	CA      Fingerprint // must be that of the TLS chain
	App     json.RawMessage
	KEM     *sntrup.PublicKey
}

type hostHelloJSON struct {
	V   wire.Version    `json:"v"`
	CA  string          `json:"ca"`
	App json.RawMessage `json:"app"`
	KEM string          `json:"kem"`
}

// AppendJSON appends the hello's JSON.
func (h *HostHello) AppendJSON(b []byte) ([]byte, error) {
	out, err := marshal(hostHelloJSON{h.Version, h.CA.String(), h.App, wire.Base64(h.KEM[:])})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrHello, err)
	}
	return append(b, out...), nil
}

// ParseHostHello reads the JSON. The error is [ErrHello].
func ParseHostHello(b []byte) (*HostHello, error) {
	var j hostHelloJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrHello, err)
	}
	ca, err := ParseFingerprint(j.CA)
	if err != nil {
		return nil, fmt.Errorf("%w: fingerprint", ErrHello)
	}
	raw, err := wire.ParseBase64(j.KEM)
	if err != nil {
		return nil, fmt.Errorf("%w: KEM key", ErrHello)
	}
	kem, err := sntrup.ParsePublicKey(raw)
	if err != nil || j.App == nil {
		return nil, fmt.Errorf("%w: KEM key or app", ErrHello)
	}
	return &HostHello{Version: j.V, CA: ca, App: j.App, KEM: kem}, nil
}

// HostPacket is the block with a host's hello.
type HostPacket struct {
	DH    key.X25519Public
	Nonce box.Nonce
	Box   []byte
}

// Append appends the block's payload.
func (p HostPacket) Append(b []byte) []byte {
	b = wire.AppendShort(append(b, "HELLO "...), p.DH.AppendSPKI(nil))
	return append(append(b, p.Nonce[:]...), p.Box...)
}

// ParseHostPacket reads a block's payload. The error is [ErrHello].
func ParseHostPacket(b []byte) (p HostPacket, err error) {
	d := wire.NewDecoder(b)
	d.Lit("HELLO ")
	p.DH, p.Nonce = decodeX25519(d), decodeNonce(d)
	p.Box = d.Tail()
	if err := d.Done(); err != nil {
		return HostPacket{}, fmt.Errorf("%w: %v", ErrHello, err)
	}
	return p, nil
}

// ControllerPacket is the block with a controller's hello or, if KEM is nil,
// with its reason to refuse.
type ControllerPacket struct {
	KEM   *sntrup.Ciphertext
	Nonce box.Nonce // of a refusal
	Box   []byte
}

// Append appends the block's payload.
func (p ControllerPacket) Append(b []byte) []byte {
	if p.KEM == nil {
		b = append(append(b, "ERROR "...), p.Nonce[:]...)
	} else {
		b = wire.AppendLarge(append(b, "HELLO "...), p.KEM[:])
	}
	return append(b, p.Box...)
}

// ParseControllerPacket reads a block's payload. The error is [ErrHello].
func ParseControllerPacket(b []byte) (p ControllerPacket, err error) {
	d := wire.NewDecoder(b)
	if d.TryLit("ERROR ") {
		p.Nonce = decodeNonce(d)
	} else {
		d.Lit("HELLO ")
		if p.KEM, err = sntrup.ParseCiphertext(d.Large()); err != nil {
			d.Fail(err)
		}
	}
	p.Box = d.Tail()
	if err := d.Done(); err != nil {
		return ControllerPacket{}, fmt.Errorf("%w: %v", ErrHello, err)
	}
	return p, nil
}

// chains are made of the hybrid secret; the controller sends with the first.
//
// xrcp: Key agreement for announcement packet and for session
func chains(dh, kem []byte) (controller, host *box.Chain) {
	hybrid := box.HybridKey(dh, kem)
	defer hybrid.Wipe()
	raw := hybrid.Raw()
	defer clear(raw)
	return box.ChainInit(nil, raw)
}

// HostHandshake is a host between its hello and the controller's.
type HostHandshake struct {
	inv *Invitation
	dh  []byte
	kem *sntrup.SecretKey
}

// BeginHost makes the host's hello for a verified invitation: the payload of
// the block to send. kem is a new key. The errors are [ErrVersion],
// [ErrHello] and key.ErrLowOrder.
func BeginHost(inv *Invitation, p *ControllerPairing, app json.RawMessage, kem *sntrup.SecretKey, n box.Nonce) (*HostHandshake, []byte, error) {
	v, ok := Versions.Compatible(inv.Versions)
	if !ok {
		return nil, nil, fmt.Errorf("%w: the controller speaks %v", ErrVersion, inv.Versions)
	}
	dh, err := p.DH.DH(inv.DH)
	if err != nil {
		return nil, nil, err
	}
	hello := &HostHello{Version: v, CA: p.CA.Fingerprint(), App: app, KEM: kem.Public()}
	text, err := hello.AppendJSON(nil)
	if err != nil {
		return nil, nil, err
	}
	k, err := box.NewKey(dh)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := k.SealPadded(nil, n, text, HelloSize)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: too long", ErrHello)
	}
	h := &HostHandshake{inv: inv, dh: dh, kem: kem}
	return h, HostPacket{DH: p.DH.Public(), Nonce: n, Box: sealed}.Append(nil), nil
}

// Finish reads the controller's hello. The errors are [ErrHello] and
// [ErrRefused].
func (h *HostHandshake) Finish(payload []byte) (*Keys, error) {
	p, err := ParseControllerPacket(payload)
	if err != nil {
		return nil, err
	}
	if p.KEM == nil {
		return nil, h.refusal(p)
	}
	secret := h.kem.Decapsulate(p.KEM)
	defer clear(secret)
	recv, send := chains(h.dh, secret)
	k, n := recv.Next()
	defer k.Wipe()
	text, err := k.OpenPadded(n, p.Box)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrHello, err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, fmt.Errorf("%w: not an object", ErrHello)
	}
	return &Keys{Send: send, Recv: recv, Verify: &Verifier{Session: h.inv.SessionKey, ID: h.inv.IDKey}}, nil
}

func (h *HostHandshake) refusal(p ControllerPacket) error {
	k, err := box.NewKey(h.dh)
	if err != nil {
		return err
	}
	text, err := k.OpenPadded(p.Nonce, p.Box)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrHello, err)
	}
	return fmt.Errorf("%w: %s", ErrRefused, printable(text))
}

// printable keeps what a peer says from doing things to a terminal.
func printable(text []byte) string {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(text), "?"))
	return s[:min(len(s), 300)]
}

// SessionKeys are a controller's keys for one session.
type SessionKeys struct {
	Sign *key.Ed25519Private
	DH   *key.X25519Private
}

// NewSessionKeys makes new keys.
func NewSessionKeys() *SessionKeys {
	return &SessionKeys{Sign: key.GenerateEd25519(), DH: key.GenerateX25519()}
}

// Answer is a controller's answer to a host's hello.
type Answer struct {
	// Payload is that of the block to send: a hello or, beside an error, a
	// refusal, or nothing if the host's hello could not be opened.
	Payload []byte
	Hello   *HostHello
	Keys    *Keys
	// Pairing is to be stored before Payload is sent.
	Pairing *HostPairing
}

// Greeting is a controller that waits for a host's hello.
type Greeting struct {
	Pairing *HostPairing
	Keys    *SessionKeys
	TLS     Fingerprint // of the CA that the host showed in TLS
	// Check looks at a hello that is otherwise good; its error is told to the
	// host. Nil checks nothing.
	Check func(*HostHello) error
	Rand  io.Reader // for the KEM
}

// Answer reads the payload of a host's hello. The errors are [ErrHello],
// [ErrIdentity], [ErrVersion] and those of Check.
func (g Greeting) Answer(payload []byte) (Answer, error) {
	packet, err := ParseHostPacket(payload)
	if err != nil {
		return Answer{}, err
	}
	dh, err := g.Keys.DH.DH(packet.DH)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %v", ErrHello, err)
	}
	defer clear(dh)
	k, err := box.NewKey(dh)
	if err != nil {
		return Answer{}, err
	}
	defer k.Wipe()
	text, err := k.OpenPadded(packet.Nonce, packet.Box)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %v", ErrHello, err)
	}
	hello, err := ParseHostHello(text)
	if err == nil {
		err = g.check(hello)
	}
	if err != nil {
		refusal, sealErr := Refuse(k, box.NewNonce(), err.Error())
		return Answer{Payload: refusal}, errors.Join(err, sealErr)
	}
	ct, secret, err := hello.KEM.Encapsulate(g.Rand)
	if err != nil {
		return Answer{}, fmt.Errorf("xrcp: making a hello: %w", err)
	}
	defer clear(secret)
	p := g.Pairing
	a := Answer{Hello: hello, Pairing: &HostPairing{CA: p.CA, ID: p.ID, Host: &KnownHost{g.TLS, packet.DH}}}
	a.Payload, a.Keys, err = controllerHello(dh, ct, secret)
	if err == nil {
		a.Keys.Sign = &Signer{Session: g.Keys.Sign, ID: p.ID}
	}
	return a, err
}

func (g Greeting) check(hello *HostHello) error {
	if known := g.Pairing.Host; hello.CA != g.TLS || known != nil && known.Fingerprint != g.TLS {
		return fmt.Errorf("%w: the host's", ErrIdentity)
	}
	if !Versions.Contains(hello.Version) {
		return fmt.Errorf("%w: the host chose %d", ErrVersion, hello.Version)
	}
	if g.Check != nil {
		return g.Check(hello)
	}
	return nil
}

func controllerHello(dh []byte, ct *sntrup.Ciphertext, secret []byte) ([]byte, *Keys, error) {
	send, recv := chains(dh, secret)
	k, n := send.Next()
	defer k.Wipe()
	sealed, err := k.SealPadded(nil, n, []byte("{}"), HelloSize)
	if err != nil {
		return nil, nil, err
	}
	return ControllerPacket{KEM: ct, Box: sealed}.Append(nil), &Keys{Send: send, Recv: recv}, nil
}

// Refuse makes the payload of a block that refuses, with the key of the DH
// secret.
func Refuse(k *box.Key, n box.Nonce, reason string) ([]byte, error) {
	sealed, err := k.SealPadded(nil, n, []byte(reason), HelloSize)
	if err != nil {
		return nil, fmt.Errorf("%w: too long", ErrHello)
	}
	return ControllerPacket{Nonce: n, Box: sealed}.Append(nil), nil
}
