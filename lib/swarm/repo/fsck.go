package repo

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
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
