package order

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// Entry is a commit in a line.
type Entry struct {
	ID commit.ObjectID
	// Cut tells that all that comes after it, the older part of the line, is
	// what it alone reaches. Nothing that is written on top changes the order
	// there.
	Cut bool
}

// Stored is a line made before, kept in memory or in a table: positions are
// counted from the oldest commit, which is at 0, so that they stay.
type Stored interface {
	Len(ctx context.Context) (int, error)
	At(ctx context.Context, pos int) (Entry, error)
	Pos(ctx context.Context, id commit.ObjectID) (pos int, ok bool, err error)
}

// Advance makes the line of a new head out of that of an older one: the entries
// at positions below keep stay, fresh follow them, oldest first. For a commit on
// top of the old head it looks at that commit alone, for a merge at what is
// above the youngest cut that both sides share. Any head may be given; with
// nothing in common keep is 0.
func Advance(ctx context.Context, g Graph, head commit.ObjectID, old Stored) (keep int, fresh []Entry, err error) {
	n, err := old.Len(ctx)
	if err != nil {
		return 0, nil, err
	}
	at, step := n-1, 0
	for {
		if at, err = cutBelow(ctx, old, at); err != nil {
			return 0, nil, err
		}
		fresh, ok, err := above(ctx, g, head, old, at)
		if err != nil || ok {
			return at + 1, fresh, err
		}
		step = 2*step + 8
		at = max(at-step, -1)
	}
}

// cutBelow is the position of the youngest cut at or below at, -1 if there is
// none.
func cutBelow(ctx context.Context, old Stored, at int) (int, error) {
	for ; at >= 0; at-- {
		if e, err := old.At(ctx, at); err != nil || e.Cut {
			return at, err
		}
	}
	return -1, nil
}

// upper is the part of a line above a cut, in the making.
type upper struct {
	Line
	old    Stored
	cut    int // -1: there is none
	bottom int // the item that stands at the cut, -1 if it was not met
	at     map[commit.ObjectID]int32
}

// add gives a commit its item; -1 if it stands below the cut.
func (u *upper) add(ctx context.Context, id commit.ObjectID) (int32, error) {
	if i, ok := u.at[id]; ok {
		return i, nil
	}
	if u.cut >= 0 {
		pos, ok, err := u.old.Pos(ctx, id)
		if err != nil || ok && pos < u.cut {
			return -1, err
		}
		if ok && pos == u.cut {
			u.bottom = len(u.items)
		}
	}
	i := int32(len(u.items))
	u.at[id] = i
	u.items = append(u.items, item{id: id})
	return i, nil
}

// read reads an item and adds what it stands on.
func (u *upper) read(ctx context.Context, g Graph, i int) error {
	n, err := g.Node(ctx, u.items[i].id)
	if err != nil {
		return err
	}
	if u.items[i].time = n.Time; i == u.bottom {
		return nil
	}
	for _, p := range n.Parents {
		j, err := u.add(ctx, p)
		if err != nil {
			return err
		}
		if j >= 0 {
			u.items[i].parents = append(u.items[i].parents, j)
			u.items[j].degree++
		}
	}
	return ctx.Err()
}

// above puts what head reaches above the position cut in line. It is not ok if
// the commit there is no cut any more.
func above(ctx context.Context, g Graph, head commit.ObjectID, old Stored, cut int) (fresh []Entry, ok bool, err error) {
	u := &upper{old: old, cut: cut, bottom: -1, at: map[commit.ObjectID]int32{}}
	if i, err := u.add(ctx, head); err != nil || i < 0 {
		return nil, false, err
	}
	for i := 0; i < len(u.items); i++ {
		if err := u.read(ctx, g, i); err != nil {
			return nil, false, err
		}
	}
	if cut >= 0 && u.bottom < 0 {
		return nil, false, nil
	}
	u.push(0)
	fresh, ok = u.entries(u.bottom)
	return fresh, ok, nil
}

// entries is the line, oldest first, without the bottom, which has to be last.
func (l *Line) entries(bottom int) (out []Entry, ok bool) {
	last := int32(-1)
	for len(l.heap) > 0 {
		last = l.heap[0]
		alone := l.Alone()
		id, _ := l.Next()
		out = append(out, Entry{id, alone})
	}
	if bottom >= 0 {
		if last != int32(bottom) {
			return nil, false
		}
		out = out[:len(out)-1]
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, true
}

// List is a line in memory. It is for one goroutine.
type List struct {
	entries []Entry
	pos     map[commit.ObjectID]int
}

// Len is the number of commits.
func (l *List) Len(context.Context) (int, error) { return len(l.entries), nil }

// At is the commit at a position.
func (l *List) At(_ context.Context, pos int) (Entry, error) { return l.entries[pos], nil }

// Pos finds a commit.
func (l *List) Pos(_ context.Context, id commit.ObjectID) (int, bool, error) {
	p, ok := l.pos[id]
	return p, ok, nil
}

// Advance makes the list the line of head.
func (l *List) Advance(ctx context.Context, g Graph, head commit.ObjectID) error {
	keep, fresh, err := Advance(ctx, g, head, l)
	if err != nil {
		return err
	}
	if l.pos == nil {
		l.pos = map[commit.ObjectID]int{}
	}
	for _, e := range l.entries[keep:] {
		delete(l.pos, e.ID)
	}
	l.entries = append(l.entries[:keep], fresh...)
	for i, e := range l.entries[keep:] {
		l.pos[e.ID] = keep + i
	}
	return nil
}

// Page is up to n commits that come after before in the line, the newest first;
// a zero before begins with the head. n = 0 means all.
func (l *List) Page(before commit.ObjectID, n int) []commit.ObjectID {
	at := len(l.entries)
	if !before.IsZero() {
		p, ok := l.pos[before]
		if !ok {
			return nil
		}
		at = p
	}
	if n <= 0 || n > at {
		n = at
	}
	out := make([]commit.ObjectID, 0, n)
	for ; n > 0; n-- {
		at--
		out = append(out, l.entries[at].ID)
	}
	return out
}
