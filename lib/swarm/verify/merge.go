package verify

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
)

// merge judges a commit with two parents: its author, and that it is what the
// two make together.
func (k *checker) merge(ctx context.Context, s *subject) (*job, error) {
	j, err := k.author(ctx, s, s.c.Tree)
	if err != nil {
		if r, ok := AsReason(err); ok {
			r.Merge = true
		}
		return nil, err
	}
	j.merge = true
	return j, k.merged(ctx, s)
}

// merged compares the tree of a merge with those of its parents. A path at
// which the result differs from both was made up. Where the parents differ, the
// one that changed it counts: the rule of commit.Merge.
func (k *checker) merged(ctx context.Context, s *subject) error {
	m, err := k.sides(ctx, s)
	if err != nil {
		return err
	}
	if err := k.madeUp(ctx, s, m); err != nil || k.mode != Strict || m.Ours.Tree == m.Theirs.Tree {
		return err
	}
	bases, err := order.Bases(ctx, k.ancestry.graph, s.c.Parents[0], s.c.Parents[1])
	if err != nil {
		return err
	}
	for _, b := range bases {
		t, err := k.treeOf(ctx, b)
		if err != nil {
			return err
		}
		m.Bases = append(m.Bases, t)
	}
	paths, err := m.Paths(ctx, k.trees)
	if err != nil {
		return err
	}
	for _, p := range paths {
		want, _, free := m.Resolve(p.Path, p.Bases, p.Ours, p.Theirs)
		got, _, err := k.trees.Lookup(ctx, s.c.Tree, p.Path)
		if err != nil {
			return err
		}
		v := commit.Value{Mode: got.Mode, ID: got.ID}
		if v.Mode == commit.ModeDir {
			v = commit.Value{}
		}
		if v != want && !free {
			return refuse(MergeLost, p.Path)
		}
	}
	return nil
}

func (k *checker) sides(ctx context.Context, s *subject) (m commit.Merge, err error) {
	m.Ours = commit.Side{Head: s.c.Parents[0], Tree: s.before}
	m.Theirs.Head = s.c.Parents[1]
	m.Theirs.Tree, err = k.treeOf(ctx, s.c.Parents[1])
	return m, err
}

// madeUp refuses a path that differs from both parents.
func (k *checker) madeUp(ctx context.Context, s *subject, m commit.Merge) error {
	a, err := k.trees.Diff(ctx, m.Ours.Tree, s.c.Tree)
	if err != nil {
		return err
	}
	b, err := k.trees.Diff(ctx, m.Theirs.Tree, s.c.Tree)
	if err != nil {
		return err
	}
	in := make(map[string]bool, len(a))
	for _, c := range a {
		in[c.Path] = true
	}
	for _, c := range b {
		if in[c.Path] {
			return refuse(MergeNew, c.Path)
		}
	}
	return nil
}
