package repo_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/gitwire"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

func asRefusal(t *testing.T, err error) *repo.Refusal {
	t.Helper()
	var why *repo.Refusal
	if !errors.As(err, &why) || !errors.Is(err, repo.ErrRefused) {
		t.Fatalf("not refused: %v", err)
	}
	return why
}

// entry is the bytes of a pack's entry: a head with any kind and size, a base,
// and a zlib stream.
func entry(kind byte, size int, base, data []byte) []byte {
	b := []byte{kind<<4 | byte(size&15)}
	for n := size >> 4; n > 0; n >>= 7 {
		b[len(b)-1] |= 0x80
		b = append(b, byte(n&0x7f))
	}
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(data)
	_ = w.Close()
	return append(append(b, base...), z.Bytes()...)
}

func whole(o commit.Object) []byte { return entry(byte(o.Type), len(o.Data), nil, o.Data) }

// packOf makes a pack that says that it holds n entries.
func packOf(n int, entries ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(n))
	b = append(b, bytes.Join(entries, nil)...)
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

func line(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

// fake is a server that shows head and sends what it is given as a pack.
func fake(t testing.TB, head commit.ObjectID, pack []byte) net.Conn {
	return script(t, func(c net.Conn) {
		_, _ = io.WriteString(c, line(head.String()+" HEAD\x00side-band-64k ofs-delta\n")+line(head.String()+" refs/heads/main\n")+"0000")
		if !readTo(c, "done\n") {
			return
		}
		_, _ = io.WriteString(c, line("NAK\n"))
		for len(pack) > 0 {
			n := min(len(pack), 60000)
			if _, err := io.WriteString(c, line("\x01"+string(pack[:n]))); err != nil {
				return
			}
			pack = pack[n:]
		}
		_, _ = io.WriteString(c, "0000")
	})
}

// script runs the other side of a connection.
func script(t testing.TB, fn func(c net.Conn)) net.Conn {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(theirs)
		_ = theirs.Close()
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		<-done
	})
	return ours
}

// readTo reads until the text has come.
func readTo(c net.Conn, text string) bool {
	var got []byte
	buf := make([]byte, 1024)
	for !bytes.HasSuffix(got, []byte(text)) {
		n, err := c.Read(buf)
		if err != nil {
			return false
		}
		got = append(got, buf[:n]...)
	}
	return true
}

// next makes commits on top of r without adding them: what a peer would send.
type maker struct {
	t      *testing.T
	a      *person
	parent commit.ObjectID
	tree   commit.ObjectID
}

func (m *maker) commit(parents ...commit.ObjectID) commit.Object {
	p := commit.Person{Name: "m", Email: m.a.Device, Time: m.a.tick().Unix(), Zone: "+0000"}
	o, err := (&commit.Commit{Tree: m.tree, Parents: parents, Author: p, Committer: p, Message: []byte("{}")}).Sign(m.a.Signer)
	if err != nil {
		m.t.Fatal(err)
	}
	return o
}

func treeObject(entries ...commit.Entry) commit.Object {
	var b []byte
	for _, e := range entries {
		b = append(fmt.Appendf(b, "%v %s\x00", e.Mode, e.Name), e.ID[:]...)
	}
	return commit.Object{Type: commit.TypeTree, Data: b}
}

func blobObject(s string) commit.Object { return commit.Object{Type: commit.TypeBlob, Data: []byte(s)} }

// hostile are packs, each with the commit that it is sent for.
func hostile(m *maker) map[string]func() (commit.ObjectID, []byte, string) {
	good := m.commit(m.parent)
	one := func(parts ...[]byte) func() (commit.ObjectID, []byte, string) {
		return func() (commit.ObjectID, []byte, string) {
			return good.ID(), packOf(len(parts)+1, append(parts, whole(good))...), ""
		}
	}
	want := func(text string, f func() (commit.ObjectID, []byte, string)) func() (commit.ObjectID, []byte, string) {
		return func() (commit.ObjectID, []byte, string) { id, p, _ := f(); return id, p, text }
	}
	raw := func(p []byte) func() (commit.ObjectID, []byte, string) {
		return func() (commit.ObjectID, []byte, string) { return good.ID(), p, "" }
	}
	with := func(tree commit.Object, more ...commit.Object) func() (commit.ObjectID, []byte, string) {
		return func() (commit.ObjectID, []byte, string) {
			mine := *m
			mine.tree = tree.ID()
			c := mine.commit(m.parent)
			parts := [][]byte{whole(c), whole(tree)}
			for _, o := range more {
				parts = append(parts, whole(o))
			}
			return c.ID(), packOf(len(parts), parts...), ""
		}
	}
	x, y := blobObject("x"), blobObject("y")
	fine := packOf(1, whole(good))
	badSum := bytes.Clone(fine)
	badSum[len(badSum)-1] ^= 1
	badZ := bytes.Clone(fine[:len(fine)-20])
	badZ[len(badZ)-1] ^= 1 // the sum at the end of the zlib stream
	badZSum := sha1.Sum(badZ)
	lost := commit.Hash(commit.TypeBlob, []byte("lost"))
	baseText := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	file := func(name string, id commit.ObjectID) commit.Entry {
		return commit.Entry{Mode: commit.ModeFile, Name: name, ID: id}
	}
	return map[string]func() (commit.ObjectID, []byte, string){
		"empty":                 want("not in the pack", raw(packOf(0))),
		"no pack":               want("malformed", raw([]byte("<html>404 not found</html>"))),
		"version 9":             want("malformed", raw(append([]byte("PACK\x00\x00\x00\x09\x00\x00\x00\x00"), make([]byte, 20)...))),
		"four billion objects":  want("too large", raw(packOf(1<<32-1, whole(good)))),
		"fewer than it says":    want("malformed", raw(packOf(2, whole(good)))),
		"more than it says":     want("trailing", raw(packOf(0, whole(good)))),
		"trailing garbage":      want("trailing", raw(append(bytes.Clone(fine), "garbage"...))),
		"wrong sum":             want("checksum", raw(badSum)),
		"wrong sum of an entry": want("checksum", raw(append(badZ, badZSum[:]...))),
		"larger than it says":   want("longer", one(entry(3, 10, nil, make([]byte, 1<<20)))),
		"smaller than it says":  want("cut off", one(entry(3, 1<<19, nil, []byte("x")))),
		"a huge object":         want("too large", one(entry(3, 1<<40, nil, []byte("x")))),
		"too much in all":       want("inflated", one(entry(3, 1<<20, nil, make([]byte, 1<<20)), entry(3, 1<<20-1, nil, make([]byte, 1<<20-1)), entry(3, 1<<20-2, nil, make([]byte, 1<<20-2)), entry(3, 1<<20-3, nil, make([]byte, 1<<20-3)))),
		"kind 5":                want("malformed", one(entry(5, 1, nil, []byte("x")))),
		"kind 0":                want("malformed", one(entry(0, 1, nil, []byte("x")))),
		"a size without end":    want("malformed", one(bytes.Repeat([]byte{0xbf}, 40))),
		"a tag":                 want("malformed", one(entry(4, 5, nil, []byte("tag x")))),
		"an object twice":       want("twice", one(whole(x), whole(x))),
		"of no use":             want("of no use", one(whole(x))),
		"thin":                  want("base", one(entry(7, 4, m.tree[:], []byte{100, 1, 1, 'x'}))),
		"circle":                want("base", one(entry(7, 4, lost[:], []byte{1, 1, 1, 'x'}), entry(7, 4, lost[:], []byte{1, 1, 1, 'y'}))),
		"base at itself":        want("malformed", one(entry(6, 4, []byte{0}, []byte{1, 1, 1, 'x'}))),
		"base before the pack":  want("malformed", one(entry(6, 4, []byte{0x7f}, []byte{1, 1, 1, 'x'}))),
		"base between entries":  want("base", one(whole(x), entry(6, 4, []byte{3}, []byte{1, 1, 1, 'x'}))),
		"delta of another size": want("malformed", one(whole(x), entry(7, 4, idOf(x), []byte{9, 1, 1, 'z'}))),
		"delta past its base":   want("past the base", one(whole(x), entry(7, 4, idOf(x), []byte{1, 9, 0x90, 9}))),
		"delta past its result": want("more than its size", one(whole(x), entry(7, 6, idOf(x), []byte{1, 1, 3, 'a', 'b', 'c'}))),
		"delta bomb":            want("too large", one(entry(3, len(baseText), nil, baseText), bomb(baseText, 200))),
		"deltas in a long row":  want("too large", one(row(40)...)),
		"tree is missing": want("is missing", func() (commit.ObjectID, []byte, string) {
			id, _, _ := with(treeObject(file("a", x.ID())))()
			return id, nil, ""
		}),
		"blob is missing":   want("is missing", with(treeObject(file("a", lost)))),
		"parent is missing": want("parent", func() (commit.ObjectID, []byte, string) { c := m.commit(lost); return c.ID(), packOf(1, whole(c)), "" }),
		"blob in place of a tree": want("", func() (commit.ObjectID, []byte, string) {
			mine := *m
			mine.tree = x.ID()
			c := mine.commit(m.parent)
			return c.ID(), packOf(2, whole(c), whole(x)), ""
		}),
		"tree in place of a blob": want("", with(treeObject(file("a", treeObject(file("b", x.ID())).ID())), treeObject(file("b", x.ID())), x)),
		".git":                    want("malformed", with(treeObject(file(".git", x.ID())), x)),
		"two dots":                want("malformed", with(treeObject(file("..", x.ID())), x)),
		"slash":                   want("malformed", with(treeObject(file("a/b", x.ID())), x)),
		"a name twice":            want("malformed", with(treeObject(file("a", x.ID()), file("a", y.ID())), x, y)),
		"out of order":            want("malformed", with(treeObject(file("b", x.ID()), file("a", y.ID())), x, y)),
		"other mode":              want("malformed", with(treeObject(commit.Entry{Mode: 0o100777, Name: "a", ID: x.ID()}), x)),
		"no commit":               want("malformed", one(entry(1, 5, nil, []byte("hello")))),
		"another head":            want("not in the pack", func() (commit.ObjectID, []byte, string) { return lost, fine, "" }),
		"deep folders":            want("too deep", deep(m)),
	}
}

func idOf(o commit.Object) []byte { id := o.ID(); return id[:] }

// bomb is a delta that copies its base n times.
func bomb(base []byte, n int) []byte {
	d := binary.AppendUvarint(nil, uint64(len(base)))
	d = binary.AppendUvarint(d, uint64(n*len(base)))
	for range n {
		d = append(d, 0x80) // 64 KiB from 0
	}
	return entry(7, len(d), idOf(commit.Object{Type: commit.TypeBlob, Data: base}), d)
}

// row is a blob and n deltas, each on the one before.
func row(n int) [][]byte {
	data := []byte("a")
	out := [][]byte{whole(commit.Object{Type: commit.TypeBlob, Data: data})}
	for range n {
		id := commit.Hash(commit.TypeBlob, data)
		d := []byte{byte(len(data)), byte(len(data) + 1), 0x90, byte(len(data)), 1, 'a'}
		out = append(out, entry(7, len(d), id[:], d))
		data = append(data, 'a')
	}
	return out
}

func deep(m *maker) func() (commit.ObjectID, []byte, string) {
	return func() (commit.ObjectID, []byte, string) {
		x := blobObject("x")
		parts := [][]byte{whole(x)}
		e := commit.Entry{Mode: commit.ModeFile, Name: "f", ID: x.ID()}
		for range 30 {
			tree := treeObject(e)
			parts = append(parts, whole(tree))
			e = commit.Entry{Mode: commit.ModeDir, Name: "d", ID: tree.ID()}
		}
		mine := *m
		mine.tree = e.ID
		c := mine.commit(m.parent)
		parts = append(parts, whole(c))
		return c.ID(), packOf(len(parts), parts...), ""
	}
}

// What is wrong with a pack is told, and it leaves no trace but its refusal; the
// same commit from another peer comes in.
func TestHostilePacks(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	old := write(t, r, alice, "one")
	m := &maker{t, alice, old, treeOf(t, r, old)}
	limits := repo.Limits{Bytes: 4 << 20, Object: 2 << 20, Inflated: 4<<20 - 1, Depth: 30, Objects: 1000}
	for name, make := range hostile(m) {
		t.Run(name, func(t *testing.T) {
			want, pack, text := make()
			if pack == nil {
				mine := *m
				mine.tree = commit.Hash(commit.TypeTree, []byte("lost"))
				raw := mine.commit(old)
				want, pack = raw.ID(), packOf(1, whole(raw))
			}
			verify := func(context.Context, *repo.Incoming) error {
				t.Error("it came as far as the rules")
				return errors.New("no")
			}
			_, err := r.Fetch(t.Context(), fake(t, want, pack), repo.FetchOptions{Device: "mallory", Limits: limits, Verify: verify})
			why := asRefusal(t, err)
			if !why.Pack || !strings.Contains(why.Reason, text) {
				t.Errorf("reason %q, want %q", why.Reason, text)
			}
			if err := r.Forgive(t.Context(), why.Head); err != nil {
				t.Error(err)
			}
			left, _ := filepath.Glob(filepath.Join(r.Path(), "objects", "quarantine-*"))
			if len(left) != 0 || head(t, r) != old {
				t.Errorf("left %q, head %v", left, head(t, r))
			}
		})
	}
	sound(t, r)
	good := m.commit(old)
	for range 4 {
		_, err := r.Fetch(t.Context(), fake(t, good.ID(), packOf(0)), repo.FetchOptions{Device: "mallory", Verify: accept})
		asRefusal(t, err)
	}
	got, err := r.Fetch(t.Context(), fake(t, good.ID(), packOf(1, whole(good))), repo.FetchOptions{Device: "bob", Verify: accept})
	if err != nil || len(got.New) != 1 {
		t.Errorf("from another: %v", err)
	}
	sound(t, r)
}

// After three bad packs a device is not asked for that head again; the pack
// does not matter.
func TestBadPacksAreNotFetchedForEver(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	m := &maker{t, alice, r.ID(), treeOf(t, r, r.ID())}
	good := m.commit(r.ID())
	for i := range 5 {
		asked := false
		c := script(t, func(c net.Conn) {
			_, _ = io.WriteString(c, line(good.ID().String()+" HEAD\x00side-band-64k\n")+"0000")
			if asked = readTo(c, "done\n"); asked {
				_, _ = io.WriteString(c, line("NAK\n")+line("\x01garbage in place of a pack")+"0000")
			}
		})
		_, err := r.Fetch(t.Context(), c, repo.FetchOptions{Device: "mallory", Verify: accept})
		if why := asRefusal(t, err); why.Tries != i+1 {
			t.Errorf("try %d is called %d", i+1, why.Tries)
		}
		_ = c.Close()
	}
}

// Servers that do not keep to the protocol.
func TestHostileServers(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	id := commit.Hash(commit.TypeBlob, []byte("?")).String()
	refs := line(id+" HEAD\x00side-band-64k\n") + line(id+" refs/heads/main\n") + "0000"
	for name, c := range map[string]struct {
		say  string
		want error
		text string
	}{
		"hangs up":              {"", io.ErrUnexpectedEOF, ""},
		"hangs up in a line":    {"00a0abc", io.ErrUnexpectedEOF, ""},
		"speaks something else": {"HTTP/1.1 200 OK\r\n", gitwire.ErrProtocol, ""},
		"a line of three":       {"0003", gitwire.ErrProtocol, ""},
		"a line too long":       {"fffe" + strings.Repeat("x", 70000), gitwire.ErrProtocol, ""},
		"no side-band":          {line(id+" HEAD\x00ofs-delta\n") + "0000", gitwire.ErrProtocol, ""},
		"nothing to show":       {line(strings.Repeat("0", 40)+" capabilities^{}\x00side-band-64k\n") + "0000", repo.ErrNotFound, ""},
		"a bad id":              {line("xyz HEAD\x00side-band-64k\n") + "0000", gitwire.ErrProtocol, ""},
		"an error":              {line("ERR access\x1b[31m denied"), nil, "remote: access [31m denied"},
		"neither ACK nor NAK":   {refs + line("WHAT\n"), gitwire.ErrProtocol, ""},
		"an error for a pack":   {refs + line("NAK\n") + line("\x03disk full"), nil, "remote: disk full"},
		"band 7":                {refs + line("NAK\n") + line("\x07x"), gitwire.ErrProtocol, ""},
		"an empty line":         {refs + line("NAK\n") + "0004", gitwire.ErrProtocol, ""},
		"hangs up in the pack":  {refs + line("NAK\n") + line("\x01PACK\x00\x00\x00\x02\x00\x00\x00\x01"), io.ErrUnexpectedEOF, ""},
		"progress for ever":     {refs + line("NAK\n") + strings.Repeat(line("\x02x"), 20000), gitwire.ErrProtocol, "progress"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := script(t, func(s net.Conn) {
				_, _ = io.WriteString(s, strings.TrimSuffix(c.say, c.say[min(len(refs), len(c.say)):]))
				if rest, ok := strings.CutPrefix(c.say, refs); ok && readTo(s, "done\n") {
					_, _ = io.WriteString(s, rest)
				} else if !ok && len(c.say) > len(refs) {
					_, _ = io.WriteString(s, c.say[len(refs):])
				}
			})
			_, err := r.Fetch(t.Context(), conn, repo.FetchOptions{Device: "mallory", Verify: accept})
			_ = conn.Close()
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %v %q", err, c.want, c.text)
			}
			if errors.Is(err, repo.ErrRefused) {
				t.Errorf("a fault became a verdict: %v", err)
			}
		})
	}
}

// A million refs are not read, and what never comes is not waited for.
func TestFloodAndSilence(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	id := commit.Hash(commit.TypeBlob, []byte("?")).String()
	sent := 0
	flood := script(t, func(c net.Conn) {
		for i := range 1_000_000 {
			if _, err := io.WriteString(c, line(fmt.Sprintf("%s refs/heads/%d\x00\n", id, i))); err != nil {
				return
			}
			sent++
		}
	})
	_, err := r.Fetch(t.Context(), flood, repo.FetchOptions{Verify: accept})
	_ = flood.Close()
	if !errors.Is(err, gitwire.ErrTooMany) {
		t.Errorf("a million refs: %v", err)
	}
	silent := script(t, func(c net.Conn) { readTo(c, "never") })
	_, err = r.Fetch(t.Context(), silent, repo.FetchOptions{Verify: accept, Limits: repo.Limits{Idle: 20 * time.Millisecond}})
	if !errors.Is(err, gitwire.ErrIdle) {
		t.Errorf("silence: %v", err)
	}
	_ = silent.Close()
	// One byte at a time keeps the line busy, but not for longer than all of it
	// may take.
	slow := script(t, func(c net.Conn) {
		for _, err := io.WriteString(c, "00f0"); err == nil; {
			_, err = io.WriteString(c, "x")
			select {
			case <-t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	_, err = r.Fetch(t.Context(), slow, repo.FetchOptions{Verify: accept, Limits: repo.Limits{Time: 50 * time.Millisecond}})
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a slow server: %v", err)
	}
	_ = slow.Close()
	// The same without deadlines to set.
	rd, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer wr.Close()
	type closer struct {
		io.Reader
		io.Writer
		io.Closer
	}
	_, err = r.Fetch(t.Context(), closer{rd, io.Discard, rd}, repo.FetchOptions{Verify: accept, Limits: repo.Limits{Idle: 20 * time.Millisecond}})
	if !errors.Is(err, gitwire.ErrIdle) {
		t.Errorf("silence of what only closes: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent = script(t, func(c net.Conn) { cancel(); readTo(c, "never") })
	if _, err = r.Fetch(ctx, silent, repo.FetchOptions{Verify: accept}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_ = silent.Close()
}

// Clients that do not keep to the protocol.
func TestHostileClients(t *testing.T) {
	alice := newPerson("alice")
	r := newRepo(t, alice, repo.Options{NoSync: true})
	id := r.ID().String()
	other := commit.Hash(commit.TypeBlob, []byte("?")).String()
	for name, c := range map[string]struct {
		say  string
		want error
	}{
		"wants nothing":       {"0000", nil},
		"hangs up":            {"", nil},
		"another's commit":    {line("want " + other + "\n"), gitwire.ErrProtocol},
		"no id":               {line("want x\n"), gitwire.ErrProtocol},
		"deepens":             {line("want "+id+"\n") + line("deepen 1\n"), gitwire.ErrProtocol},
		"many wants":          {strings.Repeat(line("want "+id+"\n"), 100), gitwire.ErrTooMany},
		"many haves":          {line("want "+id+"\n") + "0000" + strings.Repeat(line("have "+other+"\n"), 300), gitwire.ErrTooMany},
		"a have without id":   {line("want "+id+"\n") + "0000" + line("have x\n"), gitwire.ErrProtocol},
		"another line":        {line("want "+id+"\n") + "0000" + line("what\n"), gitwire.ErrProtocol},
		"gets all":            {line("want "+id+" side-band-64k\n") + "0000" + line("done\n"), nil},
		"gets all in the old": {line("want "+id+"\n") + "0000" + line("done\n"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			conn := script(t, func(s net.Conn) {
				read := make(chan struct{})
				go func() {
					defer close(read)
					_, _ = io.Copy(io.Discard, s)
				}()
				_, _ = io.WriteString(s, c.say)
				if strings.Contains(c.say, "done") {
					<-read
				}
			})
			err := r.Serve(t.Context(), conn, repo.ServeOptions{Haves: 200})
			_ = conn.Close()
			if (c.want == nil) != (err == nil) || !errors.Is(err, c.want) && c.want != nil {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	silent := script(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	if err := r.Serve(t.Context(), silent, repo.ServeOptions{Idle: 20 * time.Millisecond}); !errors.Is(err, gitwire.ErrIdle) {
		t.Errorf("silence: %v", err)
	}
	_ = silent.Close()
}
