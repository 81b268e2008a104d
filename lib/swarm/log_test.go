package swarm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

func (p *person) log(q api.SwarmParams) *api.SwarmLog {
	p.t.Helper()
	return p.call("log", q).(*api.SwarmLog)
}

// Pages of any length put together are the whole, with what was said later about
// old messages, and the whole is the same in a copy that came at once.
func TestPages(t *testing.T) {
	a, b := someone(t, "alice", 0, 0), someone(t, "bob", 1, 0)
	a.knows(b)
	id := a.begin("Pages", true)
	conv := id.String()
	var said []string
	for i := range 12 {
		said = append(said, a.say(id, fmt.Sprint("message ", i)))
	}
	heart := a.call("react", api.SwarmParams{Conv: conv, Commit: said[1], Text: "❤"}).(*api.SwarmSent).Commit
	a.call("react", api.SwarmParams{Conv: conv, Commit: said[1], Text: "+1"})
	a.call("delete", api.SwarmParams{Conv: conv, Commit: heart})
	a.call("edit", api.SwarmParams{Conv: conv, Commit: said[2], Text: "mended"})
	a.call("edit", api.SwarmParams{Conv: conv, Commit: said[2], Text: "mended again"})
	a.call("delete", api.SwarmParams{Conv: conv, Commit: said[3]})

	whole := a.log(api.SwarmParams{Conv: conv})
	if len(whole.Messages) != 14 || whole.More {
		t.Fatalf("%d messages", len(whole.Messages))
	}
	byID := map[string]api.SwarmMessage{}
	for _, m := range whole.Messages {
		byID[m.Commit] = m
	}
	if m := byID[said[1]]; len(m.Reactions) != 1 || len(m.Reactions["+1"]) != 1 {
		t.Errorf("reactions: %v", m.Reactions)
	}
	if m := byID[said[2]]; m.Text != "mended again" || len(m.Edits) != 2 || m.Edits[0].Text != "mended" || m.Edits[1].Text != "message 2" {
		t.Errorf("edited: %+v", m)
	}
	if m := byID[said[3]]; m.Text != "" || !m.Deleted {
		t.Errorf("deleted: %+v", m)
	}
	for _, n := range []int{1, 3, 13, 14, 15} {
		var got []api.SwarmMessage
		l := a.log(api.SwarmParams{Conv: conv, Limit: n})
		for got = append(got, l.Messages...); l.More; got = append(got, l.Messages...) {
			l = a.log(api.SwarmParams{Conv: conv, Limit: n, Before: got[len(got)-1].Commit})
			if len(l.Messages) == 0 || len(l.Messages) > n {
				t.Fatalf("a page of %d of %d", len(l.Messages), n)
			}
		}
		if !reflect.DeepEqual(got, whole.Messages) {
			t.Errorf("pages of %d: %d messages, another history", n, len(got))
		}
	}
	if _, err := a.try("log", api.SwarmParams{Conv: conv, Before: "0123456789012345678901234567890123456789"}); err == nil {
		t.Error("before what is not there")
	}

	// b copies all at once; the raw line is the same, commit by commit.
	b.copy(a, a.invite(id, b))
	meet(t, id, a, b)
	raw := [2]*api.SwarmLog{a.log(api.SwarmParams{Conv: conv, Raw: true}), b.log(api.SwarmParams{Conv: conv, Raw: true})}
	for i := range raw[0].Messages {
		if x, y := raw[0].Messages[i], raw[1].Messages[i]; x.Commit != y.Commit {
			t.Fatalf("at %d %s and %s", i, x.Commit, y.Commit)
		}
	}
	l := b.log(api.SwarmParams{Conv: conv})
	for _, m := range l.Messages {
		if m.Commit == said[1] && len(m.Reactions) == 0 || m.Commit == said[2] && len(m.Edits) != 2 || m.Commit == said[3] && !m.Deleted {
			t.Errorf("in the copy: %+v", m)
		}
	}
	// An archive says who has it.
	sealed, err := b.sealArchive(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := openArchive(sealed, "secret")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "who has it", kept.Convs[0].Devices, []string{b.dev.ID().String(), a.dev.ID().String()})
	if p := kept.Peers[a.dev.ID().String()]; p.URI != a.uri() {
		t.Errorf("in the archive: %+v", p)
	}
	// Nothing is new after the head of a log.
	if l := b.call("since", api.SwarmParams{Conv: conv, Commit: l.Head}).(*api.SwarmLog); len(l.Messages) != 0 {
		t.Errorf("%d messages after the head", len(l.Messages))
	}
}

// What the handler did not take comes again, in order, and nothing is left out.
func TestToldAgain(t *testing.T) {
	a := someone(t, "alice", 0, 0)
	var heard []string
	fails, times := errors.New("disk full"), 0
	a.cfg.Handler = func(_ context.Context, m api.SwarmMessage) error {
		if times++; fails != nil && times%3 == 0 {
			return fails
		}
		if m.Text != "" && (len(heard) == 0 || heard[len(heard)-1] != m.Text) {
			heard = append(heard, m.Text)
		}
		return nil
	}
	id := a.begin("", false)
	for i := range 5 {
		a.say(id, fmt.Sprint(i))
	}
	fails = nil
	a.say(id, "last")
	seen := map[string]bool{}
	for _, text := range heard {
		seen[text] = true
	}
	if len(seen) != 6 || heard[len(heard)-1] != "last" {
		t.Errorf("heard %q", heard)
	}
	// A mark that names no commit of ours, as after a copy made anew: all again.
	heard = nil
	c, err := a.find(t.Context(), id.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.setMark(t.Context(), c, markTold, commit.ObjectID{1}); err != nil {
		t.Fatal(err)
	}
	a.say(id, "after")
	same(t, "told anew", heard, []string{"0", "1", "2", "3", "4", "last", "after"})
}

// What was written under a key by somebody who died before noting it is found
// again, sealed or not.
func TestIdemAfterCrash(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		a := someone(t, "alice", 0, 0)
		id := a.begin("", sealed)
		before, err := a.Head(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		q := api.SwarmParams{Conv: id.String(), Text: "once", Idem: "key"}
		first := a.call("send", q).(*api.SwarmSent).Commit
		a.say(id, "another")
		if err := a.cfg.Values.Put(t.Context(), value(kindIdem, id.String(), "key", sent{After: before.String()})); err != nil {
			t.Fatal(err)
		}
		if again := a.call("send", q).(*api.SwarmSent).Commit; again != first {
			t.Errorf("sealed %v: written again as %s", sealed, again)
		}
		same(t, "history", a.texts(id), []string{"once", "another"})
	}
}

// A name must fit one thing.
func TestNames(t *testing.T) {
	a := someone(t, "alice", 0, 0)
	for _, id := range []commit.ObjectID{{0xab, 1}, {0xab, 2}} {
		if err := a.putRecord(t.Context(), &convRecord{ID: id, State: Declined}); err != nil {
			t.Fatal(err)
		}
	}
	for name, code := range map[string]api.ErrorCode{"ab": api.CodeUsage, "ab01": "", "AB02": "", "ac": api.CodeNotFound, "": api.CodeNotFound} {
		_, err := a.resolve(t.Context(), name)
		if code == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var e *api.Error
		if !errors.As(apiError(err), &e) || e.Code != code {
			t.Errorf("%q: %v, want %s", name, err, code)
		}
	}
}
