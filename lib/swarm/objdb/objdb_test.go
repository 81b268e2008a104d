package objdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/pack"
)

func open(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.TempDir(), Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func put(t *testing.T, db *DB, texts ...string) []commit.ObjectID {
	t.Helper()
	b := db.Batch()
	defer b.Discard()
	var ids []commit.ObjectID
	for _, s := range texts {
		o := commit.Object{Type: commit.TypeBlob, Data: []byte(s)}
		if err := b.Object(o); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID())
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ids
}

func all(t *testing.T, db *DB, ids []commit.ObjectID, texts []string) {
	t.Helper()
	for i, id := range ids {
		typ, b, err := db.Object(t.Context(), id)
		if err != nil || typ != commit.TypeBlob || string(b) != texts[i] {
			t.Fatalf("%v: %q, %v", id, b, err)
		}
		if ok, err := db.Has(id); !ok || err != nil {
			t.Fatalf("has %v: %v, %v", id, ok, err)
		}
	}
}

// A batch of more files than may be open, and again when they are packed, bit by
// bit: Tidy keeps the number of packs and files small.
func TestBatchesAndTidy(t *testing.T) {
	db := open(t)
	var ids []commit.ObjectID
	var texts []string
	for round := range 5 {
		var fresh []string
		for i := range 3 * maxOpen {
			fresh = append(fresh, fmt.Sprintf("object %d of round %d", i, round))
		}
		ids = append(ids, put(t, db, fresh...)...)
		texts = append(texts, fresh...)
		if err := db.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all(t, db, ids, texts)
	loose, packs := db.Counts()
	if loose > TidyLoose || packs > 3 || packs == 0 {
		t.Errorf("%d files, %d packs", loose, packs)
	}
	// Another program's view of the same.
	other, err := Open(db.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	all(t, other, ids, texts)
	// It notices when what it knew has moved.
	var items []Item
	for _, id := range ids {
		items = append(items, Item{ID: id})
	}
	if err := db.Repack(t.Context(), items, db.All(), true); err != nil {
		t.Fatal(err)
	}
	all(t, db, ids, texts)
	if n := len(db.All()); n != 1 {
		t.Errorf("%d packs", n)
	}
	late := put(t, db, "late")
	if err := db.Repack(t.Context(), []Item{{ID: late[0]}}, nil, false); err != nil {
		t.Fatal(err)
	}
	all(t, other, late, []string{"late"})
}

// What a crash leaves is swept away, and nothing else.
func TestSweep(t *testing.T) {
	db := open(t)
	ids := put(t, db, "one", "two")
	if err := db.Repack(t.Context(), []Item{{ID: ids[0]}}, nil, false); err != nil {
		t.Fatal(err)
	}
	left := []string{"quarantine-1/in.pack", ids[1].String()[:2] + "/tmp_obj_123", "pack/pack-00.pack"}
	for _, name := range left {
		path := filepath.Join(db.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Sweep(); err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(db.dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left", name)
		}
	}
	all(t, db, ids, []string{"one", "two"})
}

// Files that are no objects are errors, not objects.
func TestDamagedFiles(t *testing.T) {
	db := open(t)
	for i, content := range [][]byte{
		nil, []byte("garbage"), pack.Deflate(nil, []byte("blob 5\x00four"), pack.Fast), pack.Deflate(nil, []byte("blob 3\x00four"), pack.Fast),
		pack.Deflate(nil, []byte("blog 4\x00four"), pack.Fast), pack.Deflate(nil, []byte("blob -1\x00"), pack.Fast),
		pack.Deflate(nil, []byte("no header"), pack.Fast), pack.Deflate(nil, []byte("blob 4\x00four"), pack.Fast)[:12],
	} {
		id := commit.ObjectID{byte(i)}
		path := db.path(id)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := db.Object(t.Context(), id); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, _, err := db.Object(t.Context(), commit.ObjectID{99}); !errors.Is(err, commit.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}
