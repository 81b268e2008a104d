package swarmtest

import (
	"bytes"
	"compress/zlib"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
)

// T is what a World needs of a test; a *rapid.T has it too.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// World is a conversation in memory on which any device can write anything. Its
// clock goes on by a second with every commit.
type World struct {
	t       T
	test    testing.TB
	Objects commit.Mem
	Now     time.Time
	// Root is the first commit that Begin made.
	Root  commit.ObjectID
	graph *order.Memory
}

// NewWorld is an empty world. t may be that of a property, test is the test's.
func NewWorld(t T, test testing.TB) *World {
	return &World{t: t, test: test, Objects: commit.Mem{}, Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		graph: order.NewMemory(nil)}
}

func (w *World) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
}

// At is where to write on a head; the zero head is before the first commit.
func (w *World) At(head commit.ObjectID) compose.At {
	w.t.Helper()
	at := compose.At{Trees: commit.NewTrees(w.Objects), Tree: commit.EmptyTree}
	if !head.IsZero() {
		c, err := commit.ReadCommit(w.test.Context(), w.Objects, head)
		w.check(err)
		at.Tree = c.Tree
	}
	return at
}

func (w *World) who(d *ident.Device) compose.Who {
	w.Now = w.Now.Add(time.Second)
	return compose.Who{Device: d, Name: "Ann", Time: w.Now}
}

// Write puts a draft on top of head.
func (w *World) Write(head commit.ObjectID, d *ident.Device, draft compose.Draft) commit.ObjectID {
	w.t.Helper()
	made, err := compose.Make(w.test.Context(), w.At(head), head, draft, w.who(d))
	w.check(err)
	return w.add(made)
}

func (w *World) add(made []commit.Object) commit.ObjectID {
	id := w.Objects.Add(made...)
	w.check(w.graph.Load(w.test.Context(), order.Objects(w.Objects), nil, id))
	return id
}

// Begin writes the first commit.
func (w *World) Begin(d *ident.Device, mode commit.Scope, other ident.URI) commit.ObjectID {
	w.t.Helper()
	w.Root = w.Write(commit.ObjectID{}, d, compose.Initial(d, mode, other))
	return w.Root
}

// Text writes a text.
func (w *World) Text(head commit.ObjectID, d *ident.Device, body string) commit.ObjectID {
	w.t.Helper()
	return w.Write(head, d, compose.Message(commit.NewText(body)))
}

// Member has by invite a device's account, which joins.
func (w *World) Member(head commit.ObjectID, by, d *ident.Device) commit.ObjectID {
	w.t.Helper()
	return w.Write(w.Write(head, by, compose.Add(d.URI())), d, compose.Join(d))
}

// Vote has devices of admins vote about somebody, and the first carry it out.
func (w *World) Vote(head commit.ObjectID, a commit.Action, who string, by ...*ident.Device) commit.ObjectID {
	w.t.Helper()
	for _, d := range by {
		s, err := compose.Find(w.test.Context(), w.At(head), a, who)
		w.check(err)
		draft, ok, err := compose.Vote(w.test.Context(), w.At(head), s, d.URI())
		w.check(err)
		if ok {
			head = w.Write(head, d, draft)
		}
	}
	s, err := compose.Find(w.test.Context(), w.At(head), a, who)
	w.check(err)
	draft, ok, err := compose.Resolve(w.test.Context(), w.At(head), s, by[0].URI())
	w.check(err)
	if !ok {
		w.t.Fatalf("%s %s: not decided", a, who)
	}
	return w.Write(head, by[0], draft)
}

// Merge merges theirs into ours; what is an ancestor of the other needs none.
func (w *World) Merge(d *ident.Device, ours, theirs commit.ObjectID) commit.ObjectID {
	w.t.Helper()
	bases, err := order.Bases(w.test.Context(), w.graph, ours, theirs)
	w.check(err)
	if len(bases) == 1 && (bases[0] == ours || bases[0] == theirs) {
		if bases[0] == ours {
			return theirs
		}
		return ours
	}
	made, _, err := compose.Merge(w.test.Context(), commit.NewTrees(w.Objects), w.Objects, ours, theirs, bases, w.who(d))
	w.check(err)
	return w.add(made)
}

// Raw writes a commit as change has it, signed by d: for what compose does not
// write.
func (w *World) Raw(d *ident.Device, changes []commit.Change, change func(c *commit.Commit), parents ...commit.ObjectID) commit.ObjectID {
	w.t.Helper()
	at := w.At(commit.ObjectID{})
	if len(parents) > 0 {
		at = w.At(parents[0])
	}
	tree, made, err := at.Trees.Apply(w.test.Context(), at.Tree, changes)
	w.check(err)
	who := w.who(d)
	p := commit.Person{Name: who.Name, Email: d.ID().String(), Time: who.Time.Unix(), Zone: "+0000"}
	c := &commit.Commit{Tree: tree, Parents: parents, Author: p, Committer: p, Message: []byte(`{"body":"","type":"text/plain"}`)}
	if change != nil {
		change(c)
	}
	o, err := c.Sign(d)
	w.check(err)
	return w.add(append(made, o))
}

// Put is a change that writes a file.
func (w *World) Put(path string, data []byte) commit.Change {
	o := commit.Object{Type: commit.TypeBlob, Data: data}
	w.Objects.Add(o)
	return commit.Change{Path: path, New: commit.Value{Mode: commit.ModeFile, ID: o.ID()}}
}

// WriteGit writes objects to a new repository whose main is head, and returns
// its folder. The test is skipped without git.
func WriteGit(t testing.TB, objects commit.Mem, head commit.ObjectID) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	dir := t.TempDir()
	Git(t, dir, "init", "-q", "--bare", "-b", "main")
	for id, o := range objects {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		_, _ = z.Write(append([]byte(o.Type.String()+" "+strconv.Itoa(len(o.Data))+"\x00"), o.Data...))
		_ = z.Close()
		sub := filepath.Join(dir, "objects", id.String()[:2])
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, id.String()[2:]), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	Git(t, dir, "update-ref", "refs/heads/main", head.String())
	return dir
}

// Git runs git in a folder and returns what it says; the test fails if git does.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	c := exec.Command("git", append([]string{"-C", dir}, args...)...)
	c.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
