package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is [Values] in memory.
type memory struct {
	mu sync.Mutex
	m  map[[3]string][]byte // guarded by mu
}

func (v *memory) Get(_ context.Context, kind, conv, key string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if b, ok := v.m[[3]string{kind, conv, key}]; ok {
		return b, nil
	}
	return nil, ErrNotFound
}

func (v *memory) List(_ context.Context, kind, conv string) (out []Value, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for k, b := range v.m {
		if k[0] == kind && k[1] == conv {
			out = append(out, Value{k[0], k[1], k[2], b})
		}
	}
	slices.SortFunc(out, func(a, b Value) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func (v *memory) Put(_ context.Context, values ...Value) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, x := range values {
		if x.Data == nil {
			delete(v.m, [3]string{x.Kind, x.Conv, x.Key})
		} else {
			v.m[[3]string{x.Kind, x.Conv, x.Key}] = x.Data
		}
	}
	return nil
}

func (v *memory) Forget(_ context.Context, conv string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for k := range v.m {
		if k[1] == conv {
			delete(v.m, k)
		}
	}
	return nil
}

// person is a node with what its handler heard.
type person struct {
	*Node
	t     *testing.T
	dev   *ident.Device
	heard *[]api.SwarmMessage
	ahead time.Duration // of the clock
}

// someone makes the node of device j of account i.
func someone(t *testing.T, name string, i, j int) *person {
	t.Helper()
	p := &person{t: t, dev: swarmtest.Device(t, i, j), heard: new([]api.SwarmMessage)}
	account, err := swarmtest.Account(t, i).MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	device, err := p.dev.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	values := &memory{m: map[[3]string][]byte{}}
	if err := values.Put(t.Context(), value(kindAccount, "", "", accountRecord{name, account, device})); err != nil {
		t.Fatal(err)
	}
	p.Node = New(Config{Dir: t.TempDir(), Values: values, Now: func() time.Time { return time.Now().Add(p.ahead) },
		Handler: func(_ context.Context, m api.SwarmMessage) error {
			*p.heard = append(*p.heard, m)
			return nil
		}})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *person) call(method string, params api.SwarmParams) any {
	p.t.Helper()
	v, err := p.try(method, params)
	if err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
	return v
}

func (p *person) try(method string, params api.SwarmParams) (any, error) {
	b, err := json.Marshal(params)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.Call(p.t.Context(), MethodPrefix+method, b)
}

func (p *person) uri() string { return p.dev.URI().String() }

// knows introduces others, as their connections do.
func (p *person) knows(others ...*person) {
	p.t.Helper()
	for _, o := range others {
		chain := string(o.dev.Cert.PEM()) + string(o.dev.AccountPEM())
		if _, err := p.Introduce(p.t.Context(), o.dev.ID(), []byte(chain), "", "peer "+o.uri(), nil); err != nil {
			p.t.Fatal(err)
		}
	}
}

// stream runs git-upload-pack between two.
func (p *person) stream(from *person, id commit.ObjectID, fn func(rw net.Conn) error) error {
	p.t.Helper()
	if st, err := from.Standing(p.t.Context(), id, p.dev.ID()); err != nil || st != Welcome {
		return ErrRights
	}
	ours, theirs := net.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() {
		defer theirs.Close()
		_ = from.Serve(p.t.Context(), id, theirs) // what went wrong the client sees too
	})
	err := fn(ours)
	ours.Close()
	serving.Wait()
	return err
}

// copy takes an invitation and copies the conversation.
func (p *person) copy(from *person, i *Invitation) {
	p.t.Helper()
	p.call("accept", api.SwarmParams{Conv: i.String()})
	err := p.stream(from, i.Conv, func(rw net.Conn) error { return p.Clone(p.t.Context(), i.Conv, from.dev.ID(), rw) })
	if err != nil {
		p.t.Fatal(err)
	}
}

// fetch brings what another has, and merges.
func (p *person) fetch(from *person, id commit.ObjectID) error {
	p.t.Helper()
	return p.stream(from, id, func(rw net.Conn) error {
		_, diverged, err := p.Fetch(p.t.Context(), id, from.dev.ID(), rw)
		if err == nil && diverged {
			_, err = p.Merge(p.t.Context(), id)
		}
		return err
	})
}

// meet makes all have the same: each fetches from each, until nothing moves.
func meet(t *testing.T, id commit.ObjectID, all ...*person) {
	t.Helper()
	for range 6 {
		heads := map[commit.ObjectID]bool{}
		for _, p := range all {
			for _, o := range all {
				if o != p {
					if err := p.fetch(o, id); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for _, p := range all {
			h, err := p.Head(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			heads[h] = true
		}
		if len(heads) == 1 {
			return
		}
	}
	t.Fatal("the heads do not meet")
}

func (p *person) invite(id commit.ObjectID, who *person) *Invitation {
	p.t.Helper()
	r := p.call("invite", api.SwarmParams{Conv: id.String(), Who: who.uri()}).(*api.SwarmParams)
	i, err := ParseInvitation(r.Text)
	if err != nil {
		p.t.Fatal(err)
	}
	return i
}

func (p *person) begin(title string, sealed bool) commit.ObjectID {
	p.t.Helper()
	r := p.call("new", api.SwarmParams{Title: title, Mode: "invites-only", Sealed: sealed}).(*api.SwarmConv)
	id, err := commit.ParseObjectID(r.Conv)
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

func (p *person) say(id commit.ObjectID, text string) string {
	p.t.Helper()
	return p.call("send", api.SwarmParams{Conv: id.String(), Text: text}).(*api.SwarmSent).Commit
}

// texts is the folded history, the oldest first.
func (p *person) texts(id commit.ObjectID) (out []string) {
	p.t.Helper()
	l := p.call("log", api.SwarmParams{Conv: id.String()}).(*api.SwarmLog)
	for _, m := range slices.Backward(l.Messages) {
		if m.Text != "" {
			out = append(out, m.Text)
		}
	}
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// Two write apart and see the same when they meet; edits, replies, reactions
// and deletions are folded, and git has nothing to say against the repository.
func TestConversation(t *testing.T) {
	a, b := someone(t, "alice", 0, 0), someone(t, "bob", 1, 0)
	a.knows(b)
	id := a.begin("Council", false)
	b.copy(a, a.invite(id, b))
	meet(t, id, a, b)
	first := a.say(id, "first")
	if a.say(id, "again") == "" {
		t.Error("no commit")
	}
	meet(t, id, a, b)
	b.ahead = time.Minute
	b.call("react", api.SwarmParams{Conv: id.String(), Commit: first, Text: "+1"})
	a.call("edit", api.SwarmParams{Conv: id.String(), Commit: first, Text: "first, mended"})
	meet(t, id, a, b)
	a.ahead, b.ahead = 2*time.Minute, 2*time.Minute
	gone := b.say(id, "not meant")
	b.call("delete", api.SwarmParams{Conv: id.String(), Commit: gone})
	meet(t, id, a, b)
	for _, p := range []*person{a, b} {
		same(t, "history", p.texts(id), []string{"first, mended", "again"})
	}
	l := b.call("log", api.SwarmParams{Conv: id.String()}).(*api.SwarmLog)
	at := slices.IndexFunc(l.Messages, func(m api.SwarmMessage) bool { return m.Commit == first })
	if m := l.Messages[at]; len(m.Edits) != 1 || m.Edits[0].Text != "first" || len(m.Reactions["+1"]) != 1 {
		t.Errorf("folded: %+v", m)
	}
	if _, err := b.try("edit", api.SwarmParams{Conv: id.String(), Commit: first, Text: "forged"}); err == nil {
		t.Error("edited another's message")
	}
	for _, p := range []*person{a, b} {
		if v := p.call("fsck", api.SwarmParams{Conv: id.String()}).(*api.SwarmVerify); !v.OK {
			t.Errorf("fsck: %+v", v)
		}
		git := exec.Command("git", "fsck", "--strict")
		git.Dir = filepath.Join(p.cfg.Dir, "conversations", id.String())
		if out, err := git.CombinedOutput(); err != nil {
			t.Errorf("git fsck: %v: %s", err, out)
		}
	}
	// Each heard of each message once, the other's too.
	heard := map[string]int{}
	for _, m := range *b.heard {
		heard[m.Commit]++
	}
	if heard[first] != 1 || heard[gone] != 1 {
		t.Errorf("heard %v", heard)
	}
}

// A banned member is refused, what it wrote apart does not come in, and it may
// be let back.
func TestBan(t *testing.T) {
	a, b, c := someone(t, "alice", 0, 0), someone(t, "bob", 1, 0), someone(t, "carol", 2, 0)
	a.knows(b, c)
	b.knows(a, c)
	c.knows(a, b)
	id := a.begin("", false)
	b.copy(a, a.invite(id, b))
	meet(t, id, a, b)
	c.copy(a, a.invite(id, c))
	meet(t, id, a, b, c)
	c.say(id, "written before")
	meet(t, id, a, b, c)
	if _, err := b.try("ban", api.SwarmParams{Conv: id.String(), Who: c.uri()}); err == nil {
		t.Error("a member banned somebody")
	}
	a.call("ban", api.SwarmParams{Conv: id.String(), Who: c.uri()})
	c.say(id, "written while banned")
	if err := a.fetch(c, id); err != nil {
		t.Fatal(err) // who wrote did not know
	}
	meet(t, id, a, b)
	if err := c.fetch(a, id); !errors.Is(err, ErrRights) {
		t.Errorf("a banned member fetched: %v", err)
	}
	list, err := a.Unwelcome(t.Context())
	if err != nil || !slices.Contains(list, "peer "+c.uri()) {
		t.Errorf("unwelcome: %v, %v", list, err)
	}
	a.call("unban", api.SwarmParams{Conv: id.String(), Who: c.uri()})
	meet(t, id, a, b, c)
	c.say(id, "back")
	meet(t, id, a, b, c)
	got := a.texts(id)
	if !slices.Contains(got, "back") || !slices.Contains(got, "written before") {
		t.Errorf("history %q", got)
	}
	same(t, "all the same", b.texts(id), got)
	same(t, "all the same", c.texts(id), got)
}

// Text of a sealed conversation is not in the repository, members get the keys
// of their time and nobody else does.
func TestSealed(t *testing.T) {
	a, b, c := someone(t, "alice", 0, 0), someone(t, "bob", 1, 0), someone(t, "carol", 2, 0)
	a.knows(b, c)
	id := a.begin("", true)
	b.copy(a, a.invite(id, b))
	meet(t, id, a, b)
	a.say(id, "for two")
	meet(t, id, a, b)
	same(t, "without the key", b.texts(id), []string{notOpened})
	give := func(to *person) (given int) {
		keys, err := to.WantedKeys(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			key, err := a.GiveKey(t.Context(), id, k, to.dev.ID())
			if errors.Is(err, ErrRights) {
				continue
			}
			if err == nil {
				err = to.TakeKey(t.Context(), id, key)
			}
			if err != nil {
				t.Fatal(err)
			}
			given++
		}
		return given
	}
	if give(b) != 1 {
		t.Error("no key for a member")
	}
	same(t, "with the key", b.texts(id), []string{"for two"})
	c.copy(a, a.invite(id, c))
	meet(t, id, a, c)
	a.say(id, "for three")
	meet(t, id, a, c)
	c.texts(id)
	give(c)
	same(t, "later member", c.texts(id), []string{notOpened, "for three"})
	err := filepath.WalkDir(a.cfg.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "for two") {
			t.Errorf("%s has the text", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	raw := exec.Command("git", "log", "--format=%B")
	raw.Dir = filepath.Join(a.cfg.Dir, "conversations", id.String())
	if out, err := raw.Output(); err != nil || strings.Contains(string(out), "for two") || !strings.Contains(string(out), sealedPrefix) {
		t.Errorf("git log: %v: %s", err, out)
	}
}

// An open invitation adds its bearer once; a conversation of two is not begun
// twice; declined and blocked stay so.
func TestRequests(t *testing.T) {
	a, b, c := someone(t, "alice", 0, 0), someone(t, "bob", 1, 0), someone(t, "carol", 2, 0)
	a.knows(b, c)
	id := a.begin("open", false)
	r := a.call("invite", api.SwarmParams{Conv: id.String()}).(*api.SwarmParams)
	i, err := ParseInvitation(r.Text)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Redeem(t.Context(), id, i.Token, b.dev.URI()); err != nil {
		t.Fatal(err)
	}
	if err := a.Redeem(t.Context(), id, i.Token, c.dev.URI()); !errors.Is(err, ErrRights) {
		t.Errorf("a second bearer: %v", err)
	}
	b.copy(a, i)
	two := a.call("new", api.SwarmParams{Mode: "one-to-one", Who: c.uri()}).(*api.SwarmConv)
	if again := a.call("new", api.SwarmParams{Mode: "one-to-one", Who: c.uri()}).(*api.SwarmConv); again.Conv != two.Conv {
		t.Error("two conversations with the same person")
	}
	from := &Invitation{Conv: commit.Hash(commit.TypeBlob, []byte("x")), From: a.dev.URI(), Devices: []string{a.dev.ID().String()}, Mode: 2}
	if isNew, err := c.Request(t.Context(), from); err != nil || !isNew {
		t.Fatalf("%v, %v", isNew, err)
	}
	c.call("decline", api.SwarmParams{Conv: from.Conv.String()})
	if isNew, err := c.Request(t.Context(), from); err != nil || isNew {
		t.Errorf("declined, and asked again: %v, %v", isNew, err)
	}
	other := &Invitation{Conv: commit.Hash(commit.TypeBlob, []byte("y")), From: a.dev.URI(), Devices: from.Devices, Mode: 2}
	if _, err := c.Request(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	c.call("block", api.SwarmParams{Conv: other.Conv.String()})
	other.Conv = commit.Hash(commit.TypeBlob, []byte("z"))
	if isNew, err := c.Request(t.Context(), other); err != nil || isNew {
		t.Errorf("a blocked account invited: %v, %v", isNew, err)
	}
}

// Two devices of an account agree on conversations, settings and what is read;
// a revoked one is shut out.
func TestDevices(t *testing.T) {
	a, a2, b := someone(t, "alice", 0, 0), someone(t, "alice", 0, 1), someone(t, "bob", 1, 0)
	a.knows(a2, b)
	a2.knows(a, b)
	b.knows(a, a2)
	id := a.begin("", false)
	a.say(id, "hello")
	a.call("preferences", api.SwarmParams{Conv: id.String(), Set: map[string]string{"color": "red"}})
	a.call("read", api.SwarmParams{Conv: id.String()})
	agree := func(from, to *person) {
		t.Helper()
		all, err := from.Shared(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if err := to.TakeShared(t.Context(), from.dev.ID(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
	agree(a, a2)
	_, wanting, err := a2.Active(t.Context())
	if err != nil || len(wanting) != 1 {
		t.Fatalf("wanting %v, %v", wanting, err)
	}
	err = a2.stream(a, id, func(rw net.Conn) error { return a2.Clone(t.Context(), id, a.dev.ID(), rw) })
	if err != nil {
		t.Fatal(err)
	}
	agree(a, a2)
	if v := a2.call("preferences", api.SwarmParams{Conv: id.String()}).(*api.SwarmParams); v.Set["color"] != "red" {
		t.Errorf("settings %v", v.Set)
	}
	a2.say(id, "from my telephone")
	meet(t, id, a, a2)
	same(t, "history", a.texts(id), []string{"hello", "from my telephone"})
	if err := a.Revoke(t.Context(), a2.dev.ID()); err != nil {
		t.Fatal(err)
	}
	if st, err := a.Standing(t.Context(), id, a2.dev.ID()); err != nil || st != Barred {
		t.Errorf("a revoked device stands %v, %v", st, err)
	}
	if err := a2.fetch(a, id); !errors.Is(err, ErrRights) {
		t.Errorf("a revoked device fetched: %v", err)
	}
	same(t, "kept", a.texts(id), []string{"hello", "from my telephone"})
}

// A history that breaks the rules is refused and nothing of it comes in.
func TestRefused(t *testing.T) {
	a, b := someone(t, "alice", 0, 0), someone(t, "bob", 1, 0)
	a.knows(b)
	id := a.begin("", false)
	b.copy(a, a.invite(id, b))
	meet(t, id, a, b)
	c, err := b.open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.repo.Commit(t.Context(), repo.Author{Signer: b.dev, Name: "bob", Device: b.dev.ID().String()},
		repo.Draft{Time: time.Now(), Message: []byte(`{"body":"hm","type":"text/plain"}`), Put: map[string][]byte{commit.AdminPath(b.dev.URI()): b.dev.AccountPEM()}})
	if err != nil {
		t.Fatal(err)
	}
	before, err := a.Head(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.fetch(b, id); !errors.Is(err, repo.ErrRefused) {
		t.Errorf("self-promotion: %v", err)
	}
	after, err := a.Head(t.Context(), id)
	if err != nil || after != before {
		t.Errorf("the head moved: %v", err)
	}
	st := a.call("status", api.SwarmParams{}).(*api.SwarmStatus)
	if len(st.Convs[0].Refused) != 1 {
		t.Errorf("status does not tell: %+v", st.Convs[0])
	}
}

// The account in a file opens with its passphrase alone.
func TestArchive(t *testing.T) {
	a := someone(t, "alice", 0, 0)
	path := filepath.Join(t.TempDir(), "archive")
	if err := a.Export(t.Context(), path, "right"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openArchive(b, "wrong"); !errors.Is(err, errArchive) {
		t.Errorf("opened with another passphrase: %v", err)
	}
	b[len(b)-1] ^= 1
	if _, err := openArchive(b, "right"); !errors.Is(err, errArchive) {
		t.Errorf("opened an altered archive: %v", err)
	}
	b[len(b)-1] ^= 1
	if got, err := openArchive(b, "right"); err != nil || got.Name != "alice" {
		t.Errorf("%v, %v", got, err)
	}
	if err := a.Export(t.Context(), path, "right"); !errors.Is(err, os.ErrExist) {
		t.Errorf("overwritten: %v", err)
	}
}

// A message sent again under the same key is written once, also when the
// process died before it could note the commit.
func TestIdem(t *testing.T) {
	a := someone(t, "alice", 0, 0)
	id := a.begin("", false)
	p := api.SwarmParams{Conv: id.String(), Text: "once", Idem: "k"}
	first := a.call("send", p).(*api.SwarmSent).Commit
	if again := a.call("send", p).(*api.SwarmSent).Commit; again != first {
		t.Errorf("written twice: %s, %s", first, again)
	}
	was, err := get[sent](t.Context(), a.Node, kindIdem, id.String(), "k")
	if err != nil {
		t.Fatal(err)
	}
	was.Commit = ""
	if err := a.cfg.Values.Put(t.Context(), value(kindIdem, id.String(), "k", was)); err != nil {
		t.Fatal(err)
	}
	if again := a.call("send", p).(*api.SwarmSent).Commit; again != first {
		t.Errorf("written twice after a crash: %s, %s", first, again)
	}
}

func FuzzParseInvitation(f *testing.F) {
	i := &Invitation{Conv: commit.Hash(commit.TypeBlob, nil), Devices: []string{strings.Repeat("ab", 32)}, Title: "t", Mode: 2, Token: "k"}
	f.Add(i.String())
	f.Add("swarm:/invite#e30")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseInvitation(s)
		if err != nil {
			return
		}
		again, err := ParseInvitation(i.String())
		if err != nil || again.String() != i.String() {
			t.Errorf("%q: %v", s, err)
		}
	})
}
