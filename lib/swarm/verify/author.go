package verify

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// author checks that whoever wrote the commit was a member in tree, and returns
// the signature that is left to verify.
func (k *checker) author(ctx context.Context, s *subject, tree commit.ObjectID) (*job, error) {
	dev, devID, err := k.certAt(ctx, tree, commit.Devices.File(s.device))
	if err != nil {
		return nil, err
	}
	if dev == nil {
		return nil, refuse(NoDevice, s.device)
	}
	user, ok := dev.Issuer()
	if !ok {
		return nil, refuse(NoMember, "")
	}
	acc, accID, err := k.account(ctx, tree, user)
	if err != nil {
		return nil, err
	}
	if acc == nil {
		return nil, refuse(NoMember, user.String())
	}
	if k.mode == Strict {
		if err := k.chain(s, dev, acc, [2]commit.ObjectID{devID, accID}); err != nil {
			return nil, err
		}
		if err := k.standing(ctx, s, tree, user, dev, acc); err != nil {
			return nil, err
		}
	}
	if dev.ExpiredAt(s.time()) || acc.ExpiredAt(s.time()) {
		return nil, refuse(Expired, "")
	}
	if acc.URI() != user {
		return nil, refuse(AccountID, user.String())
	}
	if k.mode == Daemon2023 {
		return nil, nil
	}
	message, sig := s.c.Signed()
	return &job{cert: dev.Certificate, message: message, sig: sig}, nil
}

// account is the certificate of an admin or a member.
func (k *checker) account(ctx context.Context, tree commit.ObjectID, u ident.URI) (*cert, commit.ObjectID, error) {
	c, id, err := k.certAt(ctx, tree, commit.AdminPath(u))
	if err != nil || c != nil {
		return c, id, err
	}
	return k.certAt(ctx, tree, commit.MemberPath(u))
}

// chain checks the names of the certificates and that the account signed the
// device's. The signature is verified once for a pair of files.
func (k *checker) chain(s *subject, dev, acc *cert, files [2]commit.ObjectID) error {
	if dev.DeviceID().String() != s.device {
		return refuse(DeviceName, s.device)
	}
	user, _ := dev.Issuer()
	if acc.URI() != user {
		return refuse(AccountID, user.String())
	}
	good, ok := k.signed[files]
	if !ok {
		good = keep(k.signed, files, dev.SignedBy(acc.Certificate) == nil)
	}
	if !good {
		return refuse(DeviceForged, s.device)
	}
	return nil
}

// standing checks that neither account nor device was thrown out, in the tree
// and, so that nobody lets itself in again, in that of the first parent.
func (k *checker) standing(ctx context.Context, s *subject, tree commit.ObjectID, user ident.URI, dev, acc *cert) error {
	for i, t := range []commit.ObjectID{tree, s.before} {
		if i == 1 && (t == tree || len(s.c.Parents) != 1) {
			break
		}
		banned, err := k.banned(ctx, t, user)
		if err != nil {
			return err
		}
		if banned {
			return refuse(Banned, user.String())
		}
		if banned, err = k.has(ctx, t, commit.Devices.Banned(s.device)); err != nil {
			return err
		}
		if banned {
			return refuse(Banned, s.device)
		}
		if err := k.revoked(ctx, t, user, dev, acc); err != nil {
			return err
		}
	}
	return nil
}

// revoked looks into the lists of the account and of the device.
func (k *checker) revoked(ctx context.Context, tree commit.ObjectID, user ident.URI, dev, acc *cert) error {
	if ok, err := k.has(ctx, tree, "CRLs"); err != nil || !ok {
		return err
	}
	for _, name := range []string{user.String(), dev.DeviceID().String()} {
		l, err := k.crlAt(ctx, tree, "CRLs/"+name)
		if err != nil {
			return err
		}
		if l != nil && l.Revokes(dev.Certificate) && l.SignedBy(acc.Certificate) == nil {
			return refuse(Revoked, dev.DeviceID().String())
		}
	}
	return nil
}

func (k *checker) crlAt(ctx context.Context, tree commit.ObjectID, path string) (*ident.CRL, error) {
	id, ok, err := k.trees.File(ctx, tree, path)
	if err != nil || !ok {
		return nil, err
	}
	if l, ok := k.crls[id]; ok {
		return l, nil
	}
	b, err := k.trees.Blob(ctx, id)
	if err != nil {
		return nil, err
	}
	l, err := ident.ParseCRL(b)
	if err != nil {
		l = nil
	}
	return keep(k.crls, id, l), nil
}

// goodCRL checks a list that a commit brings: signed by the author's account,
// and naming all that the one before it named.
func (k *checker) goodCRL(ctx context.Context, s *subject, c commit.Change) (bool, error) {
	if c.New.Mode != commit.ModeFile {
		return false, nil
	}
	acc, _, err := k.account(ctx, s.before, s.user)
	if err != nil {
		return false, err
	}
	if acc == nil { // the first commit
		if acc, _, err = k.account(ctx, s.c.Tree, s.user); err != nil || acc == nil {
			return false, err
		}
	}
	now, err := k.crlAt(ctx, s.c.Tree, c.Path)
	if err != nil || now == nil || now.SignedBy(acc.Certificate) != nil {
		return false, err
	}
	old, err := k.crlAt(ctx, s.before, c.Path)
	if err != nil || old == nil {
		return err == nil, err
	}
	return now.Includes(old), nil
}
