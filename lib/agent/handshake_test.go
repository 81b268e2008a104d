package agent_test

import (
	"context"
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func pinned(agentMax, clientMax, e2eMax, relayMax wire.Version) func(*agent.Config) {
	return func(c *agent.Config) {
		c.Versions = agent.Versions{
			Agent:  wire.VersionRange{Min: 2, Max: agentMax},
			Client: wire.VersionRange{Min: 1, Max: clientMax},
			E2E:    wire.VersionRange{Min: 2, Max: e2eMax},
		}
		c.Dial = agent.DialSMP(smpclient.Options{Versions: wire.VersionRange{Min: 6, Max: relayMax}})
	}
}

// Two of these are paired in both orders.
var generations = []struct {
	name string
	edit func(*agent.Config)
}{
	{"now", nil},
	{"agent 6, no PQ", pinned(6, 4, 2, 17)},
	{"relay before SKEY", pinned(7, 4, 3, 8)},
	{"agent 5, client 2", pinned(5, 2, 3, 12)},
	{"oldest", pinned(2, 1, 2, 6)},
}

func TestHandshakeVersions(t *testing.T) {
	relay := smptest.Start(t)
	for _, a := range generations {
		for _, b := range generations {
			t.Run(a.name+" and "+b.name, func(t *testing.T) {
				p := &pair{alice: party(t, "alice", a.edit, relay), bob: party(t, "bob", b.edit, relay)}
				p.connect(t, agent.InviteOptions{PQ: true, PQLink: true})
				p.talk(t, 0, 3)
				p.talk(t, 3, 1)
			})
		}
	}
}

func TestStandardHandshake(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", pinned(7, 2, 3, 18), relay)}
	p.connect(t, agent.InviteOptions{Standard: true})
	p.talk(t, 0, 5)
	if m := agenttest.All[agent.Message](p.bob.Client, p.toAlice)[0]; m.SenderID != 3 {
		t.Errorf("first message has number %d, want 3 after the confirmation and HELLO", m.SenderID)
	}
}

func TestPQ(t *testing.T) {
	relay := smptest.Start(t)
	for _, inLink := range []bool{true, false} {
		p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
		p.connect(t, agent.InviteOptions{PQ: true, PQLink: inLink})
		p.talk(t, 0, 2)
		p.talk(t, 2, 2)
		p.talk(t, 4, 2)
		if m := agenttest.All[agent.Message](p.bob.Client, p.toAlice); !m[len(m)-1].PQ {
			t.Errorf("key in the link %v: messages are not post-quantum", inLink)
		}
	}
}

func TestRestartAtEveryStep(t *testing.T) {
	for _, gen := range []struct {
		name string
		edit func(*agent.Config)
	}{{"fast", nil}, {"standard", pinned(7, 2, 3, 18)}} {
		t.Run(gen.name, func(t *testing.T) {
			relay := smptest.Start(t)
			p := &pair{alice: party(t, "alice", gen.edit, relay), bob: party(t, "bob", gen.edit, relay)}
			link := p.invite(t, agent.InviteOptions{PQ: true})
			p.alice.Stop()
			relay.Stop()
			if err := p.bob.Join(t.Context(), p.toAlice, link, []byte("bob's info"), agent.JoinOptions{PQ: true}); err != nil {
				t.Fatal(err)
			}
			p.bob.Restart()
			relay.Restart()
			p.alice.Restart()
			agenttest.Wait[agent.Confirmation](t, p.alice.Client, p.toBob, 1)
			p.alice.Restart()
			p.bob.Stop()
			relay.Stop()
			p.allow(t)
			p.alice.Restart()
			relay.Restart()
			p.bob.Restart()
			p.waitConnected(t)
			p.bob.Stop()
			relay.Stop()
			for _, body := range []string{"a0", "a1"} {
				if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte(body)}); err != nil {
					t.Fatal(err)
				}
			}
			p.alice.Restart()
			relay.Restart()
			p.bob.Restart()
			got := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 2)
			if string(got[0].Body) != "a0" || string(got[1].Body) != "a1" {
				t.Errorf("got %q and %q", got[0].Body, got[1].Body)
			}
		})
	}
}

func TestJoinErrors(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
	link := p.invite(t, agent.InviteOptions{})
	if err := p.bob.Join(t.Context(), p.toAlice, "simplex:/invitation#nonsense", nil, agent.JoinOptions{}); !errors.Is(err, agent.ErrLink) {
		t.Errorf("bad link: %v", err)
	}
	large := make([]byte, 16000)
	if err := p.bob.Join(t.Context(), p.toAlice, link, large, agent.JoinOptions{}); !errors.Is(err, agent.ErrTooLarge) {
		t.Errorf("large info: %v", err)
	}
	if _, err := p.bob.Connection(t.Context(), p.toAlice); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("after failed joins: %v", err)
	}
	if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{}); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("send without connection: %v", err)
	}
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{}); !errors.Is(err, agent.ErrState) {
		t.Errorf("send before it is connected: %v", err)
	}
	if _, err := p.alice.CreateInvitation(t.Context(), p.toBob, agent.InviteOptions{}); !errors.Is(err, agent.ErrExists) {
		t.Errorf("same connection again: %v", err)
	}
	nobody := party(t, "nobody", nil)
	if err := nobody.Join(t.Context(), agent.NewConnID(), link, nil, agent.JoinOptions{}); !errors.Is(err, agent.ErrNoServers) {
		t.Errorf("without relays: %v", err)
	}
	old := party(t, "old", func(c *agent.Config) { c.Versions.Agent = wire.VersionRange{Min: 1, Max: 1} }, relay)
	if err := old.Join(t.Context(), agent.NewConnID(), link, nil, agent.JoinOptions{}); !errors.Is(err, agent.ErrVersion) {
		t.Errorf("old agent: %v", err)
	}
}

// The second of two who join with one link is told that it is used.
func TestLinkUsedTwice(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
	link := p.invite(t, agent.InviteOptions{})
	if err := p.bob.Join(t.Context(), p.toAlice, link, []byte("bob's info"), agent.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	p.allow(t)
	p.waitConnected(t)
	carol, id := party(t, "carol", nil, relay), agent.NewConnID()
	if err := carol.Join(t.Context(), id, link, nil, agent.JoinOptions{}); err != nil {
		t.Fatal(err)
	}
	ev := agenttest.Wait[agent.ConnError](t, carol.Client, id, 1)[0]
	if !ev.Fatal || ev.Err.Code != agent.CodeAuth {
		t.Errorf("got %+v", ev)
	}
	p.talk(t, 0, 1)
}

func TestWrongFingerprint(t *testing.T) {
	relay := smptest.Start(t)
	addr := relay.Addr
	addr.KeyHash = "01234567890123456789012345678901"
	a := agenttest.Start(t, agenttest.Config{Open: open(t.TempDir() + "/a.db"), Servers: []string{addr.String()}})
	_, err := a.CreateInvitation(t.Context(), agent.NewConnID(), agent.InviteOptions{})
	if !errors.Is(err, smpclient.ErrFingerprint) {
		t.Errorf("got %v", err)
	}
}

// A key of low order in a link is refused, not used.
func TestLowOrderKey(t *testing.T) {
	relay := smptest.Start(t)
	a := party(t, "alice", nil, relay)
	id := agent.NewConnID()
	link, err := a.CreateInvitation(t.Context(), id, agent.InviteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Join(t.Context(), agent.NewConnID(), withQueueKey(t, link.Full, key.X25519Public{}), nil, agent.JoinOptions{})
	if !errors.Is(err, agent.ErrLink) {
		t.Errorf("got %v", err)
	}
}

// Making an invitation needs a relay; one that is away leaves nothing behind,
// and of several the next is taken.
func TestCreateErrors(t *testing.T) {
	down, up := smptest.Start(t), smptest.Start(t)
	down.Stop()
	a, id := party(t, "alice", nil, down), agent.NewConnID()
	if _, err := a.CreateInvitation(t.Context(), id, agent.InviteOptions{}); err == nil {
		t.Error("made on a relay that is down")
	}
	if _, err := a.Connection(t.Context(), id); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("left behind: %v", err)
	}
	if _, err := a.CreateInvitation(t.Context(), id, agent.InviteOptions{Server: "no address"}); err == nil {
		t.Error("made on no address")
	}
	a.AddServer(up.Addr.String())
	a.Restart()
	if _, err := a.CreateInvitation(t.Context(), id, agent.InviteOptions{}); err != nil {
		t.Errorf("with a second relay: %v", err)
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	idle, err := agent.New(agent.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := idle.CreateInvitation(late, id, agent.InviteOptions{}); !errors.Is(err, agent.ErrClosed) {
		t.Errorf("not running: %v", err)
	}
	if _, err := agent.New(agent.Config{Servers: []string{"nonsense"}}); !errors.Is(err, smp.ErrAddress) {
		t.Errorf("bad relay in the configuration: %v", err)
	}
}
