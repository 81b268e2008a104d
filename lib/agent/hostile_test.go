package agent_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/agent/agenttest"
	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// hostile is one thing that a hostile alice sends.
type hostile struct {
	name   string
	kind   agent.MessageKind
	body   []byte // in the place of an envelope
	plain  []byte // or, inside the ratchet, of a message
	silent bool   // is dropped without a report: copies, receipts for nothing
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func e2eParams(t *testing.T, pq bool) ratchet.Params {
	t.Helper()
	own, err := ratchet.GenerateRcv(ratchet.SupportedVersions().Max, ratchet.PQSupport(pq))
	if err != nil {
		t.Fatal(err)
	}
	return own.Params()
}

// hostileEnvelopes are bad messages outside the ratchet.
func hostileEnvelopes(t *testing.T) []hostile {
	params := e2eParams(t, true)
	lowOrder := params
	lowOrder.Key1, lowOrder.KEM = key.X448Public{}, nil
	confirmation := envelope.Append(nil, envelope.Confirmation{Version: 7, E2E: &params, Info: random(100)})
	out := []hostile{
		{name: "nothing", body: []byte{}},
		{name: "garbage", body: random(1000)},
		{name: "garbage of full size", body: random(15000)},
		{name: "unknown version", body: append([]byte{0xff, 0xff}, random(100)...)},
		{name: "bad ratchet header", body: envelope.Append(nil, envelope.Message{Version: 7, Body: random(14000)})},
		{name: "short ratchet message", body: envelope.Append(nil, envelope.Message{Version: 7, Body: random(3)})},
		{name: "empty ratchet message", body: envelope.Append(nil, envelope.Message{Version: 7})},
		{name: "confirmation again", kind: agent.KindConnInfoReply, body: confirmation, silent: true},
		{name: "confirmation without a key", body: confirmation},
		{name: "request to a connection", kind: agent.KindConnInfoReply, body: envelope.Append(nil, envelope.Invitation{Version: 7, Link: "simplex:/x"})},
		{name: "request without a key", body: envelope.Append(nil, envelope.Invitation{Version: 7, Link: "simplex:/x"})},
		{name: "message with a key", kind: agent.KindConnInfoReply, body: envelope.Append(nil, envelope.Message{Version: 7, Body: random(100)})},
		{name: "new ratchet of low order", body: envelope.Append(nil, envelope.RatchetKey{Version: 7, E2E: lowOrder})},
	}
	whole := envelope.Append(nil, envelope.RatchetKey{Version: 7, E2E: params, Info: []byte("x")})
	for _, n := range []int{3, 10, 100, len(whole) / 2} {
		out = append(out, hostile{name: fmt.Sprintf("new ratchet of %d bytes", n), body: whole[:n]})
	}
	return out
}

// hostilePlains are bad messages inside the ratchet: each kind of the
// protocol, whole but unexpected, and cut.
func hostilePlains(t *testing.T, relay smp.ServerAddr) []hostile {
	nowhere := envelope.QueueAddr{Server: relay, SenderID: "nothing here"}
	q := link.Queue{Server: relay, SenderID: "nothing here", DHKey: key.GenerateX25519().Public(), Mode: smp.Messaging}
	uri := link.QueueURI{Versions: smp.ClientVersions, Queue: q}
	future := link.QueueURI{Versions: wire.VersionRange{Min: 900, Max: 901}, Queue: q}
	all := map[string]envelope.AMessage{
		"HELLO":                    envelope.Hello{},
		"receipt for nothing":      envelope.Rcvd{Receipts: []envelope.Receipt{{ID: 1 << 40, Hash: random(32)}}},
		"QCONT for nothing":        envelope.QCont{Queue: nowhere},
		"QADD that replaces none":  envelope.QAdd{Queues: []envelope.NewQueue{{Queue: uri}}},
		"QADD that replaces other": envelope.QAdd{Queues: []envelope.NewQueue{{Queue: uri, Replaces: &nowhere}}},
		"QADD of the future":       envelope.QAdd{Queues: []envelope.NewQueue{{Queue: future, Replaces: &nowhere}}},
		"QKEY for nothing":         envelope.QKey{Queues: []envelope.QueueKey{{Queue: uri.At(4), Key: key.GenerateEd25519().PublicKey()}}},
		"QUSE of nothing":          envelope.QUse{Queues: []envelope.ReadyQueue{{Queue: nowhere, Primary: true}}},
		"QTEST of nothing":         envelope.QTest{Queues: []envelope.QueueAddr{nowhere}},
		"EREADY":                   envelope.Ready{LastID: 7},
	}
	var out []hostile
	for name, m := range all {
		plain := envelope.AppendPlain(nil, envelope.AgentMessage{ID: 3, PrevHash: random(32), Message: m})
		quiet := name == "receipt for nothing" || name == "QTEST of nothing" || name == "EREADY"
		out = append(out, hostile{name: name, plain: plain, silent: quiet})
		if name != "HELLO" {
			out = append(out, hostile{name: name + ", cut", plain: plain[:len(plain)-3], silent: name == "receipt for nothing"})
		}
	}
	return append(out,
		hostile{name: "empty", plain: []byte{}},
		hostile{name: "unknown tag", plain: []byte("Zabc")},
		hostile{name: "garbage inside", plain: append([]byte{0}, random(5000)...)},
		hostile{name: "connInfo inside", plain: envelope.AppendPlain(nil, envelope.ConnInfo{Info: []byte("again")})},
	)
}

// Nothing that a party sends stops the connection: bad messages are reported,
// none as fatal, and good ones before and after them arrive.
func TestHostilePeer(t *testing.T) {
	relay := smptest.Start(t)
	for _, pq := range []bool{false, true} {
		p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
		p.connect(t, agent.InviteOptions{PQ: pq})
		p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
		errs := func() []agent.ConnError { return agenttest.All[agent.ConnError](p.bob.Client, p.toAlice) }
		for _, h := range append(hostileEnvelopes(t), hostilePlains(t, relay.Addr)...) {
			before := len(errs())
			if h.body == nil {
				var err error
				if h.body, err = p.alice.TestOnlySeal(t.Context(), p.toBob, h.plain); err != nil {
					t.Fatalf("%s: %v", h.name, err)
				}
			}
			if h.kind == "" {
				h.kind = agent.KindUser
			}
			for range 3 { // and repeated
				if err := p.alice.TestOnlySendRaw(t.Context(), p.toBob, h.kind, h.body); err != nil {
					t.Fatalf("%s: %v", h.name, err)
				}
			}
			p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
			p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
			all := errs()
			if len(all) == before && !h.silent {
				t.Errorf("%s: not reported", h.name)
			}
			for _, e := range all[before:] {
				if e.Fatal || e.Err.Code != agent.CodeProtocol && e.Err.Code != agent.CodeDecrypt && e.Err.Code != agent.CodeVersion {
					t.Errorf("%s: got %+v", h.name, e)
				}
			}
		}
	}
}

// Keys for a new ratchet that accept a KEM key that nobody has proposed: the
// client hears of it, and it is not fatal.
func TestWrongKEMState(t *testing.T) {
	relay := smptest.Start(t)
	for _, pq := range []bool{false, true} {
		p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
		p.connect(t, agent.InviteOptions{PQ: pq})
		wrong, err := ratchet.GenerateSnd(e2eParams(t, true), true)
		if err != nil {
			t.Fatal(err)
		}
		body := envelope.Append(nil, envelope.RatchetKey{Version: 7, E2E: wrong.Params()})
		if err := p.alice.TestOnlySendRaw(t.Context(), p.toBob, agent.KindUser, body); err != nil {
			t.Fatal(err)
		}
		p.bob.Client.WaitFor(t, "news of the ratchet", func() bool {
			return len(agenttest.All[agent.ConnError](p.bob.Client, p.toAlice))+
				len(agenttest.All[agent.RatchetSync](p.bob.Client, p.toAlice)) > 0
		})
		for _, e := range agenttest.All[agent.ConnError](p.bob.Client, p.toAlice) {
			if e.Fatal {
				t.Errorf("fatal: %v", e.Err)
			}
		}
	}
}

// A flood of bad messages, more than a queue holds, does not keep a good one
// from arriving.
func TestFlood(t *testing.T) {
	p := connected(t, smptest.Start(t))
	for i := range 400 {
		err := p.alice.TestOnlySendRaw(t.Context(), p.toBob, agent.KindUser, random(10+i))
		if err != nil && !errors.Is(err, smp.ErrQuota) {
			t.Fatal(err)
		}
	}
	p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
	p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
}

// What does not fit a message is refused before it is sent.
func TestOversize(t *testing.T) {
	p := connected(t, smptest.Start(t))
	err := p.alice.TestOnlySendRaw(t.Context(), p.toBob, agent.KindUser, make([]byte, 20000))
	if e := new(agent.Error); !errors.As(err, &e) || e.Code != agent.CodeTooLarge {
		t.Errorf("got %v", err)
	}
	p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
}

// A relay cuts, fills, swaps and holds messages back, and makes some up: what
// it has not touched arrives once, the rest is reported, and no more.
func TestHostileRelay(t *testing.T) {
	relay := smptest.Start(t)
	for name, edit := range map[string]func(n int, m smp.MSG) []smp.Message{
		"truncated": func(n int, m smp.MSG) []smp.Message {
			if n%3 == 0 {
				m.Body = m.Body[:len(m.Body)/2]
			}
			return []smp.Message{m}
		},
		"empty": func(n int, m smp.MSG) []smp.Message {
			if n%3 == 0 {
				m.Body = nil
			}
			return []smp.Message{m}
		},
		"oversized": func(n int, m smp.MSG) []smp.Message {
			if n%3 == 0 {
				m.Body = bytes.Repeat(m.Body, 3)
			}
			return []smp.Message{m}
		},
		"made up": func(_ int, m smp.MSG) []smp.Message {
			return []smp.Message{smp.MSG{ID: "made up", Body: random(16000)}, m, smp.MSG{}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pair{alice: party(t, "alice", nil, relay), bob: party(t, "bob", nil, relay)}
			p.connect(t, agent.InviteOptions{})
			p.bob = hostileParty(t, p.bob, edit)
			const n = 9
			for i := range n {
				if _, err := p.alice.Send(t.Context(), p.toBob, agent.Outgoing{Body: fmt.Appendf(nil, "a%d", i)}); err != nil {
					t.Fatal(err)
				}
			}
			p.bob.Client.WaitFor(t, "the last message", func() bool {
				all := agenttest.All[agent.Message](p.bob.Client, p.toAlice)
				bad := agenttest.All[agent.ConnError](p.bob.Client, p.toAlice)
				return len(all) == n || len(all)+len(bad) >= n
			})
			last := -1
			for _, m := range agenttest.All[agent.Message](p.bob.Client, p.toAlice) {
				var i int
				if _, err := fmt.Sscanf(string(m.Body), "a%d", &i); err != nil || i <= last {
					t.Errorf("got %q after %d", m.Body, last)
				}
				last = i
			}
			if len(agenttest.All[agent.ConnError](p.bob.Client, p.toAlice)) == 0 {
				t.Error("nothing was reported")
			}
			p.talkOne(t, p.bob, p.toAlice, p.alice, p.toBob)
		})
	}
}

// hostileParty restarts a party behind a relay that edits what it delivers.
func hostileParty(t *testing.T, p *agenttest.Party, edit func(n int, m smp.MSG) []smp.Message) *agenttest.Party {
	t.Helper()
	p.Configure(func(c *agent.Config) { c.Dial = hostileDialer(edit) })
	p.Restart()
	return p
}

// A relay answers late, and other sessions do not wait for it.
func TestSlowRelay(t *testing.T) {
	slow, quick := smptest.Start(t), smptest.Start(t)
	release := make(chan struct{})
	p := &pair{alice: party(t, "alice", nil, slow), bob: party(t, "bob", nil, quick)}
	p.connect(t, agent.InviteOptions{})
	var once sync.Once
	open := func() { once.Do(func() { close(release) }) }
	t.Cleanup(open)
	p.bob.Configure(func(c *agent.Config) {
		dial := agent.DialSMP(smpclient.Options{})
		c.Dial = func(ctx context.Context, to agent.Target, on func(smp.RecipientID, smp.Message)) (agent.Relay, error) {
			if to.Addr.Equal(slow.Addr) {
				select {
				case <-release:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return dial(ctx, to, on)
		}
	})
	p.bob.Restart()
	if _, err := p.bob.Send(t.Context(), p.toAlice, agent.Outgoing{Body: []byte("late")}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p.talkOne(t, p.alice, p.toBob, p.bob, p.toAlice)
	}
	open()
	if m := agenttest.Wait[agent.Message](t, p.alice.Client, p.toBob, 1)[0]; string(m.Body) != "late" {
		t.Errorf("got %q", m.Body)
	}
}

// Latency, drops and half-open connections: each message arrives once and in
// order. With SIMPLEXKIT_LONG, 10,000 of them.
func TestFaultyNetwork(t *testing.T) {
	relay := smptest.Start(t)
	faulty, addr := startProxy(t, relay)
	p := &pair{}
	for name, side := range map[string]**agenttest.Party{"alice": &p.alice, "bob": &p.bob} {
		*side = agenttest.Start(t, agenttest.Config{
			Open: open(t.TempDir() + "/" + name), Servers: []string{addr.String()},
			Agent: func(c *agent.Config) {
				c.Dial = agent.DialSMP(smpclient.Options{
					ConnectTimeout: 3 * time.Second, Timeout: 2 * time.Second, PingInterval: 500 * time.Millisecond, PingCount: 2,
				})
			},
		})
	}
	p.connect(t, agent.InviteOptions{PQ: true})
	n := 100
	if long() {
		n = 5000 // each way
	}
	done := make(chan struct{})
	var troubles sync.WaitGroup
	troubles.Go(func() {
		r := mrand.New(mrand.NewPCG(1, 2))
		for i := 0; ; i++ {
			faulty.setLatency(time.Duration(r.IntN(4)) * time.Millisecond)
			t := time.NewTimer(time.Duration(100+r.IntN(300)) * time.Millisecond)
			select {
			case <-done:
				t.Stop()
				return
			case <-t.C:
			}
			switch i % 3 {
			case 0:
				faulty.cut()
			case 1:
				faulty.freeze() // half-open: nothing passes, nobody is told
			case 2:
				faulty.setLimit(int64(50_000 + r.IntN(500_000)))
			}
		}
	})
	p.send(t, 0, n)
	agenttest.WaitLong[agent.Message](t, p.bob.Client, p.toAlice, n, 20*time.Minute)
	agenttest.WaitLong[agent.Message](t, p.alice.Client, p.toBob, n, 20*time.Minute)
	close(done)
	troubles.Wait()
	faulty.setLimit(0)
	p.check(t, n)
}
