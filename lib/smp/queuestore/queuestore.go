// Package queuestore is what a relay keeps: queues and their messages. It
// holds the interface that a relay asks of its storage and an implementation
// in memory; the one on SQLite is lib/store/queuedb. Package storetest has
// the tests that all implementations pass.
//
// A queue is one record, known by up to four IDs: the recipient's, the
// sender's, the notifier's and that of its short link. Its messages have
// sequence numbers that grow over the whole store, so the order of commits is
// the order of delivery. Time and cost of every call but OldMessages, NotifierQueues and
// Counts are those of the queue named, whatever else the store holds.
//
// The store decides nothing: quotas, authorization and subscriptions are the
// relay's.
//
// smp: Simplex queue; Message delivery
package queuestore

import (
	"context"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

var (
	// ErrDuplicate says that one of a queue's IDs is in use by another.
	ErrDuplicate = errors.New("queuestore: ID is in use")
	// ErrNotFound says that there is no such queue, link or message.
	ErrNotFound = errors.New("queuestore: not found")
)

// Num is a queue's number in its store, never used again for another.
type Num int64

// Seq is a message's place in its store, from 1.
type Seq int64

// Status says whether a queue takes messages.
type Status uint8

// The states of a queue.
const (
	Active  Status = iota
	Off            // suspended by the recipient: SEND fails with AUTH
	Blocked        // by the operator: nearly all commands fail with BLOCKED
)

// Queue is a queue's record. A value handed to or taken from a store is not
// changed by anybody afterwards.
type Queue struct {
	Num           Num // set by AddQueue
	RecipientID   smp.RecipientID
	SenderID      smp.SenderID
	RecipientKeys []key.Public // any of them authorizes the recipient; at least one
	Secret        [32]byte     // of the DH with the recipient, encrypts messages
	SenderKey     key.Public   // nil until the queue is secured
	Mode          smp.QueueMode
	Status        Status
	Blocking      *smp.BlockingInfo // of a Blocked queue
	LinkID        smp.LinkID        // empty without a short link
	Notifier      *Notifier         // nil without notifications
	ServiceID     smp.ServiceID     // of the recipient, or empty
}

// Notifier is what a queue with notifications has.
type Notifier struct {
	ID        smp.NotifierID
	Key       key.Public
	Secret    [32]byte // of the DH with the recipient, encrypts the metadata
	ServiceID smp.ServiceID
}

// Message is a message. Nobody changes one that a store has given out.
type Message struct {
	Seq    Seq // set by AddMessage
	ID     smp.MsgID
	Time   time.Time // seconds
	Notify bool
	Quota  bool // the marker after which the queue takes no more until it is empty
	Body   []byte
}

// Entry is what Lookup finds.
type Entry struct {
	Queue *Queue
	Size  int  // messages stored, the quota marker included
	Full  bool // a quota marker is among them
}

// IDKind says which of a queue's IDs is meant.
type IDKind uint8

// The kinds of queue IDs.
const (
	ByRecipient IDKind = iota
	BySender
	ByNotifier
	ByLink
	// ByNotifierService is of no queue: the subscription of a service to the
	// notifications of all its queues, which [Claimer] knows.
	ByNotifierService
)

// Ref names a queue.
type Ref struct {
	Kind IDKind
	ID   smp.EntityID
}

// Old is a message that OldMessages has found.
type Old struct {
	Seq         Seq
	RecipientID smp.RecipientID // of its queue
}

// Counts are totals of a store.
type Counts struct{ Queues, Messages int64 }

// Store keeps queues and messages. All methods may be called at once from any
// number of goroutines.
type Store interface {
	Reader
	// Update runs fn, alone among all updates, and makes its changes durable
	// before it returns nil. Concurrent updates may share one commit. After
	// an error from fn, which is returned as it is, none of its changes
	// stands; after an error of the store the outcome of the commit may be
	// unknown. fn runs once, must be quick and must not use the store.
	Update(ctx context.Context, fn func(Tx) error) error
	// Close waits for calls under way; it may be called again.
	Close() error
}

// Reader looks into a store. What it returns belongs to the caller.
type Reader interface {
	// Lookup finds queues, in the order of refs; nil for one that is absent.
	Lookup(ctx context.Context, refs ...Ref) ([]*Entry, error)
	// Next is a queue's first message after a sequence number, or nil.
	Next(ctx context.Context, n Num, after Seq) (*Message, error)
	// LinkData is the data of a queue's short link, or ErrNotFound.
	LinkData(ctx context.Context, n Num) (smp.LinkData, error)
	// OldMessages are the oldest messages of the store that are older than a
	// time, at most limit of them.
	OldMessages(ctx context.Context, before time.Time, limit int) ([]Old, error)
	// NotifierQueues is how many queues have a notifier that is associated
	// with a service.
	NotifierQueues(ctx context.Context, id smp.ServiceID) (int64, error)
	// Counts may be a little old, and costs time in a big store.
	Counts(ctx context.Context) (Counts, error)
}

// Tx changes a store, in an Update.
type Tx interface {
	QueueTx
	MessageTx
}

// QueueTx changes queues.
type QueueTx interface {
	// AddQueue stores a new queue, with link data if it has a LinkID, and
	// sets its number. ErrDuplicate leaves the transaction usable.
	AddQueue(q *Queue, link smp.LinkData) error
	// PutQueue replaces the record that has the same number; a queue whose
	// LinkID goes loses its link data. ErrNotFound; ErrDuplicate leaves the
	// transaction usable.
	PutQueue(q *Queue) error
	// DeleteQueue deletes the record, link data and messages, if there.
	DeleteQueue(n Num) error
	// PutLinkData sets the data of a queue that has a LinkID. A nil Fixed
	// leaves that part as it is.
	PutLinkData(n Num, d smp.LinkData) error
	// Service gives the ID of the service that shows a certificate. One that
	// is not known yet gets the ID proposed. ErrDuplicate if it is known in
	// another role.
	Service(cert smp.Fingerprint, role smp.ServiceRole, proposed smp.ServiceID) (smp.ServiceID, error)
}

// MessageTx changes messages.
type MessageTx interface {
	// AddMessage puts a message at the end of a queue and sets its Seq. The
	// store keeps nothing of it after the Update.
	AddMessage(n Num, m *Message) error
	// DeleteMessages deletes a queue's messages up to and with a number.
	DeleteMessages(n Num, upTo Seq) error
}
