package swarm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// How conversations come to a device, and invitations to others.

// Clone copies an accepted conversation over rw and joins it.
func (n *Node) Clone(ctx context.Context, id commit.ObjectID, dev ident.DeviceID, rw repo.ReadWriter) error {
	if _, err := os.Stat(filepath.Join(n.repoDir(), id.String())); errors.Is(err, os.ErrNotExist) {
		o, err := n.repoOptions(ctx)
		if err != nil {
			return err
		}
		r, _, err := repo.Clone(ctx, n.repoDir(), id, rw, o, repo.FetchOptions{Device: dev.String(), Verify: n.check(id, nil)})
		if err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return err
	}
	mode, err := c.mode(ctx)
	if err != nil {
		return err
	}
	if err := n.edit(ctx, id, func(r *convRecord) error {
		r.State, r.Mode = Member, mode
		return nil
	}); err != nil {
		return err
	}
	c.write.Lock()
	n.told(ctx, c)
	c.write.Unlock()
	return n.join(ctx, c)
}

// Sources are the devices that an accepted conversation can be copied from, our
// own others last, and the token of its invitation, if it is an open one.
func (n *Node) Sources(ctx context.Context, id commit.ObjectID) (devices []string, token string, err error) {
	r, err := n.record(ctx, id)
	if err != nil {
		return nil, "", err
	}
	devices = slices.Clone(r.Devices)
	a, err := n.self(ctx)
	if err != nil {
		return nil, "", err
	}
	ours, err := n.siblings(ctx, a)
	for _, d := range ours {
		if !slices.Contains(devices, d) {
			devices = append(devices, d)
		}
	}
	return devices, r.Token, err
}

// Where is the libp2p name of a device and the addresses at which it was last.
func (n *Node) Where(ctx context.Context, device string) (peer string, addrs []string, err error) {
	p, err := get[peerRecord](ctx, n, kindPeer, "", device)
	if isNotFound(err) {
		return "", nil, nil
	}
	return p.Peer, p.Addrs, err
}

// Waiting are the invitations that are to be delivered, by account.
func (n *Node) Waiting(ctx context.Context) (map[ident.URI][]*Invitation, error) {
	active, _, err := n.Active(ctx)
	if err != nil {
		return nil, err
	}
	out := map[ident.URI][]*Invitation{}
	for _, id := range active {
		all, err := n.cfg.Values.List(ctx, kindInvite, id.String())
		if err != nil {
			return nil, err
		}
		for _, v := range all {
			i, err := get[Invitation](ctx, n, kindInvite, id.String(), v.Key)
			if err != nil {
				return nil, err
			}
			if u, err := ident.ParseURI(v.Key); err == nil {
				out[u] = append(out[u], &i)
			}
		}
	}
	return out, nil
}

// Delivered notes that an account has its invitation.
func (n *Node) Delivered(ctx context.Context, id commit.ObjectID, u ident.URI) error {
	return n.cfg.Values.Put(ctx, Value{Kind: kindInvite, Conv: id.String(), Key: u.String()})
}

// Heard is told that a device has a commit: a conversation that we left, and
// that is to be erased, goes when another device knows.
func (n *Node) Heard(ctx context.Context, id, k commit.ObjectID) error {
	n.mu.Lock()
	if c := n.convs[id]; c != nil {
		c.heard = k
	}
	n.mu.Unlock()
	r, err := n.record(ctx, id)
	if err != nil || r.State != Left || !r.Erase {
		return err
	}
	head, err := n.Head(ctx, id)
	if err != nil || head != k {
		return err
	}
	return n.erase(ctx, id)
}
