package repo

import (
	"context"
	"errors"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Repo is an open repository.
type Repo struct{}

// Create makes the repository of a new conversation in dir/<root>. objects are
// its first commit, whose id is root, and all that it names. The directory
// appears in one step. The error wraps fs.ErrExist if it is there.
func Create(ctx context.Context, dir string, root commit.ObjectID, objects []commit.Object, o Options) (*Repo, error) {
	return nil, errors.ErrUnsupported
}

// Clone fetches conversation root from a remote into dir/<root>.
func Clone(ctx context.Context, dir string, root commit.ObjectID, rw ReadWriter, o Options, f FetchOptions) (*Repo, *Fetched, error) {
	return nil, nil, errors.ErrUnsupported
}

// Open opens the repository at path. It reads a few small files, however long
// the history is. Any git repository with a main branch will do.
func Open(ctx context.Context, path string, o Options) (*Repo, error) {
	return nil, errors.ErrUnsupported
}

// Close frees what is open.
func (r *Repo) Close() error { return errors.ErrUnsupported }

// ID is the conversation: the first commit's id.
func (r *Repo) ID() commit.ObjectID { return commit.ObjectID{} }

// Path is the repository's directory.
func (r *Repo) Path() string { return "" }

// Head is our head.
func (r *Repo) Head(ctx context.Context) (commit.ObjectID, error) {
	return commit.ObjectID{}, errors.ErrUnsupported
}

// Remotes are the heads that other devices had when they were last fetched
// from, by device.
func (r *Repo) Remotes(ctx context.Context) (map[string]commit.ObjectID, error) {
	return nil, errors.ErrUnsupported
}

// Object implements [commit.Objects].
func (r *Repo) Object(ctx context.Context, id commit.ObjectID) (commit.Type, []byte, error) {
	return 0, nil, errors.ErrUnsupported
}

// Commits looks commits up in the index; those that are not there are left out.
func (r *Repo) Commits(ctx context.Context, ids ...commit.ObjectID) ([]Meta, error) {
	return nil, errors.ErrUnsupported
}

// Append writes objects and moves our head from old to head. The error wraps
// ErrMoved if it is not at old.
func (r *Repo) Append(ctx context.Context, objects []commit.Object, old, head commit.ObjectID) error {
	return errors.ErrUnsupported
}

// Commit makes a signed commit on top of our head and appends it.
func (r *Repo) Commit(ctx context.Context, a Author, d Draft) (commit.ObjectID, error) {
	return commit.ObjectID{}, errors.ErrUnsupported
}

// Fetch brings the remote's head into the repository, but not into our branch:
// that is Merge's.
func (r *Repo) Fetch(ctx context.Context, rw ReadWriter, f FetchOptions) (*Fetched, error) {
	return nil, errors.ErrUnsupported
}

// Serve answers one client of git-upload-pack.
func (r *Repo) Serve(ctx context.Context, rw ReadWriter, o ServeOptions) error {
	return errors.ErrUnsupported
}

// Missing are the commits that head reaches and ours does not, parents first.
func (r *Repo) Missing(ctx context.Context, head, ours commit.ObjectID) ([]Meta, error) {
	return nil, errors.ErrUnsupported
}

// IsAncestor tells whether a is b or an ancestor of b.
func (r *Repo) IsAncestor(ctx context.Context, a, b commit.ObjectID) (bool, error) {
	return false, errors.ErrUnsupported
}

// Merge brings theirs, a commit in the repository, into our head.
func (r *Repo) Merge(ctx context.Context, theirs commit.ObjectID, m MergeOptions) (*Merged, error) {
	return nil, errors.ErrUnsupported
}

// Log lists commits newest first, in the order of lib/swarm/order: at most n
// that come after the first skip ones from our head.
func (r *Repo) Log(ctx context.Context, skip, n int) ([]Meta, error) {
	return nil, errors.ErrUnsupported
}

// Refusals lists what was refused and is remembered.
func (r *Repo) Refusals(ctx context.Context) ([]Refusal, error) {
	return nil, errors.ErrUnsupported
}

// Forgive forgets a refusal, so that the head may be fetched again; a zero head
// forgets all.
func (r *Repo) Forgive(ctx context.Context, head commit.ObjectID) error {
	return errors.ErrUnsupported
}

// Fsck reads every object and checks its name, its form and that what it names
// is there.
func (r *Repo) Fsck(ctx context.Context) (*Report, error) { return nil, errors.ErrUnsupported }

// GC puts all that the refs reach into one pack and removes the rest.
func (r *Repo) GC(ctx context.Context) (*GCStats, error) { return nil, errors.ErrUnsupported }

// Resolve is the rule of conflicts that needs nobody: a removal wins over a
// change, otherwise the side with the higher head.
func Resolve(c Conflict) (theirs bool) { return c.Theirs.ID.IsZero() }
