// Package indextest holds the tests that every [repo.Index] passes.
package indextest

import (
	"context"
	"crypto/sha1"
	"fmt"
	"slices"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

func id(name string, i int) commit.ObjectID {
	return sha1.Sum(fmt.Appendf(nil, "%s %d", name, i))
}

// chain makes n commits in a row.
func chain(name string, n int) []repo.Meta {
	out := make([]repo.Meta, n)
	for i := range out {
		out[i] = repo.Meta{ID: id(name, i), Tree: id("tree", i/3), Device: fmt.Sprintf("%064x", i%4), Time: int64(i), Gen: int64(i + 1)}
		if i%5 == 0 {
			out[i].Device = fmt.Sprintf("somebody %d", i)
		}
		if i > 0 {
			out[i].Parents = []commit.ObjectID{id(name, i-1)}
		}
		if i%7 == 6 {
			out[i].Parents = append(out[i].Parents, id(name, i-3))
		}
	}
	return out
}

func places(ms []repo.Meta) []repo.Place {
	out := make([]repo.Place, len(ms))
	for i, m := range ms {
		out[i] = repo.Place{ID: m.ID, Cut: i%2 == 0}
	}
	return out
}

func same(a, b repo.Meta) bool {
	return a.ID == b.ID && a.Tree == b.Tree && slices.Equal(a.Parents, b.Parents) && a.Device == b.Device && a.Time == b.Time && a.Gen == b.Gen
}

// Run runs all tests, each on an index of its own.
func Run(t *testing.T, open func(t *testing.T) repo.Index) {
	t.Run("Commits", func(t *testing.T) { testCommits(t, open(t)) })
	t.Run("Line", func(t *testing.T) { testLine(t, open(t)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testCommits(t *testing.T, x repo.Index) {
	ctx := context.Background()
	a, b := chain("a", 200), chain("b", 3)
	must(t, x.Add(ctx, a[0].ID, a[:150]))
	must(t, x.Add(ctx, b[0].ID, b))
	must(t, x.Add(ctx, a[0].ID, a[100:]))
	got, err := x.Commits(ctx, a[0].ID, []commit.ObjectID{a[3].ID, b[1].ID, a[199].ID})
	must(t, err)
	if !slices.EqualFunc(got, []repo.Meta{a[3], a[199]}, same) {
		t.Errorf("commits %v", got)
	}
	got, err = x.Behind(ctx, a[0].ID, a[120].ID, 10)
	must(t, err)
	if len(got) == 0 || len(got) > 10 || !same(got[0], a[120]) {
		t.Errorf("behind %v", got)
	}
	for i, m := range got {
		if !same(m, a[120-i]) {
			t.Errorf("behind: %v at %d", m, i)
		}
	}
	if got, err = x.Behind(ctx, a[0].ID, b[0].ID, 10); len(got) != 0 || err != nil {
		t.Errorf("behind another's: %v, %v", got, err)
	}
	must(t, x.Clear(ctx, a[0].ID))
	got, err = x.Commits(ctx, a[0].ID, []commit.ObjectID{a[3].ID})
	if len(got) != 0 || err != nil {
		t.Errorf("after clear %v, %v", got, err)
	}
	got, err = x.Commits(ctx, b[0].ID, []commit.ObjectID{b[2].ID})
	if len(got) != 1 || err != nil {
		t.Errorf("of another %v, %v", got, err)
	}
}

func testLine(t *testing.T, x repo.Index) {
	ctx := context.Background()
	conv := id("a", 0)
	if head, n, err := x.Head(ctx, conv); !head.IsZero() || n != 0 || err != nil {
		t.Fatalf("head of nothing: %v, %d, %v", head, n, err)
	}
	a := chain("a", 300)
	must(t, x.Add(ctx, conv, a))
	must(t, x.Place(ctx, conv, 0, places(a[:200]), a[199].ID))
	at, cut, err := x.Position(ctx, conv, a[10].ID)
	if at != 10 || !cut || err != nil {
		t.Errorf("position %d, %v, %v", at, cut, err)
	}
	at, _, err = x.Position(ctx, conv, a[250].ID)
	if at != -1 || err != nil {
		t.Errorf("position of what is not in line: %d, %v", at, err)
	}
	// The last hundred give way to others.
	must(t, x.Place(ctx, conv, 100, places(a[250:]), a[299].ID))
	head, n, err := x.Head(ctx, conv)
	if head != a[299].ID || n != 150 || err != nil {
		t.Errorf("head %v, %d, %v", head, n, err)
	}
	if at, _, err := x.Position(ctx, conv, a[150].ID); at != -1 || err != nil {
		t.Errorf("position of what was in line: %d, %v", at, err)
	}
	got, err := x.Line(ctx, conv, 101, 4)
	must(t, err)
	if !slices.EqualFunc(got, []repo.Meta{a[251], a[250], a[99], a[98]}, same) {
		t.Errorf("line %v", got)
	}
	if got, err = x.Line(ctx, conv, 2, 10); len(got) != 3 || err != nil {
		t.Errorf("end of the line: %v, %v", got, err)
	}
	if err := x.Place(ctx, conv, 150, []repo.Place{{ID: id("z", 1)}}, id("z", 1)); err == nil {
		t.Error("a commit that is not there is in line")
	}
	if head, n, err := x.Head(ctx, conv); head != a[299].ID || n != 150 || err != nil {
		t.Errorf("after what went wrong: %v, %d, %v", head, n, err)
	}
	testExtend(t, x, a[299])
}

func testExtend(t *testing.T, x repo.Index, top repo.Meta) {
	ctx, conv := context.Background(), id("a", 0)
	next := repo.Meta{ID: id("next", 0), Tree: top.Tree, Parents: []commit.ObjectID{top.ID}, Device: "somebody", Time: 5, Gen: top.Gen + 1}
	for try, want := range []bool{true, false} {
		if ok, err := x.Extend(ctx, conv, next); ok != want || err != nil {
			t.Errorf("extend %d: %v, %v", try, ok, err)
		}
	}
	got, err := x.Line(ctx, conv, 150, 2)
	must(t, err)
	if !slices.EqualFunc(got, []repo.Meta{next, top}, same) {
		t.Errorf("line after extend %v", got)
	}
	if at, cut, err := x.Position(ctx, conv, next.ID); at != 150 || !cut || err != nil {
		t.Errorf("position %d, %v, %v", at, cut, err)
	}
	if ok, err := x.Extend(ctx, id("other", 0), next); ok || err != nil {
		t.Errorf("extend of nothing: %v, %v", ok, err)
	}
}
