package repo_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

func fileAt(t testing.TB, r *repo.Repo, path string) string {
	t.Helper()
	trees := commit.NewTrees(r)
	id, ok, err := trees.File(t.Context(), treeOf(t, r, head(t, r)), path)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return ""
	}
	b, err := trees.Blob(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pair is a conversation at two devices.
func pair(t testing.TB) (a, b *repo.Repo, alice, bob *person) {
	alice, bob = newPerson("alice"), newPerson("bob")
	a = newRepo(t, alice, repo.Options{NoSync: true})
	return a, clone(t, a, repo.Options{NoSync: true}), alice, bob
}

func TestMergeGoesForward(t *testing.T) {
	a, b, alice, bob := pair(t)
	theirs := write(t, a, alice, "one")
	fetch(t, b, a, "alice")
	if m := merge(t, b, theirs, bob); m.Commit || m.Head != theirs || head(t, b) != theirs {
		t.Errorf("forward: %+v", m)
	}
	own := write(t, b, bob, "two")
	if m := merge(t, b, theirs, bob); m.Commit || m.Head != own || head(t, b) != own {
		t.Errorf("nothing to do: %+v", m)
	}
}

// Both sides' files are there after a merge, the conflicts are decided alike on
// both, and git finds it sound and says that it is what both sides made.
func TestMergeOfTwo(t *testing.T) {
	for _, ancestor := range []bool{true, false} {
		a, b, alice, bob := pair(t)
		if ancestor {
			id := writeFiles(t, a, alice, "profile", map[string][]byte{"profile.vcf": []byte("first")})
			fetch(t, b, a, "alice")
			merge(t, b, id, bob)
		}
		writeFiles(t, a, alice, "x", map[string][]byte{"profile.vcf": []byte("alice's"), "devices/a.crt": []byte("a")})
		ofA := write(t, a, alice, "y")
		ofB := writeFiles(t, b, bob, "x", map[string][]byte{"profile.vcf": []byte("bob's"), "devices/b.crt": []byte("b")})
		fetch(t, a, b, "bob")
		fetch(t, b, a, "alice")
		ma, mb := merge(t, a, ofB, alice), merge(t, b, ofA, bob)
		want := "alice's"
		if slices.Compare(ofB[:], ofA[:]) > 0 {
			want = "bob's"
		}
		for _, r := range []*repo.Repo{a, b} {
			if got := fileAt(t, r, "profile.vcf"); got != want {
				t.Errorf("profile %q, want %q", got, want)
			}
			if fileAt(t, r, "devices/a.crt") != "a" || fileAt(t, r, "devices/b.crt") != "b" {
				t.Error("a device is lost")
			}
			sound(t, r)
		}
		if !ma.Commit || !mb.Commit || len(ma.Conflicts) != 1 || ma.Conflicts[0].Path != "profile.vcf" {
			t.Errorf("%+v, %+v", ma, mb)
		}
		if treeOf(t, a, ma.Head) != treeOf(t, b, mb.Head) {
			t.Error("two results")
		}
		if got := git(t, a.Path(), "log", "-1", "--format=%P %s", "main"); got != ofA.String()+" "+ofB.String()+" Merge commit '"+ofB.String()+"'" {
			t.Errorf("git log: %s", got)
		}
	}
}

// Where there is no conflict the tree is the one that git makes.
func TestMergeIsGits(t *testing.T) {
	a, b, alice, bob := pair(t)
	for i := range 5 {
		writeFiles(t, a, alice, fmt.Sprint(i), map[string][]byte{fmt.Sprintf("devices/a%d.crt", i): fmt.Appendf(nil, "some certificate %d", i)})
		writeFiles(t, b, bob, fmt.Sprint(i), map[string][]byte{fmt.Sprintf("members/b%d.crt", i): fmt.Appendf(nil, "other certificate %d", i)})
	}
	writeFiles(t, a, alice, "gone", nil, "devices/a0.crt")
	theirs, ours := head(t, b), head(t, a)
	fetch(t, a, b, "bob")
	want := git(t, a.Path(), "merge-tree", "--write-tree", ours.String(), theirs.String())
	m := merge(t, a, theirs, alice)
	if got := treeOf(t, a, m.Head).String(); got != want {
		t.Errorf("tree %s, git makes %s", got, want)
	}
}

func TestMergeOfStrangers(t *testing.T) {
	a := newRepo(t, newPerson("alice"), repo.Options{NoSync: true})
	b := newRepo(t, newPerson("bob"), repo.Options{NoSync: true})
	fetch(t, a, b, "bob")
	if _, err := a.Merge(t.Context(), head(t, b), repo.MergeOptions{Author: author("alice"), Time: time.Unix(1, 0)}); !errors.Is(err, repo.ErrUnrelated) {
		t.Errorf("merge: %v", err)
	}
	if _, err := a.Merge(t.Context(), commit.EmptyTree, repo.MergeOptions{Author: author("alice")}); !errors.Is(err, repo.ErrNotFound) {
		t.Errorf("merge of what is not there: %v", err)
	}
}

// However people write, meet and part: in the end all have the same members,
// files and order, and nothing is split.
func TestConvergence(t *testing.T) {
	rnd := newRandom(t)
	for range 2 {
		var people []*person
		var repos []*repo.Repo
		for i := range 4 {
			people = append(people, newPerson(fmt.Sprint("person", i)))
			if i == 0 {
				repos = append(repos, newRepo(t, people[0], repo.Options{NoSync: true}))
			} else {
				repos = append(repos, clone(t, repos[0], repo.Options{NoSync: true}))
			}
		}
		meet := func(to, from int) {
			got := fetch(t, repos[to], repos[from], fmt.Sprint("d", from))
			merge(t, repos[to], got.Head, people[to])
		}
		for step := range 40 {
			i := rnd.IntN(len(repos))
			switch rnd.IntN(4) {
			case 0:
				meet(i, (i+1+rnd.IntN(len(repos)-1))%len(repos))
			case 1:
				path := fmt.Sprintf("members/%d.crt", rnd.IntN(3))
				if fileAt(t, repos[i], path) == "" {
					writeFiles(t, repos[i], people[i], "add", map[string][]byte{path: fmt.Appendf(nil, "%d", rnd.IntN(2))})
				} else {
					writeFiles(t, repos[i], people[i], "remove", nil, path)
				}
			case 2:
				writeFiles(t, repos[i], people[i], "profile", map[string][]byte{"profile.vcf": fmt.Appendf(nil, "step %d", step)})
			default:
				write(t, repos[i], people[i], fmt.Sprint(step))
			}
		}
		for i := 1; i < len(repos); i++ {
			meet(0, i)
		}
		for i := 1; i < len(repos); i++ {
			meet(i, 0)
		}
		want := listing(t, repos[0])
		for i, r := range repos {
			if got := listing(t, r); got != want {
				t.Errorf("%d has\n%s, not\n%s", i, got, want)
			}
			compareLine(t, r)
		}
		sound(t, repos[3])
	}
}

func listing(t *testing.T, r *repo.Repo) string {
	t.Helper()
	log, err := r.Log(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, treeOf(t, r, head(t, r)))
	for _, m := range log {
		fmt.Fprintln(&b, m.ID)
	}
	return b.String()
}

// What Missing and IsAncestor say is what git says.
func TestMissingIsGits(t *testing.T) {
	a, b, alice, bob := pair(t)
	for i := range 8 {
		write(t, a, alice, fmt.Sprint(i))
		write(t, b, bob, fmt.Sprint(i))
		if i == 4 {
			fetch(t, a, b, "bob")
			merge(t, a, head(t, b), alice)
		}
	}
	fetch(t, a, b, "bob")
	ours, theirs := head(t, a), head(t, b)
	got, err := a.Missing(t.Context(), theirs, ours)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(git(t, a.Path(), "rev-list", "--reverse", "--topo-order", theirs.String(), "^"+ours.String()))
	if len(got) != len(want) || len(got) != 3 {
		t.Fatalf("%d commits, want %d", len(got), len(want))
	}
	for i, m := range got {
		if m.ID.String() != want[i] {
			t.Errorf("at %d %v, want %s", i, m.ID, want[i])
		}
	}
	for _, c := range []struct {
		a, b commit.ObjectID
		want bool
	}{{a.ID(), ours, true}, {ours, a.ID(), false}, {ours, ours, true}, {theirs, ours, false}} {
		if ok, err := a.IsAncestor(t.Context(), c.a, c.b); ok != c.want || err != nil {
			t.Errorf("ancestor %v of %v: %v, %v", c.a, c.b, ok, err)
		}
	}
}
