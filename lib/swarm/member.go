package swarm

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// Add commits that somebody is invited, unless that is so already.
func (n *Node) Add(ctx context.Context, c *conv, who ident.URI) error {
	_, err := n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) {
		role, err := s.role(ctx, who.String())
		switch {
		case err != nil:
			return nil, err
		case role == "banned":
			return nil, fmt.Errorf("%w: %s is banned", ErrState, who)
		case role != "":
			return nil, nil
		}
		d := compose.Add(who)
		return &d, nil
	})
	return err
}

// join commits that we are a member, if we are invited and not one.
func (n *Node) join(ctx context.Context, c *conv) error {
	a, err := n.self(ctx)
	if err != nil {
		return err
	}
	_, err = n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) {
		role, err := s.role(ctx, a.device.URI().String())
		if err != nil || role != "invited" {
			return nil, err
		}
		d := compose.Join(a.device)
		return &d, nil
	})
	return err
}

// Leave commits that we are no member any more.
func (n *Node) Leave(ctx context.Context, c *conv) error {
	a, err := n.self(ctx)
	if err != nil {
		return err
	}
	_, err = n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) {
		d, err := compose.Leave(ctx, s.place(), a.device)
		if errors.Is(err, compose.ErrImpossible) {
			return nil, nil
		}
		return &d, err
	})
	return err
}

// Vote votes on an action about an account or a device. With decide it also
// takes the last step if more than half of the admins have voted; the commit
// is the last one made.
func (n *Node) Vote(ctx context.Context, c *conv, action commit.Action, who string, decide bool) (commit.ObjectID, error) {
	a, err := n.self(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	us := a.device.URI()
	stepDown := action == commit.Demote && who == us.String()
	if who == us.String() && !stepDown || who == a.device.ID().String() {
		return commit.ObjectID{}, usagef("%s cannot be about ourselves; leave instead", action)
	}
	var last commit.ObjectID
	if !stepDown {
		last, err = n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) { return s.vote(ctx, us, action, who) })
		if err != nil || !decide {
			return last, err
		}
	}
	id, err := n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) {
		subject, err := s.subject(ctx, action, who)
		if err != nil {
			return nil, err
		}
		d, ok, err := compose.Resolve(ctx, s.place(), subject, us)
		if err == nil && !ok && stepDown {
			err = fmt.Errorf("%w: the last admin stays one", ErrState)
		}
		if err != nil || !ok {
			return nil, err
		}
		return &d, nil
	})
	if !id.IsZero() {
		last = id
	}
	return last, err
}

// vote is the draft of a vote, nil if it was cast before.
func (s *snapshot) vote(ctx context.Context, us ident.URI, action commit.Action, who string) (*compose.Draft, error) {
	if ok, err := s.has(ctx, commit.AdminPath(us)); err != nil || !ok {
		if err == nil {
			err = fmt.Errorf("%w: only admins vote", ErrRights)
		}
		return nil, err
	}
	subject, err := s.subject(ctx, action, who)
	if err != nil {
		return nil, err
	}
	d, ok, err := compose.Vote(ctx, s.place(), subject, us)
	if err != nil || !ok {
		return nil, err
	}
	return &d, nil
}

func (s *snapshot) subject(ctx context.Context, action commit.Action, who string) (compose.Subject, error) {
	subject, err := compose.Find(ctx, s.place(), action, who)
	if errors.Is(err, compose.ErrImpossible) {
		err = fmt.Errorf("%w: nobody here to %s: %s", ErrNotFound, action, who)
	}
	return subject, err
}

// SetProfile changes the conversation's profile.
func (n *Node) SetProfile(ctx context.Context, c *conv, edit func(commit.Profile) commit.Profile) (commit.ObjectID, error) {
	a, err := n.self(ctx)
	if err != nil {
		return commit.ObjectID{}, err
	}
	return n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) {
		if ok, err := s.has(ctx, commit.AdminPath(a.device.URI())); err != nil || !ok {
			if err == nil {
				err = fmt.Errorf("%w: only admins change the profile", ErrRights)
			}
			return nil, err
		}
		was, err := s.profile(ctx)
		if err != nil {
			return nil, err
		}
		now := edit(was)
		if now == was {
			return nil, nil
		}
		d, err := compose.Profile(now)
		return &d, err
	})
}

// Roster lists the members of a conversation with their votes.
func (n *Node) Roster(ctx context.Context, c *conv) (*api.SwarmMembers, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return nil, err
	}
	out := &api.SwarmMembers{Type: "swarmMembers", Conv: c.id.String()}
	devices, err := s.devicesByOwner(ctx)
	if err != nil {
		return nil, err
	}
	names, err := n.names(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, l := range []struct{ dir, role string }{{"admins", "admin"}, {"members", "member"}, {"invited", "invited"},
		{"banned/admins", "banned"}, {"banned/members", "banned"}, {"banned/invited", "banned"}} {
		who, err := s.names(ctx, l.dir)
		if err != nil {
			return nil, err
		}
		for _, u := range who {
			out.Members = append(out.Members, api.SwarmMember{URI: u, Role: l.role, Devices: devices[u],
				Name: names.of(devices[u]), This: u == a.device.URI().String()})
		}
	}
	if out.Banned, err = s.names(ctx, "banned/devices"); err != nil {
		return nil, err
	}
	out.Votes, err = s.votes(ctx)
	return out, err
}

func (s *snapshot) devicesByOwner(ctx context.Context) (map[string][]string, error) {
	all, err := s.names(ctx, string(commit.Devices))
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, dev := range all {
		u, ok, err := s.owner(ctx, dev)
		if err != nil {
			return nil, err
		}
		if ok {
			out[u.String()] = append(out[u.String()], dev)
		}
	}
	return out, nil
}

// votes are those that are not decided.
func (s *snapshot) votes(ctx context.Context) (out []api.SwarmVote, err error) {
	for _, action := range votable {
		for _, kind := range []commit.Kind{commit.Admins, commit.Members, commit.Invited, commit.Devices} {
			dir := "votes/" + string(action) + "/" + string(kind)
			who, err := s.names(ctx, dir)
			if err != nil {
				return nil, err
			}
			for _, w := range who {
				voters, err := s.names(ctx, dir+"/"+w)
				if err != nil {
					return nil, err
				}
				out = append(out, api.SwarmVote{Action: string(action), Who: w, Voters: voters})
			}
		}
	}
	return out, nil
}
