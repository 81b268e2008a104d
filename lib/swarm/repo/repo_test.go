package repo_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
)

// Git reads what we write, and we say the same of it.
func TestGitReadsOurs(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{})
	var want []string
	for i := range 20 {
		want = append([]string{write(t, r, alice, fmt.Sprint(i)).String()}, want...)
	}
	want = append(want, r.ID().String())
	if got := strings.Fields(git(t, r.Path(), "log", "--format=%H", "main")); !slices.Equal(got, want) {
		t.Errorf("git log %v, want %v", got, want)
	}
	log, err := r.Log(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range log {
		if m.ID.String() != want[i] {
			t.Errorf("at %d %v, want %s", i, m.ID, want[i])
		}
	}
	if len(log) != len(want) {
		t.Errorf("%d commits, want %d", len(log), len(want))
	}
	sound(t, r)
}

func TestPages(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	for i := range 30 {
		write(t, r, alice, fmt.Sprint(i))
	}
	all, err := r.Log(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var paged []repo.Meta
	for before := (commit.ObjectID{}); ; before = paged[len(paged)-1].ID {
		var p []repo.Meta
		if before.IsZero() {
			p, err = r.Log(t.Context(), 0, 7)
		} else {
			p, err = r.LogBefore(t.Context(), before, 7)
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p) == 0 {
			break
		}
		paged = append(paged, p...)
	}
	same := func(a, b repo.Meta) bool {
		return a.ID == b.ID && a.Gen == b.Gen && a.Device == b.Device && a.Time == b.Time
	}
	if !slices.EqualFunc(all, paged, same) || len(all) != 31 {
		t.Errorf("%d in one, %d in pages", len(all), len(paged))
	}
	if _, err := r.LogBefore(t.Context(), commit.EmptyTree, 5); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("before what is not there: %v", err)
	}
	if at, n, err := r.Position(t.Context(), r.ID()); at != 0 || n != 31 || err != nil {
		t.Errorf("the first is at %d of %d, %v", at, n, err)
	}
}

func TestAppendRefusesWhatHasMoved(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	old := head(t, r)
	next := write(t, r, alice, "one")
	if err := r.Append(t.Context(), nil, old, next); !errors.Is(err, repo.ErrMoved) {
		t.Errorf("append on an old head: %v", err)
	}
	if err := r.Append(t.Context(), nil, next, commit.EmptyTree); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("append what is not there: %v", err)
	}
	if _, err := r.Commit(t.Context(), alice.Author, repo.Draft{Time: alice.tick(), Message: []byte("{}"), Delete: []string{"admins"}}); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("delete what is no file: %v", err)
	}
	if head(t, r) != next {
		t.Error("the head has moved")
	}
}

func TestCreateTwice(t *testing.T) {
	alice := newPerson("alice")
	root, objects := first(t, alice)
	dir := t.TempDir()
	for i := range 2 {
		r, err := repo.Create(t.Context(), dir, root, objects, repo.Options{NoSync: true})
		if i == 0 && err != nil || i == 1 && !errors.Is(err, fs.ErrExist) {
			t.Fatalf("time %d: %v", i, err)
		}
		if err == nil {
			_ = r.Close()
		}
	}
	if _, err := repo.Open(t.Context(), filepath.Join(dir, "nothing"), repo.Options{}); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("open nothing: %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d entries beside it, %v", len(files), err)
	}
	if _, err := repo.Create(t.Context(), dir, commit.EmptyTree, objects, repo.Options{}); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("without its first commit: %v", err)
	}
}

// The repositories of the daemon are in the order in which it shows them.
func TestOrderVectors(t *testing.T) {
	for _, real := range swarmtest.Reals(t) {
		r, err := repo.Open(t.Context(), bundle(t, swarmtest.ReadFile(t, real.Name+".bundle")), repo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		log, err := r.Log(t.Context(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(log) != len(real.Messages) || r.ID() != real.Conversation {
			t.Fatalf("%s: %d commits of %v, want %d of %v", real.Name, len(log), r.ID(), len(real.Messages), real.Conversation)
		}
		for i, m := range log {
			if m.ID.String() != real.Messages[i]["id"] {
				t.Fatalf("%s: %v at %d, want %v", real.Name, m.ID, i, real.Messages[i]["id"])
			}
		}
		sound(t, r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The line of a history that grows by steps is that of the whole.
func TestLineGrows(t *testing.T) {
	rnd := newRandom(t)
	for round := range 4 {
		alice := newPerson("alice")
		r := newRepo(t, alice, repo.Options{NoSync: true})
		tips := []commit.ObjectID{r.ID()}
		tree := treeOf(t, r, r.ID())
		for range 60 {
			var p commit.Person
			p.Name, p.Email, p.Zone = "x", alice.Device, "+0000"
			p.Time = 1_700_000_000 + rnd.Int64N(20)
			parents := []commit.ObjectID{tips[rnd.IntN(len(tips))]}
			if other := tips[rnd.IntN(len(tips))]; rnd.IntN(2) == 0 && other != parents[0] {
				parents = append(parents, other)
			}
			now := head(t, r)
			if rnd.IntN(3) == 0 && !slices.Contains(parents, now) {
				parents = []commit.ObjectID{now, parents[0]}
			}
			o, err := (&commit.Commit{Tree: tree, Parents: parents, Author: p, Committer: p, Message: []byte(fmt.Sprint(rnd.Int64()))}).Sign(alice.Signer)
			if err != nil {
				t.Fatal(err)
			}
			tips = append(tips, o.ID())
			to := now
			if slices.Contains(parents, now) {
				to = o.ID()
			}
			if err := r.Append(t.Context(), []commit.Object{o}, now, to); err != nil {
				t.Fatal(err)
			}
			if rnd.IntN(3) == 0 {
				compareLine(t, r)
			}
		}
		compareLine(t, r)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func compareLine(t *testing.T, r *repo.Repo) {
	t.Helper()
	want, err := order.All(t.Context(), order.Objects(r), head(t, r))
	if err != nil {
		t.Fatal(err)
	}
	log, err := r.Log(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]commit.ObjectID, len(log))
	for i, m := range log {
		got[i] = m.ID
	}
	if !slices.Equal(got, want) {
		t.Fatalf("line %v\nwant %v", got, want)
	}
}

func treeOf(t testing.TB, r *repo.Repo, id commit.ObjectID) commit.ObjectID {
	t.Helper()
	c, err := commit.ReadCommit(context.Background(), r, id)
	if err != nil {
		t.Fatal(err)
	}
	return c.Tree
}

// Tidying and packing change nothing that is visible.
func TestTidyAndGC(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	for i := range 560 {
		if i%10 == 0 {
			writeFiles(t, r, alice, fmt.Sprint(i), map[string][]byte{"profile.vcf": []byte(strings.Repeat("a line of the profile\n", 50) + fmt.Sprint(i))})
		} else {
			write(t, r, alice, fmt.Sprint(i))
		}
		if i == 530 {
			if err := r.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	sound(t, r)
	stats, err := r.GC(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sound(t, r)
	theirs := t.TempDir()
	git(t, theirs, "clone", "-q", "--bare", r.Path(), "x")
	git(t, filepath.Join(theirs, "x"), "gc", "-q")
	var size int64
	packs, _ := filepath.Glob(filepath.Join(theirs, "x", "objects", "pack", "pack-*"))
	for _, p := range packs {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	t.Logf("%d objects, %d bytes before, %d after; git gc %d", stats.Objects, stats.Before, stats.After, size)
	if stats.After*10 > size*13 {
		t.Errorf("%d bytes, more than 1.3 times git's %d", stats.After, size)
	}
	// Git may pack it too.
	git(t, r.Path(), "gc", "-q", "--prune=now")
	write(t, r, alice, "after")
	sound(t, r)
	c := clone(t, r, repo.Options{NoSync: true})
	sound(t, c)
	if head(t, c) != head(t, r) {
		t.Error("another head")
	}
}
