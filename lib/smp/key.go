package smp

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// KEY secures a queue by its recipient: only Key may send from then on.
// smp: Secure queue by recipient
type KEY struct{ Key key.Public }

// SKEY secures a messaging queue by its sender (v9+). smp: Secure queue by sender
type SKEY struct{ Key key.Public }

// RKEY sets the keys of the recipients of a contact queue (v15+), at most
// 255 of them. smp: Set queue recipient keys
type RKEY struct{ Keys []key.Public }

// NKEY switches notifications of a queue on; the answer is [NID].
// smp: Enable notifications command
type NKEY struct{ NtfReq }

// NDEL switches notifications of a queue off. smp: Disable notifications command
type NDEL struct{}

// NID is the answer to [NKEY].
type NID struct{ NtfIDs }

// Tag is "KEY".
func (KEY) Tag() string { return "KEY" }

// Tag is "SKEY".
func (SKEY) Tag() string { return "SKEY" }

// Tag is "RKEY".
func (RKEY) Tag() string { return "RKEY" }

// Tag is "NKEY".
func (NKEY) Tag() string { return "NKEY" }

// Tag is "NDEL".
func (NDEL) Tag() string { return "NDEL" }

// Tag is "NID".
func (NID) Tag() string { return "NID" }

// Party is [Recipient].
func (KEY) Party() Party { return Recipient }

// Party is [Sender].
func (SKEY) Party() Party { return Sender }

// Party is [Recipient].
func (RKEY) Party() Party { return Recipient }

// Party is [Recipient].
func (NKEY) Party() Party { return Recipient }

// Party is [Recipient].
func (NDEL) Party() Party { return Recipient }

func (c KEY) appendTo(b []byte, _ wire.Version) []byte {
	return appendPublic(append(b, "KEY "...), c.Key)
}

func (c SKEY) appendTo(b []byte, _ wire.Version) []byte {
	return appendPublic(append(b, "SKEY "...), c.Key)
}

func (c RKEY) appendTo(b []byte, _ wire.Version) []byte {
	b = wire.AppendListLen(append(b, "RKEY "...), len(c.Keys))
	for _, k := range c.Keys {
		b = appendPublic(b, k)
	}
	return b
}

func parseRKEY(d *wire.Decoder) RKEY {
	n := space(d, func(d *wire.Decoder) int { return d.ListLen(1) })
	var c RKEY
	for i := 0; i < n && d.Err() == nil; i++ {
		c.Keys = append(c.Keys, authKey(d))
	}
	return c
}

func (c NKEY) appendTo(b []byte, _ wire.Version) []byte {
	return c.NtfReq.appendTo(append(b, "NKEY "...))
}

func (NDEL) appendTo(b []byte, _ wire.Version) []byte { return append(b, "NDEL"...) }

func (m NID) appendTo(b []byte, _ wire.Version) []byte {
	return m.NtfIDs.appendTo(append(b, "NID "...))
}

// appendPublic appends a key as a short string of DER.
func appendPublic(b []byte, k key.Public) []byte {
	at := len(b)
	b = k.AppendSPKI(append(b, 0))
	b[at] = byte(len(b) - at - 1) // at most 69
	return b
}

func appendX25519(b []byte, k key.X25519Public) []byte { return k.AppendSPKI(append(b, 44)) }

func x25519(d *wire.Decoder) key.X25519Public {
	k, err := key.ParseX25519(d.Short())
	if err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	return k
}

// authKey reads a key that can authorize commands: any kind but X448.
func authKey(d *wire.Decoder) key.Public {
	k, err := key.ParsePublic(d.Short())
	if err == nil && k.Alg() == key.X448 {
		err = key.ErrParse
	}
	if err != nil {
		d.Fail(fmt.Errorf("%w: %w", wire.ErrSyntax, err))
	}
	return k
}
