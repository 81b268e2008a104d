package agent_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// A short invitation is opened by one party, who may look at it first, ask
// again after a restart, and join with either form.
func TestShortInvitation(t *testing.T) {
	relay := smptest.Start(t)
	for _, by := range []string{"short", "full"} {
		for _, pq := range []bool{false, true} {
			p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
			l := p.inviteShort(t, agent.InviteOptions{PQ: pq, Short: &agent.LinkData{Data: []byte("alice's profile")}})
			if i, err := p.bob.ParseLink(l.Short); err != nil || !i.Short || i.Contact || i.Server != relay.Addr.String() {
				t.Fatalf("link %+v: %v", i, err)
			}
			for range 2 {
				r, err := p.bob.ResolveLink(t.Context(), l.Short, 0)
				if err != nil || string(r.User.Data) != "alice's profile" || r.Info.Contact || r.Info.PQ != true {
					t.Fatalf("resolved %+v: %v", r.Info, err)
				}
				p.bob.Restart()
			}
			eve := party(t, "eve", nil, relay)
			_, err := eve.ResolveLink(t.Context(), l.Short, 0)
			if e := new(agent.Error); !errors.As(err, &e) || e.Code != agent.CodeAuth {
				t.Fatalf("opened by another: %v", err)
			}
			use := l.Short
			if by == "full" {
				use = l.Full
			}
			if err := p.bob.Join(t.Context(), p.toAlice, use, []byte("bob's info"), agent.JoinOptions{PQ: pq}); err != nil {
				t.Fatal(err)
			}
			p.bob.Restart()
			p.allow(t)
			p.waitConnected(t)
			p.talk(t, 0, 3)
			if i, err := p.bob.Connection(t.Context(), p.toAlice); err != nil || i.PQ != pq {
				t.Errorf("post-quantum %v, want %v: %v", i.PQ, pq, err)
			}
		}
	}
}

// What was used to open a link is erased once the connection is there.
func TestOpenedLinkIsForgotten(t *testing.T) {
	relay := smptest.Start(t)
	var store agent.Store
	p := &pair{alice: party(t, "alice", nil, relay)}
	p.bob = party(t, "bob", func(c *agent.Config) { store = c.Store }, relay)
	l := p.inviteShort(t, agent.InviteOptions{Short: &agent.LinkData{}})
	if err := p.bob.Join(t.Context(), p.toAlice, l.Short, []byte("bob's info"), agent.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	p.allow(t)
	p.waitConnected(t)
	short, err := link.ParseShort(l.Short)
	if err != nil {
		t.Fatal(err)
	}
	err = store.View(t.Context(), func(tx agent.Tx) error {
		_, err := tx.OpenedLink(relay.Addr.String(), short.LinkID)
		return err
	})
	if !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("kept: %v", err)
	}
}

// The data of an address is changed, has owners, and is deleted.
func TestShortAddress(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob, addr := party(t, "alice", nil, relay), party(t, "bob", nil, relay), agent.NewConnID()
	l, err := alice.CreateAddress(t.Context(), addr, agent.InviteOptions{
		Short: &agent.LinkData{Direct: true, Data: []byte("one"), EntityID: []byte("id")}, LinkType: link.Group,
	})
	if err != nil {
		t.Fatal(err)
	}
	resolve := func(want string) agent.Resolved {
		t.Helper()
		r, err := bob.ResolveLink(t.Context(), l.Short, 0)
		if err != nil || string(r.User.Data) != want || !r.Info.Contact || r.Full != l.Full {
			t.Fatalf("resolved %q, %+v: %v", r.User.Data, r.Info, err)
		}
		return r
	}
	if r := resolve("one"); !r.User.Direct || string(r.EntityID) != "id" {
		t.Errorf("resolved %+v", r)
	}
	alice.Restart()
	owner, err := alice.NewOwner(t.Context(), addr, []byte("owner"), key.GenerateEd25519().Public())
	if err != nil {
		t.Fatal(err)
	}
	again, err := alice.SetLink(t.Context(), addr, agent.LinkData{Data: []byte("two"), Owners: []link.Owner{owner}})
	if err != nil || again != l.Short {
		t.Fatalf("%s instead of %s: %v", again, l.Short, err)
	}
	if r := resolve("two"); len(r.User.Owners) != 1 || r.User.Direct {
		t.Errorf("resolved %+v", r.User)
	}
	owner.ID = []byte("another")
	if _, err := alice.SetLink(t.Context(), addr, agent.LinkData{Owners: []link.Owner{owner}}); !errors.Is(err, agent.ErrLink) {
		t.Errorf("forged owner: %v", err)
	}
	if _, err := alice.SetLink(t.Context(), addr, agent.LinkData{Data: make([]byte, 14000)}); !errors.Is(err, agent.ErrTooLarge) {
		t.Errorf("too much data: %v", err)
	}
	relay.Stop()
	if err := alice.SetLinkLater(t.Context(), addr, agent.LinkData{Data: []byte("three")}); err != nil {
		t.Fatal(err)
	}
	alice.Restart()
	relay.Restart()
	if set := agenttest.Wait[agent.LinkSet](t, alice.Client, addr, 1)[0]; set.Short != l.Short || set.Err != nil {
		t.Errorf("got %+v", set)
	}
	resolve("three")
	p := &pair{alice: bob, bob: alice, toBob: agent.NewConnID(), toAlice: agent.NewConnID()}
	if err := bob.Join(t.Context(), p.toBob, l.Short, []byte("bob"), agent.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	req := agenttest.Wait[agent.Request](t, alice.Client, addr, 1)[0]
	if err := alice.Accept(t.Context(), p.toAlice, addr, req.ID, []byte("bob's info"), agent.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	p.allow(t)
	p.waitConnected(t)
	p.talk(t, 0, 2)
	if err := alice.DeleteLink(t.Context(), addr); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.ResolveLink(t.Context(), l.Short, 0); err == nil {
		t.Error("deleted link resolved")
	}
	if s, err := alice.ShortLink(t.Context(), addr); err != nil || s != "" {
		t.Errorf("deleted link %q: %v", s, err)
	}
}

// An address without a short link gets one; an invitation does not.
func TestLaterShortLink(t *testing.T) {
	relay := smptest.Start(t)
	alice, addr, inv := party(t, "alice", nil, relay), agent.NewConnID(), agent.NewConnID()
	full, err := alice.CreateAddress(t.Context(), addr, agent.InviteOptions{})
	if err != nil || full.Short != "" {
		t.Fatalf("%+v: %v", full, err)
	}
	short, err := alice.SetLink(t.Context(), addr, agent.LinkData{Data: []byte("data")})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := alice.ShortLink(t.Context(), addr); err != nil || s != short {
		t.Errorf("%q instead of %q: %v", s, short, err)
	}
	r, err := alice.ResolveLink(t.Context(), short, 0)
	if err != nil || string(r.User.Data) != "data" || r.Full != full.Full {
		t.Errorf("resolved %+v: %v", r, err)
	}
	if _, err := alice.CreateInvitation(t.Context(), inv, agent.InviteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.SetLink(t.Context(), inv, agent.LinkData{}); !errors.Is(err, agent.ErrState) {
		t.Errorf("later short link of an invitation: %v", err)
	}
}

// A relay from before short links makes the queue all the same.
func TestShortLinkOldRelay(t *testing.T) {
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.Versions = wire.VersionRange{Min: 6, Max: 14} }))
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
	l := p.inviteShort(t, agent.InviteOptions{Short: &agent.LinkData{Data: []byte("profile")}})
	if l.Short != "" {
		t.Errorf("short link %q", l.Short)
	}
	if err := p.bob.Join(t.Context(), p.toAlice, l.Full, []byte("bob's info"), agent.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	p.allow(t)
	p.waitConnected(t)
	p.talk(t, 0, 1)
}

// A link whose data is not there, or not its own, fails the connection.
func TestBadShortLinks(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
	l := p.inviteShort(t, agent.InviteOptions{Short: &agent.LinkData{}})
	s, err := link.ParseShort(l.Short)
	if err != nil {
		t.Fatal(err)
	}
	wrongKey, gone, unknown := s, s, s
	wrongKey.Key = link.Key(strings.Repeat("k", 32))
	gone.LinkID = "nothing here"
	unknown.Server.KeyHash = ""
	unknown.Server.Hosts, unknown.Server.Port = []string{"relay.example"}, ""
	for _, c := range []struct {
		link link.Short
		want agent.ErrorCode
	}{{gone, agent.CodeAuth}, {wrongKey, agent.CodeProtocol}, {unknown, agent.CodeProtocol}} {
		id := agent.NewConnID()
		if err := p.bob.Join(t.Context(), id, c.link.String(), nil, agent.JoinOptions{}); err != nil {
			t.Fatal(err)
		}
		if e := agenttest.Wait[agent.ConnError](t, p.bob.Client, id, 1)[0]; !e.Fatal || e.Err.Code != c.want {
			t.Errorf("got %+v, want %s", e.Err, c.want)
		}
	}
}
