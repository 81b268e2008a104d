package repo

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
)

// mergeTries is how often a merge is made anew because our head has moved.
const mergeTries = 8

// Merge brings theirs, a commit in the repository, into our head. It does
// nothing if our head has it, moves on to it if it has our head, and otherwise
// makes a commit of both. The error wraps ErrUnrelated if the two have no
// commit in common.
func (r *Repo) Merge(ctx context.Context, theirs commit.ObjectID, m MergeOptions) (*Merged, error) {
	var out *Merged
	err := ErrMoved
	for i := 0; i < mergeTries && errors.Is(err, ErrMoved); i++ {
		out, err = r.merge(ctx, theirs, m)
	}
	if err != nil {
		return nil, fmt.Errorf("repo: merge: %w", err)
	}
	return out, nil
}

func (r *Repo) merge(ctx context.Context, theirs commit.ObjectID, m MergeOptions) (*Merged, error) {
	if _, _, err := r.ensure(ctx); err != nil {
		return nil, err
	}
	ours, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := r.known(ctx, theirs); err != nil {
		return nil, err
	}
	bases, err := order.Bases(ctx, r, ours, theirs)
	switch {
	case err != nil:
		return nil, err
	case len(bases) == 0:
		return nil, ErrUnrelated
	case bases[0] == theirs:
		return &Merged{Head: ours}, nil
	case bases[0] == ours:
		return &Merged{Head: theirs}, r.Append(ctx, nil, ours, theirs)
	}
	return r.join(ctx, ours, theirs, bases, m)
}

// join makes the merge commit.
func (r *Repo) join(ctx context.Context, ours, theirs commit.ObjectID, bases []commit.ObjectID, m MergeOptions) (*Merged, error) {
	ids := append([]commit.ObjectID{ours, theirs}, bases...)
	roots := make([]commit.ObjectID, len(ids))
	for i, id := range ids {
		meta, err := r.meta(ctx, id)
		if err != nil {
			return nil, err
		}
		roots[i] = meta.Tree
	}
	merge := commit.Merge{
		Bases: roots[2:],
		Ours:  commit.Side{Head: ours, Tree: roots[0]}, Theirs: commit.Side{Head: theirs, Tree: roots[1]},
	}
	tree, objects, conflicts, err := merge.Run(ctx, commit.NewTrees(r.db))
	if err != nil {
		return nil, err
	}
	person := commit.Person{Name: commit.AuthorName(m.Name, m.Device), Email: m.Device, Time: m.Time.Unix(), Zone: "+0000"}
	c := &commit.Commit{
		Tree: tree, Parents: []commit.ObjectID{ours, theirs}, Author: person, Committer: person,
		Message: []byte("Merge commit '" + theirs.String() + "'"),
	}
	o, err := c.Sign(m.Signer)
	if err != nil {
		return nil, err
	}
	out := &Merged{Head: o.ID(), Commit: true, Conflicts: conflicts}
	return out, r.Append(ctx, append(objects, o), ours, out.Head)
}
