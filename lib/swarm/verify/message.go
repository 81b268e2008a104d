package verify

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

// message judges texts, files, calls and what we do not know: they change
// nothing but the author's own certificates.
func (k *checker) message(ctx context.Context, s *subject) error {
	document, err := k.place(ctx, s)
	if err != nil {
		return err
	}
	for _, c := range s.changes {
		if s.own(c) || document && attachment(c) {
			continue
		}
		mine := c.Path == commit.AdminPath(s.user) || c.Path == commit.MemberPath(s.user)
		if mine && c.Added() {
			return refuse(MessageAdds, c.Path)
		}
		if !mine || c.New.Mode != commit.ModeFile {
			return refuse(MessageFile, c.Path)
		}
		if err := k.renewed(ctx, s, c.Path); err != nil {
			return err
		}
	}
	return nil
}

// place checks that a message is of the kind that the conversation is for:
// documents have checkpoints and no texts, others have no checkpoints.
func (k *checker) place(ctx context.Context, s *subject) (document bool, err error) {
	f, err := k.facts(ctx)
	if err != nil || !f.known {
		return false, err
	}
	document = f.mode == commit.Document
	switch t := s.msg.Type(); t {
	case commit.TypeText, commit.TypeEdited, commit.TypeFile:
		if document {
			return true, refuse(MessagePlace, t)
		}
	case commit.TypeCheckpoint:
		if !document {
			return false, refuse(MessagePlace, t)
		}
	}
	return document, nil
}

// attachment tells whether a document's file comes in: named by its object.
func attachment(c commit.Change) bool {
	return c.Added() && c.New.Mode == commit.ModeFile && c.Path == "attachments/"+c.New.ID.String()
}

// renewed checks that an account's new certificate is of the same key and of
// the same CA, where the old file has it.
func (k *checker) renewed(ctx context.Context, s *subject, path string) error {
	old, _, err := k.certAt(ctx, s.before, path)
	if err != nil {
		return err
	}
	now, _, err := k.certAt(ctx, s.c.Tree, path)
	if err != nil {
		return err
	}
	if now == nil || old == nil || !now.SameKey(old.Certificate) {
		return refuse(AccountID, path)
	}
	if old.ca != nil && now.SignedBy(old.ca) != nil {
		return refuse(AccountForged, path)
	}
	return nil
}

// profile judges a change of the conversation's profile.
func (k *checker) profile(ctx context.Context, s *subject) error {
	if ok, err := k.admin(ctx, s.before, s.user); err != nil || !ok {
		return orRefuse(err, ProfileAdmin, s.user.String())
	}
	for _, c := range s.changes {
		if s.own(c) {
			continue
		}
		if c.Path != commit.ProfilePath || !c.Deleted() && c.New.Mode != commit.ModeFile {
			return refuse(ProfileFile, c.Path)
		}
		if c.Deleted() {
			continue
		}
		b, err := k.trees.Blob(ctx, c.New.ID)
		if err != nil {
			return err
		}
		if len(b) > commit.MaxProfile {
			return refuse(ProfileSize, "")
		}
	}
	return nil
}

// edit judges a message that replaces another of the same account.
func (k *checker) edit(ctx context.Context, s *subject) error {
	for _, c := range s.changes {
		if !s.own(c) {
			return refuse(EditFile, c.Path)
		}
	}
	of, ok := s.msg.Edit()
	if !ok {
		return refuse(EditUnknown, s.msg.Str("edit"))
	}
	if ok, err := k.ancestry.contains(ctx, s.c.Parents[0], of); err != nil || !ok {
		return orRefuse(err, EditUnknown, of.String())
	}
	c, err := commit.ReadCommit(ctx, k.objects, of)
	if err != nil {
		return err
	}
	return k.edited(ctx, s, c)
}

// edited checks author and kind of what an edit names.
func (k *checker) edited(ctx context.Context, s *subject, c *commit.Commit) error {
	o := &subject{device: c.Author.Email}
	if err := k.identify(ctx, o, c.Tree); err != nil {
		return err
	}
	if !o.known || o.user != s.user {
		return refuse(EditOther, c.Author.Email)
	}
	m, err := commit.ParseMessage(c.Message)
	if err != nil || len(c.Parents) != 1 {
		return refuse(EditKind, "")
	}
	switch {
	case k.mode == Strict && m.IsEdit():
	case m.Type() == commit.TypeText, m.Type() == commit.TypeCollab:
		return nil
	case m.Type() == commit.TypeFile && m.Str("tid") != "":
		return nil
	}
	return refuse(EditKind, m.Type())
}
