package swarm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
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
