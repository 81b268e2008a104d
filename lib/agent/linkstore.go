package agent

import (
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// LinkStore keeps the secrets of short links and of notifications.
type LinkStore interface {
	// PutShortLink keeps the link of a receiving queue, in place of the one
	// before.
	PutShortLink(l *ShortLink) error
	// ShortLink is the link of a receiving queue.
	ShortLink(queue int64) (*ShortLink, error)
	DeleteShortLink(queue int64) error
	// PutOpenedLink keeps what was used to open another's one-time link, in
	// place of what was kept for it before.
	PutOpenedLink(l *OpenedLink) error
	// OpenedLink finds it by the link, OpenedQueue by the queue behind it.
	OpenedLink(server string, id smp.LinkID) (*OpenedLink, error)
	OpenedQueue(server string, id smp.SenderID) (*OpenedLink, error)
	DeleteOpenedLink(server string, id smp.LinkID) error
}

// NotifierStore keeps the credentials of queues' notifications.
type NotifierStore interface {
	// PutNotifier keeps the credentials, in place of those before.
	PutNotifier(n *Notifier) error
	// Notifier is that of a receiving queue.
	Notifier(queue int64) (*Notifier, error)
	DeleteNotifier(queue int64) error
}

// ShortLink is a short link to a queue of ours.
type ShortLink struct {
	Queue int64 // Row of the receiving queue
	Type  link.Type
	ID    smp.LinkID
	Key   link.Key
	Root  *key.Ed25519Private // signs the link's data
	Fixed []byte              // the sealed fixed part, as the relay has it
}

// OpenedLink is a one-time link of another that we have asked the relay for.
// The relay answers only to the key that has asked first.
type OpenedLink struct {
	Server    string // smp://fingerprint@hosts
	ID        smp.LinkID
	Key       link.Key
	AuthKey   key.Private  // with which we asked, and will send
	SndID     smp.SenderID // of the queue; empty before the answer
	CreatedAt time.Time
}

// Notifier is the credentials of a queue's notifications. A server of
// notifications is given ID and AuthKey, and we open what comes by it.
type Notifier struct {
	Queue   int64 // Row of the receiving queue
	AuthKey key.Private
	Private []byte         // 32 bytes, raw X25519: agrees on Secret
	ID      smp.NotifierID // empty before the relay has answered
	Secret  []byte         // 32 bytes: opens the metadata in NMSG; nil before
}
