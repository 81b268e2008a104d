package view_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/view"
	"pgregory.net/rapid"
)

func id(i int) commit.ObjectID { return commit.ObjectID{byte(i + 1), 1} }

// The newest edit of the author counts, others' do not; a deletion leaves no
// text; reactions go when they are deleted.
func TestFold(t *testing.T) {
	ann, bob := ident.URI{1}, ident.URI{2}
	f := view.NewFold()
	for i, e := range []struct {
		who ident.URI
		m   commit.Message
	}{
		{ann, commit.NewText("one")},                          // 0
		{bob, commit.NewReaction(id(0), "👍")},                 // 1
		{ann, commit.NewReaction(id(0), "👍")},                 // 2
		{bob, commit.NewReaction(id(0), "❤")},                 // 3
		{ann, commit.NewEdit(id(0), "one, edited")},           // 4
		{bob, commit.NewEdit(id(0), "not mine")},              // 5
		{ann, commit.NewEdit(id(0), "one, at last")},          // 6
		{bob, commit.NewEdit(id(3), "")},                      // 7: takes the heart back
		{bob, commit.NewReply(id(0), "two")},                  // 8
		{bob, commit.NewEdit(id(8), "")},                      // 9
		{ann, nil},                                            // 10: a merge
		{ann, commit.NewFile(commit.File{Name: "a", TID: 1})}, // 11
		{ann, commit.NewFileDeletion(id(11))},                 // 12
	} {
		f.Newer(view.Entry{ID: id(i), Account: e.who, Time: int64(i), Message: e.m})
	}
	items := f.Items(0, 0)
	if len(items) != 3 || f.Len() != 3 {
		t.Fatalf("%d messages", len(items))
	}
	if it := items[2]; it.Body != "one, at last" || it.Deleted || !reflect.DeepEqual(it.Edits, []view.Edit{{id(4), "one, edited", 4}, {id(0), "one", 0}}) ||
		!reflect.DeepEqual(it.Reactions, []view.Reaction{{Emoji: "👍", Accounts: []ident.URI{bob, ann}}}) {
		t.Errorf("%+v", it)
	}
	if it := items[1]; it.Body != "" || !it.Deleted || it.ReplyTo != id(0) || len(it.Edits) != 1 || it.Edits[0].Body != "two" {
		t.Errorf("%+v", it)
	}
	if it := items[0]; !it.Deleted {
		t.Errorf("%+v", it)
	}
	if w, ok := f.Wanted(); ok {
		t.Errorf("%v is wanted", w)
	}
	f.Older(view.Entry{ID: commit.ObjectID{9}, Account: ann, Message: commit.NewReply(commit.ObjectID{8}, "x")})
	if w, ok := f.Wanted(); !ok || w != (commit.ObjectID{8}) {
		t.Errorf("%v is wanted", w)
	}
}

// From either end and from the middle, the fold is the same.
func TestFoldFromAnyEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "n")
		var line []view.Entry
		for i := range n {
			about := id(rapid.IntRange(0, n-1).Draw(t, "about"))
			body := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "body")
			m := rapid.SampledFrom([]commit.Message{nil, commit.NewText(body), commit.NewEdit(about, body),
				commit.NewReaction(about, body), commit.NewReply(about, body)}).Draw(t, "m")
			line = append(line, view.Entry{ID: id(i), Account: ident.URI{byte(rapid.IntRange(1, 2).Draw(t, "who"))}, Message: m})
		}
		var all [][]view.Item
		for _, from := range []int{0, n, n / 2} {
			f := view.NewFold()
			for _, e := range slices.Backward(line[:from]) {
				f.Older(e)
			}
			for _, e := range line[from:] {
				f.Newer(e)
			}
			items := f.Items(0, 0)
			for i := range items {
				items[i].Place = 0
			}
			all = append(all, items)
		}
		if !reflect.DeepEqual(all[0], all[1]) || !reflect.DeepEqual(all[0], all[2]) {
			t.Fatalf("%+v\n%+v\n%+v", all[0], all[1], all[2])
		}
	})
}

// The messages of a real history are those that its daemon told of.
func TestFoldVectors(t *testing.T) {
	for _, real := range swarmtest.Reals(t) {
		repo := swarmtest.Load(t, real.Name)
		f := view.NewFold()
		want, edits := 0, 0
		for _, m := range real.Messages {
			switch {
			case m["type"] == "merge", m["react-to"] != nil && m["react-to"] != "":
			case m["edit"] != nil && m["edit"] != "":
				edits++
			default:
				want++
			}
		}
		for oid, err := range order.Walk(t.Context(), order.Objects(repo.Objects), repo.Head) {
			if err != nil {
				t.Fatal(err)
			}
			c, err := commit.ReadCommit(t.Context(), repo.Objects, oid)
			if err != nil {
				t.Fatal(err)
			}
			e := view.Entry{ID: oid, Time: c.Author.Time}
			if len(c.Parents) < 2 {
				if e.Message, err = commit.ParseMessage(c.Message); err != nil {
					t.Fatal(err)
				}
			}
			f.Older(e)
		}
		edited := 0
		for _, it := range f.Items(0, 0) {
			if len(it.Edits) > 0 {
				edited++
			}
		}
		if f.Len() != want || edited > edits || (edits > 0) != (edited > 0) {
			t.Errorf("%s: %d messages, want %d; %d edited by %d", real.Name, f.Len(), want, edited, edits)
		}
	}
}

func TestPeople(t *testing.T) {
	a, a2, b, c, d := swarmtest.Device(t, 0, 0), swarmtest.Device(t, 0, 1), swarmtest.Device(t, 1, 0), swarmtest.Device(t, 2, 0), swarmtest.Device(t, 3, 0)
	w := swarmtest.NewWorld(t, t)
	h := w.Member(w.Member(w.Begin(a, commit.InvitesOnly, ident.URI{}), a, b), a, c)
	h = w.Text(h, a2, "x")
	crl, err := swarmtest.Account(t, 0).Revoke(nil, w.Now, a2.Cert)
	if err != nil {
		t.Fatal(err)
	}
	text := w.Text(h, c, "apart")
	ban := w.Vote(h, commit.Ban, c.URI().String(), a)
	h = w.Merge(b, ban, text)
	h = w.Write(h, b, compose.Add(d.URI()))
	h = w.Vote(h, commit.Ban, b.ID().String(), a)
	listed := w.Raw(a, []commit.Change{w.Put(commit.CRLPath(a.URI()), crl)}, nil, h)
	at := w.At(listed)
	people, err := view.People(t.Context(), at.Trees, at.Tree)
	if err != nil {
		t.Fatal(err)
	}
	got := map[ident.URI]string{}
	for _, p := range people {
		got[p.URI] = fmt.Sprint(p.Role, p.Was, len(p.Devices), len(p.Barred))
	}
	want := map[ident.URI]string{a.URI(): "admin1 1", b.URI(): "member0 1", c.URI(): "bannedmember0 0", d.URI(): "invited0 0"}
	for u, s := range want {
		if got[u] == "" || got[u] != s {
			t.Errorf("%v: %q, want %q", u, got[u], s)
		}
	}
	g := order.NewMemory(nil)
	if err := g.Load(t.Context(), order.Objects(w.Objects), nil, h); err != nil {
		t.Fatal(err)
	}
	for id, apart := range map[commit.ObjectID]bool{text: true, w.Root: false, h: false} {
		if ok, err := view.Apart(t.Context(), g, ban, id); err != nil || ok != apart {
			t.Errorf("%v: %v %v", id, ok, err)
		}
	}
}
