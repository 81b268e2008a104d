package repo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/objdb"
)

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
