package testworld

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// realWorld is a relay with a database on a real socket, behind a proxy, and
// two messengers that reach it through the proxy. All ends with the test.
func realWorld(t *testing.T, seed uint64, client smpclient.Options, timing agent.Timing) (*simWorld, *Proxy) {
	t.Helper()
	w := &simWorld{t: t, rand: rand.New(rand.NewPCG(seed, 0)), client: client, timing: timing, cred: relayCredential(t, time.Now())}
	dir := t.TempDir()
	queues, err := queuedb.Open(t.Context(), filepath.Join(dir, "queues.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := queues.Close(); err != nil {
			t.Error(err)
		}
	})
	w.queues = queues
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()
	w.listen = func() (net.Listener, error) {
		if l := first; l != nil {
			first = nil
			return l, nil
		}
		return net.Listen("tcp", address)
	}
	w.startRelay()
	t.Cleanup(func() { w.stopRelay() })
	proxy, err := NewProxy(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	host, port, err := net.SplitHostPort(proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	w.address = smp.ServerAddr{Hosts: []string{host}, Port: port, KeyHash: smp.ChainIdentity(w.cred.Chain)}.String()
	t.Cleanup(w.startPeople(dir, blankDB(t)))
	return w, proxy
}

// TestExactlyOnce sends messages both ways through a proxy that delays, cuts,
// refuses and half-opens connections, and judges the history: at the chat
// layer each arrives once, in order. EXACT_MESSAGES is how many in all (200),
// EXACT_SEED repeats the choice of faults.
func TestExactlyOnce(t *testing.T) {
	messages, seed := uint64(200), rand.Uint64()>>1
	if s := os.Getenv("EXACT_MESSAGES"); s != "" {
		messages = mustUint(t, s)
	}
	if s := os.Getenv("EXACT_SEED"); s != "" {
		seed = mustUint(t, s)
	}
	t.Logf("EXACT_SEED=%d EXACT_MESSAGES=%d", seed, messages)
	w, proxy := realWorld(t, seed,
		smpclient.Options{ConnectTimeout: 2 * time.Second, Timeout: time.Second, PingInterval: time.Second, PingCount: 1},
		agent.Timing{RetryMin: 20 * time.Millisecond, RetryMax: 500 * time.Millisecond, QuotaMin: 100 * time.Millisecond, QuotaMax: time.Second})
	w.meet(false)

	ctx, stop := context.WithTimeout(t.Context(), time.Minute+time.Duration(messages)*60*time.Millisecond)
	defer stop()
	var readers, senders sync.WaitGroup
	readCtx, stopReading := context.WithCancel(ctx)
	defer stopReading()
	for i, from := range w.people {
		to := w.people[1-i]
		s := Stream(from.name + ">" + to.name)
		readers.Go(func() { to.read(readCtx, s) })
		senders.Go(func() {
			for n := range messages / 2 {
				from.send(ctx, s, to.name, fmt.Sprintf("%s %d", s, n))
			}
		})
	}
	sent := make(chan struct{})
	go func() {
		senders.Wait()
		close(sent)
	}()
	faults := w.harm(ctx, proxy, sent)
	<-sent
	for w.history.Missing() > 0 && ctx.Err() == nil {
		<-time.After(10 * time.Millisecond)
	}
	stopReading()
	readers.Wait()
	t.Logf("%v; accepted %d, shown %d", faults, w.history.Count(Accepted), w.history.Count(Shown))
	if n := w.history.Count(Accepted); n != int(messages/2*2) {
		t.Errorf("%d of %d accepted", n, messages)
	}
	if err := w.history.Check(); err != nil {
		t.Errorf("EXACT_SEED=%d: %v", seed, err)
		saveHistory(t, &w.history)
	}
}

// harm does harm to the proxy's connections until all is sent, at least one
// fault of each kind, and mends it.
func (w *simWorld) harm(ctx context.Context, p *Proxy, sent <-chan struct{}) map[string]int {
	counts := map[string]int{}
	pause := func(upTo time.Duration) {
		select {
		case <-time.After(time.Duration(w.rand.Int64N(int64(upTo)))):
		case <-ctx.Done():
		}
	}
	kinds := []string{"delay", "cut", "half-open", "down"}
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-sent:
			if n >= len(kinds) {
				p.SetDelay(0)
				return counts
			}
		default:
		}
		pause(500 * time.Millisecond)
		kind := kinds[w.rand.IntN(len(kinds))]
		if n < len(kinds) {
			kind = kinds[n]
		}
		counts[kind]++
		w.history.Fault(kind)
		switch kind {
		case "delay":
			p.SetDelay(time.Duration(w.rand.Int64N(int64(20 * time.Millisecond))))
		case "cut":
			p.Cut()
		case "half-open":
			p.HalfOpen()
		case "down":
			p.SetDown(true)
			p.Cut()
			pause(300 * time.Millisecond)
			p.SetDown(false)
		}
	}
	return counts
}

// TestCommitsOfAMessage counts what a text costs when nothing goes wrong: the
// sender writes it with the encrypted message, and later that it was sent; the
// receiver writes it with its ratchet.
func TestCommitsOfAMessage(t *testing.T) {
	w, _ := realWorld(t, 1, smpclient.Options{}, agent.Timing{})
	w.meet(false)
	alice, bob := w.people[0], w.people[1]
	const n = 20
	exchange := func(i int) {
		last := int64(0)
		alice.call(t.Context(), "send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: fmt.Sprint(i), Wait: "delivered"}, nil)
		var r api.RecvResult
		bob.call(t.Context(), "recv", api.RecvParams{Since: &last, Follow: true}, &r)
	}
	exchange(0) // the handshake's last steps are over then
	a, b := alice.db.Stats(), bob.db.Stats()
	for i := range n {
		exchange(1 + i)
	}
	sent, received := alice.db.Stats().Commits-a.Commits, bob.db.Stats().Commits-b.Commits
	t.Logf("%.2f commits for a message at the sender, %.2f at the receiver", float64(sent)/n, float64(received)/n)
	// The sender: message, sent, receipt. The receiver: message with its
	// receipt, receipt sent. The last exchange may still be writing.
	if sent > 3*n+3 || received > 2*n+2 {
		t.Errorf("%d and %d commits for %d messages", sent, received, n)
	}
}

// relayCredential is a relay's chain, valid from now on.
func relayCredential(t *testing.T, now time.Time) *transport.Credential {
	t.Helper()
	ca, err := transport.GenerateCA("relay", now)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := ca.GenerateLeaf("relay", now)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}
