package verify

import (
	"context"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// member judges a change of the members.
func (k *checker) member(ctx context.Context, s *subject) error {
	who := s.msg.Str("uri")
	uri, notURI := ident.ParseURI(who)
	_, notDevice := ident.ParseDeviceID(who)
	switch a := s.msg.Action(); a {
	case commit.Add, commit.Join, commit.Elevate, commit.Demote:
		if notURI != nil {
			return refuse(MemberURI, who)
		}
		switch a {
		case commit.Add:
			return k.add(ctx, s, uri)
		case commit.Join:
			return k.join(ctx, s, uri)
		}
		return k.resolve(ctx, s, a, who)
	case commit.Remove, commit.Ban, commit.Unban:
		if notURI != nil && notDevice != nil {
			return refuse(MemberURI, who)
		}
		if a == commit.Remove {
			return k.remove(ctx, s, who)
		}
		return k.resolve(ctx, s, a, who)
	}
	return refuse(MemberAction, s.msg.Str("action"))
}

// add judges an invitation: one new empty file.
func (k *checker) add(ctx context.Context, s *subject, uri ident.URI) error {
	if uri == s.user {
		return refuse(AddSelf, "")
	}
	invited := false
	for _, c := range s.changes {
		ok := s.own(c)
		if c.Path == commit.InvitedPath(uri) {
			invited = c.Added() && c.New == emptyFile
			ok = invited
		} else if c.Path == commit.CRLPath(s.user) {
			var err error
			if ok, err = k.goodCRL(ctx, s, c); err != nil {
				return err
			}
		}
		if !ok {
			return refuse(AddFile, c.Path)
		}
	}
	if !invited {
		return refuse(AddFiles, "")
	}
	f, err := k.facts(ctx)
	if err != nil {
		return err
	}
	if f.known && f.mode == commit.OneToOne && uri != f.pair[0] && uri != f.pair[1] {
		return refuse(AddThird, uri.String())
	}
	for _, p := range []string{commit.MemberPath(uri), commit.AdminPath(uri)} {
		if ok, err := k.has(ctx, s.before, p); err != nil || ok {
			return orRefuse(err, AddMember, uri.String())
		}
	}
	if ok, err := k.banned(ctx, s.before, uri); err != nil || ok {
		return orRefuse(err, AddBanned, uri.String())
	}
	return nil
}

// join judges how somebody invited becomes a member.
func (k *checker) join(ctx context.Context, s *subject, uri ident.URI) error {
	invited, member := commit.InvitedPath(uri), commit.MemberPath(uri)
	for _, c := range s.changes {
		if !s.own(c) && c.Path != invited && (c.Path != member || c.New.Mode != commit.ModeFile) {
			return refuse(JoinFile, c.Path)
		}
	}
	for _, w := range []struct {
		tree commit.ObjectID
		path string
		want bool
		code Code
	}{
		{s.before, invited, true, JoinUninvited},
		{s.c.Tree, invited, false, JoinInvited},
		{s.before, member, false, JoinMember},
		{s.before, commit.AdminPath(uri), false, JoinMember},
		{s.c.Tree, member, true, JoinNoMember},
		{s.c.Tree, commit.Devices.File(s.device), true, JoinNoDevice},
	} {
		if ok, err := k.has(ctx, w.tree, w.path); err != nil || ok != w.want {
			return orRefuse(err, w.code, uri.String())
		}
	}
	if !s.known || s.user != uri {
		return refuse(JoinOther, uri.String())
	}
	return nil
}

// remove judges how an account leaves, or takes one of its devices out; with
// the device may come a list that revokes it.
func (k *checker) remove(ctx context.Context, s *subject, who string) error {
	gone := ""
	if who == s.user.String() {
		for _, kind := range []commit.Kind{commit.Admins, commit.Members} {
			if ok, err := k.has(ctx, s.before, kind.File(who)); err != nil {
				return err
			} else if ok {
				gone = kind.File(who)
			}
		}
	} else {
		gone = commit.Devices.File(who)
		if ok, err := k.deviceOf(ctx, s.before, gone, s.user); err != nil || !ok {
			return orRefuse(err, RemoveOther, who)
		}
	}
	removed := false
	for _, c := range s.changes {
		ok, err := k.removable(ctx, s, c, who)
		if err != nil {
			return err
		}
		if !ok {
			return refuse(RemoveFile, c.Path)
		}
		removed = removed || c.Path == gone && c.Deleted()
	}
	if !removed {
		return refuse(RemoveNothing, who)
	}
	return nil
}

func (k *checker) removable(ctx context.Context, s *subject, c commit.Change, who string) (bool, error) {
	leaves := who == s.user.String()
	switch {
	case c.Path == "CRLs/"+who && !leaves:
		return k.goodCRL(ctx, s, c)
	case !c.Deleted():
		return false, nil
	case c.Path == commit.Devices.File(who):
		return !leaves, nil
	case leaves && strings.HasPrefix(c.Path, "devices/"):
		return k.deviceOf(ctx, s.before, c.Path, s.user)
	}
	return leaves && (c.Path == commit.Admins.File(who) || c.Path == commit.Members.File(who) ||
		c.Path == commit.Invited.File(who)), nil
}

// deviceOf tells whether a path holds a device certificate that names the
// account.
func (k *checker) deviceOf(ctx context.Context, tree commit.ObjectID, path string, u ident.URI) (bool, error) {
	c, _, err := k.certAt(ctx, tree, path)
	if err != nil || c == nil {
		return false, err
	}
	issuer, ok := c.Issuer()
	return ok && issuer == u, nil
}
