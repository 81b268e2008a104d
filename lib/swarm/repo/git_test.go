package repo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

// Git clones from us and fetches what came later, packed or not.
func TestGitFetchesFromUs(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	for i := range 40 {
		writeFiles(t, r, alice, fmt.Sprint(i), map[string][]byte{"profile.vcf": fmt.Appendf(nil, "profile %d", i/3)})
	}
	t.Setenv("REPO_TEST_MODE", "serve")
	t.Setenv("REPO_TEST_PATH", r.Path())
	dir := t.TempDir()
	git(t, dir, "-c", "protocol.ext.allow=always", "clone", "-q", "--bare", "ext::"+os.Args[0], "theirs")
	theirs := filepath.Join(dir, "theirs")
	same := func() {
		t.Helper()
		git(t, theirs, "fsck", "--strict", "--full")
		if got := git(t, theirs, "rev-parse", "refs/heads/main"); got != head(t, r).String() {
			t.Errorf("git has %s, want %v", got, head(t, r))
		}
	}
	same()
	for _, pack := range []bool{false, true} {
		for i := range 10 {
			writeFiles(t, r, alice, fmt.Sprint(i), map[string][]byte{"profile.vcf": fmt.Appendf(nil, "new profile %v %d", pack, i)})
		}
		if pack {
			if _, err := r.GC(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		git(t, theirs, "-c", "protocol.ext.allow=always", "fetch", "-q", "origin", "main:main")
		same()
	}
	// Nothing new.
	git(t, theirs, "-c", "protocol.ext.allow=always", "fetch", "-q", "origin", "main:main")
	// A history of its own, so that git has to ask around for what is common.
	git(t, theirs, "config", "user.email", "x@example.org")
	git(t, theirs, "config", "user.name", "x")
	for i := range 40 {
		id := git(t, theirs, "commit-tree", "main^{tree}", "-p", "main", "-m", fmt.Sprint(i))
		git(t, theirs, "update-ref", "refs/heads/main", id)
	}
	write(t, r, alice, "last")
	git(t, theirs, "-c", "protocol.ext.allow=always", "fetch", "-q", "origin", "main:other")
	if got := git(t, theirs, "rev-parse", "other"); got != head(t, r).String() {
		t.Errorf("git has %s, want %v", got, head(t, r))
	}
}

// uploadPack is git's server.
func uploadPack(t testing.TB, path string) io.ReadWriter {
	t.Helper()
	cmd := exec.Command("git", "upload-pack", path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return duplex{out, in}
}

// We clone from git and fetch what came later, packed by git or not.
func TestWeFetchFromGit(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	for i := range 60 {
		writeFiles(t, r, alice, fmt.Sprint(i), map[string][]byte{"profile.vcf": fmt.Appendf(nil, "a profile that is long enough to be a change of another %d", i)})
	}
	git(t, r.Path(), "gc", "-q", "--aggressive")
	c, got, err := repo.Clone(t.Context(), t.TempDir(), r.ID(), uploadPack(t, r.Path()), repo.Options{NoSync: true}, repo.FetchOptions{Verify: accept})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(got.New) != 61 || got.Head != head(t, r) || head(t, c) != got.Head {
		t.Errorf("%d commits, head %v, want %v", len(got.New), got.Head, head(t, r))
	}
	sound(t, c)
	for range 10 {
		write(t, r, alice, "more")
	}
	var in *repo.Incoming
	more, err := c.Fetch(t.Context(), uploadPack(t, r.Path()), repo.FetchOptions{Device: "abc", Verify: func(_ context.Context, i *repo.Incoming) error {
		in = i
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(more.New) != 10 || in.Local != got.Head || len(in.Commits) != 10 || more.Bytes > 20000 {
		t.Errorf("%d commits, %d bytes", len(more.New), more.Bytes)
	}
	remotes, err := c.Remotes(t.Context())
	if err != nil || remotes["abc"] != more.Head {
		t.Errorf("remotes %v, %v", remotes, err)
	}
	if m := merge(t, c, more.Head, alice); m.Commit || m.Head != more.Head {
		t.Errorf("merge %+v", m)
	}
	sound(t, c)
	again, err := c.Fetch(t.Context(), uploadPack(t, r.Path()), repo.FetchOptions{Device: "abc", Verify: accept})
	if err != nil || len(again.New) != 0 || again.Bytes != 0 {
		t.Errorf("again %+v, %v", again, err)
	}
}

// strict judges by the rules.
func strict(root commit.ObjectID) func(context.Context, *repo.Incoming) error {
	return func(ctx context.Context, in *repo.Incoming) error {
		_, err := verify.History(ctx, in.Objects, in.Head, verify.Options{Root: root, Local: in.Local})
		if why, ok := verify.AsReason(err); ok {
			return &repo.Refusal{Commit: why.Commit, Reason: why.Error()}
		}
		return err
	}
}

// packIn is the pack of a bundle, in which the whole history is.
func packIn(t *testing.T, name string) []byte {
	t.Helper()
	b := swarmtest.ReadFile(t, name+".bundle")
	_, pack, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s has no pack", name)
	}
	return pack
}

// rootOf is the first commit of a history.
func rootOf(t *testing.T, r *swarmtest.Repo) commit.ObjectID {
	t.Helper()
	line, err := order.All(t.Context(), order.Objects(r.Objects), r.Head)
	if err != nil {
		t.Fatal(err)
	}
	return line[len(line)-1]
}

// Whole histories go through the wire and the rules: what is valid comes in,
// what is not stays out, and is not asked for again.
func TestFetchVectors(t *testing.T) {
	base := bundle(t, swarmtest.ReadFile(t, "group2-base-at-a.bundle"))
	for _, c := range swarmtest.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(path, os.DirFS(base)); err != nil {
				t.Fatal(err)
			}
			local, err := repo.Open(t.Context(), path, repo.Options{NoSync: true})
			if err != nil {
				t.Fatal(err)
			}
			defer local.Close()
			pack := packIn(t, c.Name)
			if root := rootOf(t, swarmtest.Load(t, c.Name)); root != local.ID() {
				cloneCase(t, root, fake(t, c.Head, pack), c.Strict == "valid")
				return
			}
			old := head(t, local)
			for try := range 2 {
				got, err := local.Fetch(t.Context(), fake(t, c.Head, pack), repo.FetchOptions{Device: "d", Verify: strict(local.ID())})
				checkVerdict(t, c, try, got, err, local)
			}
			if head(t, local) != old {
				t.Error("the head has moved")
			}
			if report, err := local.Fsck(t.Context()); err != nil || len(report.Problems) > 0 {
				t.Errorf("fsck %+v, %v", report, err)
			}
		})
	}
}

func checkVerdict(t *testing.T, c swarmtest.Case, try int, got *repo.Fetched, err error, local *repo.Repo) {
	t.Helper()
	if c.Strict == "valid" {
		if err != nil || got.Head != c.Head {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	why := asRefusal(t, err)
	if why.Tries != try+1 || why.Pack {
		t.Errorf("try %d: %+v", try, why)
	}
	list, err := local.Refusals(t.Context())
	if err != nil || len(list) != 1 || list[0].Head != c.Head || list[0].Reason != why.Reason {
		t.Errorf("refusals %+v, %v", list, err)
	}
}

// cloneCase is for those that are another conversation.
func cloneCase(t *testing.T, root commit.ObjectID, conn net.Conn, valid bool) {
	t.Helper()
	dir := t.TempDir()
	r, _, err := repo.Clone(t.Context(), dir, root, conn, repo.Options{NoSync: true}, repo.FetchOptions{Verify: strict(root)})
	if valid != (err == nil) {
		t.Fatalf("valid %v: %v", valid, err)
	}
	if err == nil {
		_ = r.Close()
		return
	}
	asRefusal(t, err)
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}
