package swarm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// What the devices of one account tell each other, and what is known of others.

// Shared is a conversation as the devices of an account share it.
type Shared struct {
	ID                 commit.ObjectID
	State              State
	Mode               commit.Scope
	Title, From        string
	Created, Changed   time.Time
	Preferences        map[string]string
	PreferencesChanged time.Time
	Read               commit.ObjectID
}

// Shared is all that our other devices should know.
func (n *Node) Shared(ctx context.Context) ([]*Shared, error) {
	all, err := n.records(ctx)
	if err != nil {
		return nil, err
	}
	var out []*Shared
	for _, r := range all {
		s := &Shared{ID: r.ID, State: r.State, Mode: r.Mode, Title: r.Title, From: r.From, Created: r.Created, Changed: r.Changed}
		p, err := get[prefs](ctx, n, kindPref, r.ID.String(), "")
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		s.Preferences, s.PreferencesChanged = p.Values, p.Changed
		if s.Read, err = n.mark(ctx, &conv{id: r.ID}, markRead); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Version changes whenever what Shared returns does.
func (n *Node) Version(ctx context.Context) (string, error) {
	all, err := n.Shared(ctx)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, s := range all {
		b, err := json.Marshal(s)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// TakeShared takes what another device of ours knows of a conversation. What
// was done later wins.
func (n *Node) TakeShared(ctx context.Context, from ident.DeviceID, s *Shared) error {
	if s.State != "" {
		if err := n.takeState(ctx, from, s); err != nil {
			return err
		}
	}
	if _, err := n.record(ctx, s.ID); err != nil {
		return nil // nothing of it is of any use here
	}
	if len(s.Preferences) > 0 {
		n.editing.Lock()
		defer n.editing.Unlock()
		have, err := get[prefs](ctx, n, kindPref, s.ID.String(), "")
		if err != nil && !isNotFound(err) {
			return err
		}
		if s.PreferencesChanged.After(have.Changed.Add(time.Millisecond)) {
			v := prefs{s.PreferencesChanged.UTC(), maps.Clone(s.Preferences)}
			if err := n.cfg.Values.Put(ctx, value(kindPref, s.ID.String(), "", v)); err != nil {
				return err
			}
		}
	}
	if s.Read.IsZero() {
		return nil
	}
	return n.takeRead(ctx, s)
}

// takeRead moves our read mark forward.
func (n *Node) takeRead(ctx context.Context, s *Shared) error {
	c, err := n.open(ctx, s.ID)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	have, err := n.mark(ctx, c, markRead)
	if err != nil {
		return err
	}
	if list, err := c.repo.Commits(ctx, s.Read); err != nil || len(list) == 0 {
		return err
	}
	if !have.IsZero() {
		if older, err := c.repo.IsAncestor(ctx, s.Read, have); err != nil || older {
			return err
		}
	}
	return n.setMark(ctx, c, markRead, s.Read)
}

func (n *Node) takeState(ctx context.Context, from ident.DeviceID, s *Shared) error {
	n.editing.Lock()
	defer n.editing.Unlock()
	r, err := n.record(ctx, s.ID)
	if isNotFound(err) {
		if s.State == Left || s.State == Removed {
			return nil // never here, and gone
		}
		r = &convRecord{ID: s.ID, State: s.State, Mode: s.Mode, Title: s.Title, From: s.From, Created: s.Created.UTC(), Devices: []string{from.String()}}
		if s.State == Member || s.State == Cloning {
			r.State = Cloning
		}
		return n.putRecord(ctx, r)
	}
	if err != nil {
		return err
	}
	was := r.State
	switch s.State {
	case Member:
		if r.State == Invited || r.State == Cloning || (r.State == Declined || r.State == Left || r.State == Removed) && s.Changed.After(r.Changed) {
			r.State = Cloning
			r.Devices = slices.Compact(append([]string{from.String()}, r.Devices...))
		}
	case Left:
		if r.State == Member || r.State == Cloning {
			r.State, r.Erase = Left, true
		}
	case Declined, Blocked:
		if r.State == Invited {
			r.State = s.State
		}
	}
	if r.State == was {
		return nil
	}
	return n.putRecord(ctx, r)
}

// DevicesOf are the devices of an account that were seen.
func (n *Node) DevicesOf(ctx context.Context, u ident.URI) (out []ident.DeviceID, err error) {
	all, err := n.cfg.Values.List(ctx, kindPeer, "")
	for _, v := range all {
		var p peerRecord
		if json.Unmarshal(v.Data, &p) == nil && p.URI == u.String() {
			if d, err := ident.ParseDeviceID(v.Key); err == nil {
				out = append(out, d)
			}
		}
	}
	return out, err
}

// Known are the devices that we have met and that can be looked for.
func (n *Node) Known(ctx context.Context) (out []ident.DeviceID, err error) {
	all, err := n.cfg.Values.List(ctx, kindPeer, "")
	for _, v := range all {
		var p peerRecord
		if json.Unmarshal(v.Data, &p) == nil && p.Peer != "" {
			if d, err := ident.ParseDeviceID(v.Key); err == nil {
				out = append(out, d)
			}
		}
	}
	return out, err
}

// Whose is the account of a device, by what it showed or by a tree it is in.
func (n *Node) Whose(ctx context.Context, dev ident.DeviceID) (ident.URI, error) {
	p, err := get[peerRecord](ctx, n, kindPeer, "", dev.String())
	if err != nil {
		return ident.URI{}, err
	}
	return ident.ParseURI(p.URI)
}

// Sibling tells whether a device is of our account, and not revoked.
func (n *Node) Sibling(ctx context.Context, dev ident.DeviceID) (bool, error) {
	a, err := n.self(ctx)
	if err != nil {
		return false, err
	}
	u, err := n.Whose(ctx, dev)
	if isNotFound(err) || err == nil && u != a.device.URI() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = n.cfg.Values.Get(ctx, kindRevoked, "", dev.String())
	if isNotFound(err) {
		return true, nil
	}
	return false, err
}

// Unwelcome are the libp2p names of the devices that may not connect: those of
// blocked accounts, and those that are banned wherever we meet them.
func (n *Node) Unwelcome(ctx context.Context) (out []string, err error) {
	active, _, err := n.Active(ctx)
	if err != nil {
		return nil, err
	}
	peers, err := n.cfg.Values.List(ctx, kindPeer, "")
	if err != nil {
		return nil, err
	}
	snaps := n.withBans(ctx, active)
	for _, v := range peers {
		var p peerRecord
		if json.Unmarshal(v.Data, &p) != nil || p.Peer == "" {
			continue
		}
		_, err := n.cfg.Values.Get(ctx, kindBlock, "", p.URI)
		barred := err == nil
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		for _, s := range snaps {
			bad, err := s.bannedAt(ctx, v.Key, p.URI)
			if err != nil {
				return nil, err
			}
			barred = barred || bad
		}
		if !barred {
			continue
		}
		welcome, err := n.welcomeSomewhere(ctx, active, v.Key)
		if err != nil {
			return nil, err
		}
		if !welcome || err == nil && barred && isBlocked(ctx, n, p.URI) {
			out = append(out, p.Peer)
		}
	}
	return out, nil
}

// withBans are the conversations that have banned somebody. One that cannot be
// read has no say in who may connect: each stream is judged by itself.
func (n *Node) withBans(ctx context.Context, convs []commit.ObjectID) []*snapshot {
	var out []*snapshot
	for _, id := range convs {
		c, err := n.open(ctx, id)
		var s *snapshot
		if err == nil {
			s, err = c.at(ctx, commit.ObjectID{})
		}
		any := false
		if err == nil {
			any, err = s.has(ctx, "banned")
		}
		if err != nil {
			n.log.Debug("a conversation that cannot be read", "conv", id, "err", err)
		}
		if any {
			out = append(out, s)
		}
	}
	return out
}

func isBlocked(ctx context.Context, n *Node, uri string) bool {
	_, err := n.cfg.Values.Get(ctx, kindBlock, "", uri)
	return err == nil
}

func (s *snapshot) bannedAt(ctx context.Context, device, uri string) (bool, error) {
	if banned, err := s.deviceBanned(ctx, device); banned || err != nil {
		return banned, err
	}
	role, err := s.role(ctx, uri)
	return role == "banned", err
}

func (n *Node) welcomeSomewhere(ctx context.Context, convs []commit.ObjectID, device string) (bool, error) {
	dev, err := ident.ParseDeviceID(device)
	if err != nil {
		return false, nil
	}
	for _, id := range convs {
		if st, err := n.Standing(ctx, id, dev); err == nil && st == Welcome {
			return true, nil
		}
	}
	return false, nil
}

// Typed hears that somebody writes. It is for those who look now.
func (n *Node) Typed(ctx context.Context, dev ident.DeviceID, id commit.ObjectID, active bool) error {
	if n.cfg.Typing == nil {
		return nil
	}
	u, err := n.Whose(ctx, dev)
	if err != nil {
		return err
	}
	n.cfg.Typing(ctx, id, u, active)
	return nil
}
