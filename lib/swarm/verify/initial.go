package verify

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// initial judges a first commit: the creator's two certificates and, between
// two, who is invited.
func (k *checker) initial(ctx context.Context, s *subject) (*job, error) {
	if err := k.prepare(ctx, s); err != nil {
		return nil, err
	}
	mode, invited, err := initialFacts(s.msg)
	if err != nil {
		return nil, err
	}
	if err := k.identify(ctx, s, s.c.Tree); err != nil {
		return nil, err
	}
	if !s.known {
		return nil, refuse(InitialDevice, s.device)
	}
	for _, c := range s.changes {
		ok := s.own(c) || c.Path == commit.AdminPath(s.user) && c.New.Mode == commit.ModeFile ||
			mode == commit.OneToOne && c.Path == commit.InvitedPath(invited) && c.New == emptyFile
		if !ok && c.Path == commit.CRLPath(s.user) {
			if ok, err = k.goodCRL(ctx, s, c); err != nil {
				return nil, err
			}
		}
		if !ok {
			return nil, refuse(InitialFile, c.Path)
		}
	}
	if ok, err := k.has(ctx, s.c.Tree, commit.AdminPath(s.user)); err != nil || !ok {
		return nil, orRefuse(err, InitialAdmin, s.user.String())
	}
	if mode == commit.OneToOne {
		if ok, err := k.has(ctx, s.c.Tree, commit.InvitedPath(invited)); err != nil || !ok {
			return nil, orRefuse(err, InitialInvited, invited.String())
		}
	}
	return k.author(ctx, s, s.c.Tree)
}

var emptyFile = commit.Value{Mode: commit.ModeFile, ID: commit.EmptyBlob}

func orRefuse(err error, code Code, detail string) error {
	if err != nil {
		return err
	}
	return refuse(code, detail)
}

func initialFacts(m commit.Message) (mode commit.Scope, invited ident.URI, err error) {
	if m.Type() != commit.TypeInitial {
		return 0, invited, refuse(InitialType, m.Type())
	}
	mode, ok := m.Scope()
	if !ok {
		return 0, invited, refuse(InitialMode, m.Str("mode"))
	}
	if mode == commit.OneToOne {
		if invited, err = ident.ParseURI(m.Str("invited")); err != nil {
			return 0, invited, refuse(InitialInvited, m.Str("invited"))
		}
	}
	return mode, invited, nil
}

// facts reads the first commit, once. What cannot be read is not known.
func (k *checker) facts(ctx context.Context) (*rootFacts, error) {
	if k.root != nil {
		return k.root, nil
	}
	f := &rootFacts{}
	if k.opt.Root.IsZero() {
		return f, nil
	}
	c, err := commit.ReadCommit(ctx, k.objects, k.opt.Root)
	if err != nil {
		return nil, err
	}
	k.root = f
	m, err := commit.ParseMessage(c.Message)
	if err != nil {
		return f, nil
	}
	mode, invited, err := initialFacts(m)
	if err != nil {
		return f, nil
	}
	s := &subject{device: c.Author.Email}
	if err := k.identify(ctx, s, c.Tree); err != nil {
		return nil, err
	}
	*f = rootFacts{mode: mode, pair: [2]ident.URI{s.user, invited}, known: s.known}
	return f, nil
}
