package repo_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// faults fail from the k-th step on, as a disk does that is full.
type faults struct {
	mu      sync.Mutex
	k, seen int
}

func (f *faults) step(string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen++; f.k > 0 && f.seen >= f.k {
		return &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return nil
}

func (f *faults) set(k int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.k, f.seen = k, 0
}

// A disk that gets full at any step costs the piece of work and nothing else:
// the repository is sound, and goes on when there is room.
func TestFullAtEveryStep(t *testing.T) {
	alice, bob := newPerson("alice"), newPerson("bob")
	var f faults
	r := newRepo(t, alice, repo.Options{NoSync: true, Fault: f.step})
	other := clone(t, r, repo.Options{NoSync: true})
	work := map[string]func() error{
		"commit": func() error {
			_, err := r.Commit(t.Context(), alice.Author, repo.Draft{Time: alice.tick(), Message: []byte("{}"), Put: map[string][]byte{"devices/x.crt": []byte(alice.tick().String())}})
			return err
		},
		"fetch": func() error {
			_, err := r.Fetch(t.Context(), served(t, other), repo.FetchOptions{Device: "bob", Verify: accept})
			return err
		},
		"merge": func() error {
			_, err := r.Merge(t.Context(), head(t, other), repo.MergeOptions{Author: alice.Author, Time: alice.tick()})
			return err
		},
		"gc": func() error {
			_, err := r.GC(t.Context())
			return err
		},
	}
	for _, name := range []string{"commit", "fetch", "merge", "gc"} {
		if name == "fetch" {
			writeFiles(t, other, bob, name, map[string][]byte{"profile.vcf": []byte(name)})
		}
		for k := 1; ; k++ {
			old := head(t, r)
			f.set(k)
			err := work[name]()
			f.set(0)
			if err == nil {
				break
			}
			if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, repo.ErrRefused) {
				t.Fatalf("%s, step %d: %v", name, k, err)
			}
			if now := head(t, r); now != old && name != "commit" && name != "merge" {
				t.Errorf("%s, step %d: the head has moved", name, k)
			}
			report, err := r.Fsck(t.Context())
			if err != nil || len(report.Problems) > 0 {
				t.Fatalf("%s, step %d: %+v, %v", name, k, report, err)
			}
		}
	}
	sound(t, r)
	left, _ := filepath.Glob(filepath.Join(r.Path(), "objects", "quarantine-*"))
	if len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// Making a repository either succeeds or leaves nothing.
func TestCreateAndCloneFail(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	root, objects := first(t, alice)
	for k := 1; ; k++ {
		var f faults
		f.set(k)
		o := repo.Options{NoSync: true, Fault: f.step}
		dir := t.TempDir()
		a, errA := repo.Create(t.Context(), dir, root, objects, o)
		f.set(k)
		b, _, errB := repo.Clone(t.Context(), dir, r.ID(), served(t, r), o, repo.FetchOptions{Verify: accept})
		want := 0
		for _, x := range []*repo.Repo{a, b} {
			if x != nil {
				want++
				_ = x.Close()
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != want {
			t.Errorf("step %d: %d directories, want %d", k, len(left), want)
		}
		if errA == nil && errB == nil {
			break
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "new-123", "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := repo.Sweep(dir); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Error("half a repository is left")
	}
}

// Writing, reading, serving, fetching and packing at once.
func TestAllAtOnce(t *testing.T) {
	alice, bob := newPerson("alice"), newPerson("bob")
	a := newRepo(t, alice, repo.Options{NoSync: true})
	b := clone(t, a, repo.Options{NoSync: true})
	var wg sync.WaitGroup
	const rounds = 15
	run := func(what string, fn func(i int) error) {
		wg.Go(func() {
			for i := range rounds {
				if err := fn(i); err != nil {
					t.Errorf("%s: %v", what, err)
					return
				}
			}
		})
	}
	writer := func(r *repo.Repo, who repo.Author) func(int) error {
		return func(i int) error {
			_, err := r.Commit(context.Background(), who, repo.Draft{Time: time.Unix(int64(1_700_000_000+i), 0), Message: fmt.Appendf(nil, "%d", i)})
			if errors.Is(err, repo.ErrMoved) {
				return nil
			}
			return err
		}
	}
	sync := func(to, from *repo.Repo, who repo.Author) func(int) error {
		return func(int) error {
			got, err := to.Fetch(context.Background(), served(t, from), repo.FetchOptions{Device: "d", Verify: accept})
			if err != nil {
				return err
			}
			_, err = to.Merge(context.Background(), got.Head, repo.MergeOptions{Author: who, Time: time.Unix(1_700_000_100, 0)})
			return err
		}
	}
	run("write a", writer(a, alice.Author))
	run("write b", writer(b, bob.Author))
	run("a from b", sync(a, b, author("alice 2")))
	run("b from a", sync(b, a, author("bob 2")))
	run("log", func(int) error {
		_, err := a.Log(context.Background(), 0, 10)
		return err
	})
	run("tidy", func(int) error { return a.Tidy(context.Background()) })
	wg.Wait()
	for range 2 {
		got := fetch(t, a, b, "b")
		merge(t, a, got.Head, alice)
		got = fetch(t, b, a, "a")
		merge(t, b, got.Head, bob)
	}
	if head(t, a) != head(t, b) {
		t.Error("two heads")
	}
	compareLine(t, a)
	sound(t, a)
	sound(t, b)
}

// A head whose commit did not reach the disk is put back.
func TestLostHead(t *testing.T) {
	alice := newPerson("alice")
	index := repo.NewMemory()
	r := newRepo(t, alice, repo.Options{NoSync: true, Index: index})
	old := write(t, r, alice, "one")
	if _, err := r.Log(t.Context(), 0, 1); err != nil {
		t.Fatal(err)
	}
	lost := commit.Hash(commit.TypeBlob, []byte("lost")).String()
	if err := os.WriteFile(filepath.Join(r.Path(), "refs/heads/main"), []byte(lost+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := repo.Open(t.Context(), r.Path(), repo.Options{NoSync: true, Index: index})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if head(t, again) != old {
		t.Errorf("head %v, want %v", head(t, again), old)
	}
	write(t, again, alice, "two")
	sound(t, again)
}

// What lies about damaged is told of and does no other harm.
func TestDamage(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	writeFiles(t, r, alice, "x", map[string][]byte{"profile.vcf": []byte("profile")})
	blob := commit.Hash(commit.TypeBlob, []byte("profile")).String()
	path := filepath.Join(r.Path(), "objects", blob[:2], blob[2:])
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("rotten"), 0o600)); err != nil {
		t.Fatal(err)
	}
	report, err := r.Fsck(t.Context())
	if err != nil || len(report.Problems) == 0 {
		t.Errorf("rotten: %+v, %v", report, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	report, err = r.Fsck(t.Context())
	if err != nil || len(report.Problems) != 1 {
		t.Errorf("missing: %+v, %v", report, err)
	}
	if err := os.WriteFile(filepath.Join(r.Path(), "refs/heads/main"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Head(t.Context()); !errors.Is(err, repo.ErrDamaged) {
		t.Errorf("head: %v", err)
	}
	if report, err = r.Fsck(t.Context()); err != nil || len(report.Problems) < 2 {
		t.Errorf("nonsense: %+v, %v", report, err)
	}
}
