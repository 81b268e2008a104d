package verify_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

// cast is a world with some accounts, each with two devices.
type cast struct {
	*swarmtest.World
	t          *testing.T
	a, b, c, d *ident.Device
	a2, b2     *ident.Device
}

func newCast(t *testing.T) *cast {
	dev := func(i, j int) *ident.Device { return swarmtest.Device(t, i, j) }
	return &cast{World: swarmtest.NewWorld(t, t), t: t, a: dev(0, 0), b: dev(1, 0), c: dev(2, 0), d: dev(3, 0), a2: dev(0, 1), b2: dev(1, 1)}
}

// group is a conversation of a, the admin, b and c.
func (w *cast) group() commit.ObjectID {
	h := w.Begin(w.a, commit.InvitesOnly, ident.URI{})
	return w.Member(w.Member(h, w.a, w.b), w.b, w.c)
}

var modes = []verify.Mode{verify.Strict, verify.Daemon2026, verify.Daemon2023}

func (w *cast) verdict(head commit.ObjectID, mode verify.Mode) *verify.Reason {
	w.t.Helper()
	_, err := verify.History(w.t.Context(), w.Objects, head, verify.Options{Mode: mode, Root: w.Root})
	r, ok := verify.AsReason(err)
	if err != nil && !ok {
		w.t.Fatal(err)
	}
	return r
}

// good wants a history to be accepted in some modes.
func (w *cast) good(head commit.ObjectID, modes ...verify.Mode) {
	w.t.Helper()
	for _, m := range modes {
		if r := w.verdict(head, m); r != nil {
			c, _ := commit.ReadCommit(w.t.Context(), w.Objects, r.Commit)
			w.t.Errorf("%v: %v\n%s", m, r, c.Message)
		}
	}
}

// bad wants the strict rules to refuse head, and no commit before it, for a
// reason.
func (w *cast) bad(head commit.ObjectID, want verify.Code) {
	w.t.Helper()
	r := w.verdict(head, verify.Strict)
	if r == nil || r.Code != want || r.Commit != head {
		w.t.Errorf("%v, want %s", r, want)
	}
}

// What is written, we and daemons accept, and git finds no fault with it.
func TestWritersOfAllKinds(t *testing.T) {
	w := newCast(t)
	for _, mode := range []commit.Scope{commit.OneToOne, commit.AdminInvites, commit.InvitesOnly, commit.Public} {
		h := w.Begin(w.a, mode, w.b.URI())
		if mode == commit.OneToOne {
			h = w.Write(h, w.b, compose.Join(w.b))
		} else {
			h = w.Member(h, w.a, w.b)
			h = w.Member(h, w.b, w.c)
		}
		w.good(w.Text(h, w.a, "hello"), modes...)
	}
	// one with oneself
	self := w.Begin(w.a, commit.OneToOne, w.a.URI())
	w.good(w.Text(self, w.a2, "note"), modes...)

	h := w.group()
	profile, err := compose.Profile(commit.Profile{Title: "T", Description: "D", Avatar: "aGk="})
	if err != nil {
		t.Fatal(err)
	}
	h = w.Write(h, w.a, profile)
	text := w.Text(h, w.b, "hello ❤")
	file := w.Write(text, w.c, compose.Message(commit.NewFile(commit.File{Name: "a.txt", SHA3: "00", TID: 1, Size: 2})))
	h = file
	for _, x := range []struct {
		d *ident.Device
		m commit.Message
	}{
		{w.a, commit.NewReply(text, "hi")}, {w.c, commit.NewReaction(text, "👍")}, {w.b, commit.NewEdit(text, "hello!")},
		{w.b2, commit.NewEdit(text, "")}, {w.c, commit.NewFileDeletion(file)}, {w.a2, commit.NewText("second device")},
		{w.a, commit.NewCall(w.b.URI(), 1000, "")}, {w.a, commit.NewGroupCall("1", w.a.ID(), w.a.URI(), -1)},
		{w.a, commit.NewGroupCall("1", w.a.ID(), w.a.URI(), 5)}, {w.b, commit.Message{"type": "application/else"}},
	} {
		h = w.Write(h, x.d, compose.Message(x.m))
	}
	h = w.Merge(w.a, w.Text(h, w.a, "left"), w.Text(h, w.b, "right"))
	h = w.Vote(h, commit.Ban, w.b2.ID().String(), w.a)
	h = w.Vote(h, commit.Unban, w.b2.ID().String(), w.a)
	h = w.Vote(h, commit.Ban, w.c.URI().String(), w.a)
	h = w.Vote(h, commit.Unban, w.c.URI().String(), w.a)
	h = w.Text(h, w.c, "back")
	h = w.Write(h, w.b, compose.Add(w.d.URI()))
	h = w.Vote(h, commit.Ban, w.d.URI().String(), w.a)
	crl, err := swarmtest.Account(t, 0).Revoke(nil, w.Now, w.a2.Cert)
	if err != nil {
		t.Fatal(err)
	}
	h = w.Write(h, w.a, compose.RemoveDevice(w.a2.ID(), crl))
	w.good(h, verify.Strict)
	w.bad(w.Text(h, w.a2, "revoked"), verify.Revoked)
	leave, err := compose.Leave(t.Context(), w.At(h), w.c)
	if err != nil {
		t.Fatal(err)
	}
	h = w.Write(h, w.c, leave)
	h = w.Member(h, w.b, w.c)
	w.good(h, modes...)

	dir := swarmtest.WriteGit(t, w.Objects, h)
	if out := swarmtest.Git(t, dir, "fsck", "--strict", "--no-dangling", "--no-progress"); out != "" {
		t.Error(out)
	}
	line, err := order.All(t.Context(), order.Objects(w.Objects), h)
	if err != nil {
		t.Fatal(err)
	}
	if got := swarmtest.Git(t, dir, "rev-list", "--count", "main"); got != strconv.Itoa(len(line))+"\n" {
		t.Errorf("git counts %s of %d", got, len(line))
	}
}

// A second admin is made by vote. Daemons refuse the vote.
func TestSecondAdmin(t *testing.T) {
	w := newCast(t)
	h := w.group()
	up := w.Vote(h, commit.Elevate, w.b.URI().String(), w.a)
	w.good(up, verify.Strict)
	for _, m := range modes[1:] {
		if r := w.verdict(up, m); r == nil || r.Code != verify.VoteKind {
			t.Errorf("%v: %v", m, r)
		}
	}
	profile, _ := compose.Profile(commit.Profile{Title: "by b"})
	h = w.Write(up, w.b, profile)
	w.good(h, verify.Strict)

	// Half of two is not more than half.
	s, _ := compose.Find(t.Context(), w.At(h), commit.Ban, w.c.URI().String())
	vote, _, _ := compose.Vote(t.Context(), w.At(h), s, w.a.URI())
	h = w.Write(h, w.a, vote)
	if _, ok, _ := compose.Resolve(t.Context(), w.At(h), s, w.a.URI()); ok {
		t.Error("one vote of two decided")
	}
	forced := w.Raw(w.a, []commit.Change{
		{Path: s.From}, {Path: s.To, New: file(w, h, s.From)}, {Path: commit.Vote{Action: commit.Ban, Kind: commit.Members, Who: s.Who, Voter: w.a.URI().String()}.Path()},
	}, say(commit.NewMember(commit.Ban, s.Who)), h)
	w.bad(forced, verify.BanVotes)
	w.good(w.Vote(h, commit.Ban, w.c.URI().String(), w.b), verify.Strict)

	// To step down needs no vote, but the last admin stays.
	s, _ = compose.Find(t.Context(), w.At(h), commit.Demote, w.a.URI().String())
	down, ok, err := compose.Resolve(t.Context(), w.At(h), s, w.a.URI())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	h = w.Write(h, w.a, down)
	w.good(h, verify.Strict)
	w.bad(w.Write(h, w.a, profile), verify.ProfileAdmin)
	s, _ = compose.Find(t.Context(), w.At(h), commit.Demote, w.b.URI().String())
	if _, ok, _ := compose.Resolve(t.Context(), w.At(h), s, w.b.URI()); ok {
		t.Error("the last admin could step down")
	}
	w.bad(w.Raw(w.b, []commit.Change{{Path: s.From}, {Path: s.To, New: file(w, h, s.From)}},
		say(commit.NewMember(commit.Demote, s.Who)), h), verify.RoleLast)
	w.bad(w.Raw(w.c, []commit.Change{{Path: commit.MemberPath(w.c.URI())}, {Path: commit.AdminPath(w.c.URI()), New: file(w, h, commit.MemberPath(w.c.URI()))}},
		say(commit.NewMember(commit.Elevate, w.c.URI().String())), h), verify.RoleAdmin)
	w.bad(w.Raw(w.b, []commit.Change{{Path: commit.MemberPath(w.c.URI())}, {Path: commit.AdminPath(w.c.URI()), New: file(w, h, commit.MemberPath(w.c.URI()))}},
		say(commit.NewMember(commit.Elevate, w.c.URI().String())), h), verify.RoleVotes)
}

// file is what stands at a path.
func file(w *cast, head commit.ObjectID, path string) commit.Value {
	w.t.Helper()
	at := w.At(head)
	e, ok, err := at.Trees.Lookup(w.t.Context(), at.Tree, path)
	if err != nil || !ok {
		w.t.Fatalf("no %s: %v", path, err)
	}
	return commit.Value{Mode: e.Mode, ID: e.ID}
}

func say(m commit.Message) func(*commit.Commit) {
	return func(c *commit.Commit) { c.Message, _ = m.AppendBinary(nil) }
}

// A fetch that adds to what we have gives the verdict of the whole, with known
// commits given or found, in parallel or not.
func TestHistoryInParts(t *testing.T) {
	w := newCast(t)
	local := w.Text(w.group(), w.a, "here")
	head := w.Merge(w.b, w.Text(local, w.b, "one"), w.Text(w.Text(local, w.c, "two"), w.c, "three"))
	bad := w.Write(head, w.b, compose.Message(commit.Message{"type": "member", "action": "else", "uri": w.c.URI().String()}))
	after := w.Text(bad, w.c, "after")
	for _, workers := range []int{0, 1} {
		var seen []commit.ObjectID
		opt := verify.Options{Local: local, Root: w.Root, Workers: workers,
			Each: func(id commit.ObjectID, err error) { seen = append(seen, id) }}
		r, err := verify.History(t.Context(), w.Objects, head, opt)
		if err != nil || r.Commits != 4 || len(seen) != 4 || seen[3] != head {
			t.Errorf("%v %v %v", r, err, seen)
		}
		seen = nil
		r, err = verify.History(t.Context(), w.Objects, after, opt)
		if r.First == nil || r.First.Commit != bad || err == nil || slices.Contains(seen, after) {
			t.Errorf("%v %v", r, err)
		}
		opt.All, seen = true, nil
		if r, _ = verify.History(t.Context(), w.Objects, after, opt); r.Commits != 6 || seen[5] != after {
			t.Errorf("%v %v", r, seen)
		}
	}
	if r, err := verify.History(t.Context(), w.Objects, local, verify.Options{Local: local}); err != nil || r.Commits != 0 {
		t.Errorf("%v %v", r, err)
	}
	if err := verify.Check(t.Context(), w.Objects, head, verify.Options{}); err != nil {
		t.Error(err)
	}
	if err := verify.Check(t.Context(), w.Objects, bad, verify.Options{}); err == nil {
		t.Error("accepted alone")
	}
}

// Two admins who step down while apart leave none; a vote counts as long as the
// voter is an admin.
func TestSteppingDown(t *testing.T) {
	w := newCast(t)
	h := w.Vote(w.group(), commit.Elevate, w.b.URI().String(), w.a)
	down := func(h commit.ObjectID, d *ident.Device) commit.ObjectID {
		s, err := compose.Find(t.Context(), w.At(h), commit.Demote, d.URI().String())
		if err != nil {
			t.Fatal(err)
		}
		draft, ok, err := compose.Resolve(t.Context(), w.At(h), s, d.URI())
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return w.Write(h, d, draft)
	}
	m := w.met(w.c, down(h, w.a), down(h, w.b))
	w.is(m, w.a, "members")
	w.is(m, w.b, "members")
	w.bad(vote(w, m, w.a, w.c), verify.VoteAdmin)

	h = w.Vote(h, commit.Elevate, w.c.URI().String(), w.a, w.b)
	h = w.Member(h, w.c, w.d)
	h = down(vote(w, h, w.a, w.d), w.a)
	h = vote(w, h, w.b, w.d)
	s, err := compose.Find(t.Context(), w.At(h), commit.Ban, w.d.URI().String())
	if err != nil {
		t.Fatal(err)
	}
	if votes, admins, err := compose.Count(t.Context(), w.At(h), s); err != nil || votes != 1 || admins != 2 {
		t.Errorf("%d of %d, %v", votes, admins, err)
	}
	dir := commit.Vote{Action: commit.Ban, Kind: commit.Members, Who: s.Who}.Dir()
	w.bad(w.Raw(w.b, []commit.Change{{Path: dir + "/" + w.a.URI().String()}, {Path: dir + "/" + w.b.URI().String()}, {Path: s.From}, {Path: s.To, New: file(w, h, s.From)}},
		say(commit.NewMember(commit.Ban, s.Who)), h), verify.BanVotes)
}
