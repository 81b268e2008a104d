package swarmkv_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/swarmkv"
	"github.com/simplexkit/simplexkit/lib/swarm"
)

// Values are kept by kind, conversation and key, are there after the database
// was closed, and go one by one or with their conversation.
func TestValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	open := func() (*swarmkv.DB, func()) {
		db, err := store.Open(t.Context(), path, store.Options{})
		if err == nil {
			err = db.Migrate(t.Context(), swarmkv.Migrations())
		}
		if err != nil {
			t.Fatal(err)
		}
		return swarmkv.New(db), func() {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	v, end := open()
	put := func(values ...swarm.Value) {
		t.Helper()
		if err := v.Put(t.Context(), values...); err != nil {
			t.Fatal(err)
		}
	}
	is := func(kind, conv, key, want string) {
		t.Helper()
		b, err := v.Get(t.Context(), kind, conv, key)
		if want == "" && !errors.Is(err, swarm.ErrNotFound) || want != "" && (err != nil || string(b) != want) {
			t.Errorf("%s %s %s: %q, %v, want %q", kind, conv, key, b, err, want)
		}
	}
	put(swarm.Value{Kind: "a", Conv: "x", Key: "2", Data: []byte("two")}, swarm.Value{Kind: "a", Conv: "x", Key: "1", Data: []byte("one")},
		swarm.Value{Kind: "a", Conv: "y", Key: "1", Data: []byte("other")}, swarm.Value{Kind: "b", Conv: "", Key: "1", Data: []byte("none")})
	put(swarm.Value{Kind: "a", Conv: "x", Key: "2", Data: []byte("zwei")})
	end()
	v, end = open()
	defer end()
	is("a", "x", "2", "zwei")
	is("a", "x", "3", "")
	list, err := v.List(t.Context(), "a", "x")
	if err != nil || len(list) != 2 || list[0].Key != "1" || string(list[1].Data) != "zwei" {
		t.Errorf("%v, %v", list, err)
	}
	put(swarm.Value{Kind: "a", Conv: "x", Key: "1"})
	is("a", "x", "1", "")
	if err := v.Forget(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	is("a", "x", "2", "")
	is("a", "y", "1", "other")
	is("b", "", "1", "none")
}
