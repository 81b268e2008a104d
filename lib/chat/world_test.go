package chat_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
	"github.com/simplexkit/simplexkit/lib/store/chatdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const timeout = 30 * time.Second // for what should come at once

// person is a profile that runs: a database, an agent, a core.
type person struct {
	*chat.Core
	t     testing.TB
	path  string
	relay string
	cards []api.Profile
	stop  func()
	seen  int64 // number of the last event taken

	mu   sync.Mutex
	wrap func(chat.Agent) chat.Agent // of the next start
	told bool                        // of the next start: tell of relays
	hook func(agent.ConnID, agent.Event) error
}

func newPerson(t testing.TB, relay *smptest.Relay, name string, cards ...api.Profile) *person {
	p := &person{t: t, path: filepath.Join(t.TempDir(), "p.db"), relay: relay.Addr.String(), cards: cards}
	t.Cleanup(p.halt)
	p.start()
	if name != "" {
		p.call("init", api.InitParams{DisplayName: name}, nil)
	}
	return p
}

func (p *person) halt() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

// HandleEvent lets a test fail or hold events before the core has them.
func (p *person) HandleEvent(ctx context.Context, id agent.ConnID, ev agent.Event) error {
	p.mu.Lock()
	hook := p.hook
	p.mu.Unlock()
	if hook != nil {
		if err := hook(id, ev); err != nil {
			return err
		}
	}
	return p.Core.HandleEvent(ctx, id, ev)
}

func (p *person) start() {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	fatal := func(err error) {
		if err != nil {
			cancel()
			p.t.Fatal(err)
		}
	}
	db, err := store.Open(ctx, p.path, store.Options{})
	fatal(err)
	fatal(db.Migrate(ctx, agentdb.Migrations(), chatdb.Migrations()))
	cdb, err := chatdb.Open(ctx, db)
	fatal(err)
	a, err := agent.New(agent.Config{Store: agentdb.New(db), Dial: agent.DialSMP(smpclient.Options{}),
		Servers: []string{p.relay}, Timing: agenttest.Timing})
	fatal(err)
	var ag chat.Agent = a
	if p.wrap != nil {
		ag = p.wrap(a)
	}
	p.Core = chat.New(chat.Config{Store: cdb, Agent: ag, Version: "test", Cards: p.cards, PQ: true, Summary: p.told})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx, p); err != nil && ctx.Err() == nil {
			p.t.Errorf("agent: %v", err)
		}
	})
	wg.Go(func() {
		if err := p.Core.Run(ctx); err != nil && ctx.Err() == nil {
			p.t.Errorf("chat: %v", err)
		}
	})
	p.stop = func() {
		cancel()
		wg.Wait()
		if err := db.Close(); err != nil {
			p.t.Errorf("closing: %v", err)
		}
	}
}

func ctxFor(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// tryCall calls a method; result is a pointer to what it gives, or nil.
func (p *person) tryCall(method string, params, result any) error {
	p.t.Helper()
	b, err := json.Marshal(params)
	if err != nil {
		p.t.Fatal(err)
	}
	v, err := p.Call(ctxFor(p.t), method, b)
	if err != nil || result == nil {
		return err
	}
	if b, err = json.Marshal(v); err == nil {
		err = json.Unmarshal(b, result)
	}
	return err
}

func (p *person) call(method string, params, result any) {
	p.t.Helper()
	if err := p.tryCall(method, params, result); err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
}

// exec executes a command and expects an answer of a type.
func (p *person) exec(cmd, typ string) api.Response {
	p.t.Helper()
	r := p.Exec(ctxFor(p.t), cmd)
	if r.Type != typ {
		b, _ := json.Marshal(r)
		p.t.Fatalf("%s: %s, want %s", cmd, b, typ)
	}
	return r
}

// event waits for the next event of a type.
func (p *person) event(typ string) api.Response {
	p.t.Helper()
	ctx := ctxFor(p.t)
	for {
		events, err := p.NextEvents(ctx, p.seen, 1)
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", typ, err)
		}
		p.seen = events[0].Seq
		if events[0].Type == typ {
			var r api.Response
			if err := json.Unmarshal(events[0].Resp, &r); err != nil {
				p.t.Fatal(err)
			}
			return r
		}
	}
}

// meet connects two people.
func meet(t testing.TB, a, b *person) {
	t.Helper()
	var inv api.InviteResult
	a.call("invite", nil, &inv)
	var r api.ConnectResult
	b.call("connect", api.ConnectParams{Link: inv.Link, Wait: true}, &r)
	if r.State != "connected" || r.Contact == nil || r.Contact.State != "connected" {
		t.Fatalf("connect: %+v", r)
	}
	a.call("wait", api.WaitParams{ConnID: inv.ConnID}, nil)
}

func (p *person) recv(since *int64, follow bool) api.RecvResult {
	p.t.Helper()
	var r api.RecvResult
	p.call("recv", api.RecvParams{Since: since, Follow: follow}, &r)
	return r
}
