package verify

import (
	"context"
	"crypto/sha512"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

// checker judges commits one after another; what it learns of trees and
// certificates it keeps. It is for one goroutine.
type checker struct {
	objects  commit.Objects
	trees    *commit.Trees
	certs    map[commit.ObjectID]*cert
	signed   map[[2]commit.ObjectID]bool
	crls     map[commit.ObjectID]*ident.CRL
	roots    map[commit.ObjectID]commit.ObjectID // trees of commits seen lately
	mode     Mode
	opt      *Options
	checkout commit.ObjectID // the tree in which a daemon counts admins
	root     *rootFacts
	ancestry ancestry
}

// cert is what a file holds: its first certificate and, if it is a chain, the
// CA after it.
type cert struct {
	*ident.Certificate
	ca *ident.Certificate
}

// rootFacts is what the first commit says, where a rule needs it.
type rootFacts struct {
	mode  commit.Scope
	pair  [2]ident.URI
	known bool
}

// subject is a commit under judgement.
type subject struct {
	id      commit.ObjectID
	c       *commit.Commit
	before  commit.ObjectID // the first parent's tree
	changes []commit.Change
	msg     commit.Message

	device string // the author's e-mail
	user   ident.URI
	known  bool // whether there is a user
}

// job is a signature to verify.
type job struct {
	cert    *ident.Certificate
	message []byte
	sig     []byte
	merge   bool
}

func (j job) run() error {
	h := sha512.Sum512(j.message)
	if j.sig == nil || j.cert.Verify(h[:], j.sig) != nil {
		return &Reason{Code: BadSignature, Merge: j.merge}
	}
	return nil
}

func newChecker(objects commit.Objects, opt *Options) *checker {
	return &checker{
		objects: objects, trees: commit.NewTrees(objects), mode: opt.Mode, opt: opt,
		certs: map[commit.ObjectID]*cert{}, signed: map[[2]commit.ObjectID]bool{},
		crls: map[commit.ObjectID]*ident.CRL{}, roots: map[commit.ObjectID]commit.ObjectID{},
	}
}

// maxKept is how many certificates, signatures over them and lists are kept.
const maxKept = 4096

func keep[K comparable, V any](m map[K]V, k K, v V) V {
	if len(m) >= maxKept {
		clear(m)
	}
	m[k] = v
	return v
}

// commit judges all but the signature, for which it returns a job unless the
// mode does not verify it.
func (k *checker) commit(ctx context.Context, id commit.ObjectID, c *commit.Commit) (*job, error) {
	s := &subject{id: id, c: c, device: c.Author.Email, before: commit.EmptyTree}
	j, err := k.judge(ctx, s)
	return j, verdict(id, err)
}

func (k *checker) judge(ctx context.Context, s *subject) (*job, error) {
	if k.mode != Daemon2023 {
		if _, ok := s.c.Signature(); !ok {
			return nil, refuse(NoSignature, "")
		}
	}
	if len(s.c.Parents) > 0 {
		var err error
		if s.before, err = k.treeOf(ctx, s.c.Parents[0]); err != nil {
			return nil, err
		}
	}
	if k.mode != Strict {
		return k.daemon(ctx, s)
	}
	if s.c.Author != s.c.Committer {
		return nil, refuse(BadCommitter, "")
	}
	if !k.opt.Now.IsZero() && s.time().After(k.opt.Now.Add(MaxFuture)) {
		return nil, refuse(Future, s.time().UTC().Format(time.RFC3339))
	}
	switch len(s.c.Parents) {
	case 0:
		return k.initial(ctx, s)
	case 1:
		return k.single(ctx, s)
	case 2:
		return k.merge(ctx, s)
	}
	return nil, refuse(MergeParents, "")
}

// treeOf is the tree of a commit.
func (k *checker) treeOf(ctx context.Context, id commit.ObjectID) (commit.ObjectID, error) {
	if t, ok := k.roots[id]; ok {
		return t, nil
	}
	c, err := commit.ReadCommit(ctx, k.objects, id)
	if err != nil {
		return id, err
	}
	return keep(k.roots, id, c.Tree), nil
}

// single judges a commit with one parent: first what its type allows, then its
// author.
func (k *checker) single(ctx context.Context, s *subject) (*job, error) {
	if err := k.prepare(ctx, s); err != nil {
		return nil, err
	}
	if s.msg.Type() == "" {
		return nil, refuse(NoType, "")
	}
	leaves := s.msg.Type() == commit.TypeMember && s.msg.Action() == commit.Remove
	tree := s.c.Tree
	if leaves {
		tree = s.before
	}
	joins := s.msg.Type() == commit.TypeMember && s.msg.Action() == commit.Join
	if err := k.identify(ctx, s, tree); err != nil {
		return nil, err
	}
	if !s.known && !joins {
		return nil, refuse(NoDevice, s.device)
	}
	if err := k.typed(ctx, s); err != nil {
		return nil, err
	}
	return k.author(ctx, s, tree)
}

// prepare reads the message and the changes.
func (k *checker) prepare(ctx context.Context, s *subject) (err error) {
	if s.msg, err = commit.ParseMessage(s.c.Message); err != nil {
		return refuse(NotJSON, "")
	}
	s.changes, err = k.trees.Diff(ctx, s.before, s.c.Tree)
	return err
}

func (k *checker) typed(ctx context.Context, s *subject) error {
	switch t := s.msg.Type(); {
	case t == commit.TypeInitial:
		return refuse(InitialLate, "")
	case t == commit.TypeVote:
		return k.vote(ctx, s)
	case t == commit.TypeMember:
		return k.member(ctx, s)
	case t == commit.TypeProfile:
		return k.profile(ctx, s)
	case s.msg.IsEdit():
		return k.edit(ctx, s)
	}
	return k.message(ctx, s)
}

func (s *subject) time() time.Time { return time.Unix(s.c.Committer.Time, 0) }

// own tells whether a path is that of the author's own device certificate,
// which every commit may bring or renew.
func (s *subject) own(c commit.Change) bool {
	return c.Path == commit.Devices.File(s.device) && c.New.Mode == commit.ModeFile
}

// identify finds the author's account by the device certificate in tree.
func (k *checker) identify(ctx context.Context, s *subject, tree commit.ObjectID) error {
	c, _, err := k.certAt(ctx, tree, commit.Devices.File(s.device))
	if err != nil || c == nil {
		return err
	}
	s.user, s.known = c.Issuer()
	return nil
}

// certAt reads the certificate at a path: nil if there is no file or no
// certificate in it.
func (k *checker) certAt(ctx context.Context, tree commit.ObjectID, path string) (*cert, commit.ObjectID, error) {
	id, ok, err := k.trees.File(ctx, tree, path)
	if err != nil || !ok {
		return nil, id, err
	}
	if c, ok := k.certs[id]; ok {
		return c, id, nil
	}
	b, err := k.trees.Blob(ctx, id)
	if err != nil {
		return nil, id, err
	}
	return keep(k.certs, id, parseCert(b)), id, nil
}

func parseCert(b []byte) *cert {
	first, err := ident.ParseCertificate(b)
	if err != nil {
		return nil
	}
	c := &cert{Certificate: first}
	if chain, err := ident.ParseChain(b); err == nil && len(chain) > 1 {
		c.ca = chain[1]
	}
	return c
}

func (k *checker) has(ctx context.Context, tree commit.ObjectID, path string) (bool, error) {
	_, ok, err := k.trees.Lookup(ctx, tree, path)
	return ok, err
}

// admin tells whether an account may act as an admin in tree.
func (k *checker) admin(ctx context.Context, tree commit.ObjectID, u ident.URI) (bool, error) {
	ok, err := k.has(ctx, tree, commit.AdminPath(u))
	if err != nil || !ok {
		return false, err
	}
	banned, err := k.banned(ctx, tree, u)
	return !banned, err
}

// banned tells whether an account is banned in tree, wherever it stood.
func (k *checker) banned(ctx context.Context, tree commit.ObjectID, u ident.URI) (bool, error) {
	if ok, err := k.has(ctx, tree, "banned"); err != nil || !ok {
		return false, err
	}
	for _, kind := range []commit.Kind{commit.Members, commit.Admins, commit.Invited} {
		if ok, err := k.has(ctx, tree, kind.Banned(u.String())); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}
