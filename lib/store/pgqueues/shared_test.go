package pgqueues_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
	"github.com/simplexkit/simplexkit/lib/store/pgqueues"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

func update(t *testing.T, s *pgqueues.DB, fn func(queuestore.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func nothing(queuestore.Tx) error { return nil }

// TestWatch lets one store learn, at its updates, what another did.
func TestWatch(t *testing.T) {
	dsn := pgtest.Start(t, pgtest.Options{}).NewDatabase(t)
	a, b := open(t, dsn), open(t, dsn)
	q := storetest.NewQueue(smp.Messaging)
	update(t, a, func(tx queuestore.Tx) error { return tx.AddQueue(q, smp.LinkData{}) })
	update(t, b, nothing)
	var got []queuestore.Change
	var fail error
	b.Watch(func(_ context.Context, c []queuestore.Change) error {
		got = append(got, c...)
		return fail
	})
	ref := queuestore.Ref{ID: smp.EntityID(q.RecipientID)}
	expect := func(what string, want ...queuestore.Change) {
		t.Helper()
		got = nil
		update(t, b, nothing)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	m := storetest.NewMessage("m")
	update(t, a, func(tx queuestore.Tx) error { return tx.AddMessage(q.Num, m) })
	expect("message", queuestore.Change{Ref: ref, Notify: m.Seq})
	expect("nothing new")
	update(t, b, func(tx queuestore.Tx) error { return tx.DeleteMessages(q.Num, m.Seq) })
	expect("own change")
	update(t, a, func(tx queuestore.Tx) error {
		tx.(queuestore.Claimer).Claim(ref)
		return tx.PutQueue(q)
	})
	expect("claim", queuestore.Change{Ref: ref}, queuestore.Change{Kind: queuestore.ChangedOwner, Ref: ref})

	update(t, a, func(tx queuestore.Tx) error {
		tx.(queuestore.Claimer).Notified("notifier", 7)
		return nil
	})
	expect("notified", queuestore.Change{Kind: queuestore.ChangedNotified, Ref: queuestore.Ref{Kind: queuestore.ByNotifier, ID: "notifier"}, Notify: 7})

	// An error is the updates' own, until what has changed was learned.
	update(t, a, func(tx queuestore.Tx) error { return tx.DeleteQueue(q.Num) })
	fail = errors.New("not now")
	if err := b.Update(t.Context(), nothing); !errors.Is(err, fail) {
		t.Errorf("update: %v", err)
	}
	fail = nil
	expect("deletion", queuestore.Change{Ref: ref})

	// Who was away for too long does not know what has changed.
	update(t, a, func(tx queuestore.Tx) error {
		tx.(queuestore.Claimer).Claim(ref)
		return nil
	})
	if err := pgqueues.Prune(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	expect("pruned", queuestore.Change{Kind: queuestore.ChangedAny})
	expect("pruned, again")
}

// TestRun lets a store without updates learn, also after its connections were
// lost.
func TestRun(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	dsn := server.NewDatabase(t)
	a, b := open(t, dsn), open(t, dsn)
	learned := make(chan queuestore.Change, 10)
	b.Watch(func(_ context.Context, cs []queuestore.Change) error {
		for _, c := range cs {
			learned <- c
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range 3 {
		ref := queuestore.Ref{ID: smp.EntityID([]byte{byte(i), 1})}
		update(t, a, func(tx queuestore.Tx) error {
			tx.(queuestore.Claimer).Claim(ref)
			return nil
		})
		if c := <-learned; c != (queuestore.Change{Kind: queuestore.ChangedOwner, Ref: ref}) {
			t.Errorf("%+v", c)
		}
		server.Exec(t, dsn, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
	cancel()
	wg.Wait()
}
