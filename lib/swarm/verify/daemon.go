package verify

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// daemon judges as the daemon does.
func (k *checker) daemon(ctx context.Context, s *subject) (*job, error) {
	switch n := len(s.c.Parents); {
	case n == 0:
		return k.daemonInitial(ctx, s)
	case n > 1:
		return k.daemonMerge(ctx, s)
	}
	var err error
	if s.msg, err = commit.ParseMessagePrefix(s.c.Message); err != nil {
		s.msg = commit.Message{}
	}
	if s.msg.Type() == "" && k.mode != Daemon2023 {
		return nil, refuse(NoType, "")
	}
	if err := k.daemonPrepare(ctx, s); err != nil {
		return nil, err
	}
	if err := k.daemonTyped(ctx, s); err != nil {
		return nil, err
	}
	tree := s.c.Tree
	if s.msg.Type() == commit.TypeMember && s.msg.Action() == commit.Remove {
		tree = s.before
	}
	return k.author(ctx, s, tree)
}

// daemonPrepare finds the author and the changes as far as they are seen.
func (k *checker) daemonPrepare(ctx context.Context, s *subject) error {
	for _, tree := range []commit.ObjectID{s.c.Tree, s.before} {
		if err := k.identify(ctx, s, tree); err != nil {
			return err
		}
		if s.known {
			break
		}
	}
	all, err := k.trees.Diff(ctx, s.before, s.c.Tree)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Old.Mode == commit.ModeDir || c.New.Mode == commit.ModeDir {
			continue // a folder without files is no difference
		}
		binary, err := k.binary(ctx, c)
		if err != nil {
			return err
		}
		if binary {
			continue
		}
		if m := cutName.FindStringSubmatch(c.Path); m != nil {
			c.Path = m[1]
		}
		s.changes = append(s.changes, c)
	}
	return k.meets(ctx, s)
}

// cutName is what is left of a file's name in the printed statistics.
var cutName = regexp.MustCompile(`^(.*?) +\| +[0-9]`)

// meets refuses, for the daemon of 2023, a device seen for the first time whose
// certificate is not what its name says or that the account has not signed.
func (k *checker) meets(ctx context.Context, s *subject) error {
	path := commit.Devices.File(s.device)
	if k.mode != Daemon2023 || !slices.ContainsFunc(s.changes, func(c commit.Change) bool { return c.Path == path && c.Added() }) {
		return nil
	}
	dev, devID, err := k.certAt(ctx, s.c.Tree, path)
	if err != nil || dev == nil || !s.known {
		return err
	}
	acc, accID, err := k.account(ctx, s.c.Tree, s.user)
	if err != nil || acc == nil {
		return err
	}
	if k.chain(s, dev, acc, [2]commit.ObjectID{devID, accID}) != nil {
		return refuse(Threw, s.device)
	}
	return nil
}

// binary tells whether git takes a change for one of a binary file.
func (k *checker) binary(ctx context.Context, c commit.Change) (bool, error) {
	for _, v := range []commit.Value{c.Old, c.New} {
		if v.Mode != commit.ModeFile && v.Mode != commit.ModeExec {
			continue
		}
		b, err := k.trees.Blob(ctx, v.ID)
		if err != nil {
			return false, err
		}
		if bytes.IndexByte(b[:min(len(b), 8000)], 0) >= 0 {
			return true, nil
		}
	}
	return false, nil
}

func (k *checker) daemonInitial(ctx context.Context, s *subject) (*job, error) {
	var err error
	if s.msg, err = commit.ParseMessagePrefix(s.c.Message); err != nil {
		return nil, refuse(InitialMode, "")
	}
	mode, ok := s.msg.Scope()
	if !ok || mode == commit.Document && k.mode == Daemon2023 {
		return nil, refuse(InitialMode, s.msg.Str("mode"))
	}
	if err := k.daemonPrepare(ctx, s); err != nil {
		return nil, err
	}
	if !s.known {
		return nil, refuse(InitialDevice, s.device)
	}
	admin, device := commit.AdminPath(s.user), commit.Devices.File(s.device)
	for _, c := range s.changes {
		switch c.Path {
		case admin, device, commit.CRLPath(s.user):
			continue
		}
		if mode != commit.OneToOne || c.Path != "invited/"+s.msg.Str("invited") {
			return nil, refuse(InitialFile, c.Path)
		}
	}
	acc, _, err := k.certAt(ctx, s.c.Tree, admin)
	if err != nil || acc == nil || acc.URI() != s.user {
		return nil, orRefuse(err, InitialAdmin, s.user.String())
	}
	return nil, nil
}

func (k *checker) daemonMerge(ctx context.Context, s *subject) (*job, error) {
	j, err := k.author(ctx, s, s.c.Tree)
	if err != nil {
		if r, ok := AsReason(err); ok {
			r.Merge = true
		}
		return nil, err
	}
	if k.mode == Daemon2023 {
		return nil, nil
	}
	if len(s.c.Parents) != 2 {
		return nil, refuse(MergeParents, "")
	}
	j.merge = true
	return j, k.merged(ctx, s)
}

func (k *checker) daemonTyped(ctx context.Context, s *subject) error {
	switch t := s.msg.Type(); {
	case t == commit.TypeVote:
		return k.daemonVote(ctx, s)
	case t == commit.TypeMember:
		return k.daemonMember(ctx, s)
	case t == commit.TypeProfile:
		return k.daemonProfile(ctx, s)
	case s.msg.IsEdit():
		return k.daemonEdit(ctx, s)
	}
	if !s.known {
		return refuse(NoDevice, s.device)
	}
	document := false
	if k.mode != Daemon2023 {
		var err error
		if document, err = k.place(ctx, s); err != nil {
			return err
		}
	}
	for _, c := range s.changes {
		if c.Path == commit.Devices.File(s.device) || document && attachment(c) {
			continue
		}
		mine := c.Path == commit.AdminPath(s.user) || c.Path == commit.MemberPath(s.user)
		if mine && c.Added() {
			return refuse(MessageAdds, c.Path)
		}
		if !mine || c.Deleted() {
			return refuse(MessageFile, c.Path)
		}
		old, _, err := k.certAt(ctx, s.before, c.Path)
		if err != nil {
			return err
		}
		now, _, err := k.certAt(ctx, s.c.Tree, c.Path)
		if err != nil {
			return err
		}
		if now == nil || old == nil || !now.SameKey(old.Certificate) {
			return refuse(AccountID, c.Path)
		}
	}
	return nil
}

func (k *checker) daemonProfile(ctx context.Context, s *subject) error {
	tree := s.c.Tree
	if k.mode == Daemon2023 {
		tree = s.before
	}
	if ok, err := k.has(ctx, tree, commit.AdminPath(s.user)); err != nil || !s.known || !ok {
		return orRefuse(err, ProfileAdmin, s.user.String())
	}
	for _, c := range s.changes {
		if c.Path != commit.ProfilePath && c.Path != commit.Devices.File(s.device) {
			return refuse(ProfileFile, c.Path)
		}
	}
	return nil
}

func (k *checker) daemonEdit(ctx context.Context, s *subject) error {
	of, ok := s.msg.Edit()
	if !ok {
		return refuse(EditUnknown, s.msg.Str("edit"))
	}
	c, err := commit.ReadCommit(ctx, k.objects, of)
	if err != nil {
		return refuse(EditUnknown, of.String())
	}
	return k.edited(ctx, s, c)
}

// daemonVote sees one file of a vote and perhaps that of the device.
func (k *checker) daemonVote(ctx context.Context, s *subject) error {
	if ok, err := k.has(ctx, s.before, commit.AdminPath(s.user)); err != nil || !s.known || !ok {
		return orRefuse(err, VoteAdmin, s.user.String())
	}
	if len(s.changes) > 2 {
		return refuse(VoteFile, "")
	}
	for _, c := range s.changes {
		if c.Path == commit.Devices.File(s.device) {
			continue
		}
		v, ok := commit.ParseVotePath(c.Path)
		if !ok || strings.Trim(v.Who+v.Voter, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
			return refuse(VoteFile, c.Path)
		}
		if err := k.daemonVoteFile(ctx, s, c, v); err != nil {
			return err
		}
	}
	return nil
}

func (k *checker) daemonVoteFile(ctx context.Context, s *subject, c commit.Change, v commit.Vote) error {
	all := []commit.Kind{commit.Members, commit.Admins, commit.Invited}
	switch {
	case v.Voter != s.user.String():
		return refuse(VoteVoter, v.Voter)
	case v.Action != commit.Ban && v.Action != commit.Unban,
		v.Kind != commit.Devices && !slices.Contains(all, v.Kind):
		return refuse(VoteKind, c.Path)
	case !c.Added():
		return refuse(VoteExisted, c.Path)
	case c.New.ID != commit.EmptyBlob:
		return refuse(VoteNotEmpty, c.Path)
	case v.Who == s.user.String(), v.Kind == commit.Devices && v.Who == s.device:
		return refuse(VoteSelf, v.Who)
	case v.Action == commit.Unban:
		return nil
	}
	if v.Kind == commit.Devices {
		all = []commit.Kind{commit.Devices}
	}
	for _, kind := range all {
		if ok, err := k.has(ctx, s.before, kind.File(v.Who)); err != nil || ok {
			return err
		}
	}
	return refuse(VoteNobody, v.Who)
}
