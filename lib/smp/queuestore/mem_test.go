package queuestore_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
)

func TestMem(t *testing.T) {
	storetest.Run(t, func(*testing.T) (queuestore.Store, func() queuestore.Store) { return queuestore.NewMem(), nil })
}
