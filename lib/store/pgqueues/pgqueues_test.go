package pgqueues_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/pgqueues"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(crashEnv); dsn != "" {
		crashChild(dsn)
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dsn string) *pgqueues.DB {
	t.Helper()
	s, err := pgqueues.Open(t.Context(), dsn, pgqueues.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	storetest.Run(t, func(t *testing.T) (queuestore.Store, func() queuestore.Store) {
		dsn := server.NewDatabase(t)
		s := open(t, dsn)
		return s, func() queuestore.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, dsn)
		}
	})
}

func TestNewerSchema(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	dsn := server.NewDatabase(t)
	open(t, dsn)
	open(t, dsn) // again, with the tables there
	server.Exec(t, dsn, `INSERT INTO schema_migrations (component, version, name) VALUES ('queue', 1000, '1000_later.sql')`)
	if _, err := pgqueues.Open(t.Context(), dsn, pgqueues.Options{}); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("newer schema: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	_, err := pgqueues.Open(t.Context(), "postgres://u:secret@[bad", pgqueues.Options{})
	if err == nil || errors.Is(err, store.ErrBusy) {
		t.Fatalf("bad string: %v", err)
	}
	if s := fmt.Sprint(err); s != "pgqueues: open: cannot read the connection string" {
		t.Fatal(s)
	}
	if _, err := pgqueues.Open(t.Context(), "host="+t.TempDir(), pgqueues.Options{}); err == nil {
		t.Fatal("opened without a server")
	}
}

// TestGroup checks that updates share commits, and that one which fails after
// some of its statements were sent leaves the others whole.
func TestGroup(t *testing.T) {
	s := open(t, pgtest.Start(t, pgtest.Options{}).NewDatabase(t))
	boom := errors.New("boom")
	shared := storetest.NewQueue(smp.Messaging)
	if err := s.Update(t.Context(), func(tx queuestore.Tx) error { return tx.AddQueue(shared, smp.LinkData{}) }); err != nil {
		t.Fatal(err)
	}
	in, out := make(chan struct{}), make(chan struct{})
	results := make(chan error, 100)
	go func() {
		results <- s.Update(context.Background(), func(queuestore.Tx) error {
			close(in)
			<-out
			return nil
		})
	}()
	<-in
	const n = 60
	qs := make([]*queuestore.Queue, n)
	for i := range n {
		qs[i] = storetest.NewQueue(smp.Contact)
		go func() {
			results <- s.Update(context.Background(), func(tx queuestore.Tx) error {
				err := errors.Join(tx.AddMessage(shared.Num, storetest.NewMessage(fmt.Sprint(i))), tx.AddQueue(qs[i], smp.LinkData{}),
					tx.AddMessage(qs[i].Num, storetest.NewMessage("own")))
				if i%3 == 0 {
					return errors.Join(err, boom)
				}
				return err
			})
		}()
	}
	pgqueues.WaitQueued(s, n)
	before := s.Stats().Commits
	close(out)
	failed := 0
	for range n + 1 {
		if err := <-results; errors.Is(err, boom) {
			failed++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if failed != n/3 || s.Stats().Commits-before > 3 {
		t.Fatalf("%d failed, %d commits", failed, s.Stats().Commits-before)
	}
	for i, q := range qs {
		e, err := s.Lookup(t.Context(), queuestore.Ref{Kind: queuestore.BySender, ID: smp.EntityID(q.SenderID)})
		if err != nil || (e[0] == nil) != (i%3 == 0) || e[0] != nil && e[0].Size != 1 {
			t.Fatalf("queue %d: %+v, %v", i, e[0], err)
		}
	}
	e, err := s.Lookup(t.Context(), queuestore.Ref{ID: smp.EntityID(shared.RecipientID)})
	if err != nil || e[0].Size != n-n/3 {
		t.Fatalf("%+v, %v", e[0], err)
	}
}

// TestWithinOneUpdate checks the order of changes of messages that are sent
// together.
func TestWithinOneUpdate(t *testing.T) {
	s := open(t, pgtest.Start(t, pgtest.Options{}).NewDatabase(t))
	q, gone := storetest.NewQueue(smp.Messaging), storetest.NewQueue(smp.Messaging)
	a, b, c := storetest.NewMessage("a"), storetest.NewMessage("b"), storetest.NewMessage("c")
	err := s.Update(t.Context(), func(tx queuestore.Tx) error {
		return errors.Join(tx.AddQueue(q, smp.LinkData{}), tx.AddQueue(gone, smp.LinkData{}),
			tx.AddMessage(q.Num, a), tx.AddMessage(q.Num, b), tx.DeleteMessages(q.Num, a.Seq), tx.AddMessage(q.Num, c),
			tx.AddMessage(gone.Num, storetest.NewMessage("gone")), tx.DeleteQueue(gone.Num))
	})
	if err != nil {
		t.Fatal(err)
	}
	var bodies string
	for m, err := s.Next(t.Context(), q.Num, 0); m != nil || err != nil; m, err = s.Next(t.Context(), q.Num, m.Seq) {
		if err != nil {
			t.Fatal(err)
		}
		bodies += string(m.Body)
	}
	if n, err := s.Counts(t.Context()); bodies != "bc" || err != nil || n != (queuestore.Counts{Queues: 1, Messages: 2}) {
		t.Fatalf("%q, %+v, %v", bodies, n, err)
	}
}

// TestLostConnections kills all connections between calls and inside an
// update.
func TestLostConnections(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	dsn := server.NewDatabase(t)
	s := open(t, dsn)
	kill := func() {
		server.Exec(t, dsn, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
	q := storetest.NewQueue(smp.Messaging)
	if err := s.Update(t.Context(), func(tx queuestore.Tx) error { return tx.AddQueue(q, smp.LinkData{}) }); err != nil {
		t.Fatal(err)
	}
	find := func() *queuestore.Entry {
		e, err := s.Lookup(t.Context(), queuestore.Ref{ID: smp.EntityID(q.RecipientID)})
		if err != nil {
			t.Fatal(err)
		}
		return e[0]
	}
	find()
	kill()
	find()
	if err := s.Update(t.Context(), func(tx queuestore.Tx) error { return tx.AddMessage(q.Num, storetest.NewMessage("1")) }); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), func(tx queuestore.Tx) error {
		kill()
		return tx.AddMessage(q.Num, storetest.NewMessage("2"))
	})
	if err == nil {
		t.Fatal("an update whose connection was lost")
	}
	if err := s.Update(t.Context(), func(tx queuestore.Tx) error { return tx.AddMessage(q.Num, storetest.NewMessage("3")) }); err != nil {
		t.Fatal(err)
	}
	if e := find(); e.Size != 2 {
		t.Fatalf("%+v", e)
	}
}
