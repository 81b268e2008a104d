package pack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

var generous = Limits{Bytes: 1 << 20, Objects: 1000, Object: 1 << 20, Inflated: 1 << 24, Depth: 50}

// storage is a pack in memory.
type storage struct{ bytes.Buffer }

func (s *storage) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.Bytes()).ReadAt(p, off)
}

func blobs(n int) []commit.Object {
	var out []commit.Object
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		b := make([]byte, r.IntN(3000))
		for j := range b {
			b[j] = byte('a' + r.IntN(4))
		}
		out = append(out, commit.Object{Type: commit.TypeBlob, Data: fmt.Appendf(b, "%d", i)})
	}
	return out
}

// written is a pack of objects, each but the first a change of the one before,
// where that is shorter.
func written(t testing.TB, objects []commit.Object) ([]byte, []Entry, commit.ObjectID) {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, len(objects))
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range objects {
		var r *Raw
		if i > 0 {
			r = NewDelta(objects[i-1].ID(), objects[i-1].Data, o.Data)
		}
		if r == nil {
			r = NewRaw(o.Type, o.Data, Small)
		}
		if err := w.Add(o.ID(), r); err != nil {
			t.Fatal(err)
		}
	}
	entries, sum, err := w.Close(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), entries, sum
}

// What was written is received, indexed and found again.
func TestRoundTrip(t *testing.T) {
	objects := blobs(40)
	for i := 1; i < len(objects); i += 2 {
		objects[i].Data = append(bytes.Clone(objects[i-1].Data), "and more"...)
	}
	data, entries, sum := written(t, objects)
	var s storage
	seen := map[commit.ObjectID][]byte{}
	got, err := Receive(context.Background(), bytes.NewReader(data), &s, generous, func(id commit.ObjectID, typ commit.Type, b []byte) error {
		seen[id] = bytes.Clone(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Sum != sum || got.Bytes != int64(len(data)) || len(seen) != len(objects) {
		t.Errorf("%d objects of %d bytes", len(seen), got.Bytes)
	}
	for i, e := range got.Entries {
		if e.ID != objects[i].ID() || e.CRC != entries[i].CRC || e.Offset != entries[i].Offset || !bytes.Equal(seen[e.ID], objects[i].Data) {
			t.Errorf("entry %d is %+v, want %+v", i, e, entries[i])
		}
	}
	p := onDisk(t, data, got)
	for _, o := range objects {
		typ, b, err := p.Get(o.ID())
		if err != nil || typ != o.Type || !bytes.Equal(b, o.Data) {
			t.Errorf("get %v: %v", o.ID(), err)
		}
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	if _, _, err := p.Get(commit.EmptyTree); !errors.Is(err, commit.ErrNotFound) {
		t.Errorf("get what is not there: %v", err)
	}
	again(t, p, objects)
}

func onDisk(t *testing.T, data []byte, got *Received) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pack-x.pack")
	var x bytes.Buffer
	if err := WriteIndex(&x, append([]Entry(nil), got.Entries...), got.Sum); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, data, 0o600), os.WriteFile(path[:len(path)-5]+".idx", x.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	p, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// again passes the entries on as they lie, found by inflating them and then by
// the index.
func again(t *testing.T, p *File, objects []commit.Object) {
	t.Helper()
	for round := range few/len(objects) + 2 {
		var b bytes.Buffer
		w, err := NewWriter(&b, len(objects))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			r, err := p.Raw(o.ID())
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Add(o.ID(), r); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := w.Close(&b); err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(p.Path); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Fatalf("round %d: another pack, %v", round, err)
		}
	}
}

// A pack that rots on the disk is noticed, wherever it does.
func TestRot(t *testing.T) {
	objects := blobs(5)
	data, _, _ := written(t, objects)
	var s storage
	got, err := Receive(context.Background(), bytes.NewReader(data), &s, generous, func(commit.ObjectID, commit.Type, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(data); at += 13 {
		bad := bytes.Clone(data)
		bad[at] ^= 0x55
		p := onDisk(t, bad, got)
		if err := p.Check(); !errors.Is(err, ErrChecksum) {
			t.Errorf("byte %d: %v", at, err)
		}
		for _, o := range objects {
			_, _, _ = p.Get(o.ID()) // which may fail, and must not do worse
		}
	}
}

func TestDeltaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SliceOfN(rapid.Byte(), 0, 200)
		base := bytes.Join(rapid.SliceOfN(piece, 0, 10).Draw(t, "base"), nil)
		target := rapid.SliceOfN(piece, 0, 3).Draw(t, "new")
		out := []byte{}
		for _, p := range target {
			out = append(out, p...)
			if len(base) > 0 {
				from := rapid.IntRange(0, len(base)-1).Draw(t, "from")
				out = append(out, base[from:from+rapid.IntRange(0, len(base)-from).Draw(t, "n")]...)
			}
		}
		d := makeDelta(base, out, 1<<20)
		if d == nil {
			return
		}
		if got, err := applyDelta(base, d, 1<<20); err != nil || !bytes.Equal(got, out) {
			t.Fatalf("%v: %q, want %q", err, got, out)
		}
	})
}

// A copy of more than 64 KiB is written in pieces.
func TestLargeDelta(t *testing.T) {
	base := bytes.Repeat([]byte("0123456789abcdef0123456789ABCDEF!"), 10000)
	target := append([]byte("x"), base...)
	d := makeDelta(base, target, len(target)/2)
	if d == nil || len(d) > 1000 {
		t.Fatalf("delta of %d bytes", len(d))
	}
	if got, err := applyDelta(base, d, 1<<30); err != nil || !bytes.Equal(got, target) {
		t.Error(err)
	}
	if _, err := applyDelta(base, d, 1000); !errors.Is(err, ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
}

// Offsets over 2 GiB have a table of their own.
func TestLargeOffsets(t *testing.T) {
	entries := []Entry{{ID: commit.ObjectID{1}, Offset: 12}, {ID: commit.ObjectID{2}, Offset: 1 << 31}, {ID: commit.ObjectID{0xff, 1}, Offset: 5 << 32}}
	var b bytes.Buffer
	if err := WriteIndex(&b, append([]Entry(nil), entries...), commit.ObjectID{9}); err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if at, ok, err := x.Find(e.ID); at != e.Offset || !ok || err != nil {
			t.Errorf("%v at %d, %v, %v", e.ID, at, ok, err)
		}
	}
	all, sum, err := x.Entries()
	if err != nil || sum != (commit.ObjectID{9}) || len(all) != 3 || all[2].Offset != 5<<32 {
		t.Errorf("entries %v, %v, %v", all, sum, err)
	}
	bad := b.Bytes()
	bad[len(bad)-1] ^= 1
	if x, err = OpenIndex(bytes.NewReader(bad), int64(len(bad))); err == nil {
		_, _, err = x.Entries()
	}
	if !errors.Is(err, ErrChecksum) {
		t.Errorf("wrong sum: %v", err)
	}
}

// Whatever comes, it ends in an error or a pack whose objects are what their
// ids say, within the limits.
func FuzzReceive(f *testing.F) {
	data, _, _ := written(f, blobs(3))
	f.Add(data)
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01"))
	l := Limits{Bytes: 1 << 16, Objects: 100, Object: 1 << 16, Inflated: 1 << 18, Depth: 5}
	f.Fuzz(func(t *testing.T, b []byte) {
		// The sum is made right, or nothing but the sum would be tried.
		if len(b) >= trailerSize {
			var w bytes.Buffer
			_, _ = io.Copy(&w, bytes.NewReader(b[:len(b)-trailerSize]))
			sum := sumOf(w.Bytes())
			b = append(w.Bytes(), sum[:]...)
		}
		var s storage
		total := 0
		got, err := Receive(context.Background(), bytes.NewReader(b), &s, l, func(id commit.ObjectID, typ commit.Type, data []byte) error {
			if commit.Hash(typ, data) != id {
				t.Errorf("%v is another object", id)
			}
			total += len(data)
			return nil
		})
		if total > int(l.Inflated) {
			t.Errorf("%d bytes inflated", total)
		}
		if err == nil && (got.Bytes != int64(len(b)) || !bytes.Equal(s.Bytes(), b)) {
			t.Error("not all of it is stored")
		}
	})
}

func FuzzIndex(f *testing.F) {
	_, entries, sum := written(f, blobs(3))
	var b bytes.Buffer
	if err := WriteIndex(&b, entries, sum); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := OpenIndex(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		_, _, _ = x.Find(commit.ObjectID{b[9]})
		_, _, _ = x.Find(entries[0].ID)
		_, _, _ = x.Entries()
	})
}

func FuzzDelta(f *testing.F) {
	f.Add([]byte("some base"), []byte{9, 4, 0x90, 4})
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		out, err := applyDelta(base, delta, 1<<16)
		if err == nil && len(out) > 1<<16 {
			t.Errorf("%d bytes", len(out))
		}
	})
}

func TestInflateLeavesTheRest(t *testing.T) {
	big := bytes.Repeat([]byte("abc"), trusted)
	b := append(Deflate(Deflate(nil, []byte("hello"), Fast), big, Small), "rest"...)
	r := bufio.NewReader(bytes.NewReader(b))
	for _, want := range [][]byte{[]byte("hello"), big} {
		if got, err := Inflate(r, int64(len(want))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("rest %q", rest)
	}
	if _, err := Inflate(bufio.NewReader(bytes.NewReader(Deflate(nil, big, Fast))), 1<<40); !errors.Is(err, ErrFormat) {
		t.Errorf("a size that is not there: %v", err)
	}
}

func sumOf(b []byte) (sum commit.ObjectID) {
	in := &intake{r: bytes.NewReader(append(bytes.Clone(b), make([]byte, trailerSize)...)), w: io.Discard, limit: 1 << 40, sum: sha1.New()}
	_, _ = io.Copy(io.Discard, in)
	in.sum.Sum(sum[:0])
	return sum
}
