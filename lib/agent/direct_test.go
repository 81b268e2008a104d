package agent_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// storer takes events in the agent's transaction, as answer says.
type storer struct {
	*agenttest.Client
	answer func(agent.Event) (agent.Stored, error)
}

func (s storer) StoreEvent(ctx context.Context, id agent.ConnID, ev agent.Event) (agent.Stored, error) {
	st, err := s.answer(ev)
	if err == nil {
		err = s.Client.HandleEvent(ctx, id, ev)
	}
	return st, err
}

// A client that stores events in the agent's transaction gets each once and in
// order, also when it cannot store one, or asks for it later.
func TestEventsInTheAgentsTransaction(t *testing.T) {
	relay := smptest.Start(t)
	path := filepath.Join(t.TempDir(), "bob.db")
	bob := agenttest.Start(t, agenttest.Config{Open: open(path), Servers: []string{relay.Addr.String()}})
	p := &pair{alice: party(t, "alice", nil, relay), bob: bob}
	p.connect(t, agent.InviteOptions{})
	bob.Stop()

	kept, closeStore := open(path)(t)
	a, err := agent.New(agent.Config{Store: kept, Dial: agent.DialSMP(smpclient.Options{}), Servers: []string{relay.Addr.String()}, Timing: agenttest.Timing})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 16)
	var asked []string
	h := storer{Client: bob.Client, answer: func(ev agent.Event) (agent.Stored, error) {
		m, ok := ev.(agent.Message)
		if !ok {
			return agent.Stored{}, agent.ErrLater
		}
		body := string(m.Body)
		first := !slices.Contains(asked, body)
		asked = append(asked, body)
		switch {
		case body == "a1" && first:
			return agent.Stored{}, errors.New("disk trouble")
		case body == "a3":
			return agent.Stored{}, agent.ErrLater
		}
		return agent.Stored{Receipt: true, Done: func() { done <- body }}, nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, h) }()
	for i := range 5 {
		if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: fmt.Appendf(nil, "a%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range agenttest.Wait[agent.Message](t, bob.Client, p.toAlice, 5) {
		if want := fmt.Sprintf("a%d", i); string(m.Body) != want {
			t.Errorf("message %d is %q", i, m.Body)
		}
	}
	// Those that were stored at once have their receipts with the same commit.
	agenttest.Wait[agent.Receipt](t, p.alice.Client, p.toBob, 2)
	if n := bob.Client.Again(); n != 0 {
		t.Errorf("%d messages came again", n)
	}
	if got := <-done; got != "a0" {
		t.Errorf("first stored: %s", got)
	}
	cancel()
	if err := errors.Join(<-ended, closeStore()); err != nil {
		t.Error(err)
	}
}

// A batch is all or nothing: its messages, and what fn says.
func TestBatch(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
	p.connect(t, agent.InviteOptions{})
	send := func(fail error, bodies ...string) error {
		return p.alice.Batch(t.Context(), p.toBob, func(_ context.Context, send func(agent.Outgoing) (int64, error)) error {
			last := int64(0)
			for _, b := range bodies {
				id, err := send(agent.Outgoing{Body: []byte(b), Key: b})
				if err != nil {
					return err
				}
				if id <= last {
					t.Errorf("number %d after %d", id, last)
				}
				last = id
			}
			return fail
		})
	}
	taken := errors.New("taken back")
	if err := send(taken, "x", "y"); !errors.Is(err, taken) {
		t.Error(err)
	}
	if err := send(nil, "a0", "a1", "a2"); err != nil {
		t.Fatal(err)
	}
	if err := send(nil, "a2x", string(make([]byte, 20<<10))); !errors.Is(err, agent.ErrTooLarge) {
		t.Error(err)
	}
	if err := p.alice.Batch(t.Context(), agent.NewConnID(), nil); !errors.Is(err, agent.ErrNotFound) {
		t.Error(err)
	}
	for i, m := range agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 3) {
		if want := fmt.Sprintf("a%d", i); string(m.Body) != want || m.Integrity.Verdict != agent.IntegrityOK {
			t.Errorf("message %d is %q, %v", i, m.Body, m.Integrity)
		}
	}
	p.talkAfter(t)
}

// talkAfter shows that both can still send.
func (p *pair) talkAfter(t *testing.T) {
	t.Helper()
	if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{Body: []byte("b")}); err != nil {
		t.Fatal(err)
	}
	agenttest.Wait[agent.Message](t, p.alice.Client, p.toBob, 1)
}
