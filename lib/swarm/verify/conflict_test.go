package verify_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/swarmtest"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
	"pgregory.net/rapid"
)

// role is where somebody stands: what is in banned/ counts before all else.
func role(at compose.At, who string) string {
	ctx := context.Background()
	for _, kind := range []commit.Kind{commit.Members, commit.Admins, commit.Invited, commit.Devices} {
		if _, ok, _ := at.Trees.Lookup(ctx, at.Tree, kind.Banned(who)); ok {
			return "banned"
		}
	}
	for _, kind := range []commit.Kind{commit.Admins, commit.Members, commit.Invited, commit.Devices} {
		if _, ok, _ := at.Trees.Lookup(ctx, at.Tree, kind.File(who)); ok {
			return string(kind)
		}
	}
	return "nobody"
}

// admins is a group of a, b and c, all of them admins, and d, who is not.
func (w *cast) admins() commit.ObjectID {
	h := w.Member(w.group(), w.a, w.d)
	h = w.Vote(h, commit.Elevate, w.b.URI().String(), w.a)
	return w.Vote(h, commit.Elevate, w.c.URI().String(), w.a, w.b)
}

// met merges two sides in both directions by the same member, wants both merges
// to be valid and to have one tree, and returns one.
func (w *cast) met(by *ident.Device, one, two commit.ObjectID) commit.ObjectID {
	w.t.Helper()
	a, b := w.Merge(by, one, two), w.Merge(by, two, one)
	if w.At(a).Tree != w.At(b).Tree {
		w.t.Errorf("the merges differ")
	}
	w.good(a, verify.Strict)
	w.good(b, verify.Strict)
	return a
}

// is wants an account to stand somewhere, on a head.
func (w *cast) is(h commit.ObjectID, d *ident.Device, want string) {
	w.t.Helper()
	if got := role(w.At(h), d.URI().String()); got != want {
		w.t.Errorf("%s is %s, want %s", d.URI().String()[:8], got, want)
	}
}

// Two of three admins ban each other, the third votes on both sides from two
// devices that do not see each other: both are banned, and neither can merge.
func TestAdminsBanEachOther(t *testing.T) {
	w := newCast(t)
	c2 := swarmtest.Device(t, 2, 1)
	h := w.admins()
	one := w.Vote(h, commit.Ban, w.b.URI().String(), w.a, w.c)
	two := w.Vote(h, commit.Ban, w.a.URI().String(), w.b, c2)
	for _, d := range []*ident.Device{w.a, w.b} {
		w.bad2(w.Merge(d, one, two), verify.NoDevice)
	}
	m := w.met(w.d, one, two)
	w.is(m, w.a, "banned")
	w.is(m, w.b, "banned")
	w.is(m, w.c, "admins")
	w.bad(w.Text(m, w.a, "a"), verify.NoMember)
	// The one left can let one of them in again, who is an admin again.
	back := w.Vote(m, commit.Unban, w.a.URI().String(), w.c)
	w.good(w.Text(back, w.a, "thanks"), verify.Strict)
	w.is(back, w.a, "admins")
}

// bad2 is bad for a merge, whose author is at fault.
func (w *cast) bad2(head commit.ObjectID, want verify.Code) {
	w.t.Helper()
	w.bad(head, want)
	if r := w.verdict(head, verify.Strict); r == nil || !r.Merge {
		w.t.Errorf("%v is not about the merge", r)
	}
}

// With two admins neither gets more than half: no vote decides, nobody goes.
func TestTwoAdminsCannotBanEachOther(t *testing.T) {
	w := newCast(t)
	h := w.Vote(w.group(), commit.Elevate, w.b.URI().String(), w.a)
	m := w.met(w.c, vote(w, h, w.a, w.b), vote(w, h, w.b, w.a))
	w.is(m, w.a, "admins")
	w.is(m, w.b, "admins")
	for _, d := range []*ident.Device{w.a, w.b} {
		s, _ := compose.Find(t.Context(), w.At(m), commit.Ban, d.URI().String())
		if votes, admins, err := compose.Count(t.Context(), w.At(m), s); err != nil || votes != 1 || admins != 2 {
			t.Errorf("%d of %d, %v", votes, admins, err)
		}
	}
}

// What somebody wrote before hearing of the ban stays, with what it did;
// nothing follows.
func TestBanAgainstWriting(t *testing.T) {
	w := newCast(t)
	h := w.group()
	ban := w.Vote(h, commit.Ban, w.c.URI().String(), w.a)
	apart := w.Write(w.Text(h, w.c, "not knowing"), w.c, compose.Add(w.d.URI()))
	w.bad2(w.Merge(w.c, apart, ban), verify.NoDevice)
	m := w.met(w.b, ban, apart)
	w.is(m, w.c, "banned")
	w.is(m, w.d, "invited")
	w.bad(w.Text(m, w.c, "knowing"), verify.NoMember)
	// A branch that goes on from before is valid by itself: who meets it decides
	// by what it holds whether to take it.
	w.good(w.Text(apart, w.c, "still apart"), modes...)
}

// sides are things that two who are apart do, and what comes of them; always
// the one who did not do them merges.
func TestConflicts(t *testing.T) {
	who := func(d *ident.Device) string { return d.URI().String() }
	leave := func(w *cast, h commit.ObjectID, d *ident.Device) commit.ObjectID {
		draft, err := compose.Leave(t.Context(), w.At(h), d)
		if err != nil {
			t.Fatal(err)
		}
		return w.Write(h, d, draft)
	}
	renew := func(w *cast, h commit.ObjectID, d *ident.Device) commit.ObjectID {
		return w.Raw(d, []commit.Change{w.Put(commit.MemberPath(d.URI()), append(d.AccountPEM(), '\n'))}, nil, h)
	}
	for name, x := range map[string]struct {
		one, two func(w *cast, h commit.ObjectID) commit.ObjectID
		want     string // of c
		writes   verify.Code
	}{
		"ban and leave": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Ban, who(w.c), w.a) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return leave(w, h, w.c) }, "banned", verify.NoMember},
		"ban and new certificate": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Ban, who(w.c), w.a) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return renew(w, h, w.c) }, "banned", verify.NoMember},
		"ban and elevation": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Ban, who(w.c), w.a) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Elevate, who(w.c), w.a) }, "banned", verify.Banned},
		"ban twice": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Ban, who(w.c), w.a) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Ban, who(w.c), w.a2) }, "banned", verify.NoMember},
		"leave and elevation": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return leave(w, h, w.c) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Elevate, who(w.c), w.a) }, "admins", ""},
		"leave and writing": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return leave(w, h, w.c) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Text(h, swarmtest.Device(w.t, 2, 1), "x") }, "nobody", verify.NoMember},
		"invitation twice": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Write(h, w.a, compose.Add(w.d.URI())) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Write(h, w.b, compose.Add(w.d.URI())) }, "members", ""},
		"elevation twice": {
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Elevate, who(w.c), w.a) },
			func(w *cast, h commit.ObjectID) commit.ObjectID { return w.Vote(h, commit.Elevate, who(w.c), w.a2) }, "admins", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCast(t)
			h := w.Text(w.group(), w.a2, "second device")
			m := w.met(w.b, x.one(w, h), x.two(w, h))
			w.is(m, w.c, x.want)
			if next := w.Text(m, w.c, "next"); x.writes == "" {
				w.good(next, verify.Strict)
			} else {
				w.bad(next, x.writes)
			}
		})
	}
}

// Somebody invited is banned and joins at the same time: banned.
func TestBanAgainstJoin(t *testing.T) {
	w := newCast(t)
	h := w.Write(w.group(), w.b, compose.Add(w.d.URI()))
	m := w.met(w.b, w.Vote(h, commit.Ban, w.d.URI().String(), w.a), w.Write(h, w.d, compose.Join(w.d)))
	w.is(m, w.d, "banned")
	w.bad(w.Text(m, w.d, "in?"), verify.Banned)
}

// Every admin is banned by the others, each voting on several sides: nobody can
// vote any more, the others go on.
func TestNoAdminIsLeft(t *testing.T) {
	w := newCast(t)
	h := w.admins()
	devices := func(i int) (one, two *ident.Device) { return swarmtest.Device(t, i, 0), swarmtest.Device(t, i, 1) }
	a, a2 := devices(0)
	b, b2 := devices(1)
	c, c2 := devices(2)
	one := w.Vote(h, commit.Ban, a.URI().String(), b, c)
	two := w.Vote(h, commit.Ban, b.URI().String(), a, c2)
	three := w.Vote(h, commit.Ban, c.URI().String(), a2, b2)
	m := w.met(w.d, w.met(w.d, one, two), three)
	for _, d := range []*ident.Device{a, b, c} {
		w.is(m, d, "banned")
	}
	e := swarmtest.Device(t, 4, 0)
	w.good(w.Text(w.Member(m, w.d, e), e, "hello"), verify.Strict)
	w.bad(vote(w, w.Member(m, w.d, e), w.d, e), verify.VoteAdmin)
}

// What a revoked device wrote, not knowing, stays; after the merge it is
// refused.
func TestRevocationAgainstWriting(t *testing.T) {
	w := newCast(t)
	h := w.Text(w.group(), w.a2, "second device")
	crl, err := swarmtest.Account(t, 0).Revoke(nil, w.Now, w.a2.Cert)
	if err != nil {
		t.Fatal(err)
	}
	m := w.met(w.b, w.Write(h, w.a, compose.RemoveDevice(w.a2.ID(), crl)), w.Text(h, w.a2, "not knowing"))
	w.bad(w.Text(m, w.a2, "knowing"), verify.Revoked)
	w.good(w.Text(m, w.a, "the account writes"), modes...)
}

// After the end of its certificate a device is refused, unless it lies about the
// time; with a new certificate for its key it goes on.
func TestEndOfACertificate(t *testing.T) {
	w := newCast(t)
	h := w.group()
	old, err := swarmtest.Account(t, 1).Certify(w.b2.Cert.PublicKey(), w.Now.Add(-ident.Lifetime-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	dev := *w.b2
	dev.Cert = old
	w.bad(w.Text(h, &dev, "too late"), verify.Expired)
	lie := w.Raw(&dev, []commit.Change{w.Put(commit.DevicePath(dev.ID()), old.PEM())}, func(c *commit.Commit) {
		c.Author.Time -= 48 * 3600
		c.Committer.Time = c.Author.Time
	}, h)
	w.good(lie, modes...)
	w.bad(w.Text(lie, w.b2, "still the old file"), verify.Expired)
	renewed := w.Raw(w.b2, []commit.Change{w.Put(commit.DevicePath(dev.ID()), w.b2.Cert.PEM())}, nil, lie)
	w.good(renewed, modes...)
}

// A profile changed on both sides is that of the higher head, also the first.
func TestProfilesMeet(t *testing.T) {
	w := newCast(t)
	h := w.group()
	profile := func(title string) compose.Draft {
		d, err := compose.Profile(commit.Profile{Title: title})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for i := range 2 {
		one, two := w.Write(h, w.a, profile(fmt.Sprint("one", i))), w.Write(h, w.a2, profile(fmt.Sprint("two", i)))
		m := w.met(w.b, one, two)
		if file(w, m, commit.ProfilePath) != file(w, max1(one, two), commit.ProfilePath) {
			t.Error("not the profile of the higher head")
		}
		h = m
	}
}

func max1(a, b commit.ObjectID) commit.ObjectID {
	if a.String() > b.String() {
		return a
	}
	return b
}

// A device that writes with dates of its own moves only among what was written
// at the same time.
func TestLyingDates(t *testing.T) {
	w := newCast(t)
	h := w.group()
	text := w.Text(h, w.a, "one")
	past := w.Raw(w.b, nil, func(c *commit.Commit) { c.Author.Time, c.Committer.Time = 1, 1 }, text)
	w.good(past, modes...)
	w.good(w.met(w.c, past, w.Text(text, w.a, "two")), modes...)
}

// Members do random things on what each has, and merge at random. All that is
// written is valid; in whatever order all heads are merged, members and bans are
// the same; and where the results meet, all of the tree is, the profile too.
func TestSameCommitsSameMembers(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value.String()
	if checks == "100" {
		_ = flag.Set("rapid.checks", "8") // signatures are slow
		defer func() { _ = flag.Set("rapid.checks", checks) }()
	}
	devices := []*ident.Device{swarmtest.Device(t, 0, 0), swarmtest.Device(t, 1, 0), swarmtest.Device(t, 2, 0), swarmtest.Device(t, 3, 0), swarmtest.Device(t, 0, 1)}
	rapid.Check(t, func(r *rapid.T) {
		w := swarmtest.NewWorld(r, t)
		h := w.Member(w.Member(w.Begin(devices[0], commit.InvitesOnly, ident.URI{}), devices[0], devices[1]), devices[1], devices[2])
		heads := []commit.ObjectID{h, h, h, h, h}
		for i := range rapid.IntRange(3, 10).Draw(r, "steps") {
			by := rapid.IntRange(0, 4).Draw(r, fmt.Sprint("by", i))
			heads[by] = step(r, t, w, heads, by, devices)
		}
		one, two := meet(r, w, heads, devices), meet(r, w, reversed(heads), devices)
		if one.IsZero() || two.IsZero() {
			return // nobody is left to merge
		}
		for _, d := range devices {
			if a, b := role(w.At(one), d.URI().String()), role(w.At(two), d.URI().String()); a != b {
				r.Fatalf("%s is %s or %s", d.URI(), a, b)
			}
		}
		// Who merges the two, and from which side, makes no difference.
		if a, b := w.Merge(devices[0], one, two), w.Merge(devices[1], two, one); w.At(a).Tree != w.At(b).Tree {
			r.Fatalf("the trees of %v and %v differ", a, b)
		}
		for _, h := range []commit.ObjectID{one, two} {
			if _, err := verify.History(t.Context(), w.Objects, h, verify.Options{Root: w.Root}); err != nil {
				r.Fatalf("%v", err)
			}
		}
	})
}

func reversed(ids []commit.ObjectID) []commit.ObjectID {
	out := slices.Clone(ids)
	slices.Reverse(out)
	return out
}

// step does one thing on a device's head, if it may.
func step(r *rapid.T, t *testing.T, w *swarmtest.World, heads []commit.ObjectID, by int, devices []*ident.Device) commit.ObjectID {
	h, d := heads[by], devices[by]
	mine := role(w.At(h), d.URI().String())
	other := devices[rapid.IntRange(0, 3).Draw(r, "other")]
	what := rapid.SampledFrom([]string{"text", "add", "ban", "elevate", "leave", "merge", "profile"}).Draw(r, "what")
	theirs := role(w.At(h), other.URI().String())
	self := other.URI() == d.URI()
	switch {
	case mine == "invited":
		return w.Write(h, d, compose.Join(d))
	case mine != "admins" && mine != "members":
		return h
	case what == "add" && theirs == "nobody" && !self:
		return w.Write(h, d, compose.Add(other.URI()))
	case (what == "ban" && !strings.Contains("banned nobody", theirs) || what == "elevate" && theirs == "members") && mine == "admins" && !self:
		return decide(t, w, h, d, commit.Action(what), other.URI().String())
	case what == "leave" && by == 2:
		if draft, err := compose.Leave(t.Context(), w.At(h), d); err == nil {
			return w.Write(h, d, draft)
		}
	case what == "profile" && mine == "admins":
		p, _ := compose.Profile(commit.Profile{Title: w.Now.String()})
		return w.Write(h, d, p)
	case what == "merge":
		with := heads[rapid.IntRange(0, 4).Draw(r, "with")]
		if m := w.Merge(d, h, with); may(w, m, d) {
			return m
		}
		return h
	}
	return w.Text(h, d, "text")
}

// decide votes, and carries out what that decides.
func decide(t *testing.T, w *swarmtest.World, h commit.ObjectID, d *ident.Device, a commit.Action, who string) commit.ObjectID {
	s, err := compose.Find(t.Context(), w.At(h), a, who)
	if err != nil {
		return h
	}
	if v, ok, _ := compose.Vote(t.Context(), w.At(h), s, d.URI()); ok {
		h = w.Write(h, d, v)
	}
	if draft, ok, _ := compose.Resolve(t.Context(), w.At(h), s, d.URI()); ok {
		h = w.Write(h, d, draft)
	}
	return h
}

// may tells whether a device can have written a merge.
func may(w *swarmtest.World, head commit.ObjectID, d *ident.Device) bool {
	at := w.At(head)
	r := role(at, d.URI().String())
	_, device, _ := at.Trees.Lookup(context.Background(), at.Tree, commit.DevicePath(d.ID()))
	return device && (r == "admins" || r == "members")
}

// meet merges all heads, each time by the first device that may.
func meet(r *rapid.T, w *swarmtest.World, heads []commit.ObjectID, devices []*ident.Device) commit.ObjectID {
	h := heads[0]
next:
	for _, other := range heads[1:] {
		for _, d := range devices {
			if m := w.Merge(d, h, other); m == h || m == other || may(w, m, d) {
				h = m
				continue next
			}
		}
		return commit.ObjectID{}
	}
	return h
}
