package agent_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open keeps a party in a file of the test's directory.
func open(path string) func(testing.TB) (agent.Store, func() error) {
	return openWith(path, store.Options{Synchronous: store.Normal})
}

func openWith(path string, o store.Options) func(testing.TB) (agent.Store, func() error) {
	return func(t testing.TB) (agent.Store, func() error) {
		t.Helper()
		db, err := store.Open(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(context.Background(), agentdb.Migrations()); err != nil {
			t.Fatal(err)
		}
		return agentdb.New(db), db.Close
	}
}

func party(t *testing.T, name string, edit func(*agent.Config), relays ...*smptest.Relay) *agenttest.Party {
	t.Helper()
	cfg := agenttest.Config{Open: open(filepath.Join(t.TempDir(), name+".db")), Agent: edit}
	for _, r := range relays {
		cfg.Servers = append(cfg.Servers, r.Addr.String())
	}
	return agenttest.Start(t, cfg)
}

// pair is two connected parties.
type pair struct {
	alice, bob     *agenttest.Party
	toBob, toAlice agent.ConnID // alice's and bob's connection
}

func (p *pair) invite(t *testing.T, o agent.InviteOptions) (link string) {
	return p.inviteShort(t, o).Full
}

func (p *pair) inviteShort(t *testing.T, o agent.InviteOptions) agent.Link {
	t.Helper()
	p.toBob, p.toAlice = agent.NewConnID(), agent.NewConnID()
	link, err := p.alice.CreateInvitation(t.Context(), p.toBob, o)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func (p *pair) allow(t *testing.T) {
	t.Helper()
	conf := agenttest.Wait[agent.Confirmation](t, p.alice.Client, p.toBob, 1)[0]
	if string(conf.Info) != "bob's info" {
		t.Fatalf("confirmation with %q", conf.Info)
	}
	if err := p.alice.Allow(t.Context(), p.toBob, conf.ID, []byte("alice's info")); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) connect(t *testing.T, o agent.InviteOptions) {
	t.Helper()
	link := p.invite(t, o)
	if err := p.bob.Join(t.Context(), p.toAlice, link, []byte("bob's info"), agent.JoinOptions{PQ: o.PQ}); err != nil {
		t.Fatal(err)
	}
	p.allow(t)
	p.waitConnected(t)
}

func (p *pair) waitConnected(t *testing.T) {
	t.Helper()
	agenttest.Wait[agent.Connected](t, p.alice.Client, p.toBob, 1)
	agenttest.Wait[agent.Connected](t, p.bob.Client, p.toAlice, 1)
	info := agenttest.Wait[agent.Info](t, p.bob.Client, p.toAlice, 1)[0]
	if string(info.Info) != "alice's info" {
		t.Fatalf("info %q", info.Info)
	}
}

// talk sends n messages each way, numbered from first, and checks that all
// come once, in order, and with the verdict ok.
func (p *pair) talk(t *testing.T, first, n int) {
	t.Helper()
	p.send(t, first, n)
	p.check(t, first+n)
}

func (p *pair) send(t *testing.T, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: fmt.Appendf(nil, "a%d", i)}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{Body: fmt.Appendf(nil, "b%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *pair) check(t *testing.T, n int) {
	t.Helper()
	for _, side := range []struct {
		name string
		got  []agent.Message
		sent []agent.Sent
	}{
		{"b", agenttest.Wait[agent.Message](t, p.alice.Client, p.toBob, n), agenttest.Wait[agent.Sent](t, p.bob.Client, p.toAlice, n)},
		{"a", agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, n), agenttest.Wait[agent.Sent](t, p.alice.Client, p.toBob, n)},
	} {
		for i, m := range side.got {
			if want := fmt.Sprintf("%s%d", side.name, i); string(m.Body) != want || m.Integrity.Verdict != agent.IntegrityOK {
				t.Fatalf("message %d is %q, %v; want %q", i, m.Body, m.Integrity, want)
			}
			if i > 0 && m.SenderID <= side.got[i-1].SenderID {
				t.Fatalf("numbers %d after %d", m.SenderID, side.got[i-1].SenderID)
			}
		}
		if len(side.got) != n {
			t.Fatalf("%d messages from %s, want %d", len(side.got), side.name, n)
		}
	}
}

func TestFastHandshake(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
	p.connect(t, agent.InviteOptions{})
	p.talk(t, 0, 5)
}
