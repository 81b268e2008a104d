package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/objdb"
)

// maxProblems is how many are listed; there may be as many as objects.
const maxProblems = 1000

// Fsck reads every object and checks its name, its form and that what it names
// is there, then the refs and the index. An index that does not agree with the
// repository is made anew.
func (r *Repo) Fsck(ctx context.Context) (*Report, error) {
	c := &checker{r: r, types: make(map[commit.ObjectID]commit.Type), named: make(map[commit.ObjectID]commit.Type)}
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("repo: fsck: %w", err)
	}
	return &c.report, nil
}

type checker struct {
	r      *Repo
	types  map[commit.ObjectID]commit.Type
	named  map[commit.ObjectID]commit.Type
	report Report
}

func (c *checker) problem(format string, args ...any) {
	if len(c.report.Problems) < maxProblems {
		c.report.Problems = append(c.report.Problems, fmt.Sprintf(format, args...))
	}
}

func (c *checker) run(ctx context.Context) error {
	for _, p := range c.r.db.All() {
		if err := p.Check(); err != nil {
			c.problem("%v", err)
		}
		entries, err := p.Entries()
		if err != nil {
			c.problem("%v", err)
			continue
		}
		for _, e := range entries {
			t, data, err := p.Get(e.ID)
			c.object(e.ID, t, data, err)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	err := c.r.db.Loose(ctx, func(id commit.ObjectID) error {
		t, data, err := c.r.db.ReadLoose(id)
		c.object(id, t, data, err)
		return nil
	})
	if err != nil {
		return err
	}
	for id, want := range c.named {
		if t, ok := c.types[id]; !ok && (want != commit.TypeTree || id != commit.EmptyTree) {
			c.problem("%v %v is missing", want, id)
		} else if ok && t != want {
			c.problem("%v is a %v, not a %v", id, t, want)
		}
	}
	return c.refs(ctx)
}

// object checks one object, or why it cannot be read.
func (c *checker) object(id commit.ObjectID, t commit.Type, data []byte, err error) {
	if err != nil {
		c.problem("%v", err)
		return
	}
	if got := commit.Hash(t, data); got != id {
		c.problem("object %v is in truth %v", id, got)
		return
	}
	if _, again := c.types[id]; again {
		return
	}
	c.types[id] = t
	switch t {
	case commit.TypeCommit:
		c.report.Commits++
		m, err := parseMeta(id, data)
		if err != nil {
			c.problem("%v", err)
			return
		}
		c.named[m.Tree] = commit.TypeTree
		for _, p := range m.Parents {
			c.named[p] = commit.TypeCommit
		}
	case commit.TypeTree:
		c.report.Trees++
		c.tree(id, data)
	case commit.TypeBlob:
		c.report.Blobs++
	default:
		c.problem("%v %v has no place here", t, id)
	}
}

func (c *checker) tree(id commit.ObjectID, data []byte) {
	tree, err := commit.ParseTree(data)
	if err != nil {
		c.problem("tree %v: %v", id, err)
		return
	}
	for _, e := range tree.Entries {
		switch e.Mode {
		case commit.ModeDir:
			c.named[e.ID] = commit.TypeTree
		case commit.ModeGitlink:
		default:
			c.named[e.ID] = commit.TypeBlob
		}
	}
}

func (c *checker) refs(ctx context.Context) error {
	heads, err := c.r.heads(ctx)
	if errors.Is(err, ErrDamaged) {
		c.problem("%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range heads {
		if c.types[id] != commit.TypeCommit {
			c.problem("a ref names %v, which is no commit here", id)
		}
	}
	if len(heads) == 0 {
		c.problem("there is no main branch")
	}
	if len(c.report.Problems) > 0 {
		return nil // an index of that would not be better
	}
	return c.index(ctx)
}

// index compares the index with a walk over the objects.
func (c *checker) index(ctx context.Context) error {
	conv, n, err := c.r.ensure(ctx)
	if err != nil {
		return err
	}
	fresh := &Repo{path: c.r.path, db: c.r.db, idOnce: conv, log: c.r.log, o: Options{Index: NewMemory()}, recent: make(map[commit.ObjectID]Meta)}
	_, want, err := fresh.ensure(ctx)
	if err != nil {
		return err
	}
	same := n == want
	for at := want - 1; same && at >= 0; {
		a, err := c.r.o.Index.Line(ctx, conv, at, page)
		if err != nil {
			return err
		}
		b, err := fresh.o.Index.Line(ctx, conv, at, page)
		if err != nil {
			return err
		}
		for i := range b {
			same = same && i < len(a) && a[i].ID == b[i].ID && a[i].Gen == b[i].Gen
		}
		at -= len(b)
	}
	if same {
		return nil
	}
	c.problem("the index did not agree with the history; it was made anew")
	return c.r.Reindex(ctx)
}

// Reindex makes the index anew from the repository.
func (r *Repo) Reindex(ctx context.Context) error {
	r.write.Lock()
	defer r.write.Unlock()
	r.mu.Lock()
	clear(r.recent)
	r.mu.Unlock()
	if err := r.o.Index.Clear(ctx, r.ID()); err != nil {
		return fmt.Errorf("repo: reindex: %w", err)
	}
	if _, _, err := r.ensure(ctx); err != nil {
		return fmt.Errorf("repo: reindex: %w", err)
	}
	return nil
}

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
