package testworld

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// crashPlan is how hard the crash test is.
type crashPlan struct {
	messages int // each way
	kills    int // at least
	seed     uint64
}

// planFromEnv reads CRASH_MESSAGES, CRASH_KILLS and CRASH_SEED; without them
// the test is short and its seed new.
func planFromEnv(t *testing.T) crashPlan {
	get := func(name string, def uint64) uint64 {
		s := os.Getenv(name)
		if s == "" {
			return def
		}
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	return crashPlan{
		messages: int(get("CRASH_MESSAGES", 200)),
		kills:    int(get("CRASH_KILLS", 15)),
		seed:     get("CRASH_SEED", rand.Uint64()>>1),
	}
}

// TestCrash kills the relay and both messengers with SIGKILL, one or several
// at a time, at random times, while messages go both ways, and judges the
// history. CRASH_SEED repeats the choice of whom to kill and of the pauses; the
// programs' own timing differs from run to run.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for half a minute; not with -short")
	}
	plan := planFromEnv(t)
	t.Logf("CRASH_SEED=%d CRASH_MESSAGES=%d CRASH_KILLS=%d", plan.seed, plan.messages, plan.kills)
	limit := 2*time.Minute + time.Duration(plan.messages+10*plan.kills)*500*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	w := newWorld(ctx, t)
	h := new(History)
	counts := crash(ctx, t, w, h, plan)
	t.Logf("kills: %v; accepted %d, shown %d", counts, h.Count(Accepted), h.Count(Shown))
	if err := h.Check(); err != nil {
		t.Error(err)
		saveHistory(t, h)
	}
}

// newWorld is a world with connected messengers, closed at the test's end.
func newWorld(ctx context.Context, t *testing.T) *World {
	t.Helper()
	dir, err := os.MkdirTemp("", "sx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := Build(ctx, dir+"/bin", "relayctl", "simplexd"); err != nil {
		t.Fatal(err)
	}
	w, err := New(ctx, dir+"/bin", dir+"/w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := w.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// crash runs the traffic and the killer to their ends and returns how often
// each process was killed.
func crash(ctx context.Context, t *testing.T, w *World, h *History, plan crashPlan) map[string]int {
	t.Helper()
	followCtx, stopFollow := context.WithCancel(ctx)
	defer stopFollow()
	var senders, followers sync.WaitGroup
	done := make(chan struct{})
	for _, way := range []struct {
		s        Stream
		from, to string
		peer     string
	}{{"alice>bob", "A", "B", "bob"}, {"bob>alice", "B", "A", "alice"}} {
		followers.Go(func() {
			if err := w.Follow(followCtx, h, way.s, way.to); err != nil {
				t.Error(err)
			}
		})
		senders.Go(func() {
			// Messages are spread over the time that the kills take.
			pace := time.Duration(plan.kills) * 400 * time.Millisecond / time.Duration(plan.messages)
			for i := range plan.messages {
				<-time.After(pace)
				if err := w.Send(ctx, h, way.s, way.from, way.peer, fmt.Sprintf("%s %d", way.s, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	go func() {
		senders.Wait()
		close(done)
	}()
	// A follower that finds no daemon when it begins opens the profile itself,
	// and no daemon could start any more: nobody is killed before both are there.
	for (h.ShownOf("alice>bob") == 0 || h.ShownOf("bob>alice") == 0) && ctx.Err() == nil && !t.Failed() {
		<-time.After(20 * time.Millisecond)
	}
	counts := kill(ctx, t, w, h, plan, done)
	<-done
	for h.Missing() > 0 && ctx.Err() == nil && !t.Failed() {
		<-time.After(20 * time.Millisecond)
	}
	stopFollow()
	followers.Wait()
	return counts
}

// kill kills processes until the senders are done and all kills are spent, and
// leaves all of them running.
func kill(ctx context.Context, t *testing.T, w *World, h *History, plan crashPlan, done <-chan struct{}) map[string]int {
	t.Helper()
	r := rand.New(rand.NewPCG(plan.seed, 0))
	counts := map[string]int{}
	pause := func(upTo time.Duration) {
		select {
		case <-time.After(time.Duration(r.Int64N(int64(upTo)))):
		case <-ctx.Done():
		}
	}
	for n := 0; ctx.Err() == nil && !t.Failed(); {
		select {
		case <-done:
			if n >= plan.kills {
				return counts
			}
		default:
		}
		pause(600 * time.Millisecond)
		victims := w.Processes()
		r.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
		victims = victims[:1+r.IntN(2)*r.IntN(len(victims))]
		for _, p := range victims {
			h.Fault("kill " + p.Name)
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
			counts[p.Name]++
			n++
		}
		pause(200 * time.Millisecond)
		for _, p := range victims {
			if err := p.Start(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	return counts
}

// saveHistory keeps a history that failed.
func saveHistory(t *testing.T, h *History) {
	f, err := os.CreateTemp("", "history-*.jsonl")
	if err != nil {
		t.Error(err)
		return
	}
	_, err = h.WriteTo(f)
	t.Logf("history in %s (%v)", f.Name(), errors.Join(err, f.Close()))
}
