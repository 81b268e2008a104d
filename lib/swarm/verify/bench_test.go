package verify_test

import (
	"crypto/sha512"
	"fmt"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

// History against nothing but the verification of as many signatures.
func BenchmarkHistory(b *testing.B) {
	const n = 500
	w := swarmtest.NewWorld(b, b)
	d := swarmtest.Device(b, 0, 0)
	h := w.Begin(d, commit.InvitesOnly, ident.URI{})
	for range n - 1 {
		h = w.Text(h, d, "hello, this is a text")
	}
	c, err := commit.ReadCommit(b.Context(), w.Objects, h)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("floor", func(b *testing.B) {
		message, sig := c.Signed()
		for range b.N {
			for range n {
				sum := sha512.Sum512(message)
				if d.Cert.Verify(sum[:], sig) != nil {
					b.Fatal("bad signature")
				}
			}
		}
	})
	for _, workers := range []int{1, 0} {
		b.Run(fmt.Sprint("workers=", workers), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := verify.History(b.Context(), w.Objects, h, verify.Options{Workers: workers}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
