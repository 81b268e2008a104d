package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/store"
)

// proxy passes connections on to a relay and cuts each of them after some
// bytes, in either direction, wherever that is.
type proxy struct {
	l  net.Listener
	to string

	mu    sync.Mutex // guards what follows
	limit int64      // bytes of the next connection; 0 is no limit
	late  time.Duration
	froze map[net.Conn]bool // pass nothing on
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func startProxy(t *testing.T, relay *smptest.Relay) (*proxy, smp.ServerAddr) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: net.JoinHostPort(relay.Addr.Hosts[0], relay.Addr.Port), conns: map[net.Conn]bool{}, froze: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.wg.Wait()
	})
	addr := relay.Addr
	_, addr.Port, _ = net.SplitHostPort(l.Addr().String())
	return p, addr
}

func (p *proxy) setLimit(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = n
}

// setLatency delays what passes.
func (p *proxy) setLatency(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = d
}

// freeze lets nothing pass on the connections that there are, and ends none.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		p.froze[c] = true
	}
}

// hold delays what came from a connection; ok is false if it is not to pass.
func (p *proxy) hold(c net.Conn) (ok bool) {
	p.mu.Lock()
	late, frozen := p.late, p.froze[c]
	p.mu.Unlock()
	if late > 0 && !frozen {
		<-time.After(late)
	}
	return !frozen
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		r, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = c.Close()
			continue
		}
		p.mu.Lock()
		p.conns[c], p.conns[r] = true, true
		limit := p.limit
		if limit > 0 {
			p.limit += 7919 // another place next time
		}
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(c, r, limit) })
		p.wg.Go(func() { p.pass(r, c, limit) })
	}
}

func (p *proxy) pass(from, to net.Conn, limit int64) {
	defer func() {
		_, _ = from.Close(), to.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, from)
		delete(p.conns, to)
		delete(p.froze, from)
		delete(p.froze, to)
	}()
	var in io.Reader = from
	if limit > 0 {
		in = io.LimitReader(from, limit)
	}
	b := make([]byte, 32<<10)
	for {
		n, err := in.Read(b)
		if n > 0 && p.hold(from) {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Every session with the relay is cut after a few blocks, in the middle of
// one; all messages arrive once and in order.
func TestCutConnections(t *testing.T) {
	relay := smptest.Start(t)
	faulty, addr := startProxy(t, relay)
	p := &pair{}
	for name, side := range map[string]**agenttest.Party{"alice": &p.alice, "bob": &p.bob} {
		*side = agenttest.Start(t, agenttest.Config{
			Open: open(filepath.Join(t.TempDir(), name+".db")), Servers: []string{addr.String()},
		})
	}
	p.connect(t, agent.InviteOptions{})
	faulty.setLimit(150_000)
	faulty.cut()
	p.send(t, 0, 60)
	p.check(t, 60)
	faulty.setLimit(0)
}

// hostileDialer reaches a relay that delivers what edit makes of a message,
// the nth one of the agent.
func hostileDialer(edit func(n int, m smp.MSG) []smp.Message) agent.Dialer {
	dial := agent.DialSMP(smpclient.Options{})
	n := 0
	return func(ctx context.Context, to agent.Target, on func(smp.RecipientID, smp.Message)) (agent.Relay, error) {
		return dial(ctx, to, func(id smp.RecipientID, m smp.Message) {
			msg, ok := m.(smp.MSG)
			if !ok {
				on(id, m)
				return
			}
			n++
			for _, m := range edit(n, msg) {
				on(id, m)
			}
		})
	}
}

// A relay repeats messages: the client sees each once.
func TestRelayRepeats(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay)}
	var old []smp.Message
	p.bob = party(t, "bob", func(c *agent.Config) {
		c.Dial = hostileDialer(func(_ int, m smp.MSG) []smp.Message {
			out := append([]smp.Message{m, m}, old...) // this one twice, and all that came before
			old = append(old, m)
			return out
		})
	}, relay)
	p.connect(t, agent.InviteOptions{})
	p.talk(t, 0, 5)
	if errs := agenttest.All[agent.ConnError](p.bob.Client, p.toAlice); len(errs) > 0 {
		t.Errorf("%d errors, first %v", len(errs), errs[0].Err)
	}
}

// A damaged message is reported and costs only itself.
func TestDamagedMessage(t *testing.T) {
	relay := smptest.Start(t)
	p := &pair{alice: party(t, "alice", nil, relay)}
	p.bob = party(t, "bob", func(c *agent.Config) {
		c.Dial = hostileDialer(func(n int, m smp.MSG) []smp.Message {
			if n == 3 { // after the confirmation and one message
				m.Body = append([]byte(nil), m.Body...)
				m.Body[len(m.Body)/2] ^= 1
			}
			return []smp.Message{m}
		})
	}, relay)
	p.connect(t, agent.InviteOptions{})
	for range 3 {
		if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
	}
	got := agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, 2)
	if got[0].Integrity.Verdict != agent.IntegrityOK {
		t.Errorf("first: %v", got[0].Integrity)
	}
	if want := (agent.Integrity{Verdict: agent.IntegritySkipped, From: got[0].SenderID + 1, To: got[0].SenderID + 1}); got[1].Integrity != want {
		t.Errorf("after the damaged one: %v, want %v", got[1].Integrity, want)
	}
	if e := agenttest.Wait[agent.ConnError](t, p.bob.Client, p.toAlice, 1)[0]; e.Fatal || e.Err.Code != agent.CodeDecrypt {
		t.Errorf("got %+v", e)
	}
	p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
}

// Either side may ask for a new ratchet at any time, and both go on with it.
func TestRatchetSync(t *testing.T) {
	relay := smptest.Start(t)
	for _, pq := range []bool{false, true} {
		p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
		p.connect(t, agent.InviteOptions{PQ: pq})
		p.talk(t, 0, 2)
		if err := p.bob.SyncRatchet(t.Context(), p.toAlice, false); !errors.Is(err, agent.ErrState) {
			t.Errorf("without need: %v", err)
		}
		if err := p.bob.SyncRatchet(t.Context(), p.toAlice, true); err != nil {
			t.Fatal(err)
		}
		p.waitSynced(t)
	}
}

func (p *pair) waitSynced(t *testing.T) {
	t.Helper()
	for _, side := range []struct {
		*agenttest.Party
		id agent.ConnID
	}{{p.alice, p.toBob}, {p.bob, p.toAlice}} {
		side.Client.WaitFor(t, "synchronised ratchet", func() bool {
			all := agenttest.All[agent.RatchetSync](side.Client, side.id)
			return len(all) > 1 && all[len(all)-1].State == agent.SyncOK
		})
	}
	for range 3 {
		p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
		p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
	}
}

// A party whose store was put back to an older state cannot read the other's
// messages: both agree on a new ratchet and go on.
func TestRestoredStore(t *testing.T) {
	relay := smptest.Start(t)
	path := filepath.Join(t.TempDir(), "bob.db")
	cfg := agenttest.Config{Open: open(path), Servers: []string{relay.Addr.String()}}
	p := &pair{alice: party(t, "alice", nil, relay), bob: agenttest.Start(t, cfg)}
	p.connect(t, agent.InviteOptions{PQ: true})
	p.talk(t, 0, 1)
	p.bob.Stop()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p.bob.Restart()
	for range 3 { // steps of the ratchet
		p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
		p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
	}
	p.bob.Stop()
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	p.bob.Restart()
	p.bob.Client.Forget()
	if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: []byte("who are you?")}); err != nil {
		t.Fatal(err)
	}
	if s := agenttest.Wait[agent.RatchetSync](t, p.bob.Client, p.toAlice, 1)[0]; s.State != agent.SyncRequired {
		t.Fatalf("state %v: %v", s.State, s.Err)
	}
	if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{}); !errors.Is(err, agent.ErrState) {
		t.Errorf("sent with a broken ratchet: %v", err)
	}
	if err := p.bob.SyncRatchet(t.Context(), p.toAlice, false); err != nil {
		t.Fatal(err)
	}
	p.waitSynced(t)
}

// Every seventh transaction of both stores fails, at its beginning or before its
// commit: nothing is lost, doubled or out of order, and no key is used twice.
func TestStoreFaults(t *testing.T) {
	relay := smptest.Start(t)
	var on atomic.Bool
	faulty := func(name string, point store.FaultPoint) *agenttest.Party {
		path, n := filepath.Join(t.TempDir(), name+".db"), 0
		opts := store.Options{Synchronous: store.Normal, TestOnlyFault: func(p store.FaultPoint) error {
			if p != point || !on.Load() {
				return nil
			}
			if n++; n%7 == 0 {
				return errors.New("fault of the test")
			}
			return nil
		}}
		return agenttest.Start(t, agenttest.Config{Servers: []string{relay.Addr.String()}, Open: openWith(path, opts)})
	}
	p := &pair{alice: faulty("alice", store.FaultCommit), bob: faulty("bob", store.FaultBegin)}
	p.connect(t, agent.InviteOptions{PQ: true})
	on.Store(true)
	const n = 60
	for i := range n {
		for _, side := range []struct {
			*agenttest.Party
			id   agent.ConnID
			name string
		}{{p.alice, p.toBob, "a"}, {p.bob, p.toAlice, "b"}} {
			body := fmt.Sprintf("%s%d", side.name, i)
			for tries := 0; ; tries++ {
				_, err := side.Send(t.Context(), side.id, agent.Outgoing{Body: []byte(body), Key: body})
				if err == nil {
					break
				}
				if tries > 20 {
					t.Fatal(err)
				}
			}
		}
	}
	agenttest.Wait[agent.Message](t, p.bob.Client, p.toAlice, n)
	agenttest.Wait[agent.Message](t, p.alice.Client, p.toBob, n)
	on.Store(false)
	p.check(t, n)
}
