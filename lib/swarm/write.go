package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// attempts is how often a commit is made anew because the head has moved.
const attempts = 16

// write makes a commit on our head and tells of it. make may be called again
// when the head has moved; a nil draft means that there is nothing to do.
func (n *Node) write(ctx context.Context, c *conv, make func(s *snapshot) (*compose.Draft, error)) (commit.ObjectID, error) {
	a, err := n.self(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	c.write.Lock()
	defer c.write.Unlock()
	for range attempts {
		s, err := c.at(ctx, commit.ObjectID{})
		if err != nil {
			return commit.ObjectID{}, err
		}
		d, err := make(s)
		if err != nil || d == nil {
			return commit.ObjectID{}, err
		}
		id, err := n.commit(ctx, a, c, s, d)
		if errors.Is(err, repo.ErrMoved) {
			continue
		}
		if err != nil {
			return id, err
		}
		n.told(ctx, c)
		if net := n.network(); net != nil {
			net.Announce(c.id, id)
		}
		return id, nil
	}
	return commit.ObjectID{}, repo.ErrMoved
}

func (n *Node) commit(ctx context.Context, a *account, c *conv, s *snapshot, d *compose.Draft) (commit.ObjectID, error) {
	if err := n.mayWrite(ctx, a, s, d); err != nil {
		return commit.ObjectID{}, err
	}
	objects, err := compose.Make(ctx, s.place(), s.id, *d, n.writer(a, n.clock(s.head.Committer.Time)))
	if err != nil {
		return commit.ObjectID{}, err
	}
	id := objects[len(objects)-1].ID()
	return id, c.repo.Append(ctx, objects, s.id, id)
}

func (n *Node) writer(a *account, at time.Time) compose.Who {
	return compose.Who{Device: a.device, Name: n.displayName(a), Time: at}
}

// place is where compose writes.
func (s *snapshot) place() compose.At { return compose.At{Trees: s.trees, Tree: s.head.Tree} }

func (n *Node) repoAuthor(a *account) repo.Author {
	return repo.Author{Signer: a.device, Name: n.displayName(a), Device: a.device.ID().String()}
}

// mayWrite tells early what every member would refuse.
func (n *Node) mayWrite(ctx context.Context, a *account, s *snapshot, d *compose.Draft) error {
	banned, err := s.deviceBanned(ctx, a.device.ID().String())
	if err != nil {
		return err
	}
	if banned {
		return fmt.Errorf("%w: this device is banned", ErrRights)
	}
	role, err := s.role(ctx, a.device.URI().String())
	if err != nil {
		return err
	}
	joining := d.Message.Type() == commit.TypeMember && d.Message.Action() == commit.Join
	switch {
	case role == "admin" || role == "member" || role == "invited" && joining:
		return nil
	case role == "banned":
		return fmt.Errorf("%w: the account is banned", ErrRights)
	}
	return fmt.Errorf("%w: the account is no member", ErrRights)
}

// find opens a conversation by its id or the beginning of it.
func (n *Node) find(ctx context.Context, name string) (*conv, error) {
	id, err := n.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	return n.open(ctx, id)
}

// resolve finds a conversation by its id or the beginning of it, among all
// that we know of.
func (n *Node) resolve(ctx context.Context, name string) (commit.ObjectID, error) {
	all, err := n.records(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	var found []commit.ObjectID
	for _, r := range all {
		if name != "" && r.State != Removed && strings.HasPrefix(r.ID.String(), strings.ToLower(name)) {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return commit.ObjectID{}, fmt.Errorf("%w: conversation %q", ErrNotFound, name)
	}
	return commit.ObjectID{}, usagef("%q fits %d conversations", name, len(found))
}

// findCommit finds a commit by its id or the beginning of it, of at least 6
// digits, among the last ones.
func (n *Node) findCommit(ctx context.Context, c *conv, name string) (commit.ObjectID, error) {
	if id, err := commit.ParseObjectID(strings.ToLower(name)); err == nil {
		if _, err := commit.ReadCommit(ctx, c.repo, id); err != nil {
			return id, fmt.Errorf("%w: message %s", ErrNotFound, name)
		}
		return id, nil
	}
	if len(name) < 6 {
		return commit.ObjectID{}, usagef("%q is too short for a message; give 6 digits or more", name)
	}
	const page = 1000
	var found []commit.ObjectID
	for skip := 0; skip < 10*page; skip += page {
		list, err := c.repo.Log(ctx, skip, page)
		if err != nil {
			return commit.ObjectID{}, err
		}
		for _, m := range list {
			if strings.HasPrefix(m.ID.String(), strings.ToLower(name)) {
				found = append(found, m.ID)
			}
		}
		if len(list) < page {
			break
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return commit.ObjectID{}, fmt.Errorf("%w: message %q", ErrNotFound, name)
	}
	return commit.ObjectID{}, usagef("%q fits %d messages", name, len(found))
}

// usageError is a request that makes no sense.
type usageError struct{ s string }

func (e *usageError) Error() string { return "swarm: " + e.s }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// first makes the first commit of a conversation. Two that one device begins in
// the same second would be the same: the later one has a later date.
func (n *Node) first(ctx context.Context, a *account, mode commit.Scope, other ident.URI, at time.Time) ([]commit.Object, commit.ObjectID, error) {
	for {
		objects, err := compose.Make(ctx, compose.At{Trees: commit.NewTrees(commit.Mem{}), Tree: commit.EmptyTree}, commit.ObjectID{},
			compose.Initial(a.device, mode, other), n.writer(a, at))
		if err != nil {
			return nil, commit.ObjectID{}, err
		}
		root := objects[len(objects)-1].ID()
		if _, err := n.record(ctx, root); isNotFound(err) || err != nil {
			if isNotFound(err) {
				err = nil
			}
			return objects, root, err
		}
		at = at.Add(time.Second)
	}
}

// New begins a conversation; the first commit's id is its name.
func (n *Node) New(ctx context.Context, mode commit.Scope, other ident.URI, p commit.Profile) (commit.ObjectID, error) {
	a, err := n.self(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	at := n.cfg.Now()
	if mode == commit.OneToOne {
		if id, ok, err := n.between(ctx, other); ok || err != nil {
			return id, err
		}
	}
	objects, root, err := n.first(ctx, a, mode, other, at)
	if err != nil {
		return root, err
	}
	o, err := n.repoOptions(ctx)
	if err != nil {
		return root, err
	}
	r, err := repo.Create(ctx, n.repoDir(), root, objects, o)
	if err != nil {
		return root, err
	}
	if err := r.Close(); err != nil {
		return root, err
	}
	rec := &convRecord{ID: root, State: Member, Mode: mode, Created: at.UTC()}
	if err := n.putRecord(ctx, rec); err != nil {
		return root, errors.Join(err, n.drop(root))
	}
	c, err := n.open(ctx, root)
	if err != nil {
		return root, err
	}
	c.write.Lock()
	n.told(ctx, c)
	c.write.Unlock()
	if p.Title != "" || p.Description != "" || p.Avatar != "" {
		if _, err := n.SetProfile(ctx, c, func(commit.Profile) commit.Profile { return p }); err != nil {
			return root, err
		}
	}
	return root, nil
}
