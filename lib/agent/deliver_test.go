package agent_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func connected(t *testing.T, relay *smptest.Relay) *pair {
	t.Helper()
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
	p.connect(t, agent.InviteOptions{})
	return p
}

func TestThousandMessages(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 200
	}
	p := connected(t, smptest.Start(t))
	p.talk(t, 0, n)
}

// Messages sent while the relay and the agents are killed again and again all
// arrive, once and in order.
func TestRestartsUnderLoad(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	n := 0
	for round := range 6 {
		p.send(t, n, 40)
		n += 40
		switch round % 3 {
		case 0:
			relay.Restart()
		case 1:
			p.bob.Restart()
		case 2:
			p.alice.Restart()
		}
	}
	p.check(t, n)
	t.Logf("%d messages were handled again", p.alice.Client.Again()+p.bob.Client.Again())
}

// The client's refusal keeps a message, and all after it, until it accepts.
func TestHandlerError(t *testing.T) {
	p := connected(t, smptest.Start(t))
	var refused atomic.Int32
	p.bob.Client.Handle = func(_ context.Context, _ agent.ConnID, ev agent.Event) error {
		if m, ok := ev.(agent.Message); ok && string(m.Body) == "a2" && refused.Add(1) < 4 {
			return errors.New("disk full")
		}
		return nil
	}
	p.talk(t, 0, 6)
	if refused.Load() != 4 {
		t.Errorf("handled %d times", refused.Load())
	}
}

// A message that the client has not confirmed when the agent ends is handed
// over again after the start.
func TestUnconfirmedComesAgain(t *testing.T) {
	p := connected(t, smptest.Start(t))
	tried := make(chan struct{}, 100)
	p.bob.Client.Handle = func(_ context.Context, _ agent.ConnID, ev agent.Event) error {
		if _, ok := ev.(agent.Message); ok {
			tried <- struct{}{}
			return errors.New("not now")
		}
		return nil
	}
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("a0")}); err != nil {
		t.Fatal(err)
	}
	<-tried
	p.bob.Stop()
	p.bob.Client.Handle = nil
	p.bob.Restart()
	if got := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 1)[0]; string(got.Body) != "a0" {
		t.Errorf("got %q", got.Body)
	}
}

func TestSendKey(t *testing.T) {
	p := connected(t, smptest.Start(t))
	m := agent.Outgoing{Body: []byte("a0"), Key: "first"}
	id1, err1 := p.alice.Send(t.Context(), p.toBob, m)
	id2, err2 := p.alice.Send(t.Context(), p.toBob, m)
	agenttest.Wait[agent.Sent](t, p.alice.Client, p.toBob, 1)
	id3, err3 := p.alice.Send(t.Context(), p.toBob, m)
	if err := errors.Join(err1, err2, err3); err != nil || id1 != id2 || id2 != id3 {
		t.Fatalf("numbers %d, %d, %d: %v", id1, id2, id3, err)
	}
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("a1")}); err != nil {
		t.Fatal(err)
	}
	got := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 2)
	if string(got[0].Body) != "a0" || string(got[1].Body) != "a1" {
		t.Errorf("got %q, %q", got[0].Body, got[1].Body)
	}
}

func TestTooLarge(t *testing.T) {
	p := connected(t, smptest.Start(t))
	i, err := p.alice.Connection(t.Context(), p.toBob)
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, i.MaxBody)
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: append(body, 0)}); !errors.Is(err, agent.ErrTooLarge) {
		t.Errorf("one byte too much: %v", err)
	}
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: body}); err != nil {
		t.Fatal(err)
	}
	if got := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 1)[0]; len(got.Body) != i.MaxBody || got.Integrity.Verdict != agent.IntegrityOK {
		t.Errorf("%d bytes, %v", len(got.Body), got.Integrity)
	}
}

func TestReceipts(t *testing.T) {
	p := connected(t, smptest.Start(t))
	id, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("a0")})
	if err != nil {
		t.Fatal(err)
	}
	m := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 1)[0]
	for range 2 { // the second one tells nothing new
		if err := p.bob.SendReceipt(t.Context(), p.toAlice, m.ID); err != nil {
			t.Fatal(err)
		}
	}
	if r := agenttest.Wait[agent.Receipt](t, p.alice.Client, p.toBob, 1)[0]; r.MsgID != id || r.BadHash {
		t.Errorf("receipt %+v for %d", r, id)
	}
	p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
	if n := len(agenttest.All[agent.Receipt](p.alice.Client, p.toBob)); n != 1 {
		t.Errorf("%d receipts", n)
	}
}

// talkOne sends one message and waits for it.
func (p *pair) talkOne(t *testing.T, from *agenttest.Party, fc agent.ConnID, to *agenttest.Party, tc agent.ConnID) agent.Message {
	t.Helper()
	n := len(agenttest.All[agent.Message](to.Client, tc))
	if _, err := from.Send(t.Context(), fc, agent.Outgoing{Body: fmt.Appendf(nil, "message %d", n)}); err != nil {
		t.Fatal(err)
	}
	return agenttest.Wait[agent.Message](t, to.Client, tc, n+1)[n]
}

// A full queue delays, and what waits is sent when it is empty.
func TestQuota(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	p.bob.Stop()
	const n = 200 // more than a queue holds
	for i := range n {
		if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: fmt.Appendf(nil, "a%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	late := agenttest.Wait[agent.SendError](t, p.alice.Client, p.toBob, 1)[0]
	if !late.Temporary || late.Err.Code != agent.CodeQuota {
		t.Errorf("got %+v", late)
	}
	p.bob.Restart()
	for i, m := range agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, n) {
		if string(m.Body) != fmt.Sprintf("a%d", i) || m.Integrity.Verdict != agent.IntegrityOK {
			t.Fatalf("message %d is %q, %v", i, m.Body, m.Integrity)
		}
	}
	agenttest.Wait[agent.QueueFreed](t, p.alice.Client, p.toBob, 1)
}

// A queue that the recipient deleted is a permanent error.
func TestDelete(t *testing.T) {
	p := connected(t, smptest.Start(t))
	if err := p.bob.Delete(t.Context(), p.toAlice); err != nil {
		t.Fatal(err)
	}
	agenttest.Wait[agent.Deleted](t, p.bob.Client, p.toAlice, 1)
	p.bob.Restart() // the connection goes after its last event
	if _, err := p.bob.Connection(t.Context(), p.toAlice); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("deleted connection: %v", err)
	}
	id, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("hello?")})
	if err != nil {
		t.Fatal(err)
	}
	if e := agenttest.Wait[agent.SendError](t, p.alice.Client, p.toBob, 1)[0]; e.MsgID != id || e.Temporary || e.Err.Code != agent.CodeAuth {
		t.Errorf("got %+v", e)
	}
}

// Deleting waits for the relay, over a restart, and lets what was sent out.
func TestDeleteLater(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	relay.Stop()
	if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{Body: []byte("goodbye")}); err != nil {
		t.Fatal(err)
	}
	if err := p.bob.Delete(t.Context(), p.toAlice); err != nil {
		t.Fatal(err)
	}
	p.bob.Restart()
	relay.Restart()
	agenttest.Wait[agent.Deleted](t, p.bob.Client, p.toAlice, 1)
	if m := agenttest.Wait[agent.Message](t, p.alice.Client, p.toBob, 1)[0]; string(m.Body) != "goodbye" {
		t.Errorf("got %q", m.Body)
	}
}

// Another client of the same store takes the queue over: this one is told,
// and takes it back only when asked.
func TestTakenOver(t *testing.T) {
	relay := smptest.Start(t)
	cfg := agenttest.Config{Open: open(filepath.Join(t.TempDir(), "bob.db")), Servers: []string{relay.Addr.String()}}
	p := &pair{alice: party(t, "alice", nil, relay), bob: agenttest.Start(t, cfg)}
	p.connect(t, agent.InviteOptions{})
	thief := agenttest.Start(t, cfg)
	agenttest.Wait[agent.Ended](t, p.bob.Client, p.toAlice, 1)
	thief.Stop()
	if err := p.bob.Subscribe(t.Context(), p.toAlice); err != nil {
		t.Fatal(err)
	}
	p.talk(t, 0, 2)
}

func TestExpiredMessage(t *testing.T) {
	relay := smptest.Start(t)
	var later atomic.Int64 // nanoseconds that alice's clock is fast
	fast := func(c *agent.Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) } }
	p := &pair{alice: party(t, "alice", fast, relay), bob: party(t, "bob", nil, relay)}
	p.connect(t, agent.InviteOptions{})
	relay.Stop()
	id, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("lost")})
	if err != nil {
		t.Fatal(err)
	}
	agenttest.Wait[agent.SendError](t, p.alice.Client, p.toBob, 1)
	later.Store(int64(49 * time.Hour))
	errs := agenttest.Wait[agent.SendError](t, p.alice.Client, p.toBob, 2)
	if !errs[0].Temporary || errs[1].Temporary || errs[1].MsgID != id || errs[1].Err.Code != agent.CodeExpired {
		t.Errorf("got %+v, %+v", errs[0], errs[1])
	}
}

// The client is told that a relay is gone, and that it is back.
func TestStatus(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	last := func() agent.Status {
		all := p.bob.Client.Statuses()
		if len(all) == 0 {
			return agent.Status{}
		}
		return all[len(all)-1]
	}
	relay.Stop()
	p.bob.Client.WaitFor(t, "news that the relay is down", func() bool {
		s := last()
		return !s.Up && s.Err != nil && s.Server == relay.Addr.String() && slices.Contains(s.Conns, p.toAlice)
	})
	relay.Restart()
	p.bob.Client.WaitFor(t, "news that the relay is up", func() bool {
		s := last()
		return s.Up && slices.Contains(s.Conns, p.toAlice)
	})
	i, err := p.bob.Connection(t.Context(), p.toAlice)
	if err != nil || !i.Subscribed || i.Status != string(agent.PhaseConnected) || i.Version != 7 {
		t.Errorf("connection %+v: %v", i, err)
	}
}
