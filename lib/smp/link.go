package smp

import (
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// LinkData is what a relay keeps for a short link, both parts encrypted with
// keys that it does not know. Each is at most 65535 bytes.
type LinkData struct {
	Fixed []byte // cannot change once set
	User  []byte
}

// Append appends the two parts as large strings.
func (l LinkData) Append(b []byte) []byte {
	return wire.AppendLarge(wire.AppendLarge(b, l.Fixed), l.User)
}

func linkData(d *wire.Decoder) LinkData { return LinkData{d.Large(), d.Large()} }

// LSET sets or changes the data of a queue's short link (v15+).
// smp: Set short link
type LSET struct {
	LinkID LinkID
	Data   LinkData
}

// LDEL deletes the data of a queue's short link. smp: Delete short link
type LDEL struct{}

// LKEY secures a messaging queue by its link and gets the data; the answer
// is [LNK]. smp: Set link key
type LKEY struct{ Key key.Public }

// LGET gets the data of a contact queue's link; the answer is [LNK].
// smp: Get link data
type LGET struct{}

// LNK is the data of a short link. smp: Link response
type LNK struct {
	SenderID SenderID
	Data     LinkData
}

// Tag is "LSET".
func (LSET) Tag() string { return "LSET" }

// Tag is "LDEL".
func (LDEL) Tag() string { return "LDEL" }

// Tag is "LKEY".
func (LKEY) Tag() string { return "LKEY" }

// Tag is "LGET".
func (LGET) Tag() string { return "LGET" }

// Tag is "LNK".
func (LNK) Tag() string { return "LNK" }

// Party is [Recipient].
func (LSET) Party() Party { return Recipient }

// Party is [Recipient].
func (LDEL) Party() Party { return Recipient }

// Party is [SenderLink].
func (LKEY) Party() Party { return SenderLink }

// Party is [SenderLink].
func (LGET) Party() Party { return SenderLink }

func (c LSET) appendTo(b []byte, _ wire.Version) []byte {
	return c.Data.Append(wire.AppendShort(append(b, "LSET "...), c.LinkID))
}

func (LDEL) appendTo(b []byte, _ wire.Version) []byte { return append(b, "LDEL"...) }

func (c LKEY) appendTo(b []byte, _ wire.Version) []byte {
	return appendPublic(append(b, "LKEY "...), c.Key)
}

func (LGET) appendTo(b []byte, _ wire.Version) []byte { return append(b, "LGET"...) }

func (m LNK) appendTo(b []byte, _ wire.Version) []byte {
	return m.Data.Append(wire.AppendShort(append(b, "LNK "...), m.SenderID))
}
