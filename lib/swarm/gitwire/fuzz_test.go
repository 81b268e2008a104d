package gitwire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// other is the other side of a link: what it says is known beforehand.
type other struct {
	io.Reader
	io.Writer
}

const someID = "0123456789012345678901234567890123456789"

// FuzzClient hears anything from a server.
func FuzzClient(f *testing.F) {
	f.Add([]byte("0047" + someID + " HEAD\x00side-band-64k\n0000" + "0008NAK\n" + "0009\x01PACK" + "0000"))
	f.Add([]byte("000eversion 1\n0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewClient(other{bytes.NewReader(b), io.Discard})
		refs, err := c.Refs(10)
		if err != nil || len(refs) == 0 {
			return
		}
		if len(refs) > 11 {
			t.Errorf("%d refs", len(refs))
		}
		r, err := c.Want(refs[0].ID, []commit.ObjectID{{1}})
		if err != nil {
			return
		}
		if n, _ := io.Copy(io.Discard, r); n > int64(len(b)) {
			t.Errorf("%d bytes of %d", n, len(b))
		}
	})
}

// little is a repository of one commit.
type little struct{ id commit.ObjectID }

func (l little) Head(context.Context) (commit.ObjectID, error) { return l.id, nil }
func (l little) Known(_ context.Context, id commit.ObjectID) (bool, error) {
	return id == l.id, nil
}
func (l little) Pack(_ context.Context, want commit.ObjectID, _ []commit.ObjectID, w io.Writer) error {
	if want != l.id {
		return errors.New("not ours")
	}
	_, err := w.Write(bytes.Repeat([]byte("pack"), 40000))
	return err
}

// FuzzServe hears anything from a client.
func FuzzServe(f *testing.F) {
	id, err := commit.ParseObjectID(someID)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("0032want " + someID + "\n" + "0000" + "0032have " + someID + "\n0009done\n"))
	f.Add([]byte("0040want " + someID + " side-band-64k\n00000000" + "0009done\n"))
	f.Add([]byte("0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		_ = Serve(context.Background(), other{bytes.NewReader(b), &out}, little{id}, 5)
		if out.Len() < 4 {
			t.Error("nothing was shown")
		}
	})
}

// A pack comes through both side-bands and none as it was sent.
func TestBands(t *testing.T) {
	id, err := commit.ParseObjectID(someID)
	if err != nil {
		t.Fatal(err)
	}
	for caps, pieces := range map[string]bool{"side-band": true, "side-band-64k side-band": true, "": false} {
		var in, out bytes.Buffer
		l := newLines(other{&in, &in})
		l.write("want ", someID, " ", caps, "\n")
		_ = l.flushLine()
		l.write("done\n")
		_ = l.w.Flush()
		if err := Serve(context.Background(), other{&in, &out}, little{id}, 5); err != nil {
			t.Fatal(err)
		}
		want := bytes.Repeat([]byte("pack"), 40000)
		c := NewClient(other{&out, io.Discard})
		if refs, err := c.Refs(5); err != nil || len(refs) != 2 || refs[1].Name != "refs/heads/main" {
			t.Fatalf("refs %v, %v", refs, err)
		}
		if line, _, err := c.l.text(); line != "NAK" || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		var got []byte
		if pieces {
			got, err = io.ReadAll(&unband{l: c.l})
		} else {
			got, err = io.ReadAll(c.l.r)
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %d bytes, %v", caps, len(got), err)
		}
	}
}
