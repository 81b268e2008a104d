package commit_test

import (
	"bytes"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
)

// seeds adds the objects of a repository to a target's corpus.
func seeds(f *testing.F, want commit.Type) {
	for _, o := range swarmtest.Load(f, "group2-base-at-a").Objects {
		if o.Type == want {
			f.Add(o.Data)
		}
	}
}

// What ParseCommit takes, AppendBinary writes again.
func FuzzParseCommit(f *testing.F) {
	f.Add([]byte(plain + "signature YWJj\n\nhello"))
	seeds(f, commit.TypeCommit)
	f.Add([]byte(plain + "x y\n z\n\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := commit.ParseCommit(b)
		if err != nil {
			return
		}
		again, err := c.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%v\n%q\n%q", err, b, again)
		}
		c.Signed()
	})
}

// What ParseTree takes, AppendBinary writes again, and every name is found.
func FuzzParseTree(f *testing.F) {
	seeds(f, commit.TypeTree)
	f.Add([]byte("100644 a\x00" + "12345678901234567890" + "40000 b\x00" + "12345678901234567890"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := commit.ParseTree(b)
		if err != nil {
			return
		}
		for _, e := range tree.Entries {
			if got, ok := tree.Lookup(e.Name); !ok || got != e {
				t.Fatalf("%v %v, want %v", got, ok, e)
			}
		}
		again, err := tree.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%v\n%q\n%q", err, b, again)
		}
	})
}

// A message that was read is read the same from what is written.
func FuzzParseMessage(f *testing.F) {
	for _, s := range []string{`{"type":"text/plain","body":"\ud83d\udc4d"}`, `{"mode":2,"type":"initial"}`, `{"a":[1,{"b":null}],"a":true}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := commit.ParseMessagePrefix(b); err != nil {
			if _, err := commit.ParseMessage(b); err == nil {
				t.Fatal("strict takes more")
			}
		}
		m, err := commit.ParseMessage(b)
		if err != nil {
			return
		}
		one, _ := m.AppendBinary(nil)
		again, err := commit.ParseMessage(one)
		if err != nil {
			t.Fatalf("%s: %v", one, err)
		}
		if two, _ := again.AppendBinary(nil); !bytes.Equal(one, two) {
			t.Fatalf("%s\n%s", one, two)
		}
		m.IsDeletion()
		m.File()
		m.Scope()
		m.FileID(commit.EmptyTree)
	})
}

// A profile that was read is read the same from what is written.
func FuzzParseProfile(f *testing.F) {
	f.Add([]byte("BEGIN:VCARD\nVERSION:2.1\nFN:a\nDESCRIPTION:b\nPHOTO;ENCODING=BASE64:aa\n\n\nEND:VCARD"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := commit.ParseProfile(b)
		if err != nil {
			return
		}
		one, err := p.AppendBinary(nil)
		if err != nil {
			return
		}
		again, err := commit.ParseProfile(one)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := again.AppendBinary(nil); err != nil || !bytes.Equal(one, two) {
			t.Fatalf("%v\n%q\n%q", err, one, two)
		}
	})
}

// Ids, paths and modes are what they were made from.
func FuzzNames(f *testing.F) {
	f.Add("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
	f.Add("votes/ban/members/a/b")
	f.Add("invites-only")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := commit.ParseObjectID(s); err == nil && id.String() != s {
			t.Fatalf("%q: %v", s, id)
		}
		if v, ok := commit.ParseVotePath(s); ok && v.Path() != s {
			t.Fatalf("%q: %q", s, v.Path())
		}
		if m, err := commit.ParseScope(s); err == nil && m.String() != s && len(s) != 1 {
			t.Fatalf("%q: %v", s, m)
		}
	})
}
