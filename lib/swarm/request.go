package swarm

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// Invitation is an invitation as text: what somebody needs to find a
// conversation. With a token it is open: whoever brings it is added.
type Invitation struct {
	Conv    commit.ObjectID `json:"c"`
	From    ident.URI       `json:"f"`
	Devices []string        `json:"d"`           // that have the conversation
	Peer    string          `json:"p,omitempty"` // the libp2p name of the first
	Addrs   []string        `json:"a,omitempty"` // multiaddrs of the first
	Title   string          `json:"t,omitempty"`
	Mode    int             `json:"m"`
	Token   string          `json:"k,omitempty"`
}

// InvitationPrefix is how the text of an invitation begins.
const InvitationPrefix = "swarm:/invite#"

// maxInvitation is how long one may be.
const maxInvitation = 8 << 10

// String is the text.
func (i *Invitation) String() string {
	b, err := json.Marshal(i)
	if err != nil {
		panic("swarm: unreachable: an invitation is plain: " + err.Error())
	}
	return InvitationPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// ErrInvitation is wrapped by the errors of [ParseInvitation].
var ErrInvitation = errors.New("swarm: malformed invitation")

// ParseInvitation reads the text of an invitation.
func ParseInvitation(s string) (*Invitation, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(s), InvitationPrefix)
	if !ok || len(text) > maxInvitation {
		return nil, fmt.Errorf("%w: it begins with %s", ErrInvitation, InvitationPrefix)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvitation, err)
	}
	i := new(Invitation)
	if err := json.Unmarshal(b, i); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvitation, err)
	}
	if i.Conv.IsZero() || len(i.Devices) == 0 || len(i.Devices) > 16 || len(i.Addrs) > 32 || len(i.Title) > 1024 ||
		i.Mode < 0 || i.Mode > int(commit.Document) {
		return nil, fmt.Errorf("%w: out of bounds", ErrInvitation)
	}
	for _, d := range i.Devices {
		if _, err := ident.ParseDeviceID(d); err != nil {
			return nil, fmt.Errorf("%w: %v", ErrInvitation, err)
		}
	}
	return i, nil
}

// tokenLife is how long an open invitation is good.
const tokenLife = 7 * 24 * time.Hour

// tokenRecord is an open invitation that we gave.
type tokenRecord struct {
	Until time.Time `json:"until"`
}

// Invite makes an invitation: for somebody, who is added at once and told over
// the network, or, with a zero URI, an open one.
func (n *Node) Invite(ctx context.Context, c *conv, who ident.URI) (*Invitation, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	i, err := n.invitation(ctx, a, c)
	if err != nil {
		return nil, err
	}
	if who.IsZero() {
		i.Token = rand.Text()
		return i, n.cfg.Values.Put(ctx, value(kindToken, c.id.String(), i.Token, tokenRecord{n.cfg.Now().Add(tokenLife).UTC()}))
	}
	if who == a.device.URI() {
		return nil, usagef("that is our own account")
	}
	if err := n.Add(ctx, c, who); err != nil {
		return nil, err
	}
	if err := n.cfg.Values.Put(ctx, value(kindInvite, c.id.String(), who.String(), i)); err != nil {
		return nil, err
	}
	if net := n.network(); net != nil {
		net.Deliver()
	}
	return i, nil
}

// Invitation is one of a conversation, without a token.
func (n *Node) Invitation(ctx context.Context, id commit.ObjectID) (*Invitation, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return nil, err
	}
	return n.invitation(ctx, a, c)
}

func (n *Node) invitation(ctx context.Context, a *account, c *conv) (*Invitation, error) {
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return nil, err
	}
	p, err := s.profile(ctx)
	if err != nil {
		return nil, err
	}
	mode, err := c.mode(ctx)
	if err != nil {
		return nil, err
	}
	i := &Invitation{Conv: c.id, From: a.device.URI(), Devices: []string{a.device.ID().String()}, Title: p.Title, Mode: int(mode)}
	if net := n.network(); net != nil {
		i.Addrs, i.Peer = net.Addresses(), net.Name()
	}
	return i, nil
}

// Redeem adds who brings the token of an open invitation. The error is
// [ErrRights] for a token that is not, or no longer, good.
func (n *Node) Redeem(ctx context.Context, conv commit.ObjectID, token string, who ident.URI) error {
	t, err := get[tokenRecord](ctx, n, kindToken, conv.String(), token)
	if isNotFound(err) || err == nil && n.cfg.Now().After(t.Until) {
		return fmt.Errorf("%w: the invitation is not good any more", ErrRights)
	}
	if err != nil {
		return err
	}
	c, err := n.open(ctx, conv)
	if err != nil {
		return err
	}
	if err := n.Add(ctx, c, who); err != nil {
		return err
	}
	return n.cfg.Values.Put(ctx, Value{Kind: kindToken, Conv: conv.String(), Key: token})
}

// Request takes an invitation in, unless it is blocked, declined or of a
// conversation that we are in. It tells whether it is new.
func (n *Node) Request(ctx context.Context, i *Invitation) (bool, error) {
	if _, err := n.cfg.Values.Get(ctx, kindBlock, "", i.From.String()); err == nil {
		return false, nil
	} else if !isNotFound(err) {
		return false, err
	}
	n.editing.Lock()
	defer n.editing.Unlock()
	r, err := n.record(ctx, i.Conv)
	switch {
	case isNotFound(err):
		r = &convRecord{ID: i.Conv, Created: n.cfg.Now().UTC()}
	case err != nil:
		return false, err
	case r.State != Invited && r.State != Left && r.State != Removed:
		// Who is in already, and only lacks the copy, has one more place to
		// get it from; who declined stays so.
		if r.State == Cloning && len(r.Devices) < maxSources {
			r.Devices = append(r.Devices, i.Devices...)
			slices.Sort(r.Devices)
			r.Devices = slices.Compact(r.Devices)
			return false, n.putRecord(ctx, r)
		}
		return false, nil
	}
	isNew := r.State != Invited
	r.State, r.Mode, r.Title, r.From, r.Devices, r.Token = Invited, commit.Scope(i.Mode), i.Title, i.From.String(), i.Devices, i.Token
	for k, d := range i.Devices {
		peer := ""
		if k == 0 {
			peer = i.Peer
		}
		if err := n.met(ctx, d, i.From, peer, i.Addrs); err != nil {
			return false, err
		}
	}
	return isNew, n.putRecord(ctx, r)
}

// met notes whose a device is and where it was.
func (n *Node) met(ctx context.Context, device string, who ident.URI, peer string, addrs []string) error {
	was, err := get[peerRecord](ctx, n, kindPeer, "", device)
	if err != nil && !isNotFound(err) {
		return err
	}
	was.URI = who.String()
	if peer != "" {
		was.Peer = peer
	}
	if len(addrs) > 0 {
		was.Addrs = addrs
	}
	return n.cfg.Values.Put(ctx, value(kindPeer, "", device, was))
}

// Accept takes an invitation; the conversation is copied as soon as a member is
// reached.
func (n *Node) Accept(ctx context.Context, id commit.ObjectID) error {
	err := n.edit(ctx, id, func(r *convRecord) error {
		switch r.State {
		case Invited, Declined:
			r.State = Cloning
			return nil
		case Cloning, Member:
			return nil
		}
		return fmt.Errorf("%w: the invitation is %s", ErrState, r.State)
	})
	if err != nil {
		return err
	}
	if net := n.network(); net != nil {
		net.Clone(id)
	}
	return nil
}

// Decline refuses an invitation, and with block all of who sent it.
func (n *Node) Decline(ctx context.Context, id commit.ObjectID, block bool) error {
	return n.edit(ctx, id, func(r *convRecord) error {
		if r.State != Invited && r.State != Cloning {
			return fmt.Errorf("%w: the invitation is %s", ErrState, r.State)
		}
		r.State = Declined
		if block {
			r.State = Blocked
			if r.From != "" {
				return n.cfg.Values.Put(ctx, value(kindBlock, "", r.From, n.cfg.Now().UTC()))
			}
		}
		return nil
	})
}

// Go leaves a conversation and, with erase, deletes what is here of it: at
// once if nobody else is in it, else when another device has heard of it.
func (n *Node) Go(ctx context.Context, id commit.ObjectID, erase bool) error {
	r, err := n.record(ctx, id)
	if err != nil {
		return err
	}
	c, err := n.open(ctx, id)
	if isNotFound(err) { // never copied
		r.State = Removed
		return n.putRecord(ctx, r)
	}
	if err != nil {
		return err
	}
	if r.State == Member {
		if err := n.Leave(ctx, c); err != nil && !errors.Is(err, ErrRights) {
			return err
		}
	}
	err = n.edit(ctx, id, func(r *convRecord) error {
		r.State, r.Erase = Left, erase
		return nil
	})
	if err != nil || !erase {
		return err
	}
	alone, err := n.alone(ctx, c)
	if err != nil {
		return err
	}
	if !alone { // others may have heard before the record said that we left
		head, err := c.repo.Head(ctx)
		if err != nil {
			return err
		}
		n.mu.Lock()
		heard := c.heard == head
		n.mu.Unlock()
		if !heard {
			return nil
		}
	}
	return n.erase(ctx, id)
}

// alone tells whether nobody else is a member.
func (n *Node) alone(ctx context.Context, c *conv) (bool, error) {
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return false, err
	}
	for _, dir := range []string{"admins", "members"} {
		if who, err := s.names(ctx, dir); err != nil || len(who) > 0 {
			return false, err
		}
	}
	return true, nil
}

// erase deletes a conversation that we left. Its record stays, so that our
// other devices do the same.
func (n *Node) erase(ctx context.Context, id commit.ObjectID) error {
	if net := n.network(); net != nil {
		net.Leave(id)
	}
	if err := n.drop(id); err != nil {
		return err
	}
	if err := n.cfg.Values.Forget(ctx, id.String()); err != nil {
		return err
	}
	return n.edit(ctx, id, func(r *convRecord) error {
		r.State, r.Erase = Removed, false
		return nil
	})
}
