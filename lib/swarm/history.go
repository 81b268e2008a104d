package swarm

import (
	"context"
	"encoding/json"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// peerRecord is what is known of a device.
type peerRecord struct {
	URI   string   `json:"uri"`
	Name  string   `json:"name,omitempty"`
	Peer  string   `json:"peer,omitempty"` // its libp2p name
	Addrs []string `json:"addrs,omitempty"`
}

// names are the names that devices' authors give themselves.
type names map[string]string

func (n names) of(devices []string) string {
	for _, d := range devices {
		if n[d] != "" {
			return n[d]
		}
	}
	return ""
}

func (n *Node) names(ctx context.Context, _ *conv) (names, error) {
	all, err := n.cfg.Values.List(ctx, kindPeer, "")
	out := names{}
	for _, v := range all {
		var p peerRecord
		if json.Unmarshal(v.Data, &p) == nil {
			out[v.Key] = p.Name
		}
	}
	return out, err
}

// meet notes whose a device is.
func (n *Node) meet(ctx context.Context, device, uri, name string) error {
	was, err := get[peerRecord](ctx, n, kindPeer, "", device)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil && was.URI == uri && (name == "" || was.Name == name) {
		return nil
	}
	was.URI = uri
	if name != "" {
		was.Name = name
	}
	return n.cfg.Values.Put(ctx, value(kindPeer, "", device, was))
}

// The marks of a conversation.
const (
	markTold   = "told"   // the head up to which all commits were told of
	markRead   = "read"   // the head up to which we have read
	markSynced = "synced" // when something was last fetched: a time
	markOther  = "other " // and a URI: the message up to which somebody has read
)

func (n *Node) mark(ctx context.Context, c *conv, which string) (commit.ObjectID, error) {
	s, err := get[string](ctx, n, kindMark, c.id.String(), which)
	if isNotFound(err) {
		return commit.ObjectID{}, nil
	}
	if err != nil {
		return commit.ObjectID{}, err
	}
	return commit.ParseObjectID(s)
}

func (n *Node) setMark(ctx context.Context, c *conv, which string, id commit.ObjectID) error {
	return n.cfg.Values.Put(ctx, value(kindMark, c.id.String(), which, id.String()))
}

// told tells the handler of the commits that it has not heard of. The caller
// holds c.write. What goes wrong is tried again the next time.
func (n *Node) told(ctx context.Context, c *conv) {
	if err := n.tell(ctx, c); err != nil && ctx.Err() == nil {
		n.log.Warn("commits are to be told of", "err", err)
	}
	n.news.ring()
}

func (n *Node) tell(ctx context.Context, c *conv) error {
	from, err := n.mark(ctx, c, markTold)
	if err != nil {
		return err
	}
	head, err := c.repo.Head(ctx)
	if err != nil || head == from {
		return err
	}
	if err := c.newer(ctx, head, from, func(list []repo.Meta) error { return n.tellSome(ctx, c, list) }); err != nil {
		return err
	}
	return n.setMark(ctx, c, markTold, head)
}

// tellSome tells of some commits, and notes what they say about others.
func (n *Node) tellSome(ctx context.Context, c *conv, list []repo.Meta) error {
	told := make([]api.SwarmMessage, 0, len(list))
	for _, meta := range list {
		m, err := n.entry(ctx, c, meta)
		if err != nil {
			return err
		}
		if m.Author != "" {
			if err := n.meet(ctx, m.Device, m.Author, m.Name); err != nil {
				return err
			}
		}
		told = append(told, m)
	}
	values, err := n.relations(ctx, c, told)
	if err == nil && len(values) > 0 {
		err = n.cfg.Values.Put(ctx, values...)
	}
	for i := 0; i < len(told) && err == nil; i++ {
		if told[i].Kind != kindMerge {
			err = n.cfg.Handler(ctx, told[i])
		}
	}
	return err
}

// caughtUp tells of what could not be told of before, so that what is said about
// messages is noted.
func (n *Node) caughtUp(ctx context.Context, c *conv) error {
	head, err := c.repo.Head(ctx)
	if err != nil {
		return err
	}
	if at, err := n.mark(ctx, c, markTold); err != nil || at == head {
		return err
	}
	c.write.Lock()
	defer c.write.Unlock()
	n.told(ctx, c)
	return nil
}

// Kinds of entries that are no types of messages.
const (
	kindMerge = "merge" // two parents
	kindEdit  = "edit"  // of whatever type
)

// entry is a commit as a message.
func (n *Node) entry(ctx context.Context, c *conv, meta repo.Meta) (api.SwarmMessage, error) {
	m, _, err := n.read(ctx, c, meta)
	return m, err
}

// read reads a commit, as a message and as it is; the latter is nil for a merge
// and for what cannot be read.
func (n *Node) read(ctx context.Context, c *conv, meta repo.Meta) (api.SwarmMessage, commit.Message, error) {
	out := api.SwarmMessage{Type: "swarmMessage", V: api.Version, Conv: c.id.String(), Commit: meta.ID.String(), Device: meta.Device}
	s, err := c.at(ctx, meta.ID)
	if err != nil {
		return out, nil, err
	}
	out.SentAt, out.Name = time.Unix(s.head.Author.Time, 0).UTC(), s.head.Author.Name
	if out.Name == out.Device {
		out.Name = ""
	}
	for _, p := range meta.Parents {
		out.Parents = append(out.Parents, p.String())
	}
	if out.Author, err = n.authorOf(ctx, c, s, meta); err != nil {
		return out, nil, err
	}
	if a, err := n.self(ctx); err == nil {
		out.Own = out.Author == a.device.URI().String()
	}
	if len(meta.Parents) > 1 {
		out.Kind = kindMerge
		return out, nil, nil
	}
	m, err := commit.ParseMessage(s.head.Message)
	if err != nil {
		out.Kind = "unreadable"
		return out, nil, nil
	}
	n.fill(ctx, c, &out, meta.ID, m)
	return out, m, nil
}

// authorOf is the account of a commit's device; who leaves is in the tree
// before.
func (n *Node) authorOf(ctx context.Context, c *conv, s *snapshot, meta repo.Meta) (string, error) {
	u, ok, err := s.owner(ctx, meta.Device)
	if err == nil && !ok && len(meta.Parents) > 0 {
		var before *snapshot
		if before, err = c.at(ctx, meta.Parents[0]); err == nil {
			u, ok, err = before.owner(ctx, meta.Device)
		}
	}
	if err != nil || !ok {
		return "", err
	}
	return u.String(), nil
}

// fill takes from a message what it says.
func (n *Node) fill(ctx context.Context, c *conv, out *api.SwarmMessage, id commit.ObjectID, m commit.Message) {
	out.Kind, out.Text = m.Type(), m.Body()
	if text, sealed := n.openBody(ctx, c, m); sealed {
		out.Text, out.Sealed = text, true
	}
	if to, ok := m.ReplyTo(); ok {
		out.ReplyTo = to.String()
	}
	if to, ok := m.ReactTo(); ok {
		out.ReactTo = to.String()
	}
	if m.IsEdit() {
		out.Kind, out.Deleted = kindEdit, m.IsDeletion()
		if of, ok := m.Edit(); ok {
			out.ReplyTo = of.String()
		}
	}
	if f, ok := m.File(); ok && !f.Delete {
		out.File = &api.SwarmFile{ID: m.FileID(id), Name: f.Name, Size: int64(f.Size), SHA3: f.SHA3}
	}
	if m.Type() == commit.TypeMember {
		out.Action, out.Member = string(m.Action()), m.Str("uri")
	}
	if m.Type() == commit.TypeVote {
		out.Action, out.Member = "vote", m.Str("uri")
	}
}
