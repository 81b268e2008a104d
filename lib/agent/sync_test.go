package agent_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// end is one party with its connection.
type end struct {
	*agenttest.Party
	id agent.ConnID
}

func (p *pair) ends() [2]end { return [2]end{{p.alice, p.toBob}, {p.bob, p.toAlice}} }

func (e end) syncs() []agent.RatchetSync { return agenttest.All[agent.RatchetSync](e.Client, e.id) }

// sync asks for a new ratchet in any state.
func (e end) sync(t *testing.T) {
	t.Helper()
	if err := e.SyncRatchet(t.Context(), e.id, true); err != nil {
		t.Fatal(err)
	}
}

// badKey sends parameters for a new ratchet whose keys nobody has.
func (e end) badKey(t *testing.T, pq bool) {
	t.Helper()
	if err := e.Subscribe(t.Context(), e.id); err != nil { // waits for the agent to run
		t.Fatal(err)
	}
	body := envelope.Append(nil, envelope.RatchetKey{Version: 7, E2E: e2eParams(t, pq)})
	if err := e.TestOnlySendRaw(t.Context(), e.id, agent.KindUser, body); err != nil {
		t.Fatal(err)
	}
}

// waitSyncedAfter waits until both ends say that the ratchet is fine again,
// after as many changes of its state as they had before.
func (p *pair) waitSyncedAfter(t *testing.T, before [2]int) {
	t.Helper()
	for i, e := range p.ends() {
		e.Client.WaitFor(t, "synchronised ratchet", func() bool {
			all := e.syncs()
			return len(all) > before[i] && all[len(all)-1].State == agent.SyncOK
		})
	}
	for range 2 {
		p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
		p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
	}
}

func (p *pair) syncCounts() (n [2]int) {
	for i, e := range p.ends() {
		n[i] = len(e.syncs())
	}
	return n
}

// Both ask for a new ratchet at once, once and again before the other's keys
// can have come.
func TestSyncByBoth(t *testing.T) {
	relay := smptest.Start(t)
	for _, pq := range []bool{false, true} {
		p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
		p.connect(t, agent.InviteOptions{PQ: pq})
		for times := range 3 {
			before := p.syncCounts()
			for range times + 1 {
				for _, e := range p.ends() {
					e.sync(t)
				}
			}
			p.waitSyncedAfter(t, before)
		}
	}
}

// Keys for a new ratchet that nobody has cost the messages on the way, and the
// parties agree on a ratchet without anybody's help.
func TestHostileRatchetKey(t *testing.T) {
	relay := smptest.Start(t)
	for _, pq := range []bool{false, true} {
		p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
		p.connect(t, agent.InviteOptions{PQ: pq})
		p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
		for range 2 {
			before := p.syncCounts()
			p.ends()[0].badKey(t, pq)
			p.waitSyncedAfter(t, before)
		}
	}
}

// Whatever keys come, and however often clients ask for new ones: when both
// have asked once more, they have a ratchet.
func TestSyncConverges(t *testing.T) {
	relay := smptest.Start(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
		p.connect(t, agent.InviteOptions{PQ: r.IntN(2) == 0})
		for range 8 {
			e := p.ends()[r.IntN(2)]
			switch r.IntN(6) {
			case 0:
				e.badKey(t, r.IntN(2) == 0)
			case 1:
				e.Restart()
			case 2: // only if it is told to
				if err := e.SyncRatchet(t.Context(), e.id, false); err != nil && !errors.Is(err, agent.ErrState) {
					t.Fatal(err)
				}
			default:
				e.sync(t)
			}
		}
		before := p.syncCounts()
		for _, e := range p.ends() {
			e.sync(t)
		}
		p.waitSyncedAfter(t, before)
	}
}
