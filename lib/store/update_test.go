package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
)

func pause() { runtime.Gosched() }

func TestUpdatesOfManyCallersShareCommits(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	before := db.Stats()
	const callers, each = 16, 20
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if err := put(db, c*each+i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := db.Stats()
	if got := s.Updates - before.Updates; got != callers*each {
		t.Errorf("%d updates, want %d", got, callers*each)
	}
	if n := len(numbers(t, db)); n != callers*each {
		t.Errorf("%d numbers, want %d", n, callers*each)
	}
	t.Logf("%d updates in %d commits, largest group %d", s.Updates, s.Commits, s.MaxGroup)
}

func TestQueueIsOneCommit(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour, GroupLimit: 100})
	before := db.Stats()
	release := hold(t, db, insert(0))
	var wg sync.WaitGroup
	for i := range 49 {
		wg.Go(func() {
			if err := put(db, i+1); err != nil {
				t.Error(err)
			}
		})
	}
	queued(db, 49)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	s := db.Stats()
	if s.Updates-before.Updates != 50 || s.Commits-before.Commits != 1 || s.MaxGroup != 50 {
		t.Errorf("%+v, want 50 updates in one commit", s)
	}
}

func TestGroupLimitEndsAGroup(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour, GroupLimit: 10})
	before := db.Stats()
	release := hold(t, db, insert(0))
	var wg sync.WaitGroup
	for i := range 29 {
		wg.Go(func() { _ = put(db, i+1) })
	}
	queued(db, 29)
	_ = release()
	wg.Wait()
	if s := db.Stats(); s.Commits-before.Commits != 3 || s.MaxGroup != 10 {
		t.Errorf("%+v, want three commits of 10", s)
	}
}

// inGroup runs the updates one after another in one transaction.
func inGroup(t *testing.T, db *DB, fns ...func(*sql.Tx) error) []error {
	t.Helper()
	errs := make([]error, len(fns))
	release := hold(t, db, fns[0])
	var wg sync.WaitGroup
	for i, fn := range fns[1:] {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i+1] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i+1] = db.Update(context.Background(), fn)
		})
		queued(db, i+1)
	}
	errs[0] = release()
	wg.Wait()
	return errs
}

func TestErrorTakesBackOnlyItsOwn(t *testing.T) {
	mine := errors.New("mine")
	failing := func(n int) func(*sql.Tx) error {
		return func(tx *sql.Tx) error { return errors.Join(insert(n)(tx), mine) }
	}
	panicking := func(n int) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			_ = insert(n)(tx)
			panic("at once")
		}
	}
	exiting := func(n int) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			_ = insert(n)(tx)
			runtime.Goexit()
			return nil
		}
	}
	for name, bad := range map[string]func(int) func(*sql.Tx) error{"error": failing, "panic": panicking, "goexit": exiting} {
		for at := 1; at < 4; at++ {
			t.Run(fmt.Sprintf("%s/%d", name, at), func(t *testing.T) {
				db := open(t, Options{GroupTime: time.Hour})
				before := db.Stats()
				fns := []func(*sql.Tx) error{insert(0), insert(1), insert(2), insert(3)}
				fns[at] = bad(at)
				errs := inGroup(t, db, fns...)
				have := numbers(t, db)
				for i, err := range errs {
					switch {
					case i != at && (err != nil || !have[i]):
						t.Errorf("update %d: %v, there: %v", i, err, have[i])
					case i == at && have[i]:
						t.Errorf("update %d is there", i)
					case i == at && name == "error" && err != mine && !errors.Is(err, mine):
						t.Errorf("update %d: %v", i, err)
					case i == at && name == "panic" && (err == nil || err.Error() != "panic: at once"):
						t.Errorf("update %d: %v", i, err)
					}
				}
				if s := db.Stats(); s.Commits-before.Commits != 1 || s.Updates-before.Updates != 3 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

func TestFirstOfAGroupFails(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	mine := errors.New("mine")
	errs := inGroup(t, db,
		func(tx *sql.Tx) error { return errors.Join(insert(0)(tx), mine) }, insert(1), insert(2))
	if !errors.Is(errs[0], mine) || errs[1] != nil || errs[2] != nil {
		t.Error(errs)
	}
	if have := numbers(t, db); have[0] || !have[1] || !have[2] {
		t.Error(have)
	}
}

func TestPanicLeavesTheDatabaseUsable(t *testing.T) {
	db := open(t, Options{})
	func() {
		defer func() {
			if recover() != "alone" {
				t.Error("panic did not come through")
			}
		}()
		_ = db.Update(t.Context(), func(tx *sql.Tx) error {
			_ = insert(1)(tx)
			panic("alone")
		})
	}()
	if err := put(db, 2); err != nil {
		t.Fatal(err)
	}
	if have := numbers(t, db); have[1] || !have[2] {
		t.Error(have)
	}
}

func TestContextEndsWhileQueued(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	release := hold(t, db, insert(0))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		result <- db.Update(ctx, func(*sql.Tx) error {
			t.Error("the update ran")
			return nil
		})
	}()
	queued(db, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := db.Update(ctx, insert(1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := put(db, 2); err != nil {
		t.Error(err)
	}
}

func TestContextEndsWhileRunning(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Update(ctx, func(tx *sql.Tx) error {
		if err := insert(1)(tx); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if err != nil || !numbers(t, db)[1] {
		t.Errorf("an update that ran: %v", err)
	}
	// An update whose statements refuse to run with an ended context takes
	// nothing of the others with it.
	errs := inGroup(t, db, insert(2), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO numbers (n, word) VALUES (3, 'x')`)
		return err
	}, insert(4))
	if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
		t.Error(errs)
	}
	if have := numbers(t, db); !have[2] || have[3] || !have[4] {
		t.Error(have)
	}
}

// A statement under way when its context ends is not interrupted, as that
// would end the transaction of the whole group.
func TestStatementIsNotInterrupted(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	slow := func(tx *sql.Tx) error {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		defer cancel()
		_, err := tx.ExecContext(ctx, `INSERT INTO numbers (n, word)
			WITH RECURSIVE c(i) AS (SELECT 100 UNION ALL SELECT i+1 FROM c WHERE i < 100000) SELECT i, 'w' FROM c`)
		return err
	}
	errs := inGroup(t, db, insert(0), slow, insert(2))
	if errs[0] != nil || errs[1] != nil || errs[2] != nil {
		t.Error(errs)
	}
	if n := len(numbers(t, db)); n != 2+100000-99 {
		t.Errorf("%d numbers", n)
	}
}

func TestManyContextsEnd(t *testing.T) {
	db := open(t, Options{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := map[int]bool{}
	for c := range 8 {
		wg.Go(func() {
			for i := range 50 {
				n := c*50 + i
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				err := db.Update(ctx, insert(n))
				if err == nil {
					mu.Lock()
					done[n] = true
					mu.Unlock()
				} else if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	have := numbers(t, db)
	for n := range 400 {
		if have[n] != done[n] {
			t.Errorf("update %d: done %v, there %v", n, done[n], have[n])
		}
	}
}

func TestCommitFailsForTheWholeGroup(t *testing.T) {
	broken := errors.New("broken")
	var fail bool
	db := open(t, Options{GroupTime: time.Hour, TestOnlyFault: func(p FaultPoint) error {
		if fail && p == FaultCommit {
			return broken
		}
		return nil
	}})
	fail = true
	mine := errors.New("mine")
	errs := inGroup(t, db, insert(0), insert(1), func(*sql.Tx) error { return mine }, insert(3))
	for i, err := range errs {
		if want := broken; i == 2 && !errors.Is(err, mine) || i != 2 && !errors.Is(err, want) {
			t.Errorf("update %d: %v", i, err)
		}
	}
	fail = false
	if have := numbers(t, db); len(have) != 0 {
		t.Error(have)
	}
	if err := put(db, 5); err != nil || !numbers(t, db)[5] {
		t.Errorf("after the fault: %v", err)
	}
	if s := db.Stats(); s.Failed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestBeginFails(t *testing.T) {
	broken := errors.New("broken")
	var fail bool
	db := open(t, Options{TestOnlyFault: func(p FaultPoint) error {
		if fail && p == FaultBegin {
			return broken
		}
		return nil
	}})
	fail = true
	if err := put(db, 1); !errors.Is(err, broken) {
		t.Error(err)
	}
	fail = false
	if err := put(db, 1); err != nil {
		t.Error(err)
	}
}

func TestTransactionEndedInsideAnUpdate(t *testing.T) {
	for name, end := range map[string]func(*sql.Tx) error{
		"rollback": func(tx *sql.Tx) error { _, err := tx.Exec(`ROLLBACK`); return err },
		"commit":   func(tx *sql.Tx) error { return tx.Commit() },
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, Options{GroupTime: time.Hour})
			errs := inGroup(t, db, insert(0), end, insert(2))
			if !errors.Is(errs[0], ErrAborted) || !errors.Is(errs[1], ErrAborted) || errs[2] != nil {
				t.Error(errs)
			}
			if !numbers(t, db)[2] {
				t.Error("the update of the next group is missing")
			}
		})
	}
}

func TestConflict(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	inside := false
	errs := inGroup(t, db, insert(1), func(tx *sql.Tx) error {
		err := insert(1)(tx)
		inside = IsConflict(err)
		return err
	}, insert(2))
	if errs[0] != nil || !errors.Is(errs[1], ErrConflict) || !inside || errs[2] != nil {
		t.Error(errs, inside)
	}
}

func TestCloseWaitsAndRefuses(t *testing.T) {
	db := open(t, Options{GroupTime: time.Hour})
	release := hold(t, db, insert(0))
	late := make(chan error)
	go func() { late <- put(db, 1) }()
	queued(db, 1)
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- db.Close() }()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for !errors.Is(db.Update(ended, insert(2)), ErrClosed) {
		pause()
	}
	select {
	case <-closed:
		t.Error("closed during an update")
	default:
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-late; err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
	if err := db.View(t.Context(), func(*sql.Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	again := openAt(t, db.Path(), Options{})
	if have := numbers(t, again); !have[0] || !have[1] {
		t.Error(have)
	}
}
