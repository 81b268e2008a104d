package swarm

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/view"
)

// page is how many commits are read at once.
const page = 256

// Log is the history before a message, or from the head if it is zero: at most
// limit entries, all with 0, the newest first. Raw entries are commits; else
// edits, reactions, deletions and merges are folded into what they are about.
// No more is read than what is returned and what is said about it.
func (n *Node) Log(ctx context.Context, c *conv, before commit.ObjectID, limit int, raw bool) (*api.SwarmLog, error) {
	if err := n.caughtUp(ctx, c); err != nil {
		return nil, err
	}
	head, err := c.repo.Head(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.SwarmLog{Type: "swarmLog", Head: head.String(), Messages: []api.SwarmMessage{}}
	size := page
	if limit > 0 {
		size = min(limit+1, page)
	}
	list, err := n.from(ctx, c, before, size)
	for err == nil && len(list) > 0 {
		for _, meta := range list {
			m, show, err := n.shown(ctx, c, meta, raw)
			if err != nil {
				return nil, err
			}
			if show && limit > 0 && len(out.Messages) == limit {
				out.More = true
				return out, nil
			}
			if show {
				out.Messages = append(out.Messages, m)
			}
		}
		list, err = c.repo.LogBefore(ctx, list[len(list)-1].ID, size)
	}
	return out, err
}

// from is the first page of what is before a commit, or of all.
func (n *Node) from(ctx context.Context, c *conv, before commit.ObjectID, size int) ([]repo.Meta, error) {
	if before.IsZero() {
		return c.repo.Log(ctx, 0, size)
	}
	return c.repo.LogBefore(ctx, before, size)
}

// shown is an entry of the log; false for what is folded into another one.
func (n *Node) shown(ctx context.Context, c *conv, meta repo.Meta, raw bool) (api.SwarmMessage, bool, error) {
	m, said, err := n.read(ctx, c, meta)
	if err != nil || raw {
		return m, err == nil, err
	}
	if m.Kind == kindMerge || m.Kind == kindEdit || m.ReactTo != "" {
		return m, false, nil
	}
	m.Parents = nil
	return m, true, n.fold(ctx, c, &m, meta, said)
}

// fold puts what was said about a message into it.
func (n *Node) fold(ctx context.Context, c *conv, m *api.SwarmMessage, meta repo.Meta, said commit.Message) error {
	about, err := n.about(ctx, c, meta.ID)
	if err != nil || len(about) == 0 {
		return err
	}
	f := view.NewFold()
	f.Newer(piece(m, meta, said))
	for _, a := range about {
		am, asaid, err := n.read(ctx, c, a)
		if err != nil {
			return err
		}
		f.Newer(piece(&am, a, asaid))
	}
	it, ok := f.Item(meta.ID)
	if !ok {
		return nil
	}
	for _, e := range it.Edits {
		m.Edits = append(m.Edits, api.SwarmEdit{Commit: e.ID.String(), Text: e.Body, At: time.Unix(e.Time, 0).UTC()})
	}
	if m.Text, m.Deleted = it.Body, it.Deleted; m.Deleted {
		m.Text, m.File = "", nil
	}
	for _, r := range it.Reactions {
		if m.Reactions == nil {
			m.Reactions = map[string][]string{}
		}
		for _, u := range r.Accounts {
			m.Reactions[r.Emoji] = append(m.Reactions[r.Emoji], u.String())
		}
	}
	return nil
}

// piece is a commit for the fold, with its text opened.
func piece(m *api.SwarmMessage, meta repo.Meta, said commit.Message) view.Entry {
	e := view.Entry{ID: meta.ID, Time: m.SentAt.Unix(), Message: said}
	e.Account, _ = ident.ParseURI(m.Author) // the zero one is nobody's
	e.Device, _ = ident.ParseDeviceID(m.Device)
	if m.Sealed {
		e.Message = maps.Clone(said)
		e.Message["body"] = m.Text
	}
	return e
}

// about are the commits that edit a message or react to it, and those that edit
// such a reaction, in the order of the line.
func (n *Node) about(ctx context.Context, c *conv, id commit.ObjectID) ([]repo.Meta, error) {
	direct, err := n.related(ctx, c, id)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(direct)
	for _, d := range direct {
		more, err := n.related(ctx, c, d)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	if len(all) == 0 {
		return nil, nil
	}
	place := map[commit.ObjectID]int{}
	for _, a := range all {
		at, _, err := c.repo.Position(ctx, a)
		if err != nil {
			return nil, err
		}
		place[a] = at
	}
	list, err := c.repo.Commits(ctx, all...)
	slices.SortFunc(list, func(a, b repo.Meta) int { return place[a.ID] - place[b.ID] })
	return list, err
}

// related are the commits that name another one, as edits and reactions do.
func (n *Node) related(ctx context.Context, c *conv, id commit.ObjectID) ([]commit.ObjectID, error) {
	s, err := get[string](ctx, n, kindAbout, c.id.String(), id.String())
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []commit.ObjectID
	for _, name := range strings.Fields(s) {
		k, err := commit.ParseObjectID(name)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// relations are the values that say which commits name which.
func (n *Node) relations(ctx context.Context, c *conv, list []api.SwarmMessage) ([]Value, error) {
	names := map[string]string{}
	for _, m := range list {
		to := m.ReactTo
		if m.Kind == kindEdit {
			to = m.ReplyTo
		}
		if to == "" {
			continue
		}
		if _, ok := names[to]; !ok {
			s, err := get[string](ctx, n, kindAbout, c.id.String(), to)
			if err != nil && !isNotFound(err) {
				return nil, err
			}
			names[to] = s
		}
		if !strings.Contains(names[to], m.Commit) {
			names[to] = strings.TrimSpace(names[to] + " " + m.Commit)
		}
	}
	var out []Value
	for to, s := range names {
		out = append(out, value(kindAbout, c.id.String(), to, s))
	}
	return out, nil
}

// since are the entries that our head reaches and a commit does not, the newest
// first.
func (n *Node) since(ctx context.Context, c *conv, after commit.ObjectID, raw bool) (*api.SwarmLog, error) {
	head, err := c.repo.Head(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.SwarmLog{Type: "swarmLog", Head: head.String(), Messages: []api.SwarmMessage{}}
	err = c.newer(ctx, head, after, func(list []repo.Meta) error {
		for _, meta := range list {
			m, err := n.entry(ctx, c, meta)
			if err != nil {
				return err
			}
			if raw || m.Kind != kindMerge {
				out.Messages = append(out.Messages, m)
			}
		}
		return nil
	})
	slices.Reverse(out.Messages)
	return out, err
}

// newer gives what head, which is ours, reaches and a commit does not, parents
// first and some at a time. A commit that we do not have, or a zero one, is
// taken for having nothing.
func (c *conv) newer(ctx context.Context, head, than commit.ObjectID, fn func([]repo.Meta) error) error {
	if !than.IsZero() {
		list, err := c.repo.Missing(ctx, head, than)
		if err == nil {
			for part := range slices.Chunk(list, page) {
				if err := fn(part); err != nil {
					return err
				}
			}
			return nil
		}
		if !errors.Is(err, repo.ErrNotFound) {
			return err
		}
	}
	// The line has parents last, and the whole of it need not be held.
	at, _, err := c.repo.Position(ctx, head)
	for at++; err == nil && at > 0; {
		size := min(page, at)
		var list []repo.Meta
		if list, err = c.line(ctx, head, at, size); err == nil {
			slices.Reverse(list)
			err = fn(list)
		}
		at -= size
	}
	return err
}

// line lists size commits of the first at ones of head's line.
func (c *conv) line(ctx context.Context, head commit.ObjectID, at, size int) ([]repo.Meta, error) {
	_, total, err := c.repo.Position(ctx, head)
	if err != nil {
		return nil, err
	}
	// What stands at the places at-1 … at-size, counted from the first commit,
	// is behind total-at others, counted from the newest.
	return c.repo.Log(ctx, total-at, size)
}
