package repo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/objdb"
)

// Repo is an open repository.
type Repo struct {
	path string
	o    Options
	db   *objdb.DB
	log  *slog.Logger

	// write is held by whoever changes the repository, never over the network.
	write sync.Mutex
	// indexing is held while the index catches up.
	indexing sync.Mutex

	mu     sync.Mutex
	idOnce commit.ObjectID          // zero until it is known; guarded by mu
	recent map[commit.ObjectID]Meta // looked up lately; guarded by mu
}

var _ commit.Objects = (*Repo)(nil)

const config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"

// Create makes the repository of a new conversation in dir/<root>. objects are
// its first commit, whose id is root, and all that it names. The directory
// appears in one step. The error wraps fs.ErrExist if it is there.
func Create(ctx context.Context, dir string, root commit.ObjectID, objects []commit.Object, o Options) (*Repo, error) {
	final := filepath.Join(dir, root.String())
	if _, err := os.Lstat(final); err == nil {
		return nil, fmt.Errorf("repo: create %v: %w", root, fs.ErrExist)
	}
	tmp, err := scaffold(dir, o)
	if err != nil {
		return nil, fmt.Errorf("repo: create: %w", err)
	}
	err = fill(ctx, tmp, root, objects, o)
	if err == nil {
		err = settle(tmp, final, o)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("repo: create: %w", err), os.RemoveAll(tmp))
	}
	return Open(ctx, final, o)
}

// half is what a repository is called until it is whole.
const half = "new-"

// Sweep removes from dir repositories that a crash kept from being whole. Nobody
// may be making one there.
func Sweep(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, half+"*"))
	for _, p := range paths {
		err = errors.Join(err, os.RemoveAll(p))
	}
	if err != nil {
		return fmt.Errorf("repo: sweep: %w", err)
	}
	return nil
}

// scaffold makes an empty repository in a new directory in dir.
func scaffold(dir string, o Options) (tmp string, err error) {
	if err := o.fault("scaffold"); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if tmp, err = os.MkdirTemp(dir, half); err != nil {
		return "", err
	}
	for _, d := range []string{"objects/pack", "objects/info", "refs/heads", "refs/remotes", "refs/tags"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(tmp, d), 0o700))
	}
	for name, content := range map[string]string{"HEAD": "ref: refs/heads/main\n", "config": config} {
		err = errors.Join(err, writeSynced(filepath.Join(tmp, name), content, o))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return tmp, nil
}

func writeSynced(path, content string, o Options) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil && !o.NoSync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// fill puts the first commit into a new repository.
func fill(ctx context.Context, tmp string, root commit.ObjectID, objects []commit.Object, o Options) error {
	r, err := open(tmp, o)
	if err != nil {
		return err
	}
	defer r.Close()
	found := false
	for _, obj := range objects {
		found = found || obj.Type == commit.TypeCommit && obj.ID() == root
	}
	if !found {
		return fmt.Errorf("the first commit is missing: %w", ErrNotFound)
	}
	return r.append(ctx, objects, commit.ObjectID{}, root)
}

// settle gives a new repository its name.
func settle(tmp, final string, o Options) error {
	if err := o.fault("settle"); err != nil {
		return err
	}
	if !o.NoSync {
		for _, d := range []string{"refs", "refs/heads", "objects", ""} {
			if err := syncDir(filepath.Join(tmp, d)); err != nil {
				return err
			}
		}
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	if o.NoSync {
		return nil
	}
	return syncDir(filepath.Dir(final))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (o *Options) fault(step string) error {
	if o.Fault == nil {
		return nil
	}
	return o.Fault(step)
}

// Open opens the repository at path. It reads a few small files, however long
// the history is. Any git repository with a main branch will do, with a work
// tree or without. The error wraps ErrNotFound if there is none.
func Open(ctx context.Context, path string, o Options) (*Repo, error) {
	r, err := open(path, o)
	if err == nil {
		err = r.heal(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("repo: open: %w", err)
	}
	return r, nil
}

// heal puts our head back to the one that the index knows, if it names a commit
// that is not there. A file system that brings later renames to disk before
// earlier ones can do that when the power goes in the middle of an Append.
func (r *Repo) heal(ctx context.Context) error {
	head, err := r.Head(ctx)
	if err != nil || head.IsZero() {
		return nil // an empty repository, or one that Fsck has to look at
	}
	if ok, err := r.db.Has(head); ok || err != nil {
		return err
	}
	last, _, err := r.o.Index.Head(ctx, r.ID())
	if err != nil || last.IsZero() || last == head {
		return err
	}
	if ok, err := r.db.Has(last); !ok || err != nil {
		return err
	}
	r.log.Warn("head was lost and is put back")
	r.write.Lock()
	defer r.write.Unlock()
	b := r.db.Batch()
	defer b.Discard()
	if err := r.stageRef(b, mainRef, last); err != nil {
		return err
	}
	return b.Commit(ctx)
}

func open(path string, o Options) (*Repo, error) {
	if o.Index == nil {
		o.Index = NewMemory()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Repo{path: path, o: o, log: o.Log, recent: make(map[commit.ObjectID]Meta)}
	if id, err := commit.ParseObjectID(filepath.Base(path)); err == nil {
		r.idOnce = id
	}
	if info, err := os.Stat(filepath.Join(path, ".git")); err == nil && info.IsDir() {
		r.path = filepath.Join(path, ".git")
	}
	if _, err := os.Stat(filepath.Join(r.path, "HEAD")); err != nil {
		return nil, fmt.Errorf("%s: %w", path, ErrNotFound)
	}
	var err error
	r.db, err = objdb.Open(filepath.Join(r.path, "objects"), objdb.Options{NoSync: o.NoSync, Fault: o.Fault})
	return r, err
}

// Close frees what is open.
func (r *Repo) Close() error { return r.db.Close() }

// Path is the repository's directory.
func (r *Repo) Path() string { return r.path }

// ID is the conversation, the first commit's id: what the directory is called,
// and if that is no id, the root that the head reaches; zero if there is none.
func (r *Repo) ID() commit.ObjectID {
	r.mu.Lock()
	id := r.idOnce
	r.mu.Unlock()
	if !id.IsZero() {
		return id
	}
	id, err := r.findRoot(context.Background())
	if err != nil {
		return commit.ObjectID{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idOnce = id
	return id
}

// findRoot follows first parents.
func (r *Repo) findRoot(ctx context.Context) (commit.ObjectID, error) {
	id, err := r.Head(ctx)
	for err == nil {
		var c *commit.Commit
		if c, err = commit.ReadCommit(ctx, r.db, id); err == nil && len(c.Parents) == 0 {
			return id, nil
		} else if err == nil {
			id = c.Parents[0]
		}
	}
	return id, err
}

// Object implements [commit.Objects].
func (r *Repo) Object(ctx context.Context, id commit.ObjectID) (commit.Type, []byte, error) {
	return r.db.Object(ctx, id)
}

const (
	mainRef    = "refs/heads/main"
	remotesDir = "refs/remotes"
	// maxRefs bounds what is read of packed-refs, which git may have written.
	maxRefs = 1 << 20
)

// Head is our head, zero in a repository without commits.
func (r *Repo) Head(context.Context) (commit.ObjectID, error) {
	id, err := r.readRef(mainRef)
	if err != nil {
		return id, fmt.Errorf("repo: head: %w", err)
	}
	return id, nil
}

// readRef reads a ref, zero if it is not there.
func (r *Repo) readRef(name string) (commit.ObjectID, error) {
	b, err := os.ReadFile(filepath.Join(r.path, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return r.packedRef(name)
	}
	if err != nil {
		return commit.ObjectID{}, err
	}
	id, err := commit.ParseObjectID(strings.TrimSpace(string(b[:min(len(b), 64)])))
	if err != nil {
		return id, fmt.Errorf("%s: %w: %w", name, err, ErrDamaged)
	}
	return id, nil
}

// packedRef looks a ref up where git puts those that rarely change.
func (r *Repo) packedRef(name string) (id commit.ObjectID, err error) {
	err = r.packedRefs(func(ref string, at commit.ObjectID) {
		if ref == name {
			id = at
		}
	})
	return id, err
}

func (r *Repo) packedRefs(each func(name string, id commit.ObjectID)) error {
	f, err := os.Open(filepath.Join(r.path, "packed-refs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxRefs*64))
	for lines.Scan() {
		id, name, ok := strings.Cut(lines.Text(), " ")
		if oid, err := commit.ParseObjectID(id); ok && err == nil {
			each(name, oid)
		}
	}
	return lines.Err()
}

// Remotes are the heads that other devices had when they were last fetched
// from, by device.
func (r *Repo) Remotes(context.Context) (map[string]commit.ObjectID, error) {
	out := make(map[string]commit.ObjectID)
	err := r.packedRefs(func(name string, id commit.ObjectID) {
		if dev, ok := strings.CutPrefix(name, remotesDir+"/"); ok && strings.HasSuffix(dev, "/main") {
			out[strings.TrimSuffix(dev, "/main")] = id
		}
	})
	if err != nil {
		return nil, fmt.Errorf("repo: remotes: %w", err)
	}
	dirs, err := os.ReadDir(filepath.Join(r.path, filepath.FromSlash(remotesDir)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("repo: remotes: %w", err)
	}
	for _, d := range dirs {
		id, err := r.readRef(remoteRef(d.Name()))
		if err != nil {
			return nil, fmt.Errorf("repo: remotes: %w", err)
		}
		if !id.IsZero() {
			out[d.Name()] = id
		}
	}
	return out, nil
}

func remoteRef(device string) string { return remotesDir + "/" + device + "/main" }

// goodDevice tells whether a device can be the name of a directory.
func goodDevice(device string) bool {
	if device == "" || len(device) > 128 {
		return false
	}
	for _, c := range device {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// stageRef adds a ref to a batch, after all that was added before. Git takes no
// notice of files that end in .lock.
func (r *Repo) stageRef(b *objdb.Batch, name string, id commit.ObjectID) error {
	path := filepath.Join(r.path, filepath.FromSlash(name))
	return b.File(path, filepath.Base(path)+".*.lock", []byte(id.String()+"\n"), 0o600)
}

// setRemote notes what a device has.
func (r *Repo) setRemote(ctx context.Context, device string, id commit.ObjectID) error {
	if device == "" {
		return nil
	}
	if old, err := r.readRef(remoteRef(device)); err != nil || old == id {
		return err
	}
	b := r.db.Batch()
	defer b.Discard()
	if err := r.stageRef(b, remoteRef(device), id); err != nil {
		return err
	}
	return b.Commit(ctx)
}

// DropRemote forgets what a device has.
func (r *Repo) DropRemote(_ context.Context, device string) error {
	if !goodDevice(device) {
		return fmt.Errorf("repo: remote %q: %w", device, ErrNotFound)
	}
	r.write.Lock()
	defer r.write.Unlock()
	if err := os.RemoveAll(filepath.Join(r.path, filepath.FromSlash(remotesDir), device)); err != nil {
		return fmt.Errorf("repo: remote: %w", err)
	}
	return nil
}
