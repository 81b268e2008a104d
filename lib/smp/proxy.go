package smp

import (
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// PRXY asks a proxy to connect to a relay; the answer is [PKEY].
// smp: Request proxied session
type PRXY struct {
	Server    ServerAddr
	BasicAuth *BasicAuth // the proxy's password
}

// PKEY is the session of a proxy with a relay. A client checks Key against
// the relay's fingerprint before use.
type PKEY struct {
	SessionID EntityID // the entity of PFWD
	Versions  wire.VersionRange
	Key       CertChainKey
}

// PFWD sends an encrypted transmission through a proxy; the answer is
// [PRES]. smp: Send command via proxy
type PFWD struct {
	Version wire.Version // that of the transmission inside
	Key     key.X25519Public
	Body    []byte // from [SealProxied]
}

// RFWD is what a proxy sends to a relay; the answer is [RRES].
// smp: Forward command to destination router
type RFWD struct{ Body []byte } // from [SealForward]

// RRES is the relay's answer to a proxy.
type RRES struct{ Body []byte } // from [SealForwardResult]

// PRES is the relay's answer, still encrypted for the sender.
type PRES struct{ Body []byte }

// Tag is "PRXY".
func (PRXY) Tag() string { return "PRXY" }

// Tag is "PKEY".
func (PKEY) Tag() string { return "PKEY" }

// Tag is "PFWD".
func (PFWD) Tag() string { return "PFWD" }

// Tag is "RFWD".
func (RFWD) Tag() string { return "RFWD" }

// Tag is "RRES".
func (RRES) Tag() string { return "RRES" }

// Tag is "PRES".
func (PRES) Tag() string { return "PRES" }

// Party is [ProxiedClient].
func (PRXY) Party() Party { return ProxiedClient }

// Party is [ProxiedClient].
func (PFWD) Party() Party { return ProxiedClient }

// Party is [ProxyService].
func (RFWD) Party() Party { return ProxyService }

func (c PRXY) appendTo(b []byte, _ wire.Version) []byte {
	return appendMaybeBasicAuth(c.Server.Append(append(b, "PRXY "...)), c.BasicAuth)
}

func (m PKEY) appendTo(b []byte, _ wire.Version) []byte {
	b = wire.AppendShort(append(b, "PKEY "...), m.SessionID)
	return m.Key.Append(m.Versions.Append(b))
}

func (c PFWD) appendTo(b []byte, _ wire.Version) []byte {
	b = wire.AppendUint16(append(b, "PFWD "...), uint16(c.Version))
	return append(appendX25519(b, c.Key), c.Body...)
}

func (c RFWD) appendTo(b []byte, _ wire.Version) []byte {
	return append(append(b, "RFWD "...), c.Body...)
}

func (m RRES) appendTo(b []byte, _ wire.Version) []byte {
	return append(append(b, "RRES "...), m.Body...)
}

func (m PRES) appendTo(b []byte, _ wire.Version) []byte {
	return append(append(b, "PRES "...), m.Body...)
}

// Forwarded is what a proxy hands to a relay for one PFWD.
type Forwarded struct {
	CorrID  CorrID // of PFWD
	Version wire.Version
	Key     key.X25519Public
	Body    []byte
}

// ForwardResult is what a relay hands back.
type ForwardResult struct {
	CorrID CorrID // of PFWD
	Body   []byte
}

// SealProxied encrypts a block with one transmission for a relay. k is the
// DH of the sender's key in PFWD and the relay's session key. The nonce is
// the CorrID of PFWD. The error is wire.ErrPadSize.
func SealProxied(k *box.Key, corrID CorrID, block []byte) ([]byte, error) {
	return k.SealPadded(nil, box.NonceFrom([]byte(corrID)), block, ProxiedSize)
}

// OpenProxied is the relay's side of [SealProxied]. The errors are
// box.ErrOpen and wire.ErrUnpad.
func OpenProxied(k *box.Key, corrID CorrID, body []byte) ([]byte, error) {
	return k.OpenPadded(box.NonceFrom([]byte(corrID)), body)
}

// SealProxiedResult encrypts a relay's answer for the sender, with the
// reverse of the nonce. The error is wire.ErrPadSize.
func SealProxiedResult(k *box.Key, corrID CorrID, block []byte) ([]byte, error) {
	return k.SealPadded(nil, box.NonceFrom([]byte(corrID)).Reverse(), block, ProxiedSize)
}

// OpenProxiedResult is the sender's side of [SealProxiedResult]. The errors
// are box.ErrOpen and wire.ErrUnpad.
func OpenProxiedResult(k *box.Key, corrID CorrID, body []byte) ([]byte, error) {
	return k.OpenPadded(box.NonceFrom([]byte(corrID)).Reverse(), body)
}

// SealForward encrypts what a proxy sends in RFWD. k is the DH of the
// session keys of proxy and relay; corrID is that of RFWD.
func SealForward(k *box.Key, corrID CorrID, f Forwarded) []byte {
	b := wire.AppendUint16(wire.AppendShort(nil, f.CorrID), uint16(f.Version))
	b = append(appendX25519(b, f.Key), f.Body...)
	return k.Seal(nil, box.NonceFrom([]byte(corrID)), b)
}

// OpenForward is the relay's side of [SealForward]. The errors are
// box.ErrOpen and wire.ErrSyntax.
func OpenForward(k *box.Key, corrID CorrID, body []byte) (Forwarded, error) {
	b, err := k.Open(nil, box.NonceFrom([]byte(corrID)), body)
	if err != nil {
		return Forwarded{}, err
	}
	d := wire.NewDecoder(b)
	f := Forwarded{readID[CorrID](d), d.Version(), x25519(d), d.Tail()}
	return f, d.Done()
}

// SealForwardResult encrypts what a relay answers in RRES, with the reverse
// of the nonce of RFWD.
func SealForwardResult(k *box.Key, corrID CorrID, r ForwardResult) []byte {
	b := append(wire.AppendShort(nil, r.CorrID), r.Body...)
	return k.Seal(nil, box.NonceFrom([]byte(corrID)).Reverse(), b)
}

// OpenForwardResult is the proxy's side of [SealForwardResult]. The errors
// are box.ErrOpen and wire.ErrSyntax.
func OpenForwardResult(k *box.Key, corrID CorrID, body []byte) (ForwardResult, error) {
	b, err := k.Open(nil, box.NonceFrom([]byte(corrID)).Reverse(), body)
	if err != nil {
		return ForwardResult{}, err
	}
	d := wire.NewDecoder(b)
	r := ForwardResult{readID[CorrID](d), d.Tail()}
	return r, d.Done()
}
