package swarm

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/repo"
	"github.com/simplexkit/simplexkit/lib/swarm/verify"
)

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
