package repo_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/repo/indextest"
)

func TestMemoryConformance(t *testing.T) {
	indextest.Run(t, func(*testing.T) repo.Index { return repo.NewMemory() })
}
