package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/gitwire"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
)

// Serve answers one client of git-upload-pack. It shows our branch only, and
// gives away nothing but what that reaches.
func (r *Repo) Serve(ctx context.Context, rw ReadWriter, o ServeOptions) error {
	if o.Time == 0 {
		o.Time = 10 * time.Minute
	}
	if o.Idle == 0 {
		o.Idle = 30 * time.Second
	}
	if o.Haves == 0 {
		o.Haves = 16 << 10
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Time, errTime)
	defer cancel()
	link := gitwire.NewLink(ctx, rw, o.Idle)
	defer link.Close()
	if err := gitwire.Serve(ctx, link, backend{r}, o.Haves); err != nil {
		return fmt.Errorf("repo: %w", err)
	}
	return nil
}

type backend struct{ r *Repo }

var _ gitwire.Backend = backend{}

// Head implements [gitwire.Backend].
func (b backend) Head(ctx context.Context) (commit.ObjectID, error) { return b.r.Head(ctx) }

// Known implements [gitwire.Backend].
func (b backend) Known(ctx context.Context, id commit.ObjectID) (bool, error) {
	_, err := b.r.known(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Pack implements [gitwire.Backend].
func (b backend) Pack(ctx context.Context, want commit.ObjectID, haves []commit.ObjectID, w io.Writer) error {
	if _, _, err := b.r.ensure(ctx); err != nil {
		return err
	}
	commits, err := b.r.outgoing(ctx, want, haves)
	if err != nil {
		return err
	}
	l := &lister{r: b.r, seen: make(map[commit.ObjectID]bool)}
	if err := l.list(ctx, commits, len(haves) > 0); err != nil {
		return err
	}
	return l.write(ctx, w)
}

// page is how many commits are read from the index at once.
const page = 4096

// outgoing are the commits to be sent, newest first.
func (r *Repo) outgoing(ctx context.Context, want commit.ObjectID, haves []commit.ObjectID) ([]Meta, error) {
	conv := r.ID()
	head, n, err := r.o.Index.Head(ctx, conv)
	if err != nil {
		return nil, err
	}
	var out []Meta
	if len(haves) == 0 && head == want {
		for at := n - 1; at >= 0; {
			line, err := r.o.Index.Line(ctx, conv, at, page)
			if err != nil {
				return nil, err
			}
			if len(line) == 0 {
				return nil, fmt.Errorf("repo: index without place %d: %w", at, ErrDamaged)
			}
			out, at = append(out, line...), at-len(line)
		}
		return out, nil
	}
	if out, err = difference(ctx, r.meta, []commit.ObjectID{want}, haves); err != nil {
		return nil, err
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, nil
}

// lister collects the objects of commits: the commits, then trees and blobs.
type lister struct {
	r    *Repo
	seen map[commit.ObjectID]bool // to be sent, or at the other side
	out  []commit.ObjectID
}

// list collects. What the commits just below have, the other side has, if there
// are any there.
func (l *lister) list(ctx context.Context, commits []Meta, below bool) error {
	for _, m := range commits {
		l.seen[m.ID] = true
		l.out = append(l.out, m.ID)
	}
	if below {
		edge := make(map[commit.ObjectID]bool)
		n := len(l.out)
		for _, m := range commits {
			for _, p := range m.Parents {
				if l.seen[p] || edge[p] {
					continue
				}
				edge[p] = true
				parent, err := l.r.meta(ctx, p)
				if err != nil {
					return err
				}
				if err := l.tree(ctx, parent.Tree, 0); err != nil {
					return err
				}
			}
		}
		l.out = l.out[:n]
	}
	for _, m := range commits {
		if err := l.tree(ctx, m.Tree, 0); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) tree(ctx context.Context, id commit.ObjectID, depth int) error {
	if l.seen[id] || depth > commit.MaxTreeDepth {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tree, err := commit.ReadTree(ctx, l.r.db, id)
	if err != nil {
		return err
	}
	if has, err := l.r.db.Has(id); err != nil || !has {
		return err // the empty tree, which needs no object
	}
	l.seen[id] = true
	l.out = append(l.out, id)
	for _, e := range tree.Entries {
		switch {
		case e.Mode == commit.ModeDir:
			err = l.tree(ctx, e.ID, depth+1)
		case e.Mode != commit.ModeGitlink && !l.seen[e.ID]:
			l.seen[e.ID] = true
			l.out = append(l.out, e.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes the pack. Entries are passed on as they lie in ours, also those
// that are changes of another, if that is sent too.
func (l *lister) write(ctx context.Context, w io.Writer) error {
	p, err := pack.NewWriter(w, len(l.out))
	if err != nil {
		return err
	}
	sent := make(map[commit.ObjectID]bool, len(l.out))
	for _, id := range l.out {
		sent[id] = true
	}
	packs := l.r.db.All()
	for i, id := range l.out {
		if i%256 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		raw, err := l.r.db.Raw(ctx, packs, id, func(base commit.ObjectID) bool { return sent[base] })
		if err != nil {
			return err
		}
		if err := p.Add(id, raw); err != nil {
			return err
		}
	}
	_, _, err = p.Close(w)
	return err
}
