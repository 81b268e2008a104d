package testworld

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
	"github.com/simplexkit/simplexkit/lib/store/chatdb"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// simMessages go each way in one simulated world.
const simMessages = 8

// TestSimulation runs worlds in simulated time, each with the faults that its
// seed decides, and judges their histories. SIM_SEEDS is how many (40),
// SIM_SEED the only one to run. A seed that fails is printed.
func TestSimulation(t *testing.T) {
	first, n := uint64(1), uint64(40)
	if s := os.Getenv("SIM_SEED"); s != "" {
		first, n = mustUint(t, s), 1
	} else if s := os.Getenv("SIM_SEEDS"); s != "" {
		n = mustUint(t, s)
	}
	blank := blankDB(t)
	for seed := first; seed < first+n; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, dir, blank) })
		})
	}
}

func mustUint(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// blankDB is the file of a profile's database with its schema, so that not
// every world makes it again.
func blankDB(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "blank.db")
	db, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Migrate(t.Context(), agentdb.Migrations(), chatdb.Migrations()), db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// simWorld is a relay and two messengers in one process.
type simWorld struct {
	t       *testing.T
	rand    *rand.Rand
	net     *Network
	history History
	cred    *transport.Credential
	queues  queuestore.Store
	address string
	people  [2]*person

	stopRelay func()
}

func simulate(t *testing.T, seed uint64, dir string, blank []byte) {
	w := &simWorld{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)), net: NewNetwork(seed, 200*time.Millisecond), queues: queuestore.NewMem(),
	}
	ca, err := transport.GenerateCA("relay", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if w.cred, err = ca.GenerateLeaf("relay", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.address = smp.ServerAddr{Hosts: []string{"relay"}, Port: "5223", KeyHash: smp.ChainIdentity(w.cred.Chain)}.String()
	w.startRelay()
	defer func() { w.stopRelay() }()
	for i, name := range []string{"alice", "bob"} {
		w.people[i] = &person{w: w, name: name, path: filepath.Join(dir, name+".db")}
		if err := os.WriteFile(w.people[i].path, blank, 0o600); err != nil {
			t.Fatal(err)
		}
		w.people[i].start()
		defer w.people[i].stop()
		w.people[i].call(t.Context(), "init", api.InitParams{DisplayName: name}, nil)
	}
	w.meet(seed%2 == 1)
	w.talk()
	if err := w.history.Check(); err != nil {
		t.Errorf("SIM_SEED=%d: %v", seed, err)
		if f, ferr := os.CreateTemp("", "history-*.jsonl"); ferr == nil {
			_, werr := w.history.WriteTo(f)
			t.Logf("history in %s (%v)", f.Name(), errors.Join(werr, f.Close()))
		}
	}
}

func (w *simWorld) startRelay() {
	s, err := smpserver.New(smpserver.Config{Store: w.queues, Credential: w.cred, GraceTimeout: time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := w.net.Listen("relay:5223")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	w.stopRelay = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("relay: %v", err)
		}
	}
}

// meet connects the two, while the network fails if troubled.
func (w *simWorld) meet(troubled bool) {
	alice, bob := w.people[0], w.people[1]
	var inv api.InviteResult
	alice.call(w.t.Context(), "invite", nil, &inv)
	bob.call(w.t.Context(), "connect", api.ConnectParams{Link: inv.Link}, nil)
	if troubled {
		w.faults(networkFaults)
	}
	for end := time.Now().Add(6 * time.Hour); !alice.knows("bob") || !bob.knows("alice"); {
		if time.Now().After(end) {
			w.t.Fatal("they did not connect")
		}
		<-time.After(time.Second)
	}
}

// knows reports whether a contact is connected.
func (p *person) knows(name string) bool {
	var r api.ContactsResult
	p.call(p.w.t.Context(), "contacts", nil, &r)
	for _, c := range r.Contacts {
		if c.Name == name && c.State == "connected" {
			return true
		}
	}
	return false
}

// talk sends messages both ways among faults, then mends everything and waits
// until all accepted messages are there.
func (w *simWorld) talk() {
	ctx, stop := context.WithCancel(w.t.Context())
	var readers, senders sync.WaitGroup
	for i, from := range w.people {
		to := w.people[1-i]
		s := Stream(from.name + ">" + to.name)
		pauses := rand.New(rand.NewPCG(w.rand.Uint64(), uint64(i)))
		readers.Go(func() { to.read(ctx, s) })
		senders.Go(func() {
			for n := range simMessages {
				<-time.After(time.Duration(pauses.Int64N(int64(20 * time.Second))))
				from.send(w.t.Context(), s, to.name, fmt.Sprintf("%s %d", s, n))
			}
		})
	}
	w.faults(allFaults)
	senders.Wait()
	for end := time.Now().Add(6 * time.Hour); w.history.Missing() > 0 && time.Now().Before(end); {
		<-time.After(time.Second)
	}
	stop()
	readers.Wait()
}

// How many of the kinds of faults there are to choose from.
const (
	networkFaults = 4
	allFaults     = 6
)

// faults does harm for some minutes and mends what can be mended.
func (w *simWorld) faults(kinds int) {
	pause := func(d time.Duration) { <-time.After(time.Duration(w.rand.Int64N(int64(d)))) }
	for range 1 + w.rand.IntN(8) {
		pause(30 * time.Second)
		switch k := w.rand.IntN(kinds); k {
		case 0:
			w.history.Fault("cut")
			w.net.Cut()
		case 1:
			w.history.Fault("half-open")
			w.net.HalfOpen()
		case 2:
			w.history.Fault("down")
			w.net.SetDown(true)
			w.net.Cut()
			pause(2 * time.Minute)
			w.net.SetDown(false)
		case 3:
			w.history.Fault("restart relay")
			w.stopRelay()
			pause(time.Minute)
			w.startRelay()
		default:
			p := w.people[k-4]
			w.history.Fault("restart " + p.name)
			p.stop()
			pause(time.Minute)
			p.start()
		}
	}
}

// person is a messenger: database, agent, chat.
type person struct {
	w          *simWorld
	name, path string

	mu   sync.Mutex
	core *chat.Core      // nil while stopped
	ctx  context.Context // ends when it is stopped
	back chan struct{}   // closed when it is started
	halt func()
}

func (p *person) start() {
	t := p.w.t
	db, err := store.Open(context.Background(), p.path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Config{
		Store:   agentdb.New(db),
		Dial:    agent.DialSMP(smpclient.Options{Dialer: transport.Dialer{Socket: p.w.net.Dial}}),
		Servers: []string{p.w.address},
	})
	if err != nil {
		t.Fatal(err)
	}
	chats, err := chatdb.Open(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	core := chat.New(chat.Config{Store: chats, Agent: a})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func() error{
		func() error { return a.Run(ctx, core) },
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
	p.core, p.ctx = core, ctx
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
