package commit_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
)

// Every object of every repository is read and written again byte for byte, and
// has the name under which it was found.
func TestObjectsVectors(t *testing.T) {
	n := map[commit.Type]int{}
	done := map[commit.ObjectID]bool{}
	for _, name := range swarmtest.Names(t) {
		for id, o := range swarmtest.Load(t, name).Objects {
			if done[id] {
				continue
			}
			done[id] = true
			n[o.Type]++
			if o.ID() != id {
				t.Errorf("%v has the name %v", id, o.ID())
			}
			var again []byte
			var err error
			switch o.Type {
			case commit.TypeCommit:
				var c *commit.Commit
				if c, err = commit.ParseCommit(o.Data); err == nil {
					again, err = c.AppendBinary(nil)
				}
			case commit.TypeTree:
				var tr *commit.Tree
				if tr, err = commit.ParseTree(o.Data); err == nil {
					again, err = tr.AppendBinary(nil)
				}
			default:
				continue
			}
			if err != nil || !bytes.Equal(again, o.Data) {
				t.Errorf("%s: %v %v: %v", name, o.Type, id, err)
			}
		}
	}
	t.Logf("%v", n)
}

// The messages and profiles of the daemon are read, and written as it wrote
// them.
func TestMessagesVectors(t *testing.T) {
	for _, real := range swarmtest.Reals(t) {
		repo := swarmtest.Load(t, real.Name)
		trees := commit.NewTrees(repo.Objects)
		for id, o := range repo.Objects {
			if o.Type != commit.TypeCommit {
				continue
			}
			c, err := commit.ParseCommit(o.Data)
			if err != nil {
				t.Fatal(err)
			}
			checkMessage(t, real.Name, id, c)
			checkProfile(t, trees, c.Tree)
		}
	}
}

func checkMessage(t *testing.T, name string, id commit.ObjectID, c *commit.Commit) {
	t.Helper()
	if len(c.Parents) == 2 {
		if want := commit.MergeMessage(c.Parents[1]); !bytes.Equal(c.Message, want) {
			t.Errorf("%s: %v: %q, want %q", name, id, c.Message, want)
		}
		return
	}
	m, err := commit.ParseMessage(c.Message)
	if err != nil {
		t.Errorf("%s: %v: %v", name, id, err)
		return
	}
	if again, _ := m.AppendBinary(nil); !bytes.Equal(again, c.Message) {
		t.Errorf("%s: %v: %s, want %s", name, id, again, c.Message)
	}
	if want := rebuilt(m); want != nil {
		if again, _ := want.AppendBinary(nil); !bytes.Equal(again, c.Message) {
			t.Errorf("%s: %v: made %s, want %s", name, id, again, c.Message)
		}
	}
}

// rebuilt makes a message from what one of the daemon's says.
func rebuilt(m commit.Message) commit.Message {
	reply, isReply := m.ReplyTo()
	react, isReaction := m.ReactTo()
	file, isFile := m.File()
	switch {
	case m.Type() == commit.TypeInitial:
		mode, _ := m.Scope()
		if mode == commit.OneToOne {
			return nil
		}
		return commit.NewInitial(mode, [20]byte{})
	case m.Type() == commit.TypeMember:
		return commit.NewMember(m.Action(), m.Str("uri"))
	case m.Type() == commit.TypeVote:
		return commit.NewVote(m.Str("uri"))
	case m.Type() == commit.TypeProfile:
		return commit.NewProfile()
	case isFile && !m.IsEdit():
		return commit.NewFile(file)
	case m.Type() != commit.TypeText || m.IsEdit():
		return nil
	case isReply:
		return commit.NewReply(reply, m.Body())
	case isReaction:
		return commit.NewReaction(react, m.Body())
	}
	return commit.NewText(m.Body())
}

func checkProfile(t *testing.T, trees *commit.Trees, tree commit.ObjectID) {
	t.Helper()
	id, ok, err := trees.File(t.Context(), tree, commit.ProfilePath)
	if err != nil || !ok {
		return
	}
	b, err := trees.Blob(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	p, err := commit.ParseProfile(b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
		t.Errorf("profile %v: %v\ngot  %q\nwant %q", id, err, again, b)
	}
}

// What the daemon told of profile and members is what the tree of its head
// says; its cache may call a member invited that is none any more.
func TestInfosVectors(t *testing.T) {
	for _, real := range swarmtest.Reals(t) {
		repo := swarmtest.Load(t, real.Name)
		head, err := commit.ReadCommit(t.Context(), repo.Objects, real.Head)
		if err != nil {
			t.Fatal(err)
		}
		trees := commit.NewTrees(repo.Objects)
		var p commit.Profile
		if id, ok, _ := trees.File(t.Context(), head.Tree, commit.ProfilePath); ok {
			b, _ := trees.Blob(t.Context(), id)
			if p, err = commit.ParseProfile(b); err != nil {
				t.Fatal(err)
			}
		}
		for k, v := range map[string]string{"title": p.Title, "description": p.Description, "avatar": p.Avatar} {
			if want := real.Infos[k]; want != v && want != "" {
				t.Errorf("%s: %s %q, want %q", real.Name, k, v, want)
			}
		}
		for _, m := range real.Members {
			var in []string
			for _, kind := range []commit.Kind{commit.Admins, commit.Members, commit.Invited} {
				for _, path := range []string{kind.File(m.URI), kind.Banned(m.URI)} {
					if _, ok, _ := trees.Lookup(t.Context(), head.Tree, path); ok {
						in = append(in, path)
					}
				}
			}
			where := strings.Join(in, " ")
			ok := strings.HasPrefix(where, m.Role) || m.Role == "invited" && where != "" ||
				m.Role == "banned" && strings.HasPrefix(where, "banned")
			if !ok {
				t.Errorf("%s: %s is %s, found %q", real.Name, m.URI, m.Role, where)
			}
		}
	}
}
