package verify

import (
	"context"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// codes are the reasons of an action that votes decide.
type codes struct{ admin, nobody, file, other, votes, notMoved Code }

var (
	banCodes  = codes{BanAdmin, BanNobody, BanFile, BanOther, BanVotes, BanNotMoved}
	roleCodes = codes{RoleAdmin, RoleNobody, RoleFile, RoleOther, RoleVotes, RoleNotMoved}
)

// resolution is a vote that is said to be decided.
type resolution struct {
	action        commit.Action
	kind          commit.Kind
	who           string
	from, to      string
	codes         codes
	voters        map[string]bool
	left, arrived bool
}

// resolve judges ban, unban, elevate and demote: the votes of more than half of
// the admins go, and a certificate moves.
func (k *checker) resolve(ctx context.Context, s *subject, a commit.Action, who string) error {
	r := &resolution{action: a, who: who, codes: banCodes, voters: map[string]bool{}}
	if a == commit.Elevate || a == commit.Demote {
		r.codes = roleCodes
	}
	if ok, err := k.admin(ctx, s.before, s.user); err != nil || !ok {
		return orRefuse(err, r.codes.admin, s.user.String())
	}
	if ok, err := k.target(ctx, s, r); err != nil || !ok {
		return orRefuse(err, r.codes.nobody, who)
	}
	for _, c := range s.changes {
		if ok, err := k.resolved(ctx, s, r, c); err != nil || !ok {
			return orRefuse(err, r.codes.file, c.Path)
		}
	}
	if err := k.quorum(ctx, s, r); err != nil {
		return err
	}
	if !r.left || !r.arrived {
		return refuse(r.codes.notMoved, who)
	}
	return nil
}

// target finds where the one whom the action is about stands.
func (k *checker) target(ctx context.Context, s *subject, r *resolution) (bool, error) {
	for _, kind := range []commit.Kind{commit.Admins, commit.Members, commit.Invited, commit.Devices} {
		from, to, ok := moves(r.action, kind, r.who)
		if !ok {
			continue
		}
		if ok, err := k.has(ctx, s.before, from); err != nil {
			return false, err
		} else if ok {
			r.kind, r.from, r.to = kind, from, to
			return true, nil
		}
	}
	return false, nil
}

// resolved judges one change.
func (k *checker) resolved(ctx context.Context, s *subject, r *resolution, c commit.Change) (bool, error) {
	switch {
	case c.Path == r.from:
		r.left = c.Deleted()
		return r.left, nil
	case c.Path == r.to:
		old, ok, err := k.trees.Lookup(ctx, s.before, r.from)
		r.arrived = c.New == commit.Value{Mode: old.Mode, ID: old.ID} && old.Mode == commit.ModeFile
		return ok && r.arrived, err
	case strings.HasPrefix(c.Path, "votes/"):
		v, ok := commit.ParseVotePath(c.Path)
		if ok && (v.Action != r.action || v.Who != r.who) {
			return false, refuse(r.codes.other, c.Path)
		}
		if !ok || v.Kind != r.kind || !c.Deleted() {
			return false, nil
		}
		r.voters[v.Voter] = true
		return true, nil
	case s.own(c):
		return true, nil
	}
	return k.device(ctx, s, r, c)
}

// device judges that a device of the banned goes with it, and comes back.
func (k *checker) device(ctx context.Context, s *subject, r *resolution, c commit.Change) (bool, error) {
	u, err := ident.ParseURI(r.who)
	if err != nil || !strings.HasPrefix(c.Path, "devices/") {
		return false, nil
	}
	switch {
	case r.action == commit.Ban && c.Deleted():
		return k.deviceOf(ctx, s.before, c.Path, u)
	case r.action == commit.Unban && c.Added() && c.New.Mode == commit.ModeFile:
		d, _, err := k.certAt(ctx, s.c.Tree, c.Path)
		if err != nil || d == nil || commit.DevicePath(d.DeviceID()) != c.Path {
			return false, err
		}
		return k.deviceOf(ctx, s.c.Tree, c.Path, u)
	}
	return false, nil
}

// quorum counts the votes of admins against the admins, in the parent. To step
// down needs no vote, but somebody has to stay.
func (k *checker) quorum(ctx context.Context, s *subject, r *resolution) error {
	if r.action == commit.Demote && r.who == s.user.String() {
		r.voters = nil
	}
	entries, err := k.trees.List(ctx, s.before, string(commit.Admins))
	if err != nil {
		return err
	}
	admins, votes := 0, 0
	for _, e := range entries {
		name, _ := strings.CutSuffix(e.Name, ".crt")
		u, err := ident.ParseURI(name)
		if err != nil {
			continue
		}
		ok, err := k.admin(ctx, s.before, u)
		if err != nil {
			return err
		}
		if ok {
			admins++
		}
		if ok && r.voters[name] {
			votes++
		}
	}
	if r.action == commit.Demote && admins == 1 {
		return refuse(RoleLast, r.who)
	}
	if r.action == commit.Demote && r.who == s.user.String() {
		return nil
	}
	if 2*votes <= admins {
		return refuse(r.codes.votes, "")
	}
	return nil
}

// vote judges a vote: one new empty file, in the name of its author, about
// somebody who is there. A vote that changes nothing is one cast before.
func (k *checker) vote(ctx context.Context, s *subject) error {
	if ok, err := k.admin(ctx, s.before, s.user); err != nil || !ok {
		return orRefuse(err, VoteAdmin, s.user.String())
	}
	seen := false
	for _, c := range s.changes {
		if s.own(c) {
			continue
		}
		v, ok := commit.ParseVotePath(c.Path)
		if !ok || seen {
			return refuse(VoteFile, c.Path)
		}
		seen = true
		if err := k.voteFile(ctx, s, c, v); err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) voteFile(ctx context.Context, s *subject, c commit.Change, v commit.Vote) error {
	from, _, ok := moves(v.Action, v.Kind, v.Who)
	switch {
	case v.Voter != s.user.String():
		return refuse(VoteVoter, v.Voter)
	case !ok:
		return refuse(VoteKind, string(v.Action)+"/"+string(v.Kind))
	case !c.Added():
		return refuse(VoteExisted, c.Path)
	case c.New != emptyFile:
		return refuse(VoteNotEmpty, c.Path)
	case v.Who == s.user.String() || v.Kind == commit.Devices && v.Who == s.device:
		return refuse(VoteSelf, v.Who)
	case s.msg.Str("uri") != v.Who:
		return refuse(VoteFile, c.Path)
	}
	if ok, err := k.has(ctx, s.before, from); err != nil || !ok {
		return orRefuse(err, VoteNobody, v.Who)
	}
	return nil
}

// moves is the file that a resolved vote moves, and where to; ok is false if
// there is no such vote.
func moves(a commit.Action, kind commit.Kind, who string) (from, to string, ok bool) {
	switch kind {
	case commit.Members, commit.Admins, commit.Invited:
		_, err := ident.ParseURI(who)
		ok = err == nil
	case commit.Devices:
		_, err := ident.ParseDeviceID(who)
		ok = err == nil
	}
	if !ok {
		return "", "", false
	}
	switch {
	case a == commit.Ban:
		return kind.File(who), kind.Banned(who), true
	case a == commit.Unban:
		return kind.Banned(who), kind.File(who), true
	case a == commit.Elevate && kind == commit.Members:
		return commit.Members.File(who), commit.Admins.File(who), true
	case a == commit.Demote && kind == commit.Admins:
		return commit.Admins.File(who), commit.Members.File(who), true
	}
	return "", "", false
}
