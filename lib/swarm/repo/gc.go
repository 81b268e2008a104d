package repo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/objdb"
)

// GC puts all that the refs reach into one pack and removes everything else,
// also what a crash left behind. Fetches under way fail.
func (r *Repo) GC(ctx context.Context) (*GCStats, error) {
	r.write.Lock()
	defer r.write.Unlock()
	out, err := r.gc(ctx)
	if err != nil {
		return nil, fmt.Errorf("repo: gc: %w", err)
	}
	return out, nil
}

func (r *Repo) gc(ctx context.Context) (*GCStats, error) {
	var out GCStats
	var err error
	if out.Before, err = r.db.Size(); err != nil {
		return nil, err
	}
	heads, err := r.heads(ctx)
	if err != nil {
		return nil, err
	}
	p := &packer{r: r, seen: make(map[commit.ObjectID]int), last: make(map[string]commit.ObjectID)}
	if err := p.walk(ctx, heads); err != nil {
		return nil, err
	}
	if err := r.db.Sweep(); err != nil {
		return nil, err
	}
	r.sweepLocks()
	old := r.db.All()
	if err := r.db.Repack(ctx, p.items, old, true); err != nil {
		return nil, err
	}
	if err := r.db.Prune(ctx, func(id commit.ObjectID) bool { _, ok := p.seen[id]; return ok }); err != nil {
		return nil, err
	}
	out.Objects = len(p.items)
	out.After, err = r.db.Size()
	return &out, err
}

// heads are all commits that refs name, ours first.
func (r *Repo) heads(ctx context.Context) ([]commit.ObjectID, error) {
	head, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	remotes, err := r.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	var out []commit.ObjectID
	if !head.IsZero() {
		out = append(out, head)
	}
	for _, id := range remotes {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// sweepLocks removes refs that a crash left beside their places.
func (r *Repo) sweepLocks() {
	for _, dir := range []string{"refs/heads", "refs/remotes/*"} {
		paths, err := filepath.Glob(filepath.Join(r.path, filepath.FromSlash(dir), "main.*.lock"))
		if err != nil {
			continue
		}
		for _, p := range paths {
			if err := os.Remove(p); err != nil {
				r.log.Warn("leftover stays", "error", err)
			}
		}
	}
}

// maxDepth is how many changes in a row lead to an object, as in git.
const maxDepth = 50

// packer lists what is reached, the newest first, and for each tree and file
// the younger one of the same path, of which it may be written as a change.
type packer struct {
	r     *Repo
	seen  map[commit.ObjectID]int // changes in a row
	last  map[string]commit.ObjectID
	items []objdb.Item
}

func (p *packer) walk(ctx context.Context, heads []commit.ObjectID) error {
	var trees []commit.ObjectID
	for todo := heads; len(todo) > 0; {
		id := todo[0]
		todo = todo[1:]
		if _, ok := p.seen[id]; ok {
			continue
		}
		p.seen[id] = 0
		p.items = append(p.items, objdb.Item{ID: id})
		c, err := commit.ReadCommit(ctx, p.r.db, id)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		trees = append(trees, c.Tree)
		todo = append(todo, c.Parents...)
	}
	for _, id := range trees {
		if err := p.tree(ctx, "", id); err != nil {
			return err
		}
	}
	return nil
}

// add lists an object; fresh is false if it was listed before.
func (p *packer) add(path string, id commit.ObjectID) (fresh bool) {
	if _, ok := p.seen[id]; ok {
		return false
	}
	it := objdb.Item{ID: id, From: p.last[path]}
	depth := p.seen[it.From] + 1
	if it.From.IsZero() || depth > maxDepth {
		it.From, depth = commit.ObjectID{}, 0
	}
	p.seen[id], p.last[path] = depth, id
	p.items = append(p.items, it)
	return true
}

func (p *packer) tree(ctx context.Context, path string, id commit.ObjectID) error {
	if _, ok := p.seen[id]; ok {
		return nil
	}
	tree, err := commit.ReadTree(ctx, p.r.db, id)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if id == commit.EmptyTree {
		if has, err := p.r.db.Has(id); err != nil || !has {
			return err
		}
	}
	p.add(path, id)
	for _, e := range tree.Entries {
		switch e.Mode {
		case commit.ModeDir:
			err = p.tree(ctx, path+"/"+e.Name, e.ID)
		case commit.ModeGitlink:
		default:
			p.add(path+"/"+e.Name, e.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
