package repo_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("REPO_TEST_MODE"); mode != "" {
		os.Exit(child(mode))
	}
	goleak.VerifyTestMain(m)
}

// signer makes up what looks like a signature: the repository does not mind,
// and a true one takes milliseconds.
type signer struct{ r *rand.ChaCha8 }

func (s signer) Sign([]byte) ([]byte, error) {
	b := make([]byte, 512)
	_, _ = s.r.Read(b)
	return b, nil
}

func author(name string) repo.Author {
	var seed [32]byte
	copy(seed[:], name)
	device := fmt.Sprintf("%x", seed)
	return repo.Author{Signer: signer{rand.NewChaCha8(seed)}, Name: name, Device: device}
}

// person is an author with a clock that goes a second forward at every look.
type person struct {
	repo.Author
	now int64
}

func newPerson(name string) *person { return &person{author(name), 1_700_000_000} }

func (p *person) tick() time.Time {
	p.now++
	return time.Unix(p.now, 0)
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+os.TempDir(), "LC_ALL=C")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("git %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String())
}

// sound has git look at the repository.
func sound(t testing.TB, r *repo.Repo) {
	t.Helper()
	if out := git(t, r.Path(), "fsck", "--strict", "--full"); strings.Contains(out, "missing") || strings.Contains(out, "error") {
		t.Fatalf("git fsck: %s", out)
	}
	report, err := r.Fsck(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 {
		t.Fatalf("fsck: %q", report.Problems)
	}
}

// first makes the objects of a first commit.
func first(t testing.TB, a *person) (root commit.ObjectID, objects []commit.Object) {
	t.Helper()
	mem := commit.Mem{}
	var changes []commit.Change
	for _, path := range []string{"admins/" + a.Device[:40] + ".crt", "devices/" + a.Device + ".crt"} {
		o := commit.Object{Type: commit.TypeBlob, Data: []byte("certificate of " + path)}
		mem.Add(o)
		objects = append(objects, o)
		changes = append(changes, commit.Change{Path: path, New: commit.Value{Mode: commit.ModeFile, ID: o.ID()}})
	}
	tree, made, err := commit.NewTrees(mem).Apply(t.Context(), commit.EmptyTree, changes)
	if err != nil {
		t.Fatal(err)
	}
	p := commit.Person{Name: a.Name, Email: a.Device, Time: a.tick().Unix(), Zone: "+0000"}
	o, err := (&commit.Commit{Tree: tree, Author: p, Committer: p, Message: []byte(`{"mode":2,"type":"initial"}`)}).Sign(a.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return o.ID(), append(append(objects, made...), o)
}

func newRepo(t testing.TB, a *person, o repo.Options) *repo.Repo {
	t.Helper()
	root, objects := first(t, a)
	r, err := repo.Create(context.Background(), t.TempDir(), root, objects, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func write(t testing.TB, r *repo.Repo, a *person, text string) commit.ObjectID {
	t.Helper()
	return writeFiles(t, r, a, text, nil)
}

func writeFiles(t testing.TB, r *repo.Repo, a *person, text string, put map[string][]byte, del ...string) commit.ObjectID {
	t.Helper()
	id, err := r.Commit(context.Background(), a.Author, repo.Draft{Time: a.tick(), Message: []byte(`{"body":"` + text + `","type":"text/plain"}`), Put: put, Delete: del})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func head(t testing.TB, r *repo.Repo) commit.ObjectID {
	t.Helper()
	id, err := r.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// accept verifies nothing.
func accept(context.Context, *repo.Incoming) error { return nil }

// served connects to r, which serves until the other end is done.
func served(t testing.TB, r *repo.Repo) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Serve(context.Background(), theirs, repo.ServeOptions{})
		_ = theirs.Close()
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		<-done
	})
	return ours
}

func fetch(t testing.TB, to, from *repo.Repo, device string) *repo.Fetched {
	t.Helper()
	got, err := to.Fetch(t.Context(), served(t, from), repo.FetchOptions{Device: device, Verify: accept})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func clone(t testing.TB, from *repo.Repo, o repo.Options) *repo.Repo {
	t.Helper()
	r, _, err := repo.Clone(t.Context(), t.TempDir(), from.ID(), served(t, from), o, repo.FetchOptions{Verify: accept})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func merge(t testing.TB, r *repo.Repo, theirs commit.ObjectID, a *person) *repo.Merged {
	t.Helper()
	m, err := r.Merge(t.Context(), theirs, repo.MergeOptions{Author: a.Author, Time: a.tick()})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bundle writes a repository of the vectors to disk, with git.
func bundle(t testing.TB, data []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "in.bundle")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "repo")
	git(t, dir, "clone", "-q", "--bare", file, path)
	return path
}
