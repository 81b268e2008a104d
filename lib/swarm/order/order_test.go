package order_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"pgregory.net/rapid"
)

// The order is that of loadConversationMessages, page by page too.
func TestOrderVectors(t *testing.T) {
	for _, real := range swarmtest.Reals(t) {
		t.Run(real.Name, func(t *testing.T) {
			repo := swarmtest.Load(t, real.Name)
			var want []string
			for i, m := range real.Messages {
				want = append(want, m["id"].(string))
				if p := m["linearizedParent"].(string); i+1 < len(real.Messages) && p != real.Messages[i+1]["id"] {
					t.Errorf("%v: parent in line %v", m["id"], p)
				}
			}
			g := order.Objects(repo.Objects)
			all, err := order.All(t.Context(), g, repo.Head)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(all); !slices.Equal(got, want) {
				t.Fatalf("got  %v\nwant %v", got, want)
			}
			l := &order.List{}
			if err := l.Advance(t.Context(), g, repo.Head); err != nil {
				t.Fatal(err)
			}
			var paged []commit.ObjectID
			var before commit.ObjectID
			for page := l.Page(before, 7); len(page) > 0; page = l.Page(before, 7) {
				paged = append(paged, page...)
				before = page[len(page)-1]
			}
			if !slices.Equal(paged, all) {
				t.Fatal("pages differ")
			}
		})
	}
}

func names(ids []commit.ObjectID) (out []string) {
	for _, id := range ids {
		out = append(out, id.String())
	}
	return out
}

// graph is commits by number, each later than its parents.
type graph []order.Node

func id(i int) (o commit.ObjectID) {
	binary.BigEndian.PutUint32(o[:], uint32(i+1))
	return o
}

func num(o commit.ObjectID) int { return int(binary.BigEndian.Uint32(o[:])) - 1 }

func (g graph) Node(_ context.Context, o commit.ObjectID) (order.Node, error) {
	if i := num(o); i >= 0 && i < len(g) {
		return g[i], nil
	}
	return order.Node{}, commit.ErrNotFound
}

// genGraph draws a history as conversations have it: chains, forks, merges,
// times that tie or lie.
func genGraph(t *rapid.T) graph {
	n := rapid.IntRange(1, 40).Draw(t, "n")
	g := graph{{Time: 10, Gen: 1}}
	for i := 1; i < n; i++ {
		back := func(name string) int { return max(0, i-1-rapid.IntRange(0, 5).Draw(t, name)) }
		node := order.Node{Parents: []commit.ObjectID{id(back("parent"))}, Time: 10 + int64(rapid.IntRange(0, i).Draw(t, "time"))}
		if q := id(back("other")); rapid.Bool().Draw(t, "merge") && q != node.Parents[0] {
			node.Parents = append(node.Parents, q)
		}
		for _, p := range node.Parents {
			node.Gen = max(node.Gen, g[num(p)].Gen+1)
		}
		g = append(g, node)
	}
	return g
}

func (g graph) reach(i int) map[int]bool {
	seen := map[int]bool{i: true}
	for open := []int{i}; len(open) > 0; {
		x := open[0]
		open = open[1:]
		for _, p := range g[x].Parents {
			if !seen[num(p)] {
				seen[num(p)] = true
				open = append(open, num(p))
			}
		}
	}
	return seen
}

// Every commit of the head once, no parent before its child, and a line that
// grew from head to head is the one made at once.
func TestAdvanceIsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := genGraph(t)
		l := &order.List{}
		for range rapid.IntRange(1, 6).Draw(t, "heads") {
			head := rapid.IntRange(0, len(g)-1).Draw(t, "head")
			if err := l.Advance(t.Context(), g, id(head)); err != nil {
				t.Fatal(err)
			}
			all, err := order.All(t.Context(), g, id(head))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(l.Page(commit.ObjectID{}, 0), all) {
				t.Fatalf("head %d of %v: got %v want %v", head, g, l.Page(commit.ObjectID{}, 0), all)
			}
			place := map[commit.ObjectID]int{}
			for i, o := range all {
				place[o] = i
			}
			if len(place) != len(g.reach(head)) {
				t.Fatalf("%d commits, want %d", len(place), len(g.reach(head)))
			}
			for o, i := range place {
				for _, p := range g[num(o)].Parents {
					if place[p] <= i {
						t.Fatalf("%v before its child", p)
					}
				}
			}
		}
	})
}

// On a chain, one more commit costs one look, however long the chain is.
func TestAdvanceIsFlat(t *testing.T) {
	g := graph{{Time: 1, Gen: 1}}
	for i := range 5000 {
		g = append(g, order.Node{Parents: []commit.ObjectID{id(i)}, Time: int64(i), Gen: int64(i + 2)})
	}
	l := &order.List{}
	if err := l.Advance(t.Context(), g, id(len(g)-2)); err != nil {
		t.Fatal(err)
	}
	c := &counting{g: g}
	if err := l.Advance(t.Context(), c, id(len(g)-1)); err != nil {
		t.Fatal(err)
	}
	if c.n > 4 {
		t.Errorf("%d nodes read for one commit", c.n)
	}
}

type counting struct {
	g order.Graph
	n int
}

func (c *counting) Node(ctx context.Context, o commit.ObjectID) (order.Node, error) {
	c.n++
	return c.g.Node(ctx, o)
}

// Bases are the common ancestors that no other common ancestor reaches, found
// also if times lie; IsAncestor is reachability.
func TestBases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := genGraph(t)
		m := order.NewMemory(nil)
		a, b := rapid.IntRange(0, len(g)-1).Draw(t, "a"), rapid.IntRange(0, len(g)-1).Draw(t, "b")
		if err := m.Load(t.Context(), g, nil, id(a), id(b)); err != nil {
			t.Fatal(err)
		}
		got, err := order.Bases(t.Context(), m, id(a), id(b))
		if err != nil {
			t.Fatal(err)
		}
		ra, rb := g.reach(a), g.reach(b)
		want := map[int]bool{}
		for x := range ra {
			if rb[x] {
				want[x] = true
			}
		}
		for x := range ra {
			if rb[x] {
				for y := range g.reach(x) {
					if y != x {
						delete(want, y)
					}
				}
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%v, want %v", got, want)
		}
		for _, o := range got {
			if !want[num(o)] {
				t.Fatalf("%v, want %v", got, want)
			}
		}
		ok, err := order.IsAncestor(t.Context(), m, id(b), id(a))
		if err != nil || ok != ra[b] {
			t.Fatalf("ancestor: %v, want %v (%v)", ok, ra[b], err)
		}
	})
}

func TestMissingCommit(t *testing.T) {
	g := graph{{Parents: []commit.ObjectID{id(7)}}}
	if _, err := order.All(t.Context(), g, id(0)); !errors.Is(err, commit.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := order.NewMemory(nil).Load(t.Context(), g, nil, id(0)); !errors.Is(err, commit.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	g = graph{{Parents: []commit.ObjectID{id(1)}}, {Parents: []commit.ObjectID{id(0)}}}
	if err := order.NewMemory(nil).Load(t.Context(), g, nil, id(0)); !errors.Is(err, commit.ErrMalformed) {
		t.Errorf("a circle: %v", err)
	}
}
