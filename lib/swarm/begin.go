package swarm

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// between finds the conversation of two that we have with somebody already,
// so that who was removed and comes back does not get a second one.
func (n *Node) between(ctx context.Context, other ident.URI) (commit.ObjectID, bool, error) {
	all, err := n.records(ctx)
	if err != nil {
		return commit.ObjectID{}, false, err
	}
	var best *convRecord
	for _, r := range all {
		if r.Mode != commit.OneToOne || r.State != Member && r.State != Cloning {
			continue
		}
		with, err := n.with(ctx, r)
		if err != nil {
			return commit.ObjectID{}, false, err
		}
		// Both may have begun one at once: all take the same of them.
		if with == other && (best == nil || r.ID.String() < best.ID.String()) {
			best = r
		}
	}
	if best == nil {
		return commit.ObjectID{}, false, nil
	}
	return best.ID, true, nil
}

// with is the other one of a conversation of two.
func (n *Node) with(ctx context.Context, r *convRecord) (ident.URI, error) {
	if r.From != "" {
		return ident.ParseURI(r.From)
	}
	c, err := n.open(ctx, r.ID)
	if isNotFound(err) {
		return ident.URI{}, nil
	}
	if err != nil {
		return ident.URI{}, err
	}
	m, err := c.message(ctx, r.ID)
	if err != nil {
		return ident.URI{}, err
	}
	return ident.ParseURI(m.Str("invited"))
}
