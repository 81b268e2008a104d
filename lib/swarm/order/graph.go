package order

import (
	"container/heap"
	"context"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Memory is a graph in memory whose nodes all have their Gen. What it does not
// hold it asks the graph below, if there is one. It is for one goroutine.
type Memory struct {
	nodes map[commit.ObjectID]Node
	below Graph
}

// NewMemory is an empty graph over below, which knows the Gen of its nodes, or
// is nil.
func NewMemory(below Graph) *Memory {
	return &Memory{nodes: map[commit.ObjectID]Node{}, below: below}
}

// Node finds a node.
func (m *Memory) Node(ctx context.Context, id commit.ObjectID) (Node, error) {
	if n, ok := m.nodes[id]; ok {
		return n, nil
	}
	if m.below == nil {
		return Node{}, fmt.Errorf("order: %v: %w", id, commit.ErrNotFound)
	}
	return m.below.Node(ctx, id)
}

// Load reads from g all that heads reach and that is not known, known being nil
// or what the graph below holds. It fails on a commit that is its own ancestor.
func (m *Memory) Load(ctx context.Context, g Graph, known func(commit.ObjectID) bool, heads ...commit.ObjectID) error {
	type frame struct {
		id commit.ObjectID
		n  Node
		at int
	}
	open := map[commit.ObjectID]bool{}
	var stack []frame
	enter := func(id commit.ObjectID) error {
		if _, ok := m.nodes[id]; ok || known != nil && known(id) {
			return nil
		}
		if open[id] {
			return fmt.Errorf("order: %v is its own ancestor: %w", id, commit.ErrMalformed)
		}
		n, err := g.Node(ctx, id)
		if err != nil {
			return err
		}
		open[id] = true
		stack = append(stack, frame{id: id, n: n})
		return ctx.Err()
	}
	for _, head := range heads {
		if err := enter(head); err != nil {
			return err
		}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.at < len(f.n.Parents) {
				f.at++
				if err := enter(f.n.Parents[f.at-1]); err != nil {
					return err
				}
				continue
			}
			if err := m.close(ctx, f.id, f.n); err != nil {
				return err
			}
			delete(open, f.id)
			stack = stack[:len(stack)-1]
		}
	}
	return nil
}

// close gives a node, whose parents are there, its Gen.
func (m *Memory) close(ctx context.Context, id commit.ObjectID, n Node) error {
	n.Gen = 1
	for _, p := range n.Parents {
		q, err := m.Node(ctx, p)
		if err != nil {
			return err
		}
		n.Gen = max(n.Gen, q.Gen+1)
	}
	m.nodes[id] = n
	return nil
}

// Len is how many nodes are held here, not below.
func (m *Memory) Len() int { return len(m.nodes) }

const (
	fromA = 1 << iota
	fromB
	stale
)

type ranked struct {
	id   commit.ObjectID
	node Node
}

// frontier is commits to look at, those with the highest Gen first, so that a
// commit comes after all its descendants.
type frontier []ranked

func (f frontier) Len() int           { return len(f) }
func (f frontier) Less(i, j int) bool { return f[i].node.Gen > f[j].node.Gen }
func (f frontier) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *frontier) Push(x any)        { *f = append(*f, x.(ranked)) }
func (f *frontier) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
}

// meeting is a walk from two commits down to where they meet.
type meeting struct {
	g     Graph
	flags map[commit.ObjectID]int
	open  frontier
	fresh int // how many of open are not stale
}

func (m *meeting) mark(ctx context.Context, id commit.ObjectID, add int) error {
	old, seen := m.flags[id]
	m.flags[id] = old | add
	if seen {
		if old&stale == 0 && add&stale != 0 {
			m.fresh--
		}
		return nil
	}
	n, err := m.g.Node(ctx, id)
	if err != nil {
		return err
	}
	if add&stale == 0 {
		m.fresh++
	}
	heap.Push(&m.open, ranked{id, n})
	return ctx.Err()
}

// Bases is the best common ancestors of two commits, in no order: those that
// are not ancestors of another one. The graph has to know the Gen of its nodes;
// the cost is that of the commits between.
func Bases(ctx context.Context, g Graph, a, b commit.ObjectID) ([]commit.ObjectID, error) {
	if a == b {
		return []commit.ObjectID{a}, nil
	}
	m := meeting{g: g, flags: map[commit.ObjectID]int{}}
	if err := m.mark(ctx, a, fromA); err != nil {
		return nil, err
	}
	if err := m.mark(ctx, b, fromB); err != nil {
		return nil, err
	}
	var out []commit.ObjectID
	for m.fresh > 0 && len(m.open) > 0 {
		x := heap.Pop(&m.open).(ranked)
		fl := m.flags[x.id]
		if fl&stale == 0 {
			m.fresh--
			if fl&(fromA|fromB) == fromA|fromB {
				out = append(out, x.id)
				fl |= stale
			}
		}
		for _, p := range x.node.Parents {
			if err := m.mark(ctx, p, fl); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// IsAncestor tells whether old is young or is behind it. The graph has to know
// the Gen of its nodes; the cost is that of the commits between.
func IsAncestor(ctx context.Context, g Graph, old, young commit.ObjectID) (bool, error) {
	return Reaches(ctx, g, young, old, nil)
}

// Reaches is IsAncestor for a caller who knows of some commits that they reach
// old: where sure says so, the walk is at its end. It may be nil.
func Reaches(ctx context.Context, g Graph, young, old commit.ObjectID, sure func(commit.ObjectID) bool) (bool, error) {
	if old == young {
		return true, nil
	}
	target, err := g.Node(ctx, old)
	if err != nil {
		return false, err
	}
	seen := map[commit.ObjectID]bool{young: true}
	for open := []commit.ObjectID{young}; len(open) > 0; {
		id := open[len(open)-1]
		open = open[:len(open)-1]
		if sure != nil && sure(id) {
			return true, nil
		}
		n, err := g.Node(ctx, id)
		if err != nil {
			return false, err
		}
		if n.Gen <= target.Gen {
			continue
		}
		for _, p := range n.Parents {
			if p == old {
				return true, nil
			}
			if !seen[p] {
				seen[p] = true
				open = append(open, p)
			}
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	return false, nil
}
