package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/swarmkv"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
)

// kills is how often the daemon is killed while it writes.
const kills = 10

// A daemon that is killed while it writes messages has lost none that it has
// answered for, none is there twice when what was not answered for is sent
// again, and git finds the repository whole each time.
func TestSwarmKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("kills ten daemons")
	}
	w := newWriter(t)
	for round := range kills {
		w.start()
		if round == 0 {
			var c api.SwarmConv
			w.call("swarm.new", api.SwarmParams{Mode: "invites-only"}, &c)
			w.conv = c.Conv
		}
		w.writeUntil(len(w.sent) + 1 + rand.IntN(12))
		w.fsck()
	}
	t.Logf("%d messages, %d not answered at the end", w.next, len(w.pending))
	w.start()
	w.writeUntil(0)
	w.check()
}

// writer sends messages to a daemon that is killed under it.
type writer struct {
	t    *testing.T
	home home.Home
	conv string
	cmd  *exec.Cmd
	s    *session

	mu      sync.Mutex
	next    int
	pending []int          // sent and not answered, by number
	sent    map[int]string // answered: commits by number
}

func newWriter(t *testing.T) *writer {
	w := &writer{t: t, home: home.In(filepath.Join(t.TempDir(), "home")), sent: map[int]string{}}
	w.run("init", "alice", "--smp-server", "smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@127.0.0.1:1")
	f, err := os.OpenFile(filepath.Join(w.home.Dir, "config.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("\n[swarm]\noff = true\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w.giveAccount()
	return w
}

// giveAccount puts a ready account in: making one takes seconds.
func (w *writer) giveAccount() {
	account, err := swarmtest.Account(w.t, 0).MarshalPEM()
	if err != nil {
		w.t.Fatal(err)
	}
	device, err := swarmtest.Device(w.t, 0, 0).MarshalPEM()
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := json.Marshal(map[string]any{"name": "alice", "account": account, "device": device})
	if err != nil {
		w.t.Fatal(err)
	}
	db, err := store.Open(w.t.Context(), w.home.DB(), store.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	err = swarmkv.New(db).Put(w.t.Context(), swarm.Value{Kind: "account", Data: v})
	if cerr := db.Close(); err != nil || cerr != nil {
		w.t.Fatal(err, cerr)
	}
}

func (w *writer) run(args ...string) {
	w.t.Helper()
	if out, err := exec.Command("simplexd", append([]string{"--home", w.home.Dir}, args...)...).CombinedOutput(); err != nil {
		w.t.Fatalf("simplexd %v: %v\n%s", args, err, out)
	}
}

// start runs a daemon and connects with it.
func (w *writer) start() {
	w.t.Helper()
	w.cmd = exec.Command("simplexd", "--home", w.home.Dir, "serve")
	said := new(bytes.Buffer)
	w.cmd.Stderr = said
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	e := &env{home: w.home}
	for deadline := time.Now().Add(30 * time.Second); ; {
		d, err := e.dial(w.t.Context())
		if err == nil {
			w.s = newSession(w.t.Context(), d)
			return
		}
		if time.Now().After(deadline) {
			_ = w.cmd.Process.Kill()
			w.t.Fatalf("%v, %v: %s", err, w.cmd.Wait(), said)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (w *writer) call(method string, p api.SwarmParams, r any) {
	w.t.Helper()
	if err := w.s.Call(w.t.Context(), method, p, r); err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
}

// writeUntil sends what was not answered, and new messages, from three sides at
// once, and kills the daemon when so many have been answered. With 0 it sends
// what is left and ends the daemon.
func (w *writer) writeUntil(enough int) {
	w.t.Helper()
	again := w.pending
	w.pending = nil
	var kill sync.Once
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for {
				w.mu.Lock()
				n := -1
				if len(again) > 0 {
					n, again = again[0], again[1:]
				} else if enough > 0 {
					n = w.next
					w.next++
				}
				w.mu.Unlock()
				if n < 0 {
					return
				}
				done, ok := w.send(n)
				if enough > 0 && done >= enough {
					kill.Do(func() { _ = w.cmd.Process.Kill() })
				}
				if !ok {
					return
				}
			}
		})
	}
	all.Wait()
	w.pending = append(w.pending, again...)
	if enough == 0 {
		return
	}
	_ = w.cmd.Wait() // killed
	_ = w.s.Close()  // its other end is gone
}

// send sends a message and returns how many have been answered.
func (w *writer) send(n int) (answered int, ok bool) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var r api.SwarmSent
	err := w.s.Call(ctx, "swarm.send", api.SwarmParams{Conv: w.conv, Text: fmt.Sprint("message ", n), Idem: fmt.Sprint("key ", n)}, &r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.pending = append(w.pending, n)
	} else {
		w.sent[n] = r.Commit
	}
	return len(w.sent), err == nil
}

func (w *writer) fsck() {
	w.t.Helper()
	git := exec.Command("git", "--git-dir", filepath.Join(w.home.SwarmDir(), "conversations", w.conv), "fsck", "--strict", "--no-dangling")
	if out, err := git.CombinedOutput(); err != nil || bytes.Contains(out, []byte("error")) || bytes.Contains(out, []byte("missing")) {
		w.t.Fatalf("git fsck: %v\n%s", err, out)
	}
}

// check compares the history with what was answered, and ends the daemon.
func (w *writer) check() {
	w.t.Helper()
	var l api.SwarmLog
	w.call("swarm.log", api.SwarmParams{Conv: w.conv, Raw: true}, &l)
	count, commits := map[string]int{}, map[string]string{}
	for _, m := range l.Messages {
		if m.Text != "" {
			count[m.Text]++
			commits[m.Text] = m.Commit
		}
	}
	if len(w.sent) != w.next || len(count) != w.next {
		w.t.Errorf("%d messages, %d answered, %d in the history", w.next, len(w.sent), len(count))
	}
	for n, id := range w.sent {
		text := fmt.Sprint("message ", n)
		if count[text] != 1 || commits[text] != id {
			w.t.Errorf("%s is there %d times, as %s, answered %s", text, count[text], commits[text], id)
		}
	}
	w.fsck()
	if err := w.s.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		w.t.Error(err)
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("the daemon ended with %v", err)
	}
}
