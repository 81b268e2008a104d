package commit_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"pgregory.net/rapid"
)

const plain = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n" +
	"author A <d> 10 +0000\ncommitter A <d> 10 +0000\n"

func TestCommitsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           "",
		"no tree":         strings.TrimPrefix(plain, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n") + "\n",
		"upper case":      strings.ToUpper(plain[:45]) + plain[45:] + "\n",
		"no blank line":   plain,
		"no e-mail":       strings.Replace(plain, "A <d> 10", "A 10", 1) + "\n",
		"time":            strings.Replace(plain, "10 +", "-1 +", 1) + "\n",
		"time with zero":  strings.Replace(plain, "10 +", "010 +", 1) + "\n",
		"big time":        strings.Replace(plain, "10 +", "99999999999999999999 +", 1) + "\n",
		"zone":            strings.Replace(plain, "+0000", "0000", 1) + "\n",
		"two trees":       plain + "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\n",
		"parent too late": plain + "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\n",
		"two signatures":  plain + "signature YQ==\nsignature YQ==\n\n",
		"NUL":             plain + "\na\x00b",
		"many parents":    plain[:46] + strings.Repeat("parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n", 17) + plain[46:] + "\n",
		"many headers":    plain + strings.Repeat("x y\n", 17) + "\n",
		"too long":        plain + "\n" + strings.Repeat("a", commit.MaxCommit),
	} {
		if _, err := commit.ParseCommit([]byte(text)); !errors.Is(err, commit.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignedIsAllButTheHeader(t *testing.T) {
	for name, text := range map[string]string{
		"alone":     "signature YWJj\n",
		"others":    "encoding UTF-8\nsignature YWJj\nx y\n z\n",
		"continued": "signature YW\n Jj\n",
	} {
		c, err := commit.ParseCommit([]byte(plain + text + "\nhello"))
		if err != nil {
			t.Fatal(err)
		}
		message, sig := c.Signed()
		rest := strings.Replace(strings.Replace(text, "signature YWJj\n", "", 1), "signature YW\n Jj\n", "", 1)
		if string(message) != plain+rest+"\nhello" {
			t.Errorf("%s: signed %q", name, message)
		}
		if name != "continued" && string(sig) != "abc" || name == "continued" && sig != nil {
			t.Errorf("%s: signature %q", name, sig)
		}
	}
}

func TestTreesRefused(t *testing.T) {
	id := strings.Repeat("\x01", 20)
	for name, text := range map[string]string{
		"no mode":      "a\x00" + id,
		"odd mode":     "100664 a\x00" + id,
		"zero mode":    "0100644 a\x00" + id,
		"no name":      "100644 \x00" + id,
		"slash":        "100644 a/b\x00" + id,
		"dots":         "40000 ..\x00" + id,
		"git":          "40000 .GIT\x00" + id,
		"cut off":      "100644 a\x00" + id[:19],
		"no end":       "100644 aaaa",
		"order":        "100644 b\x00" + id + "100644 a\x00" + id,
		"folder order": "40000 a\x00" + id + "100644 a.b\x00" + id,
		"twice":        "100644 a\x00" + id + "40000 a\x00" + id,
		"null id":      "100644 a\x00" + strings.Repeat("\x00", 20),
		"long name":    "100644 " + strings.Repeat("a", 256) + "\x00" + id,
	} {
		if _, err := commit.ParseTree([]byte(text)); !errors.Is(err, commit.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessageText(t *testing.T) {
	m := commit.NewText("a\"\\/\b\f\n\r\t\x01é❤👍\u2028")
	b, _ := m.AppendBinary(nil)
	want := `{"body":"a\"\\/\b\f\n\r\t\u0001\u00e9\u2764\ud83d\udc4d\u2028","type":"text/plain"}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	again, err := commit.ParseMessage(b)
	if err != nil || again.Body() != m.Body() {
		t.Errorf("%v %q", err, again.Body())
	}
	if _, err := commit.ParseMessage([]byte(`{"type":"a"} x`)); err == nil {
		t.Error("text after the object was taken")
	}
	if m, err := commit.ParseMessagePrefix([]byte(`{"type":"a"} x`)); err != nil || m.Type() != "a" {
		t.Errorf("%v %v", m, err)
	}
}

func TestMessageKinds(t *testing.T) {
	id := commit.Hash(commit.TypeBlob, []byte("x"))
	for _, c := range []struct {
		m            commit.Message
		edit, delete bool
	}{
		{commit.NewText("a"), false, false},
		{commit.NewReply(id, "a"), false, false},
		{commit.NewEdit(id, "a"), true, false},
		{commit.NewEdit(id, ""), true, true},
		{commit.NewFile(commit.File{Name: "a.b.txt", TID: 7}), false, false},
		{commit.NewFileDeletion(id), true, true},
	} {
		if c.m.IsEdit() != c.edit || c.m.IsDeletion() != c.delete {
			t.Errorf("%v: edit %v, deletion %v", c.m, c.m.IsEdit(), c.m.IsDeletion())
		}
	}
	if got := commit.NewFile(commit.File{Name: "a.b.txt", TID: 7}).FileID(id); got != id.String()+"_7.txt" {
		t.Error(got)
	}
	for s := commit.OneToOne; s <= commit.Document; s++ {
		if got, err := commit.ParseScope(s.String()); err != nil || got != s {
			t.Errorf("%v: %v %v", s, got, err)
		}
	}
	if m := commit.NewCall(ident.URI{1}, 5, "busy"); m.Str("duration") != "5" || m.Str("reason") != "busy" {
		t.Error(m)
	}
	if m := commit.NewGroupCall("c", ident.DeviceID{1}, ident.URI{2}, -1); m.Has("duration") || m.Type() != commit.TypeCall {
		t.Error(m)
	}
}

func TestAuthorName(t *testing.T) {
	for in, want := range map[string]string{
		"Ann": "Ann", "<A>\nb": "Ab", "": "id", " . ": "id", "<>": "id", "\xff": "id", strings.Repeat("é", 150): strings.Repeat("é", 100),
	} {
		if got := commit.AuthorName(in, "id"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// files is a small tree as a map.
type files map[string]byte

var paths = []string{"profile.vcf", "admins/a", "admins/b", "members/a", "votes/ban/members/a/b", "votes/ban/members/b/a", "devices/x"}

func genFiles(t *rapid.T, name string) files {
	f := files{}
	for _, p := range paths {
		if v := rapid.ByteRange(0, 3).Draw(t, name+p); v > 0 {
			f[p] = v
		}
	}
	return f
}

func value(v byte) commit.Value {
	if v == 0 {
		return commit.Value{}
	}
	return commit.Value{Mode: commit.ModeFile, ID: commit.ObjectID{v}}
}

// build makes the tree of f out of that of old.
func build(t *rapid.T, m commit.Mem, old commit.ObjectID, was, f files) commit.ObjectID {
	var changes []commit.Change
	for _, p := range paths {
		if was[p] != f[p] {
			changes = append(changes, commit.Change{Path: p, Old: value(was[p]), New: value(f[p])})
		}
	}
	trees := commit.NewTrees(m)
	id, made, err := trees.Apply(context.Background(), old, changes)
	if err != nil {
		t.Fatal(err)
	}
	m.Add(made...)
	diff, err := commit.NewTrees(m).Diff(context.Background(), old, id)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(changes, func(a, b commit.Change) int { return strings.Compare(a.Path, b.Path) })
	if !slices.Equal(diff, changes) {
		t.Fatalf("differences %v, want %v", diff, changes)
	}
	return id
}

// Apply is what Diff tells, and a merge does not depend on who makes it, leaves
// nothing undecided and keeps what only one side changed.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := commit.Mem{}
		f := [3]files{genFiles(t, "base"), genFiles(t, "ours"), genFiles(t, "theirs")}
		base := build(t, m, commit.EmptyTree, files{}, f[0])
		ours := commit.Side{Head: commit.ObjectID{rapid.Byte().Draw(t, "a"), 1}, Tree: build(t, m, base, f[0], f[1])}
		theirs := commit.Side{Head: commit.ObjectID{rapid.Byte().Draw(t, "b"), 2}, Tree: build(t, m, base, f[0], f[2])}
		var bases []commit.ObjectID
		if rapid.Bool().Draw(t, "related") {
			bases = append(bases, base)
		}
		run := func(a, b commit.Side) commit.ObjectID {
			id, made, _, err := commit.Merge{Bases: bases, Ours: a, Theirs: b}.Run(context.Background(), commit.NewTrees(m))
			if err != nil {
				t.Fatal(err)
			}
			m.Add(made...)
			return id
		}
		got := run(ours, theirs)
		if again := run(theirs, ours); got != again {
			t.Fatalf("%v and %v", got, again)
		}
		for _, p := range paths {
			e, _, _ := commit.NewTrees(m).Lookup(context.Background(), got, p)
			v := commit.Value{Mode: e.Mode, ID: e.ID}
			o, a, b := value(f[0][p]), value(f[1][p]), value(f[2][p])
			if bases == nil {
				o = commit.Value{}
			}
			want := a
			switch {
			case a == o:
				want = b
			case b == o || a == b:
			case p != commit.ProfilePath && (a == commit.Value{} || b == commit.Value{}):
				want = commit.Value{}
			case bytes.Compare(theirs.Head[:], ours.Head[:]) > 0:
				want = b
			}
			if v != want {
				t.Fatalf("%s: %v, want %v (base %v ours %v theirs %v)", p, v, want, o, a, b)
			}
		}
	})
}

func TestVotePaths(t *testing.T) {
	v := commit.Vote{Action: commit.Ban, Kind: commit.Members, Who: "a", Voter: "b"}
	if got, ok := commit.ParseVotePath(v.Path()); !ok || got != v {
		t.Errorf("%v %v", got, ok)
	}
	for _, p := range []string{"votes/ban/members/a", "votes/ban/members/a/", "votes//members/a/b", "x/ban/members/a/b", "votes/ban/members/a/b/c"} {
		if _, ok := commit.ParseVotePath(p); ok {
			t.Errorf("%q was taken", p)
		}
	}
}

// Layers are asked in order; what none has is not found.
func TestOver(t *testing.T) {
	a, b := commit.Mem{}, commit.Mem{}
	id := b.Add(commit.Object{Type: commit.TypeBlob, Data: []byte("x")})
	o := commit.Over{a, b}
	if ty, data, err := o.Object(t.Context(), id); err != nil || ty != commit.TypeBlob || string(data) != "x" {
		t.Errorf("%v %q %v", ty, data, err)
	}
	if _, _, err := o.Object(t.Context(), commit.ObjectID{9}); !errors.Is(err, commit.ErrNotFound) {
		t.Error(err)
	}
	if _, err := commit.ReadTree(t.Context(), o, id); !errors.Is(err, commit.ErrMalformed) {
		t.Error(err)
	}
}
