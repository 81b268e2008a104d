// Package repo is a conversation's repository on disk: a bare git repository
// of one branch, main, whose name is the id of its first commit, and the index
// that makes it quick. It takes objects as bytes and gives them back as bytes;
// what they mean is lib/swarm/commit's, and whether they may be there is
// decided by the functions that its users pass in.
//
//	DIR/<conversation>/HEAD                         ref: refs/heads/main
//	                   refs/heads/main              our head
//	                   refs/remotes/<device>/main   what a member's device last had
//	                   objects/                     as git keeps them
//	                   quarantine/<head>/           what was refused, and why
//
// # Writing
//
// [Repo.Append] has objects on disk before the ref that names them moves, and
// moves it in one step: after a crash the ref is the old or the new one and all
// that it reaches is there.
//
// # Fetching
//
// [Repo.Fetch] is one exchange with git's upload-pack: refs, one want, our
// haves, a pack. The pack goes to a directory aside. Only when its objects are
// whole, nothing is missing and [FetchOptions.Verify] has accepted every commit
// that the remote head reaches and ours does not, it becomes part of the
// repository and the remote's ref moves. What was refused stays aside with its
// reason, and the same head is not asked for again.
//
// # Merging
//
// [Repo.Merge] brings the head of another member into ours: by moving on to it,
// or by a signed commit of both whose tree is that of [commit.Merge]. There is
// always one, the same for everybody who merges the same two heads, so a
// conversation does not stay split. Nothing is checked out, and the cost is that
// of what the heads do not share.
//
// A Repo may be used from several goroutines. Writers wait for each other;
// readers do not wait. Another process may read, and one with git may too.
package repo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Errors a caller may test for.
var (
	// ErrNotFound: no such repository, or no such commit in it.
	ErrNotFound = errors.New("not found")
	// ErrMoved: the head is not the one that the caller took it for. Read it
	// again and build on it.
	ErrMoved = errors.New("head has moved")
	// ErrRefused is wrapped by every *[Refusal].
	ErrRefused = errors.New("refused")
	// ErrUnrelated: two heads without a common first commit.
	ErrUnrelated = errors.New("unrelated histories")
	// ErrDamaged: the repository on disk misses objects or has broken ones.
	ErrDamaged = errors.New("damaged")
)

// Options say how a repository is opened.
type Options struct {
	// Index holds what is quicker to look up than to read; nil keeps one in
	// memory, built at the first use.
	Index Index
	Log   *slog.Logger // nil for none
	// NoSync leaves out fsync: for tests and imports that can be repeated.
	NoSync bool
	// Fault, if set, is called before each step that writes, with its name;
	// its error is the step's. For tests.
	Fault func(step string) error
}

// Meta is what the index knows of a commit.
type Meta struct {
	ID      commit.ObjectID
	Tree    commit.ObjectID
	Parents []commit.ObjectID
	// Device is the author's e-mail.
	Device string
	Time   int64 // the committer's, in seconds
	// Gen is one more than the greatest of the parents', 1 for the first
	// commit: an ancestor's is always smaller.
	Gen int64
}

// Place is where a commit stands in the history of a head: the first commit is
// at 0. From a commit that is Cut on, all older ones stand as if it were the
// head.
type Place struct {
	ID  commit.ObjectID
	Cut bool
}

// Index keeps the commits of many conversations by id, and the history of each
// one's head in line. It holds nothing that cannot be read from the repository
// again, so it may be lost or be behind. Calls may come from several
// goroutines; each is all or nothing.
type Index interface {
	// Add puts commits in, parents first; those that are there stay.
	Add(ctx context.Context, conv commit.ObjectID, commits []Meta) error
	// Commits looks commits up; those that are not there are left out.
	Commits(ctx context.Context, conv commit.ObjectID, ids []commit.ObjectID) ([]Meta, error)
	// Behind is a commit and those that were added just before it, at most n;
	// none if it is not there.
	Behind(ctx context.Context, conv, id commit.ObjectID, n int) ([]Meta, error)
	// Head is the head whose history is in line, zero if there is none, and
	// how many commits it has.
	Head(ctx context.Context, conv commit.ObjectID) (head commit.ObjectID, n int, err error)
	// Place keeps the oldest keep places, puts newer ones above, oldest
	// first, and notes the head.
	Place(ctx context.Context, conv commit.ObjectID, keep int, newer []Place, head commit.ObjectID) error
	// Extend adds m, whose only parent is the head noted, and puts it in line
	// above; false if another head is noted, and then nothing is done.
	Extend(ctx context.Context, conv commit.ObjectID, m Meta) (bool, error)
	// Position is the place of a commit; -1 if it is not in line.
	Position(ctx context.Context, conv, id commit.ObjectID) (at int, cut bool, err error)
	// Line lists what stands at from and below, at most n.
	Line(ctx context.Context, conv commit.ObjectID, from, n int) ([]Meta, error)
	// Clear forgets a conversation.
	Clear(ctx context.Context, conv commit.ObjectID) error
}

// Limits bound what a fetch may bring. A zero field has its default.
type Limits struct {
	Bytes    int64         // of the pack; 256 MiB
	Objects  int           // 1<<20
	Object   int64         // of one object; 64 MiB
	Inflated int64         // of all objects; 1 GiB
	Depth    int           // of deltas; 256
	Refs     int           // that the remote shows; 1024
	Time     time.Duration // for all of it; 10 minutes
	Idle     time.Duration // without a byte; 30 seconds
}

// FetchOptions say what is fetched and who checks it.
type FetchOptions struct {
	// Device is the remote's name in refs/remotes; empty moves no ref there.
	Device string
	// Want is the commit to fetch, if the remote shows it as one of its
	// heads; zero takes its main.
	Want   commit.ObjectID
	Limits Limits
	// Verify accepts or refuses. An error that is or wraps a *Refusal is a
	// verdict, which is recorded; any other is a fault and means nothing for
	// the next try. It must be set.
	Verify func(ctx context.Context, in *Incoming) error
}

// Incoming is what a fetch brought, before it is part of the repository.
type Incoming struct {
	// Objects reads the new objects and ours.
	Objects commit.Objects
	// Head is the remote's, Local ours, zero in a clone.
	Head, Local commit.ObjectID
	// Commits are all that Head reaches and Local does not, parents first.
	Commits []Meta
}

// Fetched is the outcome of a fetch.
type Fetched struct {
	// Head is the remote's head, which is now in the repository.
	Head commit.ObjectID
	// New are the commits that Head reaches and our head does not, parents
	// first; empty if we had them all.
	New   []Meta
	Bytes int64 // of the pack
}

// Refusal is a verdict: a head that must not enter the repository.
type Refusal struct {
	Head   commit.ObjectID `json:"head"`
	Commit commit.ObjectID `json:"commit"` // the offending one, zero if it is none
	Device string          `json:"device"` // who had it
	Reason string          `json:"reason"`
	// Pack tells that the pack was at fault and not the history, which others
	// may have whole: it counts for this device only, and after three tries.
	Pack  bool      `json:"pack"`
	At    time.Time `json:"at"`
	Tries int       `json:"tries"` // how often it was offered
}

// Error says which commit and why.
func (r *Refusal) Error() string {
	if r.Commit.IsZero() {
		return "repo: refused " + r.Head.String() + ": " + r.Reason
	}
	return "repo: refused " + r.Head.String() + " for " + r.Commit.String() + ": " + r.Reason
}

// Unwrap makes every refusal an ErrRefused.
func (r *Refusal) Unwrap() error { return ErrRefused }

// ServeOptions bound what a remote may ask.
type ServeOptions struct {
	Time time.Duration // for all of it; 10 minutes
	Idle time.Duration // without a byte moved; 30 seconds
	// Haves is how many commits the remote may name; 16k.
	Haves int
}

// Author is who writes commits.
type Author struct {
	commit.Signer
	Name   string // display name; the device if it is empty
	Device string
}

// Draft is a commit to be made on top of a head.
type Draft struct {
	Time    time.Time
	Message []byte
	// Put are files to write, by path, Delete files to remove; the latter
	// must be there.
	Put    map[string][]byte
	Delete []string
}

// MergeOptions say how heads are merged.
type MergeOptions struct {
	Author
	Time time.Time
}

// Merged is the outcome of a merge.
type Merged struct {
	Head commit.ObjectID
	// Commit tells that a commit was made; otherwise the head moved on to
	// theirs or stayed.
	Commit bool
	// Conflicts are the paths that both sides had changed.
	Conflicts []commit.Conflict
}

// Report is the outcome of Fsck.
type Report struct {
	Commits, Trees, Blobs int
	// Problems, one a line; none in a sound repository.
	Problems []string
}

// GCStats tells what GC did.
type GCStats struct {
	Objects       int
	Before, After int64 // bytes in objects/
}

// ReadWriter is a link to a remote. Where it has SetReadDeadline and
// SetWriteDeadline they are used, where it has Close alone it is closed when the
// time is over.
type ReadWriter = io.ReadWriter
