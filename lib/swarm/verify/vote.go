package verify

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

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
