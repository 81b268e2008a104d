package agent_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func TestAddress(t *testing.T) {
	relay := smptest.Start(t)
	alice, addr := party(t, "alice", nil, relay), agent.NewConnID()
	link, err := alice.CreateAddress(t.Context(), addr, agent.InviteOptions{PQ: true})
	if err != nil {
		t.Fatal(err)
	}
	i, err := alice.ParseLink(link.Full)
	if err != nil || !i.Contact {
		t.Fatalf("link %+v: %v", i, err)
	}
	for n, name := range []string{"bob", "carol"} {
		// The one who asks is the inviter of the connection.
		p := &pair{alice: party(t, name, nil, relay), bob: alice, toBob: agent.NewConnID(), toAlice: agent.NewConnID()}
		err := p.alice.Join(t.Context(), p.toBob, link.Full, []byte(name), agent.JoinOptions{PQ: true})
		if err != nil {
			t.Fatal(err)
		}
		req := agenttest.Wait[agent.Request](t, alice.Client, addr, n+1)[n]
		if string(req.Info) != name || !req.PQ {
			t.Fatalf("request %+v", req)
		}
		alice.Restart()
		if err := alice.Accept(t.Context(), p.toAlice, addr, req.ID, []byte("bob's info"), agent.JoinOptions{PQ: true}); err != nil {
			t.Fatal(err)
		}
		p.allow(t)
		p.waitConnected(t)
		p.talk(t, 0, 3)
		if err := alice.Accept(t.Context(), agent.NewConnID(), addr, req.ID, nil, agent.JoinOptions{}); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("accepted twice: %v", err)
		}
	}
	dave := party(t, "dave", nil, relay)
	if err := dave.Join(t.Context(), agent.NewConnID(), link.Full, []byte("dave"), agent.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	req := agenttest.Wait[agent.Request](t, alice.Client, addr, 3)[2]
	if err := alice.Reject(t.Context(), addr, req.ID); err != nil {
		t.Fatal(err)
	}
	if err := alice.Accept(t.Context(), agent.NewConnID(), addr, req.ID, nil, agent.JoinOptions{}); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("accepted after it was rejected: %v", err)
	}
}

func TestSwitch(t *testing.T) {
	first, second := smptest.Start(t), smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, first), bob: party(t, "bob", nil, second)}
	p.connect(t, agent.InviteOptions{PQ: true})
	p.talk(t, 0, 3)
	p.alice.AddServer(second.Addr.String())
	p.alice.Restart()
	before, err := p.alice.EnableNotifications(t.Context(), p.toBob)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.alice.Switch(t.Context(), p.toBob); err != nil {
		t.Fatal(err)
	}
	if err := p.alice.Switch(t.Context(), p.toBob); !errors.Is(err, agent.ErrState) {
		t.Errorf("again: %v", err)
	}
	p.send(t, 3, 20)
	var phases []agent.SwitchPhase
	for _, s := range agenttest.Wait[agent.Switched](t, p.alice.Client, p.toBob, 4) {
		phases = append(phases, s.Phase)
	}
	want := []agent.SwitchPhase{agent.SwitchStarted, agent.SwitchConfirmed, agent.SwitchSecured, agent.SwitchCompleted}
	if !slices.Equal(phases, want) {
		t.Errorf("phases %v", phases)
	}
	p.check(t, 23)
	if n := agenttest.Wait[agent.NotifierSet](t, p.alice.Client, p.toBob, 1)[0]; !n.Enabled || n.Err != nil {
		t.Errorf("notifications of the new queue: %+v", n)
	}
	if n, err := p.alice.EnableNotifications(t.Context(), p.toBob); err != nil || n.ID == before.ID || n.ID == "" {
		t.Errorf("the notifier is still the old queue's: %v", err)
	}
	first.Stop() // nobody needs it any more
	p.bob.Restart()
	p.talk(t, 23, 3)
	i, err := p.alice.Connection(t.Context(), p.toBob)
	if err != nil || !slices.Equal(i.RcvServers, []string{second.Addr.String()}) {
		t.Errorf("receiving on %v: %v", i.RcvServers, err)
	}
}

// The old relay goes away in the middle of a switch: the new queue is used at
// once, and the old one is emptied and deleted when its relay is back.
func TestSwitchFromRelayAway(t *testing.T) {
	first, second := smptest.Start(t), smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, first), bob: party(t, "bob", nil, second)}
	p.connect(t, agent.InviteOptions{})
	p.talk(t, 0, 2)
	p.alice.AddServer(second.Addr.String())
	p.alice.Restart()
	secured := make(chan struct{})
	p.alice.Client.Handle = func(_ context.Context, _ agent.ConnID, ev agent.Event) error {
		if s, ok := ev.(agent.Switched); ok && s.Phase == agent.SwitchSecured {
			close(secured)
		}
		return nil
	}
	if err := p.alice.Switch(t.Context(), p.toBob); err != nil {
		t.Fatal(err)
	}
	<-secured
	first.Stop()
	p.talk(t, 2, 3)
	first.Restart()
	agenttest.Wait[agent.Switched](t, p.alice.Client, p.toBob, 4)
	p.talk(t, 5, 2)
}
