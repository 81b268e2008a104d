package swarm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

func callFileGet(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	id, err := n.findCommit(ctx, c, p.Commit)
	if err != nil {
		return nil, err
	}
	f, err := c.file(ctx, id)
	if err != nil {
		return nil, err
	}
	have, err := get[fileRecord](ctx, n, kindFile, c.id.String(), id.String())
	if err == nil && p.File == "" {
		if size, sum, err := digest(ctx, have.Path); err == nil && size == have.Size && sum == f.SHA3 {
			return transfer(c, f, have.Path), nil
		}
	}
	net, err := n.online()
	if err != nil {
		return nil, err
	}
	f.Path = p.File
	if f.Path == "" {
		f.Path = filepath.Join(n.cfg.Dir, "files", c.id.String(), f.ID)
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
			return nil, err
		}
	}
	if err := net.Fetch(ctx, c.id, f); err != nil {
		return nil, err
	}
	err = n.cfg.Values.Put(ctx, value(kindFile, c.id.String(), id.String(), fileRecord{f.Path, f.Size, f.SHA3}))
	return transfer(c, f, f.Path), err
}

func transfer(c *conv, f *api.SwarmFile, path string) *api.SwarmTransfer {
	return &api.SwarmTransfer{Type: "swarmTransfer", Conv: c.id.String(), File: f.ID, Path: path, Done: f.Size, Size: f.Size}
}

// FilePath is where a file lies here that somebody asks for, by its name in
// transfers. The error is [ErrNotFound] if it is not here.
func (n *Node) FilePath(ctx context.Context, id commit.ObjectID, file string) (string, error) {
	name, _, _ := strings.Cut(file, "_")
	k, err := commit.ParseObjectID(name)
	if err != nil {
		return "", ErrNotFound
	}
	c, err := n.open(ctx, id)
	if err != nil {
		return "", err
	}
	f, err := c.file(ctx, k)
	if err != nil || f.ID != file {
		return "", ErrNotFound
	}
	have, err := get[fileRecord](ctx, n, kindFile, id.String(), k.String())
	return have.Path, err
}

func callTyping(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	net, err := n.online()
	if err != nil {
		return nil, err
	}
	return api.OK{Type: "ok"}, net.Typing(ctx, c.id, p.On)
}

func callRead(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	id, err := c.repo.Head(ctx)
	if err == nil && p.Commit != "" {
		id, err = n.findCommit(ctx, c, p.Commit)
	}
	if err != nil {
		return nil, err
	}
	if err := n.setMark(ctx, c, markRead, id); err != nil {
		return nil, err
	}
	if net := n.network(); net != nil {
		if err := net.Read(ctx, c.id, id); err != nil {
			n.log.Debug("nobody was told what was read", "err", err)
		}
	}
	return api.OK{Type: "ok"}, nil
}

// ReadBy notes up to where another account has read.
func (n *Node) ReadBy(ctx context.Context, dev ident.DeviceID, id, message commit.ObjectID) error {
	c, err := n.open(ctx, id)
	if err != nil {
		return err
	}
	s, err := c.at(ctx, commit.ObjectID{})
	if err != nil {
		return err
	}
	owner, err := n.ownerOf(ctx, s, dev.String())
	if err != nil || owner == "" {
		return err
	}
	if a, err := n.self(ctx); err == nil && owner == a.device.URI().String() {
		return n.setMark(ctx, c, markRead, message)
	}
	return n.setMark(ctx, c, markOther+owner, message)
}

func callProfile(ctx context.Context, n *Node, c *conv, _ *api.SwarmParams) (any, error) {
	r, err := n.record(ctx, c.id)
	if err != nil {
		return nil, err
	}
	return n.summary(ctx, r)
}

func callProfileSet(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	id, err := n.SetProfile(ctx, c, func(v commit.Profile) commit.Profile {
		if p.Title != "" {
			v.Title = p.Title
		}
		if p.Description != nil {
			v.Description = *p.Description
		}
		if p.Avatar != nil {
			v.Avatar = *p.Avatar
		}
		return v
	})
	return wrote(c.id, id, err)
}

// prefs are our settings of a conversation, with the time of the last change.
type prefs struct {
	Changed time.Time         `json:"changed"`
	Values  map[string]string `json:"values"`
}

func callPreferences(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	n.editing.Lock()
	defer n.editing.Unlock()
	v, err := get[prefs](ctx, n, kindPref, c.id.String(), "")
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	if v.Values == nil {
		v.Values = map[string]string{}
	}
	for k, s := range p.Set {
		if s == "" {
			delete(v.Values, k)
		} else {
			v.Values[k] = s
		}
	}
	if len(p.Set) > 0 {
		v.Changed = n.cfg.Now().UTC()
		if err := n.cfg.Values.Put(ctx, value(kindPref, c.id.String(), "", v)); err != nil {
			return nil, err
		}
	}
	return &api.SwarmParams{Conv: c.id.String(), Set: v.Values}, nil
}

func callDeviceAdd(ctx context.Context, n *Node, _ *api.SwarmParams) (any, error) {
	if _, err := n.self(ctx); err != nil {
		return nil, err
	}
	net, err := n.online()
	if err != nil {
		return nil, err
	}
	pin, err := net.PIN(ctx)
	if err != nil {
		return nil, err
	}
	return &api.SwarmParams{PIN: pin}, nil
}

func callDeviceJoin(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	if n.cfg.Link == nil {
		return nil, errOffline
	}
	if ok, err := n.HasAccount(ctx); ok || err != nil {
		if err == nil {
			err = ErrExists
		}
		return nil, err
	}
	b, passphrase, err := n.cfg.Link(ctx, p.PIN)
	if err != nil {
		return nil, err
	}
	a, err := openArchive(b, passphrase)
	if err != nil {
		return nil, err
	}
	return n.adopt(ctx, a)
}

// Archive is our account sealed with a passphrase, for a new device of ours.
func (n *Node) Archive(ctx context.Context, passphrase string) ([]byte, error) {
	return n.sealArchive(ctx, passphrase)
}

func callRevoke(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	dev, err := ident.ParseDeviceID(strings.ToLower(p.Who))
	if err != nil {
		return nil, usagef("%v", err)
	}
	if err := n.Revoke(ctx, dev); err != nil {
		return nil, err
	}
	return n.Account(ctx)
}

// Revoke takes a device of our account its rights in every conversation that
// has it.
func (n *Node) Revoke(ctx context.Context, dev ident.DeviceID) error {
	a, err := n.self(ctx)
	if err != nil {
		return err
	}
	if dev == a.device.ID() {
		return usagef("that is this device; revoke it from another one")
	}
	siblings, err := n.siblings(ctx, a)
	if err != nil {
		return err
	}
	known := false
	for _, s := range siblings {
		known = known || s == dev.String()
	}
	if !known {
		return ErrNotFound
	}
	if err := n.cfg.Values.Put(ctx, value(kindRevoked, "", dev.String(), n.cfg.Now().UTC())); err != nil {
		return err
	}
	active, _, err := n.Active(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range active {
		if err := n.revokeIn(ctx, a, id, dev); err != nil {
			errs = append(errs, fmt.Errorf("swarm: conversation %s: %w", id, err))
		}
	}
	if net := n.network(); net != nil {
		net.Recheck()
	}
	return errors.Join(errs...)
}

func (n *Node) revokeIn(ctx context.Context, a *account, id commit.ObjectID, dev ident.DeviceID) error {
	c, err := n.open(ctx, id)
	if err != nil {
		return err
	}
	_, err = n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) {
		path := commit.DevicePath(dev)
		b, ok, err := s.file(ctx, path)
		if err != nil || !ok {
			return nil, err
		}
		cert, err := ident.ParseCertificate(b)
		if err != nil {
			return nil, err
		}
		// The list has the name of what is removed beside the certificate.
		list := "CRLs/" + dev.String()
		var old *ident.CRL
		if b, ok, err := s.file(ctx, list); err != nil {
			return nil, err
		} else if ok {
			if old, err = ident.ParseCRL(b); err != nil {
				return nil, err
			}
		}
		crl, err := a.account.Revoke(old, n.cfg.Now(), cert)
		if err != nil {
			return nil, err
		}
		d := compose.RemoveDevice(dev, crl)
		return &d, nil
	})
	return err
}

func callLog(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	var before commit.ObjectID
	if p.Before != "" {
		var err error
		if before, err = n.findCommit(ctx, c, p.Before); err != nil {
			return nil, err
		}
	}
	return n.Log(ctx, c, before, p.Limit, p.Raw)
}

func callSince(ctx context.Context, n *Node, c *conv, p *api.SwarmParams) (any, error) {
	var after commit.ObjectID
	if p.Commit != "" {
		var err error
		if after, err = n.findCommit(ctx, c, p.Commit); err != nil {
			return nil, err
		}
	}
	for {
		news := n.news.wait()
		l, err := n.since(ctx, c, after, p.Raw)
		if err != nil || len(l.Messages) > 0 || !p.Wait {
			return l, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func callStatus(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.SwarmStatus{Type: "swarmStatus", Device: a.device.ID().String(), Peers: []api.SwarmPeer{}, Convs: []api.SwarmConvStatus{}}
	net := n.network()
	if net != nil {
		out.Running, out.Addresses, out.Peers = true, net.Addresses(), net.Peers()
	}
	active, _, err := n.Active(ctx)
	if err != nil {
		return nil, err
	}
	if p.Conv != "" {
		id, err := n.resolve(ctx, p.Conv)
		if err != nil {
			return nil, err
		}
		active = []commit.ObjectID{id}
	}
	for _, id := range active {
		v, err := n.convStatus(ctx, id)
		if err != nil && p.Conv != "" {
			return nil, err
		}
		if err != nil { // the others can be looked at all the same
			v = &api.SwarmConvStatus{Conv: id.String(), Error: err.Error()}
		}
		if net != nil {
			v.Neighbors = net.Neighbors(id)
		}
		out.Convs = append(out.Convs, *v)
	}
	return out, nil
}

func (n *Node) convStatus(ctx context.Context, id commit.ObjectID) (*api.SwarmConvStatus, error) {
	c, err := n.open(ctx, id)
	if err != nil {
		return nil, err
	}
	head, err := c.repo.Head(ctx)
	if err != nil {
		return nil, err
	}
	v := &api.SwarmConvStatus{Conv: id.String(), Head: head.String(), Heads: map[string]string{}, Refused: map[string]string{}}
	if at, err := get[time.Time](ctx, n, kindMark, id.String(), markSynced); err == nil {
		v.Synced = at
	}
	if _, v.Commits, err = c.repo.Position(ctx, head); err != nil {
		return nil, err
	}
	remotes, err := c.repo.Remotes(ctx)
	if err != nil {
		return nil, err
	}
	for dev, h := range remotes {
		v.Heads[dev] = h.String()
	}
	refusals, err := c.repo.Refusals(ctx)
	for _, r := range refusals {
		v.Refused[r.Head.String()] = r.Reason
	}
	return v, err
}

func callVerify(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	path := p.File
	if path == "" {
		id, err := n.resolve(ctx, p.Conv)
		if err != nil {
			return nil, err
		}
		path = filepath.Join(n.repoDir(), id.String())
	}
	return Verify(ctx, path, p.AsDaemon)
}

// Verify judges every commit of a repository at a path, any git repository with
// a branch main.
func Verify(ctx context.Context, path string, asDaemon bool) (*api.SwarmVerify, error) {
	return VerifyFetch(ctx, path, asDaemon, commit.ObjectID{})
}

// VerifyFetch judges what somebody who has local would judge of a repository
// that is fetched; zero has nothing.
func VerifyFetch(ctx context.Context, path string, asDaemon bool, local commit.ObjectID) (*api.SwarmVerify, error) {
	r, err := repo.Open(ctx, path, repo.Options{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	head, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.SwarmVerify{Type: "swarmVerify", Path: path, OK: true, Verdicts: []api.SwarmVerdict{}}
	o := verify.Options{All: true, Local: local, Each: func(id commit.ObjectID, err error) {
		v := api.SwarmVerdict{Type: "swarmVerdict", Commit: id.String(), OK: err == nil}
		if why, ok := verify.AsReason(err); ok {
			v.Code, v.Reason = string(why.Code), why.Text()
		}
		out.OK = out.OK && v.OK
		out.Verdicts = append(out.Verdicts, v)
	}}
	if asDaemon {
		o.Mode = verify.Daemon2026
	}
	if id := filepath.Base(path); len(id) == 40 && !asDaemon {
		if root, err := commit.ParseObjectID(id); err == nil {
			o.Root = root // the directory says which conversation it is
		}
	}
	_, err = verify.History(ctx, r, head, o)
	if _, ok := verify.AsReason(err); ok {
		out.OK, err = false, nil
	}
	return out, err
}

func callFsck(ctx context.Context, _ *Node, c *conv, _ *api.SwarmParams) (any, error) {
	report, err := c.repo.Fsck(ctx)
	if err != nil {
		return nil, err
	}
	out, err := Verify(ctx, c.repo.Path(), false)
	if err != nil {
		return nil, err
	}
	for _, p := range report.Problems {
		out.OK = false
		out.Verdicts = append(out.Verdicts, api.SwarmVerdict{Type: "swarmVerdict", Code: "damaged", Reason: p})
	}
	return out, nil
}

func callDoctor(ctx context.Context, n *Node, _ *api.SwarmParams) (any, error) {
	out := &api.SwarmDoctor{Type: "swarmDoctor"}
	find := func(ok bool, what, detail string) {
		out.Findings = append(out.Findings, api.SwarmFinding{OK: ok, What: what, Detail: detail})
	}
	a, err := n.self(ctx)
	if err != nil {
		return nil, err
	}
	_, until := a.device.Cert.Validity()
	left := until.Sub(n.cfg.Now())
	find(left > 30*24*time.Hour, "device certificate", "good until "+until.UTC().Format(time.DateOnly))
	_, accountUntil := a.device.Account.Validity()
	find(accountUntil.After(n.cfg.Now()), "account certificate", "good until "+accountUntil.UTC().Format(time.DateOnly))
	net := n.network()
	if net == nil {
		find(false, "network", "not on; run simplexd serve")
	} else {
		find(len(net.Addresses()) > 0, "addresses", strings.Join(net.Addresses(), " "))
		reached := 0
		for _, p := range net.Peers() {
			if p.Road != "" {
				reached++
			}
		}
		find(reached > 0 || len(net.Peers()) == 0, "members", "reached now: "+plural(reached, "device"))
	}
	active, wanting, err := n.Active(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range wanting {
		find(false, "conversation "+id.String(), "not copied yet: no device that has it was reached")
	}
	for _, id := range active {
		v, err := n.convStatus(ctx, id)
		if err != nil {
			find(false, "conversation "+id.String(), err.Error()+"; simplexd swarm fsck looks closer")
			continue
		}
		find(len(v.Refused) == 0, "conversation "+id.String(), plural(v.Commits, "commit")+", refused heads: "+plural(len(v.Refused), "head"))
	}
	return out, nil
}
