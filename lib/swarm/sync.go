package swarm

import (
	"context"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

// What the network asks of a node.

// Standing is what a device is to a conversation.
type Standing int

// The standings.
const (
	Unknown Standing = iota // we have no such conversation
	Ignored                 // we have left it or declined
	Barred                  // the device is banned, or of nobody
	Welcome
)

// Standing tells whether a device may take part in a conversation. A device
// that is in no tree yet must have been introduced, see [Node.Introduce].
func (n *Node) Standing(ctx context.Context, id commit.ObjectID, dev ident.DeviceID) (Standing, error) {
	r, err := n.record(ctx, id)
	if isNotFound(err) {
		return Unknown, nil
	}
	if err != nil {
		return Unknown, err
	}
	switch r.State {
	case Declined, Blocked, Removed:
		return Ignored, nil
	case Invited, Cloning:
		return Unknown, nil
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return Unknown, err
	}
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return Unknown, err
	}
	return n.standingAt(ctx, s, dev.String())
}

func (n *Node) standingAt(ctx context.Context, s *snapshot, dev string) (Standing, error) {
	if banned, err := s.deviceBanned(ctx, dev); banned || err != nil {
		return Barred, err
	}
	if gone, err := s.revoked(ctx, dev); gone || err != nil {
		return Barred, err
	}
	owner, err := n.ownerOf(ctx, s, dev)
	if err != nil || owner == "" {
		return Barred, err
	}
	role, err := s.role(ctx, owner)
	if err != nil || role == "" || role == "banned" {
		return Barred, err
	}
	return Welcome, nil
}

// ownerOf is the account of a device: by the tree, or by what it showed when it
// introduced itself. Empty if neither knows it.
func (n *Node) ownerOf(ctx context.Context, s *snapshot, dev string) (string, error) {
	u, ok, err := s.owner(ctx, dev)
	if err != nil || ok {
		return u.String(), err
	}
	p, err := get[peerRecord](ctx, n, kindPeer, "", dev)
	if isNotFound(err) {
		return "", nil
	}
	return p.URI, err
}

// Introduce takes in whose a device is. chain is the device's certificate and
// its account's, which must be good.
func (n *Node) Introduce(ctx context.Context, dev ident.DeviceID, chain []byte, name, peer string, addrs []string) (ident.URI, error) {
	certs, err := ident.ParseChain(chain)
	if err != nil {
		return ident.URI{}, err
	}
	if len(certs) < 2 || certs[0].DeviceID() != dev {
		return ident.URI{}, fmt.Errorf("%w: certificate of another device", ErrRights)
	}
	if err := certs[0].SignedBy(certs[1]); err != nil {
		return ident.URI{}, err
	}
	if u, ok := certs[0].Issuer(); !ok || u != certs[1].URI() || certs[0].ExpiredAt(n.cfg.Now()) {
		return u, fmt.Errorf("%w: certificate of another account, or expired", ErrRights)
	}
	u := certs[1].URI()
	if err := n.meet(ctx, dev.String(), u.String(), name); err != nil {
		return u, err
	}
	return u, n.met(ctx, dev.String(), u, peer, addrs)
}

// Blocked tells whether an account may not reach us at all.
func (n *Node) Blocked(ctx context.Context, u ident.URI) (bool, error) {
	_, err := n.cfg.Values.Get(ctx, kindBlock, "", u.String())
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Peers are the devices that may take part in a conversation, without this one,
// with their certificates.
func (n *Node) Peers(ctx context.Context, id commit.ObjectID) ([]*ident.Certificate, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return nil, err
	}
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return nil, err
	}
	all, err := s.names(ctx, string(commit.Devices))
	if err != nil {
		return nil, err
	}
	var out []*ident.Certificate
	for _, dev := range all {
		if dev == a.device.ID().String() {
			continue
		}
		st, err := n.standingAt(ctx, s, dev)
		if err != nil {
			return nil, err
		}
		b, ok, err := s.file(ctx, commit.Devices.File(dev))
		if err != nil {
			return nil, err
		}
		if cert, err := ident.ParseCertificate(b); ok && st == Welcome && err == nil && cert.DeviceID().String() == dev {
			out = append(out, cert)
		}
	}
	return out, nil
}

// Active are the conversations that take part in the network, and Wanting those
// that were accepted and not copied yet.
func (n *Node) Active(ctx context.Context) (active, wanting []commit.ObjectID, err error) {
	all, err := n.records(ctx)
	for _, r := range all {
		switch r.State {
		case Member, Left:
			active = append(active, r.ID)
		case Cloning:
			wanting = append(wanting, r.ID)
		}
	}
	return active, wanting, err
}

// Ready looks after a conversation that takes part: what was not told of when we
// ended is told now. One whose repository is gone takes part no longer, which
// ready is false for: it is to be copied again, or, if we left it, is forgotten.
func (n *Node) Ready(ctx context.Context, id commit.ObjectID) (ready bool, err error) {
	c, err := n.open(ctx, id)
	if err == nil {
		return true, n.caughtUp(ctx, c)
	}
	if !isNotFound(err) {
		return false, err
	}
	return false, n.edit(ctx, id, func(r *convRecord) error {
		switch r.State {
		case Member:
			r.State = Cloning
		case Left:
			r.State, r.Erase = Removed, false
		}
		return nil
	})
}

// Head is the head of a conversation.
func (n *Node) Head(ctx context.Context, id commit.ObjectID) (commit.ObjectID, error) {
	c, err := n.open(ctx, id)
	if err != nil {
		return commit.ObjectID{}, err
	}
	return c.repo.Head(ctx)
}

// Has tells whether a commit is here.
func (n *Node) Has(ctx context.Context, id, k commit.ObjectID) (bool, error) {
	c, err := n.open(ctx, id)
	if err != nil {
		return false, err
	}
	list, err := c.repo.Commits(ctx, k)
	return len(list) > 0, err
}

// Serve answers git-upload-pack.
func (n *Node) Serve(ctx context.Context, id commit.ObjectID, rw repo.ReadWriter) error {
	c, err := n.open(ctx, id)
	if err != nil {
		return err
	}
	return c.repo.Serve(ctx, rw, repo.ServeOptions{})
}

// graph looks nodes up in a repository's index.
type graph struct{ r *repo.Repo }

func (g graph) Node(ctx context.Context, id commit.ObjectID) (order.Node, error) {
	list, err := g.r.Commits(ctx, id)
	if err != nil {
		return order.Node{}, err
	}
	if len(list) == 0 {
		return order.Node{}, fmt.Errorf("swarm: %v: %w", id, commit.ErrNotFound)
	}
	return order.Node{Parents: list[0].Parents, Time: list[0].Time, Gen: list[0].Gen}, nil
}

// check is the verdict on what a fetch brought.
func (n *Node) check(id commit.ObjectID, r *repo.Repo) func(context.Context, *repo.Incoming) error {
	return func(ctx context.Context, in *repo.Incoming) error {
		fresh := make(map[commit.ObjectID]bool, len(in.Commits))
		for _, m := range in.Commits {
			fresh[m.ID] = true
		}
		o := verify.Options{Root: id, Local: in.Local, Now: n.cfg.Now()}
		if !in.Local.IsZero() {
			o.Known = func(k commit.ObjectID) bool { return !fresh[k] }
			if r != nil {
				o.Graph = graph{r}
			}
		}
		_, err := verify.History(ctx, in.Objects, in.Head, o)
		why, refused := verify.AsReason(err)
		if !refused || why.Temporary() {
			return err
		}
		return &repo.Refusal{Head: in.Head, Commit: why.Commit, Reason: why.Text(), At: n.cfg.Now()}
	}
}

// Fetch brings what a device has and moves our head on if that needs no merge;
// diverged tells that it does. The error wraps [repo.ErrRefused] if the history
// is not valid.
func (n *Node) Fetch(ctx context.Context, id commit.ObjectID, dev ident.DeviceID, rw repo.ReadWriter) (head commit.ObjectID, diverged bool, err error) {
	c, err := n.open(ctx, id)
	if err != nil {
		return head, false, err
	}
	got, err := c.repo.Fetch(ctx, rw, repo.FetchOptions{Device: dev.String(), Verify: n.check(id, c.repo)})
	if err != nil {
		return head, false, err
	}
	if err := n.cfg.Values.Put(ctx, value(kindMark, id.String(), markSynced, n.cfg.Now().UTC())); err != nil {
		return got.Head, false, err
	}
	c.write.Lock()
	defer c.write.Unlock()
	ours, err := c.repo.Head(ctx)
	if err != nil {
		return got.Head, false, err
	}
	if below, err := c.repo.IsAncestor(ctx, got.Head, ours); err != nil || below {
		return got.Head, false, err
	}
	if ahead, err := c.repo.IsAncestor(ctx, ours, got.Head); err != nil || !ahead {
		return got.Head, err == nil, err
	}
	err = n.mergeOne(ctx, c, got.Head)
	n.told(ctx, c)
	return got.Head, false, err
}

func (n *Node) mergeOne(ctx context.Context, c *conv, theirs commit.ObjectID) error {
	a, err := n.self(ctx)
	if err != nil {
		return err
	}
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return err
	}
	o, err := c.at(ctx, theirs)
	if err != nil {
		return err
	}
	at := n.clock(max(s.head.Committer.Time, o.head.Committer.Time))
	_, err = c.repo.Merge(ctx, theirs, repo.MergeOptions{Author: n.repoAuthor(a), Time: at})
	return err
}

// mergeIn merges a head unless it is below ours; false if we may not.
func (n *Node) mergeIn(ctx context.Context, a *account, c *conv, theirs commit.ObjectID) (bool, error) {
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return false, err
	}
	if below, err := c.repo.IsAncestor(ctx, theirs, s.id); err != nil || below {
		return true, err
	}
	if st, err := n.standingAt(ctx, s, a.device.ID().String()); err != nil || st != Welcome {
		return false, err
	}
	return true, n.mergeOne(ctx, c, theirs)
}

// Merge merges all that was fetched and is not below our head, and returns the
// new head, or a zero one if there was nothing to merge or if this device may
// not write.
func (n *Node) Merge(ctx context.Context, id commit.ObjectID) (commit.ObjectID, error) {
	a, err := n.self(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return commit.ObjectID{}, err
	}
	c.write.Lock()
	defer c.write.Unlock()
	remotes, err := c.repo.Remotes(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	before, err := c.repo.Head(ctx)
	if err != nil {
		return before, err
	}
	defer n.told(ctx, c)
	for _, theirs := range remotes {
		if may, err := n.mergeIn(ctx, a, c, theirs); err != nil || !may {
			return commit.ObjectID{}, err
		}
	}
	after, err := c.repo.Head(ctx)
	if err != nil || after == before {
		return commit.ObjectID{}, err
	}
	return after, nil
}
