package queuedb_test

import (
	"path/filepath"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (queuestore.Store, func() queuestore.Store) {
		path := filepath.Join(t.TempDir(), "queues.db")
		open := func() queuestore.Store {
			s, err := queuedb.Open(t.Context(), path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		return s, func() queuestore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open()
		}
	})
}
