package repo_test

import (
	"math/rand/v2"
	"testing"
)

// newRandom is a source whose seed a failing test prints.
func newRandom(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}
