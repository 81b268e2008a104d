package queuestore

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// Shared is a store that other relays may use at the same time. Updates of
// all relays run one after another.
type Shared interface {
	Store
	// Watch names the function that learns of what other relays did. It is
	// called by one goroutine at a time, in the order of their commits, and
	// always before the function of an update that runs after them, so that
	// this one can rely on what it remembers. It may read from the store but
	// not update it. After an error, which is that of the next updates too,
	// it is called again with the same changes. Watch may be called again
	// while nothing uses the store; the last function counts.
	Watch(changed func(context.Context, []Change) error)
	// Run lets the function learn of changes soon, whether there are updates
	// here or not, until ctx ends.
	Run(ctx context.Context) error
}

// Change is what another relay did.
type Change struct {
	Kind ChangeKind
	// Ref is the queue, by its recipient; a subscription's is that of its kind.
	Ref Ref
	// Notify is the first new message that asks to notify, or 0; of
	// ChangedNotified the last one of which was notified.
	Notify Seq
}

// ChangeKind says what has changed.
type ChangeKind uint8

// The kinds of changes.
const (
	ChangedQueue ChangeKind = iota // the record, or the messages, or it is gone
	ChangedOwner                   // another relay has the subscription now
	ChangedAny                     // nobody knows what; without a Ref
	// ChangedNotified: another relay sends the notifications of a notifier up
	// to and with that of Notify.
	ChangedNotified
)

// Claimer is the Tx of a [Shared] store.
type Claimer interface {
	// Claim makes other relays learn that a subscription, named by the ID of
	// its recipient or notifier, is here now.
	Claim(Ref)
	// Notified makes other relays learn that the notifications of a notifier's
	// messages up to and with a number are sent here.
	Notified(id smp.NotifierID, upTo Seq)
}
