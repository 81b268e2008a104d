package work

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := new(Group)
		w.Kick("early", func(context.Context) (Pause, bool) { t.Error("ran before the start"); return Pause{}, false })
		w.Start(ctx)
		began, runs := time.Now(), []time.Duration{}
		left := 3
		job := func(context.Context) (Pause, bool) {
			runs = append(runs, time.Since(began))
			if left--; left > 0 {
				return Pause{After: time.Hour, Until: "relay"}, true
			}
			return Pause{}, false
		}
		w.Kick("job", job)
		synctest.Wait()
		time.Sleep(time.Minute)
		w.Wake("another relay")
		synctest.Wait()
		w.Wake("relay")
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(runs) != 3 || runs[0] != 0 || runs[1] != time.Minute || runs[2] != time.Minute+time.Hour {
			t.Errorf("ran at %v", runs)
		}
		left = 1
		w.Kick("job", job)
		synctest.Wait()
		if len(runs) != 4 {
			t.Errorf("not kicked again: %v", runs)
		}
		w.Kick("waits", func(ctx context.Context) (Pause, bool) { return Pause{After: time.Hour}, true })
		synctest.Wait()
		cancel()
		w.Wait()
		w.Kick("late", func(context.Context) (Pause, bool) { t.Error("ran after the end"); return Pause{}, false })
	})
}

// A kick that comes while the job runs makes it run once more.
func TestKickWhileRunning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := new(Group)
	w.Start(ctx)
	running, goOn := make(chan struct{}), make(chan struct{})
	job := func(context.Context) (Pause, bool) {
		running <- struct{}{}
		<-goOn
		return Pause{}, false
	}
	w.Kick("job", job)
	<-running
	w.Kick("job", job)
	w.Kick("job", job)
	goOn <- struct{}{}
	<-running
	goOn <- struct{}{}
	cancel()
	w.Wait()
}

func TestLocks(t *testing.T) {
	var l Locks
	unlock, err := l.Lock(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Lock(ctx, "c"); err == nil {
		t.Error("locked twice")
	}
	other, err := l.Lock(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	other()
	unlock()
	if len(l.m) != 0 {
		t.Errorf("%d locks are left", len(l.m))
	}
}

// Quiet waits for what runs, not for what pauses.
func TestQuiet(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := new(Group)
	g.Start(ctx)
	if err := g.Quiet(t.Context()); err != nil {
		t.Error(err)
	}
	running, goOn := make(chan struct{}), make(chan struct{})
	g.Kick("job", func(context.Context) (Pause, bool) {
		running <- struct{}{}
		<-goOn
		return Pause{After: time.Hour}, true
	})
	<-running
	late, stop := context.WithCancel(t.Context())
	stop()
	if err := g.Quiet(late); err == nil {
		t.Error("quiet while a job runs")
	}
	close(goOn)
	if err := g.Quiet(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	g.Wait()
	again, end := context.WithCancel(t.Context())
	g.Start(again)
	ran := make(chan struct{})
	g.Kick("job", func(context.Context) (Pause, bool) { close(ran); return Pause{}, false })
	<-ran
	end()
	g.Wait()
}
