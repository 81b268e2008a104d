package swarmdb_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/simplexkit/simplexkit/lib/store/swarmdb"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/repo/indextest"
)

func open(t *testing.T) repo.Index {
	db, err := swarmdb.Open(context.Background(), filepath.Join(t.TempDir(), "index.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestConformance(t *testing.T) { indextest.Run(t, open) }
