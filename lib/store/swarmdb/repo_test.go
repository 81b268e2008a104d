package swarmdb_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/store/swarmdb"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

type signer struct{}

func (signer) Sign([]byte) ([]byte, error) { return bytes.Repeat([]byte{1}, 512), nil }

var alice = repo.Author{Signer: signer{}, Name: "Alice", Device: fmt.Sprintf("%064x", 1)}

func create(t *testing.T, index repo.Index) *repo.Repo {
	t.Helper()
	blob := commit.Object{Type: commit.TypeBlob, Data: []byte("certificate")}
	tree, err := (&commit.Tree{Entries: []commit.Entry{{Mode: commit.ModeFile, Name: "a", ID: blob.ID()}}}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := commit.Object{Type: commit.TypeTree, Data: tree}
	p := commit.Person{Name: "Alice", Email: alice.Device, Time: 1, Zone: "+0000"}
	root, err := (&commit.Commit{Tree: dir.ID(), Author: p, Committer: p, Message: []byte("{}")}).Sign(alice)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Create(t.Context(), t.TempDir(), root.ID(), []commit.Object{blob, dir, root}, repo.Options{Index: index, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func grow(t *testing.T, r *repo.Repo, from, n int) {
	t.Helper()
	for i := range n {
		if _, err := r.Commit(context.Background(), alice, repo.Draft{Time: time.Unix(int64(from+i), 0), Message: fmt.Appendf(nil, "%d", from+i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func same(t *testing.T, r *repo.Repo, n int) {
	t.Helper()
	log, err := r.Log(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := repo.Open(t.Context(), r.Path(), repo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	want, err := fresh.Log(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(log) != n || len(want) != n {
		t.Fatalf("%d commits, walked %d, want %d", len(log), len(want), n)
	}
	for i := range log {
		if log[i].ID != want[i].ID || log[i].Gen != want[i].Gen || log[i].Device != want[i].Device {
			t.Fatalf("at %d %+v, want %+v", i, log[i], want[i])
		}
	}
	report, err := r.Fsck(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("fsck %+v, %v", report, err)
	}
}

// An index that is lost, behind, ahead or of another history comes to agree with
// the repository by itself.
func TestIndexCatchesUp(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "index.db")
	index, err := swarmdb.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	r := create(t, index)
	defer func() { _ = r.Close() }()
	grow(t, r, 10, 5)
	same(t, r, 6)
	middle, err := r.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	reopen := func(x repo.Index) {
		t.Helper()
		where := r.Path()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err = repo.Open(ctx, where, repo.Options{Index: x, NoSync: true}); err != nil {
			t.Fatal(err)
		}
	}
	// Behind: written without it.
	reopen(nil)
	grow(t, r, 20, 5)
	reopen(index)
	same(t, r, 11)
	// Ahead: the repository is an older copy.
	top, err := r.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.Path(), "refs/heads/main"), []byte(middle.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reopen(index)
	same(t, r, 6)
	if _, _, err := r.Position(ctx, top); err == nil {
		t.Error("what came later is in line")
	}
	// Apart: the copy went on in its own way.
	grow(t, r, 30, 3)
	same(t, r, 9)
	// Lost.
	if err := index.Close(); err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(path + ext)
	}
	if index, err = swarmdb.Open(ctx, path); err != nil {
		t.Fatal(err)
	}
	reopen(index)
	same(t, r, 9)
	// Wrong: Fsck finds out.
	if err := index.Place(ctx, r.ID(), 3, nil, commit.ObjectID{}); err != nil {
		t.Fatal(err)
	}
	log, err := r.Log(ctx, 0, 100)
	if err != nil || len(log) != 9 {
		t.Errorf("%d commits, %v", len(log), err)
	}
	head, err := r.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := index.Place(ctx, r.ID(), 3, nil, head); err != nil {
		t.Fatal(err)
	}
	if report, err := r.Fsck(ctx); err != nil || len(report.Problems) != 1 {
		t.Errorf("fsck of a wrong index: %+v, %v", report, err)
	}
	same(t, r, 9)
	if err := index.Close(); err != nil {
		t.Error(err)
	}
}
