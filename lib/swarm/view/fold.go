package view

import (
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// Entry is a commit as the fold takes it.
type Entry struct {
	ID      commit.ObjectID
	Account ident.URI // of the author
	Device  ident.DeviceID
	Time    int64 // seconds, as the author says
	// Message is nil for a merge.
	Message commit.Message
}

// Item is a message with what was said about it.
type Item struct {
	Entry
	// Body is the text now, "" if it was deleted.
	Body    string
	Deleted bool
	// Edits is the texts it had before, the newest first; nil if it never
	// changed. The last one is the text it was written with.
	Edits []Edit
	// Reactions is by what they say, in the order in which they came.
	Reactions []Reaction
	ReplyTo   commit.ObjectID // zero if it answers nothing
	// Place is where it stands in the line, the later the greater.
	Place int
}

// Edit is one text of a message.
type Edit struct {
	ID   commit.ObjectID
	Body string
	Time int64
}

// Reaction is who reacted with one emoji.
type Reaction struct {
	Emoji    string
	Accounts []ident.URI
}

// placed is an entry and its place.
type placed struct {
	Entry
	place int
}

// Fold puts a history together. It is for one goroutine.
type Fold struct {
	entries map[commit.ObjectID]placed
	// edits and reactions by what they name, whether it has come or not.
	edits     map[commit.ObjectID][]placed
	reactions map[commit.ObjectID][]placed
	// Messages: what came by Newer, the newest last, and what came by Older, the
	// oldest last.
	above, below []commit.ObjectID
	low, high    int
}

// NewFold is an empty history.
func NewFold() *Fold {
	return &Fold{entries: map[commit.ObjectID]placed{}, edits: map[commit.ObjectID][]placed{}, reactions: map[commit.ObjectID][]placed{}}
}

// Older adds the commit that comes after all others in the line, which is the
// newest first. It returns the message that changed or is new, false if what the
// commit is about has not come or it is a merge.
func (f *Fold) Older(e Entry) (commit.ObjectID, bool) {
	f.low--
	return f.add(placed{e, f.low})
}

// Newer adds a commit on top. It returns what Older returns.
func (f *Fold) Newer(e Entry) (commit.ObjectID, bool) {
	f.high++
	return f.add(placed{e, f.high})
}

func (f *Fold) add(p placed) (commit.ObjectID, bool) {
	if p.Message == nil {
		return p.ID, false
	}
	f.entries[p.ID] = p
	if id, ok := p.Message.Edit(); ok && p.Message.IsEdit() {
		f.edits[id] = insert(f.edits[id], p)
		return f.top(id)
	}
	if id, ok := p.Message.ReactTo(); ok {
		f.reactions[id] = insert(f.reactions[id], p)
		return f.top(id)
	}
	if p.place > 0 {
		f.above = append(f.above, p.ID)
	} else {
		f.below = append(f.below, p.ID)
	}
	return p.ID, true
}

// insert keeps a list newest first.
func insert(list []placed, p placed) []placed {
	at, _ := slices.BinarySearchFunc(list, p, func(a, b placed) int { return b.place - a.place })
	return slices.Insert(list, at, p)
}

// top is the message to show anew if id changes: the one that a reaction is
// about, for a reaction that was edited.
func (f *Fold) top(id commit.ObjectID) (commit.ObjectID, bool) {
	e, ok := f.entries[id]
	if !ok {
		return id, false
	}
	if to, isReaction := e.Message.ReactTo(); isReaction && !e.Message.IsEdit() {
		_, ok = f.entries[to]
		return to, ok
	}
	return id, true
}

// Item is a message as it stands.
func (f *Fold) Item(id commit.ObjectID) (Item, bool) {
	p, ok := f.entries[id]
	if !ok {
		return Item{}, false
	}
	it := f.edited(p)
	it.ReplyTo, _ = p.Message.ReplyTo()
	for _, r := range slices.Backward(f.reactions[id]) {
		if now := f.edited(r); !now.Deleted {
			it.react(now.Body, r.Account)
		}
	}
	return it, true
}

// edited is a message without what others said of it.
func (f *Fold) edited(p placed) Item {
	it := Item{Entry: p.Entry, Body: p.Message.Body(), Place: p.place}
	f.edit(&it)
	return it
}

// edit applies the edits of the same account, of which the newest counts.
func (f *Fold) edit(it *Item) {
	first := true
	for _, e := range f.edits[it.ID] {
		if e.Account != it.Account {
			continue // only an old history of daemons can have one
		}
		if first {
			first = false
			it.Body, it.Deleted = e.Message.Body(), e.Message.IsDeletion()
			continue
		}
		it.Edits = append(it.Edits, Edit{e.ID, e.Message.Body(), e.Time})
	}
	if !first {
		it.Edits = append(it.Edits, Edit{it.ID, it.Message.Body(), it.Time})
	}
}

func (it *Item) react(emoji string, who ident.URI) {
	for i := range it.Reactions {
		if r := &it.Reactions[i]; r.Emoji == emoji {
			if !slices.Contains(r.Accounts, who) {
				r.Accounts = append(r.Accounts, who)
			}
			return
		}
	}
	it.Reactions = append(it.Reactions, Reaction{emoji, []ident.URI{who}})
}

// at is the message at place i, counted from the newest.
func (f *Fold) at(i int) commit.ObjectID {
	if i < len(f.above) {
		return f.above[len(f.above)-1-i]
	}
	return f.below[i-len(f.above)]
}

// Items is up to n messages from place i on, the newest first; n = 0 means all.
func (f *Fold) Items(i, n int) []Item {
	if n <= 0 || n > f.Len()-i {
		n = f.Len() - i
	}
	var out []Item
	for ; n > 0; i, n = i+1, n-1 {
		it, _ := f.Item(f.at(i))
		out = append(out, it)
	}
	return out
}

// Len is how many messages there are to show.
func (f *Fold) Len() int { return len(f.above) + len(f.below) }

// Wanted is a message that a shown one answers, reacts to or edits and that has
// not come: a reader of pages goes on until there is none.
func (f *Fold) Wanted() (commit.ObjectID, bool) {
	for _, list := range []map[commit.ObjectID][]placed{f.edits, f.reactions} {
		for id := range list {
			if _, ok := f.entries[id]; !ok {
				return id, true
			}
		}
	}
	for i := range f.Len() {
		if id, ok := f.entries[f.at(i)].Message.ReplyTo(); ok {
			if _, have := f.entries[id]; !have {
				return id, true
			}
		}
	}
	return commit.ObjectID{}, false
}
