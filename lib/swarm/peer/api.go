package peer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/drt"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// Errors that a Store returns, possibly wrapped, and that callers may test.
var (
	// ErrUnknown means that the conversation, or the file, is not here. Who
	// notified of it is asked for an invitation.
	ErrUnknown = errors.New("peer: not here")
	// ErrIgnored means that nothing is wanted of the conversation: it was
	// removed, or its request declined.
	ErrIgnored = errors.New("peer: conversation is ignored")
	// ErrBanned means that the device may not take part.
	ErrBanned = errors.New("peer: device may not take part")
	// ErrRefused means that what was fetched is invalid: it is not fetched
	// again.
	ErrRefused = errors.New("peer: history was refused")
	// ErrRemote means that the peer answered with an error.
	ErrRemote = errors.New("peer: the other side refused")
	// ErrFrame means that the peer sent what is no frame, or too large a one.
	ErrFrame = errors.New("peer: bad frame")
	// ErrDigest means that a file is not what its message says.
	ErrDigest = errors.New("peer: file has another digest")
)

// Stream is what lib/p2p's streams do; reads and writes have deadlines.
type Stream interface {
	io.ReadWriteCloser
	CloseWrite() error
	Reset()
	SetIdle(d time.Duration)
	SetEnd(t time.Time)
}

var _ Stream = (*p2p.Stream)(nil)

// Net is the network, in devices' words. [Devices] makes one of a p2p.Host.
type Net interface {
	Self() ident.DeviceID
	// Open opens a stream to a device, connecting first if need be.
	Open(ctx context.Context, to ident.DeviceID, proto string) (Stream, error)
	// Handle has fn serve streams; it is closed when fn returns nil and reset
	// when it returns an error.
	Handle(proto string, fn func(ctx context.Context, from ident.DeviceID, s Stream) error)
	// Road is how a device is connected now.
	Road(dev ident.DeviceID) p2p.Road
}

// Fetched is what a fetch brought.
type Fetched struct {
	// Head is the other's head; it and all below it are here and valid.
	Head commit.ObjectID
	// Diverged is set if neither head contains the other: a merge is due.
	Diverged bool
}

// Store is the conversations. Methods are called from many goroutines; those
// that get a stream may take long. Conv is a conversation's ID.
type Store interface {
	// Allow tells whether a device may take part in a conversation: nil,
	// ErrUnknown, ErrIgnored or ErrBanned.
	Allow(ctx context.Context, conv commit.ObjectID, dev ident.DeviceID) error
	// Members are the devices of all members, our own account's too, without
	// this device and the banned ones.
	Members(ctx context.Context, conv commit.ObjectID) ([]ident.DeviceID, error)
	// Head is our head.
	Head(ctx context.Context, conv commit.ObjectID) (commit.ObjectID, error)
	// Has tells whether a commit is in our history or was fetched and is to be
	// merged.
	Has(ctx context.Context, conv, c commit.ObjectID) (bool, error)
	// Serve answers git-upload-pack.
	Serve(ctx context.Context, conv commit.ObjectID, dev ident.DeviceID, s Stream) error
	// Fetch is git-upload-pack's client: it fetches the other's head, checks
	// it and moves our head to it if that is a fast forward. An invalid history
	// is ErrRefused.
	Fetch(ctx context.Context, conv commit.ObjectID, dev ident.DeviceID, s Stream) (Fetched, error)
	// Merge merges all that was fetched and is not below our head. It returns
	// the merge, or a zero ID if there was nothing to merge.
	Merge(ctx context.Context, conv commit.ObjectID) (commit.ObjectID, error)
}

// Invite is an invitation, application/invite+json.
type Invite struct {
	Conversation commit.ObjectID
	Metadata     map[string]string // title, description, avatar, mode
	Received     time.Time
}

// Inbox hears what is not history. Methods are called one at a time for each
// peer; an error is told to the peer, which may send again later.
type Inbox interface {
	// Invited is told of an invitation.
	Invited(ctx context.Context, from ident.DeviceID, in Invite) error
	// InviteWanted is told that a device got word of a conversation that it has
	// not got. Who is a member is invited again.
	InviteWanted(ctx context.Context, from ident.DeviceID, conv commit.ObjectID) error
	// Typing is told that someone writes, or stopped. Without another word it
	// is over after TypingTime.
	Typing(ctx context.Context, from ident.DeviceID, conv commit.ObjectID, active bool) error
	// Read is told up to which message someone has read.
	Read(ctx context.Context, from ident.DeviceID, conv, message commit.ObjectID) error
	// Delivered is told that a device has a commit: it said so, or fetched.
	Delivered(ctx context.Context, dev ident.DeviceID, conv, c commit.ObjectID)
}

// TypingTime is how long a writer is shown as writing.
const TypingTime = 12 * time.Second

// File is a file that is here.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Files gives out files of conversations. The error is ErrUnknown if a file is
// not here, or not all of it.
type Files interface {
	OpenFile(ctx context.Context, conv commit.ObjectID, file string) (File, error)
}

// Syncer is the state that devices of one account share.
type Syncer interface {
	// Same tells whether a device is of our account, and not revoked.
	Same(dev ident.DeviceID) bool
	// State is ours, to be sent.
	State(ctx context.Context, to ident.DeviceID) (*State, error)
	// Merge takes what another device has.
	Merge(ctx context.Context, from ident.DeviceID, s *State) error
}

// Config is what an Engine is made of. Net, Store and Inbox are needed.
type Config struct {
	Net   Net
	Store Store
	Inbox Inbox
	Files Files  // nil: no files are given out
	Sync  Syncer // nil: no other devices
	// Hello is ours, and Met hears of others'; an error refuses the device.
	// Both nil: none are exchanged.
	Hello func() Hello
	Met   func(ctx context.Context, dev ident.DeviceID, h Hello) error
	// Lease is ours for a conversation, on a mobile device; nil otherwise.
	Lease func(conv commit.ObjectID) *drt.Lease
	// CheckLease verifies that a device's key signed a lease; nil refuses all.
	CheckLease func(*drt.Lease) error
	Logger     *slog.Logger
}
