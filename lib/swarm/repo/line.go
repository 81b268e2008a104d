package repo

import (
	"container/heap"
	"context"
	"fmt"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
)

// liner puts a head's history in the order of lib/swarm/order, but only as far
// down as it differs from what is in line already. A commit is taken when all
// its children are out; all its children are known when everything that was
// generated later has been looked at.
type liner struct {
	r     *Repo
	known map[commit.ObjectID]Meta // looked up before the index
	seen  map[commit.ObjectID]*lined
	queue []*lined // the heap of the order: by time
	ahead ahead    // to be looked at: by generation
}

type lined struct {
	Meta
	children int // seen and not out
	looked   bool
}

// ahead is a heap with the latest generation first.
type ahead []*lined

func (a ahead) Len() int           { return len(a) }
func (a ahead) Less(i, j int) bool { return a[i].Gen > a[j].Gen }
func (a ahead) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *ahead) Push(x any)        { *a = append(*a, x.(*lined)) }
func (a *ahead) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

// line brings head's history in line in the index, which has all its commits.
// Some of them may be known, and need not be looked up.
func (r *Repo) line(ctx context.Context, conv, head commit.ObjectID, known []Meta) error {
	l := &liner{r: r, seen: make(map[commit.ObjectID]*lined), known: make(map[commit.ObjectID]Meta, len(known))}
	for _, m := range known {
		l.known[m.ID] = m
	}
	_, placed, err := r.o.Index.Head(ctx, conv)
	if err != nil {
		return err
	}
	first, err := l.see(ctx, head)
	if err != nil {
		return err
	}
	l.queue = append(l.queue, first)
	var out []Place
	keep := 0
	for len(l.queue) > 0 {
		x := l.pop()
		cut := len(l.queue) == 0
		if cut && placed > 0 {
			at, same, err := r.o.Index.Position(ctx, conv, x.ID)
			if err != nil {
				return err
			}
			if at >= 0 && same {
				keep = at + 1
				break
			}
		}
		out = append(out, Place{x.ID, cut})
		if err := l.release(ctx, x); err != nil {
			return err
		}
	}
	slices.Reverse(out)
	return r.o.Index.Place(ctx, conv, keep, out, head)
}

// see makes a commit known and queues it to be looked at.
func (l *liner) see(ctx context.Context, id commit.ObjectID) (*lined, error) {
	if x := l.seen[id]; x != nil {
		return x, nil
	}
	m, ok := l.known[id]
	if !ok {
		var err error
		if m, err = l.r.meta(ctx, id); err != nil {
			return nil, err
		}
	}
	x := &lined{Meta: m}
	l.seen[id] = x
	heap.Push(&l.ahead, x)
	return x, nil
}

// look counts for every commit that was generated after gen that it is a child
// of its parents.
func (l *liner) look(ctx context.Context, gen int64) error {
	for len(l.ahead) > 0 && l.ahead[0].Gen > gen {
		x := heap.Pop(&l.ahead).(*lined)
		x.looked = true
		for _, p := range x.Parents {
			y, err := l.see(ctx, p)
			if err != nil {
				return err
			}
			y.children++
		}
	}
	return ctx.Err()
}

// release takes a commit that is out off its parents, and queues those that
// have no other child.
func (l *liner) release(ctx context.Context, x *lined) error {
	for _, p := range x.Parents {
		y, err := l.see(ctx, p)
		if err != nil {
			return err
		}
		if err := l.look(ctx, y.Gen); err != nil {
			return err
		}
		if y.children--; y.children == 0 {
			l.push(y)
		}
	}
	delete(l.seen, x.ID)
	return nil
}

// push and pop are those of lib/swarm/order, where the rule is written down.
func (l *liner) push(x *lined) {
	l.queue = append(l.queue, x)
	h := l.queue
	for at := len(h) - 1; at > 0; {
		up := (at - 1) / 2
		if h[at].Time <= h[up].Time {
			return
		}
		h[at], h[up] = h[up], h[at]
		at = up
	}
}

func (l *liner) pop() *lined {
	h := l.queue
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for at := 0; 2*at+1 < len(h); {
		down := 2*at + 1
		if right := down + 1; right < len(h) && h[right].Time > h[down].Time {
			down = right
		}
		if h[down].Time <= h[at].Time {
			break
		}
		h[at], h[down] = h[down], h[at]
		at = down
	}
	l.queue = h
	return top
}

// Log lists commits newest first, in the order of lib/swarm/order: at most n
// that come after the first skip ones from our head.
func (r *Repo) Log(ctx context.Context, skip, n int) ([]Meta, error) {
	conv, total, err := r.ensure(ctx)
	if err != nil {
		return nil, fmt.Errorf("repo: log: %w", err)
	}
	if skip >= total || n <= 0 {
		return nil, nil
	}
	out, err := r.o.Index.Line(ctx, conv, total-1-skip, n)
	if err != nil {
		return nil, fmt.Errorf("repo: log: %w", err)
	}
	return out, nil
}

// LogBefore lists at most n commits that come after, and so are older than, id.
// The error wraps ErrNotFound if our head does not reach it.
func (r *Repo) LogBefore(ctx context.Context, id commit.ObjectID, n int) ([]Meta, error) {
	at, _, err := r.Position(ctx, id)
	if err != nil || at == 0 || n <= 0 {
		return nil, err
	}
	out, err := r.o.Index.Line(ctx, r.ID(), at-1, n)
	if err != nil {
		return nil, fmt.Errorf("repo: log: %w", err)
	}
	return out, nil
}

// Position is the place of a commit in our history, 0 for the first commit, and
// the number of commits there are. The error wraps ErrNotFound if our head does
// not reach it.
func (r *Repo) Position(ctx context.Context, id commit.ObjectID) (at, total int, err error) {
	conv, total, err := r.ensure(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("repo: position: %w", err)
	}
	at, _, err = r.o.Index.Position(ctx, conv, id)
	if err != nil {
		return 0, 0, fmt.Errorf("repo: position: %w", err)
	}
	if at < 0 {
		return 0, total, fmt.Errorf("repo: %v: %w", id, ErrNotFound)
	}
	return at, total, nil
}

var _ order.Graph = (*Repo)(nil)
