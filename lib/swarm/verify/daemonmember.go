package verify

import (
	"context"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// daemonMember judges a change of the members as the daemon does, which looks
// at the paths more than at what happens there.
func (k *checker) daemonMember(ctx context.Context, s *subject) error {
	who := s.msg.Str("uri")
	if k.mode != Daemon2023 {
		if len(who) < 40 || strings.Trim(who[:40], "0123456789abcdefABCDEF") != "" || strings.Trim(who[:40], "0") == "" {
			return refuse(MemberURI, who)
		}
	}
	switch s.msg.Action() {
	case commit.Add:
		return k.daemonAdd(ctx, s, who)
	case commit.Join:
		return k.daemonJoin(ctx, s, who)
	case commit.Remove:
		return k.daemonRemove(ctx, s, who)
	case commit.Ban, commit.Unban:
		return k.daemonResolve(ctx, s, who)
	}
	return refuse(MemberAction, s.msg.Str("action"))
}

func (k *checker) daemonAdd(ctx context.Context, s *subject, who string) error {
	if !s.known {
		return refuse(NoDevice, s.device)
	}
	f, err := k.facts(ctx)
	if err != nil {
		return err
	}
	if f.known && f.mode == commit.OneToOne && who != f.pair[0].String() && who != f.pair[1].String() {
		return refuse(AddThird, who)
	}
	if n := len(s.changes); n < 1 || n > 3 {
		return refuse(AddFiles, "")
	}
	invited := commit.Invited.File(who)
	for _, c := range s.changes {
		if c.Path != commit.Devices.File(s.device) && c.Path != invited && c.Path != commit.CRLPath(s.user) {
			return refuse(AddFile, c.Path)
		}
	}
	if who == s.user.String() {
		return refuse(AddSelf, "")
	}
	if e, ok, err := k.trees.Lookup(ctx, s.c.Tree, invited); err != nil || !ok || e.ID != commit.EmptyBlob {
		return orRefuse(err, AddFiles, "")
	}
	if ok, err := k.has(ctx, s.before, commit.Members.Banned(who)); err != nil || ok {
		return orRefuse(err, AddBanned, who)
	}
	return nil
}

func (k *checker) daemonJoin(ctx context.Context, s *subject, who string) error {
	invited, member, device := commit.Invited.File(who), commit.Members.File(who), commit.Devices.File(s.device)
	for _, c := range s.changes {
		if c.Path != invited && c.Path != member && c.Path != device {
			return refuse(JoinFile, c.Path)
		}
	}
	for _, w := range []struct {
		tree commit.ObjectID
		path string
		want bool
		code Code
	}{
		{s.before, invited, true, JoinUninvited}, {s.c.Tree, invited, false, JoinInvited},
		{s.before, member, false, JoinMember}, {s.c.Tree, member, true, JoinNoMember},
		{s.c.Tree, device, true, JoinNoDevice},
	} {
		if ok, err := k.has(ctx, w.tree, w.path); err != nil || ok != w.want {
			return orRefuse(err, w.code, who)
		}
	}
	if k.mode == Daemon2023 {
		return nil
	}
	acc, _, err := k.certAt(ctx, s.c.Tree, member)
	if err != nil || acc == nil || !s.known || s.user.String() != who || acc.URI() != s.user {
		return orRefuse(err, JoinOther, who)
	}
	return nil
}

// listed tells whether a path is one of those that any action about who may
// touch.
func listed(path, who string) bool {
	return path == commit.Admins.File(who) || path == commit.Members.File(who) ||
		path == commit.Invited.File(who) || path == "CRLs/"+who
}

func (k *checker) daemonRemove(ctx context.Context, s *subject, who string) error {
	for _, c := range s.changes {
		if c.Path == commit.Devices.File(s.device) || listed(c.Path, who) {
			continue
		}
		name, ok := strings.CutPrefix(c.Path, "devices/")
		if !ok {
			return refuse(RemoveFile, c.Path)
		}
		if name == who+".crt" {
			continue
		}
		if ok, err := k.belongs(ctx, s.before, c.Path, who); err != nil || !ok {
			return orRefuse(err, RemoveFile, c.Path)
		}
	}
	return nil
}

// belongs tells whether a device certificate is there and names the account.
func (k *checker) belongs(ctx context.Context, tree commit.ObjectID, path, who string) (bool, error) {
	u, err := ident.ParseURI(who)
	if err != nil {
		return false, nil
	}
	return k.deviceOf(ctx, tree, path, u)
}

func (k *checker) daemonResolve(ctx context.Context, s *subject, who string) error {
	if ok, err := k.has(ctx, s.before, commit.AdminPath(s.user)); err != nil || !s.known || !ok {
		return orRefuse(err, BanAdmin, s.user.String())
	}
	action := s.msg.Action()
	voters := map[string]bool{}
	moved := false
	for _, c := range s.changes {
		switch name := strings.TrimPrefix(c.Path, "banned/"); {
		case c.Path == commit.Devices.File(s.device), listed(c.Path, who):
		case strings.HasPrefix(c.Path, "votes/"):
			v, ok := commit.ParseVotePath(c.Path)
			if !ok || v.Action != action || v.Who != who {
				return refuse(BanOther, c.Path)
			}
			if c.Added() {
				return refuse(BanVotes, c.Path)
			}
			voters[v.Voter] = true
		case name != c.Path:
			if dir, file, _ := strings.Cut(name, "/"); file == "" || Kinds[dir] == "" || Kinds[dir].File(who) != name {
				return refuse(BanFile, c.Path)
			}
			moved = true
		case strings.HasPrefix(c.Path, "devices/"):
			if err := k.daemonDevice(ctx, s, c, who, action); err != nil {
				return err
			}
		default:
			return refuse(BanFile, c.Path)
		}
	}
	return k.daemonQuorum(ctx, voters, moved)
}

// Kinds is the kinds by the names of their folders.
var Kinds = map[string]commit.Kind{"members": commit.Members, "admins": commit.Admins,
	"invited": commit.Invited, "devices": commit.Devices}

func (k *checker) daemonDevice(ctx context.Context, s *subject, c commit.Change, who string, a commit.Action) error {
	if c.Path == commit.Devices.File(who) {
		return nil
	}
	tree := s.before
	if a == commit.Unban {
		tree = s.c.Tree
		if !c.Added() {
			return refuse(BanFile, c.Path)
		}
	}
	if ok, err := k.belongs(ctx, tree, c.Path, who); err != nil || !ok {
		return orRefuse(err, BanFile, c.Path)
	}
	return nil
}

// daemonQuorum wants half of the admins that the checkout has.
func (k *checker) daemonQuorum(ctx context.Context, voters map[string]bool, moved bool) error {
	entries, err := k.trees.List(ctx, k.checkout, string(commit.Admins))
	if err != nil {
		return err
	}
	votes := 0
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name, ".crt"); ok && voters[name] {
			votes++
		}
	}
	if len(entries) == 0 || 2*votes < len(entries) || votes == 0 {
		return refuse(BanVotes, "")
	}
	if !moved {
		return refuse(BanNotMoved, "")
	}
	return nil
}
