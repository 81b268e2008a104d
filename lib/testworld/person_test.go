package testworld

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
	"github.com/simplexkit/simplexkit/lib/store/chatdb"
)

// person is a messenger: database, agent, chat.
type person struct {
	w          *simWorld
	name, path string
	disk       badDisk

	mu   sync.Mutex
	core *chat.Core // nil while stopped
	db   *store.DB
	ctx  context.Context // ends when it is stopped
	back chan struct{}   // closed when it is started
	halt func()
}

func (p *person) start() {
	t := p.w.t
	db, err := store.Open(context.Background(), p.path, store.Options{TestOnlyFault: p.disk.fault, Synchronous: p.w.sync})
	if err != nil {
		t.Fatal(err)
	}
	conns, dial := agentdb.New(db), agent.DialSMP(p.w.client)
	a, err := agent.New(agent.Config{
		Store: conns,
		Dial: func(ctx context.Context, to agent.Target, on func(smp.RecipientID, smp.Message)) (agent.Relay, error) {
			r, err := dial(ctx, to, on)
			if err != nil {
				return nil, err
			}
			return ackJudge{r, p, conns}, nil
		},
		Servers: []string{p.w.address},
		Timing:  p.w.timing,
	})
	if err != nil {
		t.Fatal(err)
	}
	chats, err := chatdb.Open(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	core := chat.New(chat.Config{Store: chats, Agent: a, PQ: p.w.pq})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func() error{
		func() error { return a.Run(ctx, judged{core, p}) },
		func() error { return core.Run(ctx) },
	} {
		running.Go(func() {
			if err := run(); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", p.name, err)
			}
		})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.core, p.db, p.ctx = core, db, ctx
	p.halt = func() {
		cancel()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if p.back != nil {
		close(p.back)
		p.back = nil
	}
}

func (p *person) stop() {
	p.mu.Lock()
	halt := p.halt
	p.core, p.halt, p.back = nil, nil, make(chan struct{})
	p.mu.Unlock()
	if halt != nil {
		halt()
	}
}

// running is the core, once there is one, and its context.
func (p *person) running(ctx context.Context) (*chat.Core, context.Context) {
	for {
		p.mu.Lock()
		core, life, back := p.core, p.ctx, p.back
		p.mu.Unlock()
		if core != nil {
			return core, life
		}
		select {
		case <-back:
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// call calls a method, which must succeed.
func (p *person) call(ctx context.Context, method string, params, result any) {
	p.w.t.Helper()
	if err := p.try(ctx, method, params, result); err != nil {
		p.w.t.Fatalf("%s: %s: %v", p.name, method, err)
	}
}

func (p *person) try(ctx context.Context, method string, params, result any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	core, life := p.running(ctx)
	if core == nil {
		return ctx.Err()
	}
	// A call ends with the messenger, as a session with it would.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	got, err := core.Call(ctx, method, raw)
	if err != nil || result == nil {
		return err
	}
	if raw, err = json.Marshal(got); err != nil {
		return err
	}
	return json.Unmarshal(raw, result)
}

// send sends until the message is accepted.
func (p *person) send(ctx context.Context, s Stream, to, text string) {
	p.w.history.Attempt(s, text)
	for ctx.Err() == nil {
		err := p.try(ctx, "send", api.SendParams{To: api.ChatTo{Name: to}, Text: text, Idem: text, Wait: "queued"}, nil)
		if err == nil {
			p.w.history.Accept(s, text)
			return
		}
		<-time.After(time.Second) // it was stopped in the middle
	}
}

// read shows messages until ctx ends.
func (p *person) read(ctx context.Context, s Stream) {
	last := int64(0)
	for ctx.Err() == nil {
		var r api.RecvResult
		if err := p.try(ctx, "recv", api.RecvParams{Since: &last, Follow: true}, &r); err != nil {
			select { // it was stopped
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			continue
		}
		for _, l := range r.Messages {
			p.w.history.Show(s, l.Seq, l.Text)
		}
		last = r.LastSeq
	}
}
