package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// snapshot is a conversation as it stands at a commit.
type snapshot struct {
	conv  *conv
	trees *commit.Trees
	id    commit.ObjectID
	head  *commit.Commit
}

// at looks at a conversation at a commit, or at our head if it is zero.
func (c *conv) at(ctx context.Context, id commit.ObjectID) (*snapshot, error) {
	if id.IsZero() {
		var err error
		if id, err = c.repo.Head(ctx); err != nil {
			return nil, err
		}
	}
	head, err := commit.ReadCommit(ctx, c.repo, id)
	if err != nil {
		return nil, err
	}
	return &snapshot{conv: c, trees: commit.NewTrees(c.repo), id: id, head: head}, nil
}

func (s *snapshot) has(ctx context.Context, path string) (bool, error) {
	_, ok, err := s.trees.Lookup(ctx, s.head.Tree, path)
	return ok, err
}

func (s *snapshot) file(ctx context.Context, path string) ([]byte, bool, error) {
	id, ok, err := s.trees.File(ctx, s.head.Tree, path)
	if err != nil || !ok {
		return nil, false, err
	}
	b, err := s.trees.Blob(ctx, id)
	return b, err == nil, err
}

// names lists a folder's files without the extension.
func (s *snapshot) names(ctx context.Context, dir string) ([]string, error) {
	entries, err := s.trees.List(ctx, s.head.Tree, dir)
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name, ".crt"))
	}
	return out, err
}

// role is where an account stands: an admin, a member, invited, banned, or
// nowhere, which is "".
func (s *snapshot) role(ctx context.Context, who string) (string, error) {
	for _, kind := range []commit.Kind{commit.Members, commit.Admins, commit.Invited} {
		if ok, err := s.has(ctx, kind.Banned(who)); ok || err != nil {
			return "banned", err
		}
	}
	for _, r := range []struct {
		kind commit.Kind
		role string
	}{{commit.Admins, "admin"}, {commit.Members, "member"}, {commit.Invited, "invited"}} {
		if ok, err := s.has(ctx, r.kind.File(who)); ok || err != nil {
			return r.role, err
		}
	}
	return "", nil
}

// deviceBanned tells whether a device is banned by itself.
func (s *snapshot) deviceBanned(ctx context.Context, device string) (bool, error) {
	return s.has(ctx, commit.Devices.Banned(device))
}

// revoked tells whether the account of a device took it its rights, which is
// in a list beside the removed certificate.
func (s *snapshot) revoked(ctx context.Context, device string) (bool, error) {
	return s.has(ctx, "CRLs/"+device)
}

// owner is the account of a device with a certificate in the tree.
func (s *snapshot) owner(ctx context.Context, device string) (ident.URI, bool, error) {
	b, ok, err := s.file(ctx, commit.Devices.File(device))
	if err != nil || !ok {
		return ident.URI{}, false, err
	}
	c, err := ident.ParseCertificate(b)
	if err != nil {
		return ident.URI{}, false, nil
	}
	u, ok := c.Issuer()
	return u, ok, nil
}

// profile is the conversation's profile.
func (s *snapshot) profile(ctx context.Context) (commit.Profile, error) {
	b, ok, err := s.file(ctx, commit.ProfilePath)
	if err != nil || !ok {
		return commit.Profile{}, err
	}
	p, err := commit.ParseProfile(b)
	if errors.Is(err, commit.ErrMalformed) {
		return commit.Profile{}, nil
	}
	return p, err
}

// mode is what the first commit says.
func (c *conv) mode(ctx context.Context) (commit.Scope, error) {
	m, err := c.message(ctx, c.id)
	if err != nil {
		return 0, err
	}
	mode, ok := m.Scope()
	if !ok {
		return 0, fmt.Errorf("swarm: the first commit has no mode")
	}
	return mode, nil
}

func (c *conv) message(ctx context.Context, id commit.ObjectID) (commit.Message, error) {
	m, err := commit.ReadCommit(ctx, c.repo, id)
	if err != nil {
		return nil, err
	}
	return commit.ParseMessage(m.Message)
}
