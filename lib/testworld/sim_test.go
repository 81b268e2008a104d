package testworld

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
	"github.com/simplexkit/simplexkit/lib/store/chatdb"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// simMessages go each way in one simulated world, at most.
const simMessages = 7

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
	cred := relayCredential(t, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) // when bubbles begin
	for seed := first; seed < first+n; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, dir, blank, cred) })
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
	client  smpclient.Options // how the messengers reach the relay
	timing  agent.Timing
	sync    store.Synchronous
	pq      bool
	listen  func() (net.Listener, error)
	history History
	cred    *transport.Credential
	queues  queuestore.Store
	address string
	people  [2]*person

	stopRelay func()
}

func simulate(t *testing.T, seed uint64, dir string, blank []byte, cred *transport.Credential) {
	w := &simWorld{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)), net: NewNetwork(seed, 200*time.Millisecond), queues: queuestore.NewMem(),
		sync: store.Normal, pq: seed%10 == 0, cred: cred,
	}
	w.client.Dialer.Socket = w.net.Dial
	w.listen = func() (net.Listener, error) { return w.net.Listen("relay:5223") }
	w.address = smp.ServerAddr{Hosts: []string{"relay"}, Port: "5223", KeyHash: smp.ChainIdentity(w.cred.Chain)}.String()
	w.startRelay()
	defer func() { w.stopRelay() }()
	defer w.startPeople(dir, blank)()
	w.meet(seed%2 == 1)
	w.talk()
	t.Logf("%d faults, failed transactions: alice %d, bob %d", w.history.Count(Fault), w.people[0].disk.fell, w.people[1].disk.fell)
	if err := w.history.Check(); err != nil {
		t.Errorf("SIM_SEED=%d: %v", seed, err)
		if f, ferr := os.CreateTemp("", "history-*.jsonl"); ferr == nil {
			_, werr := w.history.WriteTo(f)
			t.Logf("history in %s (%v)", f.Name(), errors.Join(werr, f.Close()))
		}
	}
}

// startPeople makes alice and bob and starts them. stop stops them.
func (w *simWorld) startPeople(dir string, blank []byte) (stop func()) {
	for i, name := range []string{"alice", "bob"} {
		p := &person{w: w, name: name, path: filepath.Join(dir, name+".db")}
		p.disk.rand = rand.New(rand.NewPCG(w.rand.Uint64(), 2))
		if err := os.WriteFile(p.path, blank, 0o600); err != nil {
			w.t.Fatal(err)
		}
		w.people[i] = p
		p.start()
		p.call(w.t.Context(), "init", api.InitParams{DisplayName: name}, nil)
	}
	return func() {
		for _, p := range w.people {
			p.stop()
		}
	}
}

func (w *simWorld) startRelay() {
	s, err := smpserver.New(smpserver.Config{Store: w.queues, Credential: w.cred, GraceTimeout: time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := w.listen()
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
		<-time.After(5 * time.Second)
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
		messages := 1 + w.rand.IntN(simMessages)
		readers.Go(func() { to.read(ctx, s) })
		senders.Go(func() {
			for n := range messages {
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
	allFaults     = 9
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
		case 4:
			w.intrude()
		case 5, 6:
			w.diskTrouble(w.people[k-5], pause)
		default:
			p := w.people[k-7]
			w.history.Fault("restart " + p.name)
			p.stop()
			pause(time.Minute)
			p.start()
		}
	}
}
