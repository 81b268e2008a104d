package repo

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// incomplete is what is wrong with a pack that does not fit to what we have.
type incomplete struct {
	commit commit.ObjectID
	text   string
}

func (e *incomplete) Error() string { return e.text }

// connect checks that with the pack nothing is missing that the wanted head
// reaches, and that the pack holds nothing else.
func (x *fetch) connect(ctx context.Context) (*Incoming, error) {
	if _, ok := x.metas[x.want]; !ok {
		return nil, &incomplete{x.want, "the wanted commit is not in the pack"}
	}
	if err := x.parents(ctx); err != nil {
		return nil, err
	}
	found := make([]Meta, 0, len(x.metas))
	for _, m := range x.metas {
		found = append(found, m)
	}
	found, err := x.r.generate(ctx, found)
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		x.metas[m.ID] = m
	}
	var local []commit.ObjectID
	if !x.local.IsZero() {
		local = append(local, x.local)
	}
	commits, err := difference(ctx, x.meta, []commit.ObjectID{x.want}, local)
	if err != nil {
		return nil, err
	}
	if err := x.complete(ctx, commits); err != nil {
		return nil, err
	}
	return &Incoming{Objects: commit.Over{x.q, x.r.db}, Head: x.want, Local: x.local, Commits: commits}, nil
}

// meta looks a commit up in the pack, then in the index.
func (x *fetch) meta(ctx context.Context, id commit.ObjectID) (Meta, error) {
	if m, ok := x.metas[id]; ok {
		return m, nil
	}
	return x.r.meta(ctx, id)
}

// parents checks that all parents of the pack's commits are in it or ours.
func (x *fetch) parents(ctx context.Context) error {
	for _, m := range x.metas {
		for _, p := range m.Parents {
			if _, ok := x.metas[p]; ok {
				continue
			}
			if _, err := x.r.known(ctx, p); errors.Is(err, ErrNotFound) {
				return &incomplete{m.ID, fmt.Sprintf("parent %v is missing", p)}
			} else if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// complete walks what the new commits name. Commits that we have are complete.
func (x *fetch) complete(ctx context.Context, commits []Meta) error {
	w := &walker{x: x, seen: make(map[commit.ObjectID]commit.Type)}
	for _, m := range commits {
		if _, ok := x.metas[m.ID]; !ok {
			continue
		}
		w.seen[m.ID] = commit.TypeCommit
		if err := w.tree(ctx, m.Tree, 0); err != nil {
			var missing *incomplete
			if errors.As(err, &missing) {
				missing.commit = m.ID
			}
			return err
		}
	}
	for _, e := range x.q.Entries {
		if _, ok := w.seen[e.ID]; ok {
			continue
		}
		if has, err := x.r.db.Has(e.ID); err != nil {
			return err
		} else if !has {
			return &incomplete{text: fmt.Sprintf("object %v is in the pack and of no use", e.ID)}
		}
	}
	return nil
}

// walker looks at every object of the pack once.
type walker struct {
	x    *fetch
	seen map[commit.ObjectID]commit.Type
}

// visit tells whether an object is to be looked into: it is in the pack, and
// new. One that is neither in the pack nor ours is missing.
func (w *walker) visit(id commit.ObjectID, t commit.Type) (bool, error) {
	if was, ok := w.seen[id]; ok {
		if was != t {
			return false, &incomplete{text: fmt.Sprintf("object %v is named as %v and %v", id, was, t)}
		}
		return false, nil
	}
	w.seen[id] = t
	ok, err := w.x.q.Has(id)
	if ok || err != nil {
		return ok, err
	}
	if ok, err = w.x.r.db.Has(id); err != nil {
		return false, err
	}
	if !ok && (t != commit.TypeTree || id != commit.EmptyTree) {
		return false, &incomplete{text: fmt.Sprintf("%v %v is missing", t, id)}
	}
	return false, nil
}

func (w *walker) tree(ctx context.Context, id commit.ObjectID, depth int) error {
	look, err := w.visit(id, commit.TypeTree)
	if err != nil || !look {
		return err
	}
	if depth > commit.MaxTreeDepth {
		return &incomplete{text: fmt.Sprintf("tree %v lies too deep", id)}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := w.read(ctx, id, commit.TypeTree)
	if err != nil {
		return err
	}
	tree, err := commit.ParseTree(data)
	if err != nil {
		return err
	}
	for _, e := range tree.Entries {
		switch e.Mode {
		case commit.ModeDir:
			err = w.tree(ctx, e.ID, depth+1)
		case commit.ModeGitlink: // a commit of another repository
		default:
			err = w.blob(ctx, e.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) blob(ctx context.Context, id commit.ObjectID) error {
	look, err := w.visit(id, commit.TypeBlob)
	if err != nil || !look {
		return err
	}
	_, err = w.read(ctx, id, commit.TypeBlob)
	return err
}

// read reads an object of the pack, which must be what its name's place says.
func (w *walker) read(ctx context.Context, id commit.ObjectID, want commit.Type) ([]byte, error) {
	t, data, err := w.x.q.Object(ctx, id)
	if err == nil && t != want {
		return nil, &incomplete{text: fmt.Sprintf("%v is a %v, not a %v", id, t, want)}
	}
	return data, err
}
