package agent_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// What is asked while the relay is away is done when it is there again, also
// by the next run; events tell.
func TestLater(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	invitation, address, withLink := agent.NewConnID(), agent.NewConnID(), agent.NewConnID()
	if _, err := p.alice.CreateAddress(t.Context(), withLink, agent.InviteOptions{Short: &agent.LinkData{}}); err != nil {
		t.Fatal(err)
	}
	relay.Stop()
	short := &agent.LinkData{Data: []byte("profile")}
	for _, err := range []error{
		p.alice.CreateInvitationLater(t.Context(), invitation, agent.InviteOptions{PQ: true, Short: short}),
		p.alice.CreateAddressLater(t.Context(), address, agent.InviteOptions{}),
		p.alice.EnableNotificationsLater(t.Context(), p.toBob),
		p.alice.DeleteLinkLater(t.Context(), withLink),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p.alice.Restart()
	relay.Restart()
	l := agenttest.Wait[agent.Created](t, p.alice.Client, invitation, 1)[0].Link
	if r, err := p.bob.ResolveLink(t.Context(), l.Short, 0); err != nil || string(r.User.Data) != "profile" {
		t.Errorf("resolved %+v: %v", r, err)
	}
	if l := agenttest.Wait[agent.Created](t, p.alice.Client, address, 1)[0].Link; l.Full == "" || l.Short != "" {
		t.Errorf("address %+v", l)
	}
	if s := agenttest.Wait[agent.LinkSet](t, p.alice.Client, withLink, 1)[0]; !s.Deleted || s.Err != nil {
		t.Errorf("deleted link: %+v", s)
	}
	if s := agenttest.Wait[agent.NotifierSet](t, p.alice.Client, p.toBob, 1)[0]; !s.Enabled || s.Err != nil {
		t.Errorf("notifications: %+v", s)
	}
	relay.Stop() // the credentials are on disk
	if n, err := p.alice.EnableNotifications(t.Context(), p.toBob); err != nil || n.ID == "" {
		t.Errorf("credentials %+v: %v", n, err)
	}
	if err := p.alice.DisableNotificationsLater(t.Context(), p.toBob); err != nil {
		t.Fatal(err)
	}
	relay.Restart()
	if s := agenttest.Wait[agent.NotifierSet](t, p.alice.Client, p.toBob, 2)[1]; s.Enabled || s.Err != nil {
		t.Errorf("notifications: %+v", s)
	}
	p.toBob = invitation // and the link is good
	p.toAlice = agent.NewConnID()
	if err := p.bob.Join(t.Context(), p.toAlice, l.Short, []byte("bob's info"), agent.JoinOptions{PQ: true}); err != nil {
		t.Fatal(err)
	}
	p.allow(t)
	p.waitConnected(t)
	p.talk(t, 0, 2)
}

// What cannot be made is refused at once where that can be known, and told
// otherwise; what is deleted before it is made is not made.
func TestLaterErrors(t *testing.T) {
	relay := smptest.Start(t)
	p := connected(t, relay)
	large := &agent.LinkData{Data: bytes.Repeat([]byte{1}, 13750)}
	if err := p.alice.CreateInvitationLater(t.Context(), agent.NewConnID(), agent.InviteOptions{Short: large}); !errors.Is(err, agent.ErrTooLarge) {
		t.Errorf("large data: %v", err)
	}
	if err := p.alice.CreateAddressLater(t.Context(), p.toBob, agent.InviteOptions{}); !errors.Is(err, agent.ErrExists) {
		t.Errorf("same connection again: %v", err)
	}
	if err := p.alice.CreateInvitationLater(t.Context(), agent.NewConnID(), agent.InviteOptions{Standard: true, Short: &agent.LinkData{}}); !errors.Is(err, agent.ErrState) {
		t.Errorf("short link of the slow handshake: %v", err)
	}
	if err := p.alice.FetchLater(t.Context(), p.toBob); err != nil {
		t.Fatal(err)
	}
	if f := agenttest.Wait[agent.Fetched](t, p.alice.Client, p.toBob, 1)[0]; f.Err == nil || f.Message {
		t.Errorf("fetched from a queue that is subscribed: %+v", f)
	}
	relay.Stop()
	gone := agent.NewConnID()
	if err := p.alice.CreateInvitationLater(t.Context(), gone, agent.InviteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.alice.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	relay.Restart()
	agenttest.Wait[agent.Deleted](t, p.alice.Client, gone, 1)
	if all := agenttest.All[agent.Created](p.alice.Client, gone); len(all) > 0 {
		t.Errorf("made after it was deleted: %+v", all)
	}
}

// A passive agent fetches messages in the order in which it asks.
func TestFetchLater(t *testing.T) {
	p := connected(t, smptest.Start(t))
	p.bob.Configure(func(c *agent.Config) { c.Passive = true })
	p.bob.Restart()
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("a0")}); err != nil {
		t.Fatal(err)
	}
	agenttest.Wait[agent.Sent](t, p.alice.Client, p.toBob, 1)
	for n, more := 1, true; more; n++ { // what came before the restart may come again
		if err := p.bob.FetchLater(t.Context(), p.toAlice); err != nil {
			t.Fatal(err)
		}
		f := agenttest.Wait[agent.Fetched](t, p.bob.Client, p.toAlice, n)[n-1]
		if more = f.Message; f.Err != nil || n == 1 && !more {
			t.Fatalf("fetched %+v", f)
		}
	}
	if m := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 1)[0]; string(m.Body) != "a0" {
		t.Errorf("got %q", m.Body)
	}
}
