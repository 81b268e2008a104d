package online_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/swarmkv"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/online"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// libp2p's own, which live as long as the process.
		goleak.IgnoreAnyFunction("github.com/libp2p/go-libp2p/p2p/transport/quicreuse.(*reuse).gc"),
		goleak.IgnoreTopFunction("github.com/ipfs/go-log/v2/writer.(*MirrorWriter).logRoutine"))
}

// late is how long tests wait for what should come soon.
const late = 90 * time.Second

// member is a device on the network, on the loopback interface.
type member struct {
	*swarm.Node
	t    *testing.T
	dir  string
	stop func()
}

// account writes the archive of one of the test accounts.
func account(t *testing.T, i int) (path string) {
	t.Helper()
	b, err := swarmtest.Account(t, i).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	d, err := swarmtest.Device(t, i, 0).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	v, err := json.Marshal(map[string]any{"name": string(rune('a' + i)), "account": b, "device": d})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "account")
	if err := os.WriteFile(path, v, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T, i int) *member {
	t.Helper()
	m := &member{t: t, dir: t.TempDir()}
	db, err := store.Open(t.Context(), filepath.Join(m.dir, "db"), store.Options{})
	if err == nil {
		err = db.Migrate(t.Context(), swarmkv.Migrations())
	}
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(account(t, i))
	if err == nil {
		err = swarmkv.New(db).Put(t.Context(), swarm.Value{Kind: "account", Data: kept})
	}
	if err != nil {
		t.Fatal(err)
	}
	m.Node = swarm.New(swarm.Config{Dir: m.dir, Values: swarmkv.New(db), Link: online.Link})
	t.Cleanup(func() {
		m.off()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	m.on()
	return m
}

// on puts the device on the network, off takes it off.
func (m *member) on() {
	m.t.Helper()
	o, err := online.Open(m.t.Context(), online.Config{Node: m.Node, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	m.stop = func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Error(err)
		}
	}
}

func (m *member) off() {
	if m.stop != nil {
		m.stop()
		m.stop = nil
	}
}

func call[R any](m *member, method string, p api.SwarmParams) *R {
	m.t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		m.t.Fatal(err)
	}
	v, err := m.Call(m.t.Context(), swarm.MethodPrefix+method, b)
	if err != nil {
		m.t.Fatalf("%s: %v", method, err)
	}
	r, ok := v.(*R)
	if !ok {
		m.t.Fatalf("%s: %T", method, v)
	}
	return r
}

// wait waits until ok, looking again after every change.
func (m *member) wait(what string, ok func() bool) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), late)
	defer cancel()
	for {
		changed := m.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			m.t.Fatalf("no %s in %v", what, late)
		}
	}
}

func (m *member) texts(conv string) (out []string) {
	m.t.Helper()
	for _, x := range call[api.SwarmLog](m, "log", api.SwarmParams{Conv: conv}).Messages {
		if x.Text != "" {
			out = append(out, x.Text)
		}
	}
	slices.Reverse(out)
	return out
}

func (m *member) sees(conv string, texts ...string) {
	m.t.Helper()
	for _, text := range texts {
		m.wait(text, func() bool { return slices.Contains(m.texts(conv), text) })
	}
}

func (m *member) joined(conv string, link string) {
	m.t.Helper()
	call[api.SwarmSent](m, "accept", api.SwarmParams{Conv: link})
	m.wait("conversation", func() bool {
		for _, c := range call[api.SwarmConvs](m, "list", api.SwarmParams{}).Convs {
			if c.Conv == conv && c.State == "member" {
				return c.Members > 1
			}
		}
		return false
	})
}

// Three on the network talk; one goes away, both sides write, and all is there
// when it comes back; a file goes from one to another.
func TestThree(t *testing.T) {
	a, b, c := start(t, 0), start(t, 1), start(t, 2)
	a.wait("network", func() bool { return call[api.SwarmStatus](a, "status", api.SwarmParams{}).Running })
	conv := call[api.SwarmConv](a, "new", api.SwarmParams{Title: "Three", Mode: "invites-only"}).Conv
	for _, m := range []*member{b, c} {
		m.joined(conv, call[api.SwarmParams](a, "invite", api.SwarmParams{Conv: conv}).Text)
	}
	a.sees(conv)
	say := func(m *member, text string) {
		t.Helper()
		call[api.SwarmSent](m, "send", api.SwarmParams{Conv: conv, Text: text})
	}
	for i, m := range []*member{a, b, c} {
		say(m, "hello "+string(rune('a'+i)))
	}
	for _, m := range []*member{a, b, c} {
		m.sees(conv, "hello a", "hello b", "hello c")
	}
	c.off()
	say(a, "while c is away")
	say(b, "b too")
	say(c, "alone")
	a.sees(conv, "b too")
	c.on()
	for _, m := range []*member{a, b, c} {
		m.sees(conv, "while c is away", "b too", "alone")
	}

	data := make([]byte, 5<<20)
	_, _ = rand.Read(data)
	path := filepath.Join(t.TempDir(), "minutes.pdf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	offer := call[api.SwarmSent](a, "fileSend", api.SwarmParams{Conv: conv, File: path}).Commit
	b.wait("offer", func() bool {
		l := call[api.SwarmLog](b, "log", api.SwarmParams{Conv: conv})
		return slices.ContainsFunc(l.Messages, func(m api.SwarmMessage) bool { return m.Commit == offer })
	})
	got := call[api.SwarmTransfer](b, "fileGet", api.SwarmParams{Conv: conv, Commit: offer})
	if have, err := os.ReadFile(got.Path); err != nil || !bytes.Equal(have, data) {
		t.Errorf("the file is another: %v", err)
	}
}

// A conversation whose repository was lost comes back from a member, another one
// that cannot be read does no harm.
func TestLost(t *testing.T) {
	a, b := start(t, 0), start(t, 1)
	a.wait("network", func() bool { return call[api.SwarmStatus](a, "status", api.SwarmParams{}).Running })
	conv := call[api.SwarmConv](a, "new", api.SwarmParams{Title: "Lost", Mode: "invites-only"}).Conv
	bad := call[api.SwarmConv](a, "new", api.SwarmParams{Title: "Damaged", Mode: "invites-only"}).Conv
	b.joined(conv, call[api.SwarmParams](a, "invite", api.SwarmParams{Conv: conv}).Text)
	call[api.SwarmSent](a, "send", api.SwarmParams{Conv: conv, Text: "kept by b"})
	b.sees(conv, "kept by b")
	a.off()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(a.dir, "conversations", conv)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(a.dir, "conversations", bad, "objects")); err != nil {
		t.Fatal(err)
	}
	call[api.SwarmSent](b, "send", api.SwarmParams{Conv: conv, Text: "while it was lost"})
	a.on()
	a.wait("conversation", func() bool {
		states := map[string]string{}
		for _, c := range call[api.SwarmConvs](a, "list", api.SwarmParams{}).Convs {
			states[c.Conv] = c.State
		}
		if states[bad] != "damaged" {
			t.Fatalf("%v", states)
		}
		return states[conv] == "member"
	})
	a.sees(conv, "kept by b", "while it was lost")
	call[api.SwarmSent](a, "send", api.SwarmParams{Conv: conv, Text: "back again"})
	b.sees(conv, "back again")
}
