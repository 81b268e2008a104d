package ratchet

import "github.com/simplexkit/simplexkit/lib/wire"

// PQSupport tells that a connection has room for the KEM: its headers are the
// large ones and its envelopes the small ones. Once on it is never off again.
type PQSupport bool

// PQEncryption tells that the KEM is used, or asked for.
type PQEncryption bool

// The values of both.
const (
	PQSupportOn  PQSupport    = true
	PQSupportOff PQSupport    = false
	PQOn         PQEncryption = true
	PQOff        PQEncryption = false
)

// PQSwitch is what a message changes about the KEM. The other side follows
// only while it asks for the KEM too:
//
//	we ask   they ask   effect after both have sent
//	on       on         KEM secrets in every ratchet step
//	on       off        no KEM secrets; our key is not answered
//	off      either     none from the next step
type PQSwitch uint8

// The switches.
const (
	PQKeep    PQSwitch = iota // as before
	PQEnable                  // ask for the KEM from the next step
	PQDisable                 // stop asking
)

func (w PQSwitch) apply(enabled PQEncryption) PQEncryption {
	switch w {
	case PQEnable:
		return PQOn
	case PQDisable:
		return PQOff
	}
	return enabled
}

func supportAfter(v wire.Version, had PQSupport, enabled PQEncryption) PQSupport {
	return had || PQSupport(v >= VersionPQ && bool(enabled))
}

// The lengths that the plain text of a header is padded to.
const (
	headerSize   = 88
	headerSizePQ = 2310
)

func paddedHeaderSize(v wire.Version, support PQSupport) int {
	if support && v >= VersionPQ {
		return headerSizePQ
	}
	return headerSize
}

// Overhead is how many bytes a message of a connection is longer than its
// padded body, at version v.
func Overhead(v wire.Version, support PQSupport) int {
	prefix := 1
	if v >= VersionPQ {
		prefix = 2
	}
	return prefix + 2 + ivSize + tagSize + prefix + paddedHeaderSize(v, support) + tagSize
}
