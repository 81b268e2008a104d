package smpserver_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

// observed is a step of a scenario, as it went on the reference's relay.
type observed struct {
	Note           string
	Connection     string
	Command        string
	Entity         string
	AuthorizedWith string `json:"authorized_with"`
	Response       string
	ResponseEntity string `json:"response_entity"`
	Events         []struct{ Connection, Event string }
}

// TestVectorQueueBehaviour drives a relay through every scenario and compares
// each answer and event. Events that the reference sends late (END, DELD and
// NMSG) come at once here; where a scenario waits for them they must have
// come.
func TestVectorQueueBehaviour(t *testing.T) {
	testVectorQueueBehaviour(t, func(*testing.T) []smptest.Option { return nil })
}

// TestVectorQueueBehaviourPostgres does so with PostgreSQL for the store.
func TestVectorQueueBehaviourPostgres(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	testVectorQueueBehaviour(t, func(t *testing.T) []smptest.Option {
		return []smptest.Option{smptest.WithStore(postgres(t, server.NewDatabase(t)))}
	})
}

func testVectorQueueBehaviour(t *testing.T, opts func(*testing.T) []smptest.Option) {
	vectors.Load(t, "smp_queue_behaviour.json").Dispatch(t, map[string]func(*testing.T, vectors.Case){
		"server_behaviour": func(t *testing.T, c vectors.Case) {
			var s struct {
				Scenario string
				Steps    []observed
			}
			c.Decode(t, &s)
			t.Log(s.Scenario)
			w := newScenario(t, opts(t)...)
			if strings.Contains(s.Scenario, "NEW with link data") {
				// The IDs had been taken by an earlier run when this was
				// observed.
				for _, st := range s.Steps {
					if strings.HasPrefix(st.Command, "NEW mode") {
						w.answer(st)
					}
				}
			}
			for i, st := range s.Steps {
				w.step(i, st)
			}
			w.end()
		},
	})
}

func (w *scenario) step(i int, st observed) {
	w.t.Helper()
	if st.Command == "" {
		w.note(st.Note)
		return
	}
	fail := func(format string, args ...any) {
		w.t.Helper()
		w.t.Errorf("step %d, %s: %s (%s, %s): %s", i, st.Connection, st.Command, st.Entity, st.AuthorizedWith, fmt.Sprintf(format, args...))
	}
	if !strings.HasPrefix(st.Command, "(") {
		r := w.answer(st)
		got, want := w.describe(r), st.Response
		if strings.Contains(want, "sender=?") {
			want = "ERR AUTH" // the link was left by an earlier run
		}
		if got != want {
			fail("got %s, want %s", got, want)
		}
		w.checkEntity(st, r, fail)
	}
	seen := map[string]bool{}
	for _, e := range st.Events {
		// A service gets END once for each of its queues, not twice for one.
		if key := e.Connection + e.Event; seen[key] {
			continue
		} else {
			seen[key] = true
		}
		text, entity, _ := cutLast(e.Event, " on ")
		id := w.entity(entity)
		r := w.conn(e.Connection).Wait(e.Event, func(r smp.Response) bool {
			return r.CorrID == "" && r.EntityID == id && sameKind(smptest.Describe(r), text)
		})
		if got := w.describe(r); got != text {
			fail("event %s, want %s", got, text)
		}
	}
}

func sameKind(got, want string) bool {
	return strings.HasPrefix(want, strings.Fields(got)[0])
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (w *scenario) checkEntity(st observed, r smp.Response, fail func(string, ...any)) {
	w.t.Helper()
	var want smp.EntityID
	switch st.ResponseEntity {
	case "same":
		want = w.sent
	case "", "empty", "-":
	default:
		want = w.entity(st.ResponseEntity)
	}
	if r.EntityID != want {
		fail("answer for entity %x, want %x", r.EntityID, want)
	}
}

// note does what somebody did beside the connections.
func (w *scenario) note(text string) {
	w.t.Helper()
	switch {
	case strings.HasPrefix(text, "connection "):
		name := strings.Fields(text)[1]
		before := w.relay.Server().Stats().Connections
		w.conn(name).Close()
		for limit := time.Now().Add(smptest.Timeout); w.relay.Server().Stats().Connections >= before; {
			if time.Now().After(limit) {
				w.t.Fatal("the relay does not notice that a connection is closed")
			}
			<-time.After(time.Millisecond)
		}
		delete(w.conns, name)
	case strings.HasPrefix(text, "blocked via the control port"):
		m := regexp.MustCompile(`reason = BR(\w+), notice = (Nothing|Just \(ClientNotice \{ttl = Just (\d+)\}\))`).FindStringSubmatch(text)
		if m == nil {
			w.t.Fatalf("note %q", text)
		}
		why := smp.BlockingInfo{Reason: smp.BlockingReason(strings.ToLower(m[1]))}
		if m[3] != "" {
			ttl, err := strconv.ParseInt(m[3], 10, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			why.Notice = &smp.ClientNotice{TTL: &ttl}
		}
		if err := w.relay.Server().Block(w.t.Context(), w.entity("q.snd"), why); err != nil {
			w.t.Fatal(err)
		}
	case strings.HasPrefix(text, "unblocked"):
		if err := w.relay.Server().Unblock(w.t.Context(), w.entity("q.snd")); err != nil {
			w.t.Fatal(err)
		}
	case strings.HasPrefix(text, "agreed version: Version "):
		if v := fmt.Sprint(w.conn("A (no ALPN)").Params.Version); v != strings.TrimPrefix(text, "agreed version: Version ") {
			w.t.Errorf("version %s, want %s", v, text)
		}
	case strings.HasPrefix(text, "the first message comes"): // a remark
	default:
		w.t.Fatalf("unknown note %q", text)
	}
}

// end looks for messages that nobody expected.
func (w *scenario) end() {
	w.t.Helper()
	for name, c := range w.conns {
		c.Do("", smp.PING{}, nil)
		for _, r := range c.Pending() {
			switch r.Message.(type) {
			case smp.END, smp.DELD: // the reference would have sent it later
			default:
				w.t.Errorf("%s: unexpected %s", name, w.describe(r))
			}
		}
	}
}
