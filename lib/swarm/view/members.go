package view

import (
	"context"
	"slices"
	"strings"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/order"
)

// Role is where an account stands.
type Role string

// The roles. Who is banned anywhere is banned, whatever else the tree says: that
// is how a ban meets a join or an elevation.
const (
	Admin   Role = "admin"
	Member  Role = "member"
	Invited Role = "invited"
	Banned  Role = "banned"
)

// Person is an account in a conversation.
type Person struct {
	URI  ident.URI
	Role Role
	// Was is the role that a ban took, if it is banned.
	Was Role
	// Devices may write, Barred are banned or revoked; by id.
	Devices, Barred []ident.DeviceID
}

// People is who a tree knows, by URI.
func People(ctx context.Context, t *commit.Trees, tree commit.ObjectID) ([]Person, error) {
	all := map[ident.URI]*Person{}
	for _, from := range []struct {
		dir  string
		role Role
		was  Role
	}{
		{"invited", Invited, ""}, {"members", Member, ""}, {"admins", Admin, ""},
		{"banned/invited", Banned, Invited}, {"banned/members", Banned, Member}, {"banned/admins", Banned, Admin},
	} {
		entries, err := t.List(ctx, tree, from.dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			u, err := ident.ParseURI(strings.TrimSuffix(e.Name, ".crt"))
			if err != nil {
				continue
			}
			p := all[u]
			if p == nil {
				p = &Person{URI: u}
				all[u] = p
			}
			p.Role, p.Was = from.role, from.was
		}
	}
	for dir, barred := range map[string]bool{"devices": false, "banned/devices": true} {
		if err := devices(ctx, t, tree, dir, barred, all); err != nil {
			return nil, err
		}
	}
	out := make([]Person, 0, len(all))
	for _, p := range all {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Person) int { return strings.Compare(a.URI.String(), b.URI.String()) })
	return out, nil
}

func devices(ctx context.Context, t *commit.Trees, tree commit.ObjectID, dir string, barred bool, all map[ident.URI]*Person) error {
	entries, err := t.List(ctx, tree, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		b, err := t.Blob(ctx, e.ID)
		if err != nil {
			return err
		}
		c, err := ident.ParseCertificate(b)
		if err != nil || c.DeviceID().String()+".crt" != e.Name {
			continue
		}
		u, _ := c.Issuer()
		p := all[u]
		if p == nil {
			continue
		}
		out, err := revoked(ctx, t, tree, c, u)
		if err != nil {
			return err
		}
		if out || barred {
			p.Barred = append(p.Barred, c.DeviceID())
		} else {
			p.Devices = append(p.Devices, c.DeviceID())
		}
	}
	return nil
}

// revoked tells whether a list in the tree names a device's certificate. The
// lists were checked when they came in.
func revoked(ctx context.Context, t *commit.Trees, tree commit.ObjectID, c *ident.Certificate, u ident.URI) (bool, error) {
	for _, name := range []string{u.String(), c.DeviceID().String()} {
		id, ok, err := t.File(ctx, tree, "CRLs/"+name)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		b, err := t.Blob(ctx, id)
		if err != nil {
			return false, err
		}
		if l, err := ident.ParseCRL(b); err == nil && l.Revokes(c) {
			return true, nil
		}
	}
	return false, nil
}

// Apart tells whether a commit was written by somebody who was banned meanwhile
// and had not heard: ban, the commit that banned, and it do not know each other.
// Such messages stay in the history, and may be marked.
func Apart(ctx context.Context, g order.Graph, ban, id commit.ObjectID) (bool, error) {
	for _, x := range [][2]commit.ObjectID{{ban, id}, {id, ban}} {
		if ok, err := order.IsAncestor(ctx, g, x[0], x[1]); err != nil || ok {
			return false, err
		}
	}
	return true, nil
}
