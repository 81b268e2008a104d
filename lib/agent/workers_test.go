package agent

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
)

func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := new(workers)
		w.kick("early", func(context.Context) (pause, bool) { t.Error("ran before the start"); return pause{}, false })
		w.start(ctx)
		began, runs := time.Now(), []time.Duration{}
		todo := 3
		job := func(context.Context) (pause, bool) {
			runs = append(runs, time.Since(began))
			if todo--; todo > 0 {
				return pause{after: time.Hour, until: "relay"}, true
			}
			return pause{}, false
		}
		w.kick("job", job)
		synctest.Wait()
		time.Sleep(time.Minute)
		w.wake("another relay")
		synctest.Wait()
		w.wake("relay")
		synctest.Wait()
		time.Sleep(2 * time.Hour)
		if len(runs) != 3 || runs[0] != 0 || runs[1] != time.Minute || runs[2] != time.Minute+time.Hour {
			t.Errorf("ran at %v", runs)
		}
		todo = 1
		w.kick("job", job)
		synctest.Wait()
		if len(runs) != 4 {
			t.Errorf("not kicked again: %v", runs)
		}
		w.kick("waits", func(ctx context.Context) (pause, bool) { return pause{after: time.Hour}, true })
		synctest.Wait()
		cancel()
		w.wait()
		w.kick("late", func(context.Context) (pause, bool) { t.Error("ran after the end"); return pause{}, false })
	})
}

// A kick that comes while the job runs makes it run once more.
func TestKickWhileRunning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := new(workers)
	w.start(ctx)
	running, goOn := make(chan struct{}), make(chan struct{})
	job := func(context.Context) (pause, bool) {
		running <- struct{}{}
		<-goOn
		return pause{}, false
	}
	w.kick("job", job)
	<-running
	w.kick("job", job)
	w.kick("job", job)
	goOn <- struct{}{}
	<-running
	goOn <- struct{}{}
	cancel()
	w.wait()
}

func TestLocks(t *testing.T) {
	var l locks
	unlock, err := l.lock(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(ctx, "c"); err == nil {
		t.Error("locked twice")
	}
	other, err := l.lock(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	other()
	unlock()
	if len(l.m) != 0 {
		t.Errorf("%d locks are left", len(l.m))
	}
}

func TestIntegrity(t *testing.T) {
	for _, c := range []struct {
		prev, id       int64
		hash, said     string
		want           Verdict
		from, to, last int64
	}{
		{4, 5, "h", "h", IntegrityOK, 0, 0, 0},
		{4, 5, "h", "x", IntegrityBadHash, 0, 0, 0},
		{4, 4, "h", "h", IntegrityDuplicate, 0, 0, 0},
		{4, 2, "h", "h", IntegrityBadID, 0, 0, 4},
		{4, 8, "h", "x", IntegritySkipped, 5, 7, 0},
		{0, 1, "", "", IntegrityOK, 0, 0, 0},
	} {
		got := checkIntegrity(c.prev, c.id, []byte(c.hash), []byte(c.said))
		if want := (Integrity{c.want, c.from, c.to, c.last}); got != want {
			t.Errorf("%+v: got %v, want %v", c, got, want)
		}
	}
}

// Every event comes back from the store as it was.
func TestEventCodec(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	for _, want := range []Event{
		Confirmation{ID: "c", Info: []byte("i"), PQ: true, Servers: []string{"s"}},
		Request{ID: "r", Info: []byte("i"), PQ: true},
		Info{Info: []byte("i")},
		Connected{PQ: true},
		Message{ID: 1, SenderID: 2, BrokerID: []byte("b"), BrokerTime: at, ReceivedAt: at, Integrity: Integrity{Verdict: IntegritySkipped, From: 1, To: 2}, Notify: true, Hash: []byte("h"), Body: []byte("x")},
		Sent{MsgID: 3, PQ: true},
		SendError{MsgID: 4, Err: &Error{Code: CodeQuota, Detail: "d", Server: "s"}, Temporary: true},
		Receipt{MsgID: 5, BadHash: true, BrokerAt: at},
		ConnError{Err: &Error{Code: CodeAuth}, Fatal: true},
		Ended{}, QueueFreed{},
		RatchetSync{State: SyncRequired, Err: &Error{Code: CodeDecrypt}},
		Switched{Receiving: true, Phase: SwitchSecured},
		Deleted{},
	} {
		e, err := storeEvent(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := loadEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, err := loadEvent(&StoredEvent{Kind: "new kind"}); err == nil {
		t.Error("unknown kind read")
	}
}
