package verify

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
)

// MaxFuture is how far a commit may be ahead of Options.Now.
const MaxFuture = 24 * time.Hour

// Options is what a verdict may depend on besides the commits.
type Options struct {
	Mode Mode
	// Root is the conversation's id, the only root that strict accepts. Zero:
	// the root of the oldest commit in line.
	Root commit.ObjectID
	// Local is the head that we have: what it reaches was verified before. Zero:
	// nothing was.
	Local commit.ObjectID
	// Known tells whether Local reaches a commit; nil: found by a walk.
	Known func(commit.ObjectID) bool
	// Graph knows the nodes that Local reaches, with their Gen; nil: they are
	// read from the objects.
	Graph order.Graph
	// Now refuses what is dated more than a day later; zero does not.
	Now time.Time
	// Workers verify signatures; 0: as many as there are processors.
	Workers int
	// All goes on after the first refused commit, to judge each for itself.
	All bool
	// Each is told the verdict of every commit, in the order in which they are
	// judged, oldest first: nil or a *Reason. It is called by the goroutine of
	// the caller of History.
	Each func(id commit.ObjectID, err error)
}

// Check judges one commit, whose parents count as valid. The error is a
// *Reason, or a fault of the storage.
func Check(ctx context.Context, objects commit.Objects, id commit.ObjectID, opt Options) error {
	c, err := commit.ReadCommit(ctx, objects, id)
	if err != nil {
		return verdict(id, err)
	}
	k := newChecker(objects, &opt)
	g := opt.Graph
	if len(c.Parents) > 0 && g == nil {
		m := order.NewMemory(nil)
		if err := m.Load(ctx, order.Objects(objects), nil, c.Parents...); err != nil {
			return verdict(id, err)
		}
		g = m
	}
	k.ancestry, k.checkout = ancestry{graph: g}, c.Tree
	j, err := k.commit(ctx, id, c)
	if err != nil || j == nil {
		return err
	}
	return verdict(id, j.run())
}

// Result is what History found.
type Result struct {
	Commits int // that were judged
	// First is the oldest commit refused, nil if all are valid.
	First *Reason
}

// History judges all that head reaches and Options.Local does not, oldest
// first. The error is the *Reason of the oldest commit refused, a fault of the
// storage, or the end of the context.
func History(ctx context.Context, objects commit.Objects, head commit.ObjectID, opt Options) (Result, error) {
	h := &history{objects: objects, opt: opt, head: head}
	err := h.run(ctx)
	if r, ok := AsReason(err); ok && h.result.First == nil {
		h.result.First = r
		if opt.Each != nil {
			opt.Each(r.Commit, r)
		}
	}
	if err == nil && h.result.First != nil {
		err = h.result.First
	}
	return h.result, err
}

type history struct {
	objects commit.Objects
	opt     Options
	head    commit.ObjectID
	graph   *order.Memory
	todo    []commit.ObjectID // oldest first
	places  map[commit.ObjectID]place
	parsed  map[commit.ObjectID]*commit.Commit
	bytes   int
	result  Result
	refused atomic.Int64 // place in todo of the oldest refused for its signature
}

// maxParsed is how many bytes of parsed commits are kept between the walk and
// the judgement.
const maxParsed = 64 << 20

// Node reads a commit for the walk and keeps it for the judgement.
func (h *history) Node(ctx context.Context, id commit.ObjectID) (order.Node, error) {
	b, err := commit.Read(ctx, h.objects, id, commit.TypeCommit)
	if err != nil {
		return order.Node{}, verdict(id, err)
	}
	c, err := commit.ParseCommit(b)
	if err != nil {
		return order.Node{}, verdict(id, err)
	}
	if h.bytes += len(b) + 512; h.bytes < maxParsed {
		h.parsed[id] = c
	}
	return order.Node{Parents: c.Parents, Time: c.Committer.Time}, nil
}

func (h *history) run(ctx context.Context) error {
	if err := h.plan(ctx); err != nil {
		return err
	}
	k := newChecker(h.objects, &h.opt)
	k.ancestry = ancestry{graph: h.graph, places: h.places}
	if err := h.standpoint(ctx, k); err != nil {
		return err
	}
	return h.judge(ctx, k)
}

// standpoint is the tree in which a daemon would count admins: ours, or in a
// clone that of the head.
func (h *history) standpoint(ctx context.Context, k *checker) (err error) {
	at := h.opt.Local
	if at.IsZero() {
		at = h.head
	}
	k.checkout, err = k.treeOf(ctx, at)
	return verdict(at, err)
}

// plan finds the commits to judge.
func (h *history) plan(ctx context.Context) error {
	h.parsed = map[commit.ObjectID]*commit.Commit{}
	h.graph = order.NewMemory(h.opt.Graph)
	known := h.opt.Known
	if h.opt.Local.IsZero() {
		known = nil
	} else if known == nil || h.opt.Graph == nil {
		ours := order.NewMemory(nil)
		if err := ours.Load(ctx, order.Objects(h.objects), nil, h.opt.Local); err != nil {
			return err
		}
		known = func(id commit.ObjectID) bool { _, err := ours.Node(ctx, id); return err == nil }
		h.graph = order.NewMemory(ours)
	}
	if err := h.graph.Load(ctx, h, known, h.head); err != nil {
		return err
	}
	line, err := order.New(ctx, h.graph, h.head, known)
	if err != nil {
		return err
	}
	if h.opt.Mode != Strict && !h.opt.Local.IsZero() {
		return h.daemonWalk(ctx)
	}
	h.todo = make([]commit.ObjectID, 0, line.Len())
	h.places = make(map[commit.ObjectID]place, line.Len())
	for i := line.Len(); ; i-- {
		alone := line.Alone()
		id, ok := line.Next()
		if !ok {
			break
		}
		h.todo = append(h.todo, id)
		h.places[id] = place{i, alone}
	}
	reverse(h.todo)
	return h.findRoot(ctx)
}

// daemonWalk is what a daemon looks at in a fetch: the line of the head down to
// the first common ancestor that it meets.
func (h *history) daemonWalk(ctx context.Context) error {
	bases, err := order.Bases(ctx, h.graph, h.head, h.opt.Local)
	if err != nil {
		return err
	}
	stop := map[commit.ObjectID]bool{}
	for _, b := range bases {
		stop[b] = true
	}
	for id, err := range order.Walk(ctx, h.graph, h.head) {
		if err != nil {
			return err
		}
		if stop[id] {
			break
		}
		h.todo = append(h.todo, id)
	}
	reverse(h.todo)
	return h.findRoot(ctx)
}

func reverse(ids []commit.ObjectID) {
	for i, j := 0, len(ids)-1; i < j; i, j = i+1, j-1 {
		ids[i], ids[j] = ids[j], ids[i]
	}
}

// findRoot sets the root, if it is not given, to that of what we have or, in a
// clone, of the oldest commit.
func (h *history) findRoot(ctx context.Context) error {
	if !h.opt.Root.IsZero() || len(h.todo) == 0 {
		return nil
	}
	id := h.todo[0]
	if !h.opt.Local.IsZero() {
		id = h.opt.Local
	}
	for {
		n, err := h.graph.Node(ctx, id)
		if err != nil {
			return err
		}
		if len(n.Parents) == 0 {
			h.opt.Root = id
			return nil
		}
		id = n.Parents[0]
	}
}

// item is a commit on its way through the workers.
type task struct {
	at  int
	job *job
}

// judge runs the rules in this goroutine and the signatures in others.
func (h *history) judge(ctx context.Context, k *checker) error {
	workers := h.opt.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	verdicts := make([]error, len(h.todo))
	tasks := make(chan task, 64)
	h.refused.Store(int64(len(h.todo)))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for t := range tasks {
				if h.over(t.at) {
					continue
				}
				if verdicts[t.at] = verdict(h.todo[t.at], t.job.run()); verdicts[t.at] != nil {
					h.refuse(t.at)
				}
			}
		})
	}
	done, err := h.rules(ctx, k, verdicts, tasks)
	close(tasks)
	wg.Wait()
	if err != nil {
		return err
	}
	h.report(verdicts[:done])
	return ctx.Err()
}

// over tells whether a younger commit than the oldest refused so far need not
// be judged.
func (h *history) over(at int) bool { return !h.opt.All && int64(at) > h.refused.Load() }

// refuse notes a refused commit, if it is the oldest.
func (h *history) refuse(at int) {
	for old := h.refused.Load(); int64(at) < old && !h.refused.CompareAndSwap(old, int64(at)); {
		old = h.refused.Load()
	}
}

// rules judges all but signatures, up to the first commit refused unless all
// are wanted. Verdicts of commits without a task are set here.
func (h *history) rules(ctx context.Context, k *checker, verdicts []error, tasks chan<- task) (done int, err error) {
	for i, id := range h.todo {
		if h.over(i) {
			return i, nil
		}
		if err := ctx.Err(); err != nil {
			return i, err
		}
		c, err := h.read(ctx, id)
		var j *job
		if err == nil && len(c.Parents) == 0 && k.mode == Strict && id != h.opt.Root {
			err = &Reason{Commit: id, Code: ForeignRoot}
		}
		if err == nil {
			j, err = k.commit(ctx, id, c)
			keep(k.roots, id, c.Tree)
		}
		var r *Reason
		switch {
		case err == nil && j != nil:
			tasks <- task{i, j}
		case errors.As(err, &r):
			verdicts[i] = err
			if !h.opt.All {
				return i + 1, nil
			}
		case err != nil:
			return i, fmt.Errorf("verify: %v: %w", id, err)
		}
	}
	return len(h.todo), nil
}

// read takes a commit that the walk kept, or reads it again.
func (h *history) read(ctx context.Context, id commit.ObjectID) (*commit.Commit, error) {
	if c, ok := h.parsed[id]; ok {
		delete(h.parsed, id)
		return c, nil
	}
	c, err := commit.ReadCommit(ctx, h.objects, id)
	return c, verdict(id, err)
}

func (h *history) report(verdicts []error) {
	for i, err := range verdicts {
		h.result.Commits++
		if h.opt.Each != nil {
			h.opt.Each(h.todo[i], err)
		}
		if r, ok := AsReason(err); ok && h.result.First == nil {
			h.result.First = r
			if !h.opt.All {
				return
			}
		}
	}
}

// place is where a commit stands in the line of those to judge, the older the
// lower, and whether it reaches all that is older there.
type place struct {
	at  int
	cut bool
}

// ancestry answers whether commits are ancestors of others.
type ancestry struct {
	graph  order.Graph
	places map[commit.ObjectID]place
}

func (a ancestry) contains(ctx context.Context, young, old commit.ObjectID) (bool, error) {
	target, ok := a.places[old]
	sure := func(id commit.ObjectID) bool {
		p := a.places[id]
		return ok && p.cut && p.at > target.at
	}
	found, err := order.Reaches(ctx, a.graph, young, old, sure)
	if errors.Is(err, commit.ErrNotFound) {
		return false, nil
	}
	return found, err
}
