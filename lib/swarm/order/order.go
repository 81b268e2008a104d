// Package order puts a conversation's history in line: a walk from a head over
// all that it reaches, children before parents, the latest first, and where
// times tie as a binary heap leaves them. All programs that walk from the same
// head show the same order.
//
// The heap is part of the rule: an array of commits compared by time alone.
// Push appends and moves up while the parent is strictly older. Pop takes the
// first, puts the last in its place and moves it down, to the right child only
// if that is strictly later than the left, until it is not strictly older.
package order

import (
	"context"
	"fmt"
	"iter"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Node is what the order needs to know of a commit.
type Node struct {
	Parents []commit.ObjectID
	Time    int64 // of the committer, seconds
	// Gen is the length of the longest way to a root, 1 for a root itself; 0 if
	// it is not known.
	Gen int64
}

// Graph gives the nodes; an index of commits or the objects themselves.
type Graph interface {
	Node(ctx context.Context, id commit.ObjectID) (Node, error)
}

// Objects is the graph of a repository's objects.
func Objects(o commit.Objects) Graph { return objects{o} }

type objects struct{ o commit.Objects }

func (g objects) Node(ctx context.Context, id commit.ObjectID) (Node, error) {
	c, err := commit.ReadCommit(ctx, g.o, id)
	if err != nil {
		return Node{}, fmt.Errorf("order: %v: %w", id, err)
	}
	return Node{Parents: c.Parents, Time: c.Committer.Time}, nil
}

// item is a node with its place among all.
type item struct {
	id      commit.ObjectID
	time    int64
	parents []int32
	degree  int32 // children that are not out yet
}

// Line is a history about to be put in line: what a head reaches, held in
// memory with some 60 bytes a commit.
type Line struct {
	items []item
	heap  []int32
}

// New reads everything that head reaches. Commits for which known is true, and
// what is behind them, are left out; known may be nil.
func New(ctx context.Context, g Graph, head commit.ObjectID, known func(commit.ObjectID) bool) (*Line, error) {
	l := &Line{}
	if known != nil && known(head) {
		return l, nil
	}
	at := map[commit.ObjectID]int32{head: 0}
	l.items = append(l.items, item{id: head})
	for i := 0; i < len(l.items); i++ {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n, err := g.Node(ctx, l.items[i].id)
		if err != nil {
			return nil, err
		}
		l.items[i].time = n.Time
		for _, p := range n.Parents {
			if known != nil && known(p) {
				continue
			}
			j, ok := at[p]
			if !ok {
				j = int32(len(l.items))
				at[p] = j
				l.items = append(l.items, item{id: p})
			}
			l.items[i].parents = append(l.items[i].parents, j)
			l.items[j].degree++
		}
	}
	l.push(0)
	return l, nil
}

// Len is the number of commits.
func (l *Line) Len() int { return len(l.items) }

// Alone tells whether Next gives a commit that reaches all that comes after it.
func (l *Line) Alone() bool { return len(l.heap) == 1 }

// Next is the next commit, the newest first; ok is false after the last.
func (l *Line) Next() (id commit.ObjectID, ok bool) {
	if len(l.heap) == 0 {
		return id, false
	}
	i := l.pop()
	for _, p := range l.items[i].parents {
		if l.items[p].degree--; l.items[p].degree == 0 {
			l.push(p)
		}
	}
	return l.items[i].id, true
}

func (l *Line) later(a, b int32) bool { return l.items[a].time > l.items[b].time }

func (l *Line) push(i int32) {
	l.heap = append(l.heap, i)
	for at := len(l.heap) - 1; at > 0; {
		up := (at - 1) / 2
		if !l.later(l.heap[at], l.heap[up]) {
			return
		}
		l.heap[at], l.heap[up] = l.heap[up], l.heap[at]
		at = up
	}
}

func (l *Line) pop() int32 {
	h := l.heap
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for at := 0; 2*at+1 < len(h); {
		down := 2*at + 1
		if right := down + 1; right < len(h) && l.later(h[right], h[down]) {
			down = right
		}
		if !l.later(h[down], h[at]) {
			break
		}
		h[at], h[down] = h[down], h[at]
		at = down
	}
	l.heap = h
	return top
}

// Walk gives the history of head, newest first. It ends with the error, if one
// occurs.
func Walk(ctx context.Context, g Graph, head commit.ObjectID) iter.Seq2[commit.ObjectID, error] {
	return func(yield func(commit.ObjectID, error) bool) {
		l, err := New(ctx, g, head, nil)
		if err != nil {
			yield(commit.ObjectID{}, err)
			return
		}
		for id, ok := l.Next(); ok; id, ok = l.Next() {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// All is the whole line, newest first.
func All(ctx context.Context, g Graph, head commit.ObjectID) ([]commit.ObjectID, error) {
	l, err := New(ctx, g, head, nil)
	if err != nil {
		return nil, err
	}
	out := make([]commit.ObjectID, 0, l.Len())
	for id, ok := l.Next(); ok; id, ok = l.Next() {
		out = append(out, id)
	}
	return out, nil
}
