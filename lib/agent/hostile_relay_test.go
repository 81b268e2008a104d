package agent_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// liar is a relay that changes the fourth part of its answers and messages.
type liar struct {
	on   atomic.Bool
	edit func(l *liar, r smp.Response) []smp.Response
	// losesMessages is of a lie that would keep a message from ever coming,
	// which a relay always can: it is told in answers only.
	losesMessages bool

	mu   sync.Mutex // guards what follows
	rand *rand.Rand
	old  []smp.Response
}

func (l *liar) answers(rs []smp.Response) (out []smp.Response) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rs {
		if !l.on.Load() || l.rand.IntN(4) > 0 || l.losesMessages && r.CorrID == "" {
			out = append(out, r)
			continue
		}
		out = append(out, l.edit(l, r)...)
	}
	for _, r := range rs {
		if len(l.old) < 20 {
			l.old = append(l.old, r)
		} else {
			l.old[l.rand.IntN(len(l.old))] = r
		}
	}
	return out
}

// dial reaches the relay with commands that do not wait long.
func (l *liar) dial(c *agent.Config) {
	c.Dial = agent.DialSMP(smpclient.Options{Timeout: 500 * time.Millisecond, TestOnlyEdit: l.answers})
}

// lies are what a relay can say without the secrets of either party. All that
// is sent arrives all the same, once and in order: what is not answered well is
// asked again, and what comes again is known.
var lies = map[string]func(l *liar, r smp.Response) []smp.Response{
	"nothing":          func(*liar, smp.Response) []smp.Response { return nil },
	"everything twice": func(_ *liar, r smp.Response) []smp.Response { return []smp.Response{r, r} },
	"a wrong correlation ID": func(_ *liar, r smp.Response) []smp.Response {
		r.CorrID = smpclient.NewCorrID()
		return []smp.Response{r}
	},
	"an empty correlation ID": func(_ *liar, r smp.Response) []smp.Response { r.CorrID = ""; return []smp.Response{r} },
	"a wrong queue":           func(_ *liar, r smp.Response) []smp.Response { r.EntityID = "another"; return []smp.Response{r} },
	"an answer that is none": func(_ *liar, r smp.Response) []smp.Response {
		r.Message = smp.IDS{RecipientID: "x", SenderID: "y"}
		return []smp.Response{r}
	},
	"what cannot be read": func(_ *liar, r smp.Response) []smp.Response {
		r.Message, r.Err = nil, smp.ErrBlock
		return []smp.Response{r}
	},
	"an error that passes": func(_ *liar, r smp.Response) []smp.Response {
		if _, ok := r.Message.(smp.MSG); !ok {
			r.Message = smp.ERR{Err: &smp.Error{Type: smp.TypeInternal}}
		}
		return []smp.Response{r}
	},
	"all that it said before": func(l *liar, r smp.Response) []smp.Response { return append(append([]smp.Response{}, l.old...), r) },
	"the message of another queue": func(l *liar, r smp.Response) []smp.Response {
		out := []smp.Response{r}
		for _, o := range l.old {
			if _, ok := o.Message.(smp.MSG); ok {
				o.CorrID, o.EntityID = "", r.EntityID
				out = append(out, o)
			}
		}
		return out
	},
}

func TestLyingRelay(t *testing.T) {
	for name, edit := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay := smptest.Start(t)
			l := &liar{edit: edit, rand: rand.New(rand.NewPCG(1, 2))}
			switch name {
			case "nothing", "a wrong queue", "an answer that is none", "what cannot be read":
				l.losesMessages = true
			}
			p := &pair{alice: party(t, "alice", l.dial, relay), bob: party(t, "bob", l.dial, relay)}
			p.connect(t, agent.InviteOptions{PQ: true})
			p.talk(t, 0, 2)
			l.on.Store(true)
			p.send(t, 2, 10)
			p.bob.Restart()
			p.check(t, 12)
			l.on.Store(false)
			p.talk(t, 12, 2)
		})
	}
}

// early acknowledges messages before the agent does, once it is on, and
// delivers each two of a queue in the other order.
type early struct {
	agent.Relay
	on *atomic.Bool

	mu     sync.Mutex // guards what follows
	queues map[smp.RecipientID]agent.QueueAuth
	acked  map[smp.MsgID]bool
	held   map[smp.RecipientID]smp.Message
}

func (e *early) Subscribe(ctx context.Context, qs []agent.QueueAuth) []error {
	e.mu.Lock()
	for _, q := range qs {
		e.queues[q.ID] = q
	}
	e.mu.Unlock()
	return e.Relay.Subscribe(ctx, qs)
}

func (e *early) Ack(ctx context.Context, q agent.QueueAuth, id smp.MsgID) error {
	e.mu.Lock()
	done := e.acked[id]
	e.mu.Unlock()
	if done {
		return nil
	}
	return e.Relay.Ack(ctx, q, id)
}

// take is called by the reader, before there is a Relay for the first ones.
func (e *early) take(id smp.RecipientID, m smp.Message, ready chan struct{}) (out []smp.Message) {
	msg, ok := m.(smp.MSG)
	if !ok || !e.on.Load() {
		return []smp.Message{m}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.acked[msg.ID] {
		return nil // it was delivered again before that
	}
	e.acked[msg.ID] = true
	q := e.queues[id]
	go func() {
		<-ready
		_ = e.Relay.Ack(context.Background(), q, msg.ID) // ends with the session
	}()
	first := e.held[id]
	if first == nil {
		e.held[id] = m
		return nil
	}
	delete(e.held, id)
	return []smp.Message{m, first}
}

func reorder(on *atomic.Bool) func(*agent.Config) {
	dial := agent.DialSMP(smpclient.Options{})
	return func(c *agent.Config) {
		c.Dial = func(ctx context.Context, to agent.Target, deliver func(smp.RecipientID, smp.Message)) (agent.Relay, error) {
			e := &early{on: on, queues: map[smp.RecipientID]agent.QueueAuth{}, acked: map[smp.MsgID]bool{}, held: map[smp.RecipientID]smp.Message{}}
			ready := make(chan struct{})
			r, err := dial(ctx, to, func(id smp.RecipientID, m smp.Message) {
				for _, m := range e.take(id, m, ready) {
					deliver(id, m)
				}
			})
			e.Relay = r
			close(ready)
			return e, err
		}
	}
}

// Messages in another order than that of sending are all read, and the client
// is told.
func TestReorderingRelay(t *testing.T) {
	p := connected(t, smptest.Start(t))
	var on atomic.Bool
	p.bob.Configure(reorder(&on))
	p.bob.Restart()
	p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
	on.Store(true)
	for i := range 4 {
		if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: fmt.Appendf(nil, "a%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 5)[1:] {
		want := []struct {
			body    string
			verdict agent.Verdict
		}{{"a1", agent.IntegritySkipped}, {"a0", agent.IntegrityBadID}, {"a3", agent.IntegritySkipped}, {"a2", agent.IntegrityBadID}}[i]
		if string(m.Body) != want.body || m.Integrity.Verdict != want.verdict {
			t.Errorf("message %d: %q, %v", i, m.Body, m.Integrity)
		}
	}
	if errs := agenttest.All[agent.ConnError](p.bob.Client, p.toAlice); len(errs) > 0 {
		t.Errorf("%d errors, first %v", len(errs), errs[0].Err)
	}
	p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
}

// A party repeats its messages, gives them wrong numbers and a wrong history:
// the client sees each once, with the verdict.
func TestLyingPeer(t *testing.T) {
	p := connected(t, smptest.Start(t))
	first := p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
	plain := func(id int64, prev []byte, text string) []byte {
		return envelope.AppendPlain(nil, envelope.AgentMessage{ID: id, PrevHash: prev, Message: envelope.AMsg{Body: []byte(text)}})
	}
	for i, c := range []struct {
		id   int64
		prev []byte
		want agent.Verdict
	}{
		{first.SenderID + 1, first.Hash, agent.IntegrityOK},
		{first.SenderID + 1, first.Hash, agent.IntegrityDuplicate},
		{first.SenderID + 2, []byte("another history"), agent.IntegrityBadHash},
		{first.SenderID + 9, nil, agent.IntegritySkipped},
		{1, nil, agent.IntegrityBadID},
		{-1 << 63, nil, agent.IntegrityBadID},
		{1<<63 - 1, nil, agent.IntegritySkipped},
	} {
		body, err := p.alice.TestOnlySeal(t.Context(), p.toBob, plain(c.id, c.prev, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := p.alice.TestOnlySendRaw(t.Context(), p.toBob, agent.KindUser, body); err != nil {
				t.Fatal(err)
			}
		}
		got := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, i+2)[i+1]
		if string(got.Body) != fmt.Sprint(i) || got.Integrity.Verdict != c.want {
			t.Errorf("message %d: %q, %v, want %v", i, got.Body, got.Integrity, c.want)
		}
	}
	p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
	if n := len(agenttest.All[agent.Message](p.bob.Client, p.toAlice)); n != 9 {
		t.Errorf("%d messages", n)
	}
}

// A party lets messages out, as many as the ratchet keeps keys for, and then
// one more: that is refused, and costs no memory.
func TestSkippedFlood(t *testing.T) {
	p := connected(t, smptest.Start(t))
	first := p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
	seal := func(n int) (body []byte) {
		t.Helper()
		for i := range n {
			var err error
			m := envelope.AgentMessage{ID: first.SenderID + int64(i) + 1, Message: envelope.AMsg{Body: []byte("skipped")}}
			if body, err = p.alice.TestOnlySeal(t.Context(), p.toBob, envelope.AppendPlain(nil, m)); err != nil {
				t.Fatal(err)
			}
		}
		return body
	}
	last := seal(500)
	tooFar := seal(600)
	for _, body := range [][]byte{tooFar, last} {
		if err := p.alice.TestOnlySendRaw(t.Context(), p.toBob, agent.KindUser, body); err != nil {
			t.Fatal(err)
		}
	}
	agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 2)
	states := agenttest.All[agent.RatchetSync](p.bob.Client, p.toAlice)
	if len(states) != 2 || states[0].State != agent.SyncRequired || states[1].State != agent.SyncOK {
		t.Errorf("states %+v", states)
	}
	before := p.syncCounts()
	p.ends()[0].sync(t)
	p.waitSyncedAfter(t, before)
}
