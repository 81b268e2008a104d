package smp

import (
	"crypto/sha3"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/wire"
)

// EntityID is what a transmission is addressed to: a [RecipientID],
// [SenderID], [NotifierID], [LinkID], [ServiceID] or a proxy's session ID.
// All IDs hold raw bytes, 0 to 255 of them, so that they can be map keys;
// relays make IDs of 24.
type EntityID string

// RecipientID is a queue's ID for its recipient.
type RecipientID string

// SenderID is a queue's ID for its sender.
type SenderID string

// NotifierID is a queue's ID for the notification server.
type NotifierID string

// LinkID is the ID of a short link's data.
type LinkID string

// ServiceID is the ID that a relay gives to a service's certificate.
type ServiceID string

// MsgID is a relay's ID of a message, unique in the queue.
type MsgID string

// CorrID matches an answer to its command: 24 random bytes, which are also
// the nonce of the command's authenticator. Empty in events.
type CorrID string

// Fingerprint is the SHA-256 of an identity certificate: 32 bytes. The
// grammar carries other lengths too, they match no relay.
type Fingerprint string

// String is base64url with padding, as in addresses.
func (f Fingerprint) String() string { return wire.Base64(f) }

// SenderIDFrom is the sender ID that NEW with link data must ask for: the
// first 24 bytes of SHA3-384(corrID). smp: Create queue command
func SenderIDFrom(corrID CorrID) SenderID {
	h := sha3.Sum384([]byte(corrID))
	return SenderID(h[:24])
}

// Protocol versions at which the encoding or the behaviour changes. See the
// package comment for what each one brought.
const (
	VersionAuth           wire.Version = 7
	VersionProxy          wire.Version = 8
	VersionSenderKey      wire.Version = 9
	VersionDeleted        wire.Version = 10
	VersionEncryptedBlock wire.Version = 11
	VersionBlocked        wire.Version = 12
	VersionProxyServer    wire.Version = 14
	VersionShortLinks     wire.Version = 15
	VersionService        wire.Version = 16
	VersionNtfCreds       wire.Version = 17
	VersionNotices        wire.Version = 18
)

// Versions of the relay protocol that this package reads and writes.
var (
	// Versions is what a client or a relay offers.
	Versions = wire.VersionRange{Min: 6, Max: 18}
	// LegacyVersions is what a relay offers to a peer without ALPN.
	LegacyVersions = wire.VersionRange{Min: 6, Max: 6}
	// ProxiedVersions is what a proxy lets clients use with a relay; its
	// maximum stays behind so that it does not tell new clients from old.
	ProxiedVersions = wire.VersionRange{Min: 8, Max: 17}
	// ClientVersions are those of the encryption between two clients of a
	// queue.
	ClientVersions = wire.VersionRange{Min: 1, Max: 4}
)

// ALPN is the TLS protocol name; without it a peer is of [LegacyVersions].
const ALPN = "smp/1"

// Sizes in bytes.
const (
	// BlockSize is that of every block on a connection.
	BlockSize = 16384
	// MaxBatch is what the transmissions of a block may hold together with
	// their length prefixes: 2 for the padding's length, 1 for the count and
	// 16 for the tag of block encryption are taken off in all versions.
	MaxBatch = BlockSize - 19
	// MaxBatchCount is the largest number of transmissions in a block.
	MaxBatchCount = 255
	// ProxiedSize is that of a padded transmission inside PFWD and PRES.
	ProxiedSize = 16226
	// RcvBodySize is that of a padded MSG body before encryption.
	RcvBodySize = 16106
	// NMsgMetaSize is that of padded notification metadata.
	NMsgMetaSize = 128
	// MaxStoredBody is the longest SEND body of any version, and what a
	// relay must be able to store.
	MaxStoredBody = 16088
	// ConfirmationSize and MessageSize are those of a padded [ClientMessage]
	// with and without a key in the [PubHeader].
	ConfirmationSize = 15904
	MessageSize      = 16000
)

// MaxBody is the longest body of SEND in bytes; more is LARGE_MSG.
func MaxBody(v wire.Version) int {
	switch {
	case v >= VersionEncryptedBlock:
		return 16048
	case v >= VersionProxy:
		return 16064
	}
	return MaxStoredBody
}

func readID[T ~string](d *wire.Decoder) T { return T(d.Short()) }

func appendMaybeID[T ~string](b []byte, id T) []byte {
	if id == "" {
		return append(b, '0')
	}
	return wire.AppendShort(append(b, '1'), id)
}

func maybeID[T ~string](d *wire.Decoder) T {
	if !d.Maybe() {
		return ""
	}
	return readID[T](d)
}

func unexpected(d *wire.Decoder, what string, c byte) {
	if d.Err() == nil {
		d.Fail(fmt.Errorf("%w: %s 0x%02x", wire.ErrSyntax, what, c))
	}
}
