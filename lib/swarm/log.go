package swarm

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// page is how many commits are read at once to fill a page of messages.
const page = 256

// Log is the history before a message, or from the head if it is zero: at most
// limit entries, all with 0, the newest first. Raw entries are commits; else
// edits, reactions, deletions and merges are folded into what they are about.
func (n *Node) Log(ctx context.Context, c *conv, before commit.ObjectID, limit int, raw bool) (*api.SwarmLog, error) {
	f := &fold{out: &api.SwarmLog{Type: "swarmLog", Messages: []api.SwarmMessage{}}, limit: limit, raw: raw,
		open: before.IsZero(), before: before.String(), later: map[string]*about{}}
	for skip := 0; ; skip += page {
		list, err := c.repo.Log(ctx, skip, page)
		if err != nil {
			return nil, err
		}
		for _, meta := range list {
			m, err := n.entry(ctx, c, meta)
			if err != nil {
				return nil, err
			}
			if f.add(m) {
				return f.out, nil
			}
		}
		if len(list) < page {
			return f.out, nil
		}
	}
}

// about is what later commits say about a message.
type about struct {
	edits     []api.SwarmMessage // the newest first
	reactions map[string][]string
}

// fold puts a history together, the newest first: what is said about a message
// comes before it.
type fold struct {
	out    *api.SwarmLog
	limit  int
	raw    bool
	open   bool // the message to begin behind has been passed
	before string
	later  map[string]*about
}

func (f *fold) of(id string) *about {
	a := f.later[id]
	if a == nil {
		a = &about{reactions: map[string][]string{}}
		f.later[id] = a
	}
	return a
}

// add takes the next entry; full tells that no more fit.
func (f *fold) add(m api.SwarmMessage) (full bool) {
	if !f.raw {
		switch {
		case m.Kind == kindMerge:
			return false
		case m.Kind == "edit":
			a := f.of(m.ReplyTo)
			a.edits = append(a.edits, m)
			return false
		case m.ReactTo != "":
			// A reaction that was taken back does not count.
			if a := f.later[m.Commit]; a == nil || len(a.edits) == 0 || !a.edits[0].Deleted {
				r := f.of(m.ReactTo).reactions
				r[m.Text] = append(r[m.Text], m.Author)
			}
			return false
		}
		f.apply(&m)
	}
	if !f.open {
		f.open = m.Commit == f.before
		return false
	}
	if f.limit > 0 && len(f.out.Messages) == f.limit {
		f.out.More = true
		return true
	}
	if !f.raw {
		m.Parents = nil
	}
	f.out.Messages = append(f.out.Messages, m)
	return false
}

// apply puts what was said about a message into it.
func (f *fold) apply(m *api.SwarmMessage) {
	a := f.later[m.Commit]
	if a == nil {
		return
	}
	if len(a.reactions) > 0 {
		m.Reactions = a.reactions
	}
	text, edited := m.Text, false
	for _, e := range a.edits {
		if e.Author != m.Author {
			continue // the rules allow none; a daemon's old history may have one
		}
		if !edited {
			m.Text, m.Deleted, edited = e.Text, e.Deleted, true
			continue
		}
		m.Edits = append(m.Edits, api.SwarmEdit{Commit: e.Commit, Text: e.Text, At: e.SentAt})
	}
	if edited {
		m.Edits = append(m.Edits, api.SwarmEdit{Commit: m.Commit, Text: text, At: m.SentAt})
		if m.Deleted {
			m.Text, m.File = "", nil
		}
	}
}
