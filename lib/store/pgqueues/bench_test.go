package pgqueues_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/pgqueues"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
)

// BenchmarkAddMessage stores messages of 16 KB durably, each in an update of
// its own, with both stores in one run. Each sender has a queue, and deletes
// the message before.
func BenchmarkAddMessage(b *testing.B) {
	sqlite, err := queuedb.Open(b.Context(), filepath.Join(b.TempDir(), "queues.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer sqlite.Close()
	pg, err := pgqueues.Open(b.Context(), pgtest.Start(b, pgtest.Options{Durable: true}).NewDatabase(b), pgqueues.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer pg.Close()
	for _, senders := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("sqlite/%d", senders), func(b *testing.B) { benchmarkAdd(b, sqlite, senders) })
		b.Run(fmt.Sprintf("postgres/%d", senders), func(b *testing.B) { benchmarkAdd(b, pg, senders) })
	}
}

func benchmarkAdd(b *testing.B, s queuestore.Store, senders int) {
	body := string(make([]byte, 16000))
	var wg sync.WaitGroup
	work := make(chan struct{}, senders)
	for range senders {
		q := storetest.NewQueue(smp.Messaging)
		if err := s.Update(b.Context(), func(tx queuestore.Tx) error { return tx.AddQueue(q, smp.LinkData{}) }); err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			var last queuestore.Seq
			for range work {
				m := storetest.NewMessage(body)
				err := s.Update(b.Context(), func(tx queuestore.Tx) error {
					if err := tx.DeleteMessages(q.Num, last); err != nil {
						return err
					}
					return tx.AddMessage(q.Num, m)
				})
				if err != nil {
					b.Error(err)
				}
				last = m.Seq
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
