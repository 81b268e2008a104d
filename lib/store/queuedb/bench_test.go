package queuedb_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
)

// benchID is as long and as scattered as a relay's own.
func benchID(kind byte, i int) string {
	src := rand.New(rand.NewPCG(uint64(kind), uint64(i)))
	b := make([]byte, 24)
	for j := range b {
		b[j] = byte(src.Uint32())
	}
	return string(b)
}

// BenchmarkLookup finds queues anywhere in the store, as many at once as a
// block of SUBs asks for.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkLookup(b, n) })
	}
}

func benchmarkLookup(b *testing.B, n int) {
	const batch = 128
	ctx := b.Context()
	db, err := queuedb.Open(ctx, filepath.Join(b.TempDir(), "queues.db"), store.Options{Synchronous: store.Normal})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	k := key.GenerateEd25519().PublicKey()
	for from := 0; from < n; from += 5000 {
		err := db.Update(ctx, func(tx queuestore.Tx) error {
			for i := from; i < min(n, from+5000); i++ {
				q := &queuestore.Queue{RecipientID: smp.RecipientID(benchID('r', i)), SenderID: smp.SenderID(benchID('s', i)),
					RecipientKeys: []key.Public{k}, SenderKey: k, Mode: smp.Messaging}
				if err := tx.AddQueue(q, smp.LinkData{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	refs := make([]queuestore.Ref, batch)
	b.ResetTimer()
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		for j := range refs {
			refs[j] = queuestore.Ref{Kind: queuestore.ByRecipient, ID: smp.EntityID(benchID('r', rand.IntN(n)))}
		}
		found, err := db.Lookup(ctx, refs...)
		if err != nil || found[0] == nil {
			b.Fatal("a queue was not found", err)
		}
	}
}
