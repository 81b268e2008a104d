package repo_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

func BenchmarkAppend(b *testing.B) {
	for name, o := range map[string]repo.Options{"Synced": {}, "Unsynced": {NoSync: true}} {
		b.Run(name, func(b *testing.B) {
			alice := newPerson("alice")
			r := newRepo(b, alice, o)
			if _, err := r.Log(b.Context(), 0, 1); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				write(b, r, alice, "text")
			}
		})
	}
}
