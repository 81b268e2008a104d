package repo

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
)

// parseMeta reads what the index keeps of a commit; Gen is still to be found.
func parseMeta(id commit.ObjectID, data []byte) (Meta, error) {
	c, err := commit.ParseCommit(data)
	if err != nil {
		return Meta{}, fmt.Errorf("commit %v: %w", id, err)
	}
	return Meta{ID: id, Tree: c.Tree, Parents: c.Parents, Device: c.Author.Email, Time: c.Committer.Time}, nil
}

const (
	// maxRecent is how many commits are kept in memory.
	maxRecent = 8192
	// atOnce is how many are read where one is asked for: who asks for a
	// commit will ask for its parents.
	atOnce = 64
)

// meta looks a commit up. The error wraps ErrNotFound if the index has not got
// it.
func (r *Repo) meta(ctx context.Context, id commit.ObjectID) (Meta, error) {
	r.mu.Lock()
	m, ok := r.recent[id]
	r.mu.Unlock()
	if ok {
		return m, nil
	}
	found, err := r.o.Index.Behind(ctx, r.ID(), id, atOnce)
	if err != nil {
		return m, err
	}
	if len(found) == 0 || found[0].ID != id {
		return m, fmt.Errorf("repo: commit %v: %w", id, ErrNotFound)
	}
	r.remember(found)
	return found[0], nil
}

func (r *Repo) remember(found []Meta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.recent)+len(found) > maxRecent {
		clear(r.recent)
	}
	for _, m := range found[:min(len(found), maxRecent)] {
		r.recent[m.ID] = m
	}
}

// ensure lets the index catch up with our head. It returns the conversation and
// the number of its commits.
func (r *Repo) ensure(ctx context.Context) (conv commit.ObjectID, n int, err error) {
	conv = r.ID()
	head, err := r.Head(ctx)
	if err != nil {
		return conv, 0, err
	}
	at, n, err := r.o.Index.Head(ctx, conv)
	if err != nil {
		return conv, 0, err
	}
	if at != head {
		if err := r.catchUp(ctx, conv); err != nil {
			return conv, 0, err
		}
		if _, n, err = r.o.Index.Head(ctx, conv); err != nil {
			return conv, 0, err
		}
	}
	return conv, n, nil
}

// catchUp reads what the index lacks of our head's history and puts it in line.
func (r *Repo) catchUp(ctx context.Context, conv commit.ObjectID) error {
	r.indexing.Lock()
	defer r.indexing.Unlock()
	head, err := r.Head(ctx)
	if err != nil {
		return err
	}
	at, _, err := r.o.Index.Head(ctx, conv)
	if err != nil || at == head || head.IsZero() {
		return err
	}
	found, err := r.learn(ctx, conv, head)
	if err != nil {
		return err
	}
	return r.line(ctx, conv, head, found)
}

// known looks a commit up that is in the repository, be it in the index or
// not. The error wraps ErrNotFound if it is in neither.
func (r *Repo) known(ctx context.Context, id commit.ObjectID) (Meta, error) {
	m, err := r.meta(ctx, id)
	has, herr := r.db.Has(id)
	if herr != nil {
		return m, herr
	}
	if !has {
		return m, fmt.Errorf("repo: commit %v: %w", id, ErrNotFound)
	}
	if !errors.Is(err, ErrNotFound) {
		return m, err
	}
	r.indexing.Lock()
	defer r.indexing.Unlock()
	if _, err := r.learn(ctx, r.ID(), id); err != nil {
		return m, err
	}
	return r.meta(ctx, id)
}

// learn adds to the index all that head reaches and that it lacks, and returns
// it.
func (r *Repo) learn(ctx context.Context, conv, head commit.ObjectID) ([]Meta, error) {
	var found []Meta
	todo, seen := []commit.ObjectID{head}, map[commit.ObjectID]bool{head: true}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, err := r.meta(ctx, id); err == nil {
			continue
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		data, err := commit.Read(ctx, r.db, id, commit.TypeCommit)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		m, err := parseMeta(id, data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		found = append(found, m)
		for _, p := range m.Parents {
			if !seen[p] {
				seen[p] = true
				todo = append(todo, p)
			}
		}
	}
	return r.addMissing(ctx, conv, found)
}

// addMissing gives commits, whose other parents the index has, their
// generations and adds them. It returns them, parents first.
func (r *Repo) addMissing(ctx context.Context, conv commit.ObjectID, found []Meta) ([]Meta, error) {
	sorted, err := r.generate(ctx, found)
	if err != nil || len(sorted) == 0 {
		return nil, err
	}
	if err := r.o.Index.Add(ctx, conv, sorted); err != nil {
		return nil, err
	}
	r.remember(sorted)
	return sorted, nil
}

// generate gives commits their generations and returns them parents first.
// Other parents than those among them must be in the index.
func (r *Repo) generate(ctx context.Context, found []Meta) ([]Meta, error) {
	byID := make(map[commit.ObjectID]*Meta, len(found))
	for i := range found {
		byID[found[i].ID] = &found[i]
	}
	out := make([]Meta, 0, len(byID))
	var stack []*Meta
	for i := range found {
		for stack = append(stack[:0], byID[found[i].ID]); len(stack) > 0; {
			m := stack[len(stack)-1]
			if m.Gen != 0 {
				stack = stack[:len(stack)-1]
				continue
			}
			gen, wait, err := r.parentsGen(ctx, m, byID)
			if err != nil {
				return nil, err
			}
			if wait != nil {
				if len(stack) > len(found) {
					return nil, fmt.Errorf("commit %v is its own ancestor: %w", m.ID, commit.ErrMalformed)
				}
				stack = append(stack, wait)
				continue
			}
			m.Gen = gen + 1
			out = append(out, *m)
			stack = stack[:len(stack)-1]
		}
	}
	return out, nil
}

// parentsGen is the highest generation of the parents, or a parent that has to
// get its own first.
func (r *Repo) parentsGen(ctx context.Context, m *Meta, byID map[commit.ObjectID]*Meta) (gen int64, wait *Meta, err error) {
	for _, p := range m.Parents {
		q := byID[p]
		switch {
		case q == nil:
			old, err := r.meta(ctx, p)
			if err != nil {
				return 0, nil, err
			}
			gen = max(gen, old.Gen)
		case q.Gen == 0:
			return 0, q, nil
		default:
			gen = max(gen, q.Gen)
		}
	}
	return gen, nil, nil
}

// Node implements [order.Graph] for commits in the index: those of our head's
// history and those that were fetched.
func (r *Repo) Node(ctx context.Context, id commit.ObjectID) (order.Node, error) {
	m, err := r.meta(ctx, id)
	if errors.Is(err, ErrNotFound) {
		if _, _, err := r.ensure(ctx); err != nil {
			return order.Node{}, err
		}
		if m, err = r.meta(ctx, id); err != nil {
			return order.Node{}, fmt.Errorf("%w: %w", err, commit.ErrNotFound)
		}
	}
	if err != nil {
		return order.Node{}, err
	}
	return order.Node{Parents: m.Parents, Time: m.Time, Gen: m.Gen}, nil
}

// Commits looks commits up in the index; those that are not there are left out.
func (r *Repo) Commits(ctx context.Context, ids ...commit.ObjectID) ([]Meta, error) {
	conv, _, err := r.ensure(ctx)
	if err != nil {
		return nil, fmt.Errorf("repo: commits: %w", err)
	}
	out, err := r.o.Index.Commits(ctx, conv, ids)
	if err != nil {
		return nil, fmt.Errorf("repo: commits: %w", err)
	}
	return out, nil
}

// IsAncestor tells whether a is b or an ancestor of b. Both are known commits.
func (r *Repo) IsAncestor(ctx context.Context, a, b commit.ObjectID) (bool, error) {
	if _, _, err := r.ensure(ctx); err != nil {
		return false, fmt.Errorf("repo: ancestor: %w", err)
	}
	ok, err := order.IsAncestor(ctx, r, a, b)
	if err != nil {
		return false, fmt.Errorf("repo: ancestor: %w", err)
	}
	return ok, nil
}

// Missing are the commits that head reaches and ours, if it is not zero, does
// not, parents first. Both are known commits.
func (r *Repo) Missing(ctx context.Context, head, ours commit.ObjectID) ([]Meta, error) {
	if _, _, err := r.ensure(ctx); err != nil {
		return nil, fmt.Errorf("repo: missing: %w", err)
	}
	var without []commit.ObjectID
	if !ours.IsZero() {
		without = append(without, ours)
	}
	out, err := difference(ctx, r.meta, []commit.ObjectID{head}, without)
	if err != nil {
		return nil, fmt.Errorf("repo: missing: %w", err)
	}
	return out, nil
}

// difference is what the heads in with reach and those in without do not,
// parents first. It looks at what lies between them only.
func difference(ctx context.Context, meta func(context.Context, commit.ObjectID) (Meta, error), with, without []commit.ObjectID) ([]Meta, error) {
	d := differ{meta: meta, seen: make(map[commit.ObjectID]*side)}
	for _, id := range with {
		if err := d.see(ctx, id, false); err != nil {
			return nil, err
		}
	}
	for _, id := range without {
		if err := d.see(ctx, id, true); err != nil {
			return nil, err
		}
	}
	var out []Meta
	for d.wanted > 0 {
		x := heap.Pop(&d.todo).(*side)
		x.out = true
		if !x.without {
			d.wanted--
			out = append(out, x.Meta)
		}
		for _, p := range x.Parents {
			if err := d.see(ctx, p, x.without); err != nil {
				return nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	slices.Reverse(out)
	return out, nil
}

// side is a commit on its way through difference; the latest generation comes
// first, so that all that reaches a commit was there before it.
type side struct {
	Meta
	without, out bool
}

type sides []*side

func (a sides) Len() int           { return len(a) }
func (a sides) Less(i, j int) bool { return a[i].Gen > a[j].Gen }
func (a sides) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *sides) Push(x any)        { *a = append(*a, x.(*side)) }
func (a *sides) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

type differ struct {
	meta   func(context.Context, commit.ObjectID) (Meta, error)
	seen   map[commit.ObjectID]*side
	todo   sides
	wanted int // in todo and not without
}

func (d *differ) see(ctx context.Context, id commit.ObjectID, without bool) error {
	x := d.seen[id]
	if x == nil {
		m, err := d.meta(ctx, id)
		if err != nil {
			return err
		}
		x = &side{Meta: m, without: without}
		d.seen[id] = x
		heap.Push(&d.todo, x)
		if !without {
			d.wanted++
		}
		return nil
	}
	if without && !x.without {
		x.without = true
		if !x.out {
			d.wanted--
		}
	}
	return nil
}
