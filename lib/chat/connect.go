package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// apiRange is our range of versions in the API's form.
var apiRange = api.VersionRange{MinVersion: int(xmsg.Supported.Min), MaxVersion: int(xmsg.Supported.Max)}

// infoOf is our connection information: x.info with the profile.
func (c *Core) infoOf(u *User, own api.Preferences) ([]byte, error) {
	p, err := wireProfile(u, own)
	if err != nil {
		return nil, err
	}
	params, err := xmsg.Params(xmsg.Info{Profile: p})
	if err != nil {
		return nil, err
	}
	return xmsg.Encode(xmsg.Message{V: xmsg.Supported, Event: xmsg.EventInfo, Params: params}, xmsg.MaxInfo, xmsg.MaxPQInfo)
}

func wireProfile(u *User, own api.Preferences) (xmsg.Profile, error) {
	prefs, err := json.Marshal(statedPreferences(u.Profile.Preferences, own))
	if err != nil {
		return xmsg.Profile{}, fmt.Errorf("chat: writing preferences: %w", err)
	}
	p := u.Profile
	return xmsg.Profile{DisplayName: p.DisplayName, FullName: p.FullName, ShortDescr: p.ShortDescr,
		Image: p.Image, ContactLink: p.ContactLink, PeerType: p.PeerType, Preferences: prefs}, nil
}

// profileOf is a received profile. Preferences that cannot be read count as
// not stated.
func profileOf(p xmsg.Profile) api.Profile {
	out := api.Profile{DisplayName: p.DisplayName, FullName: p.FullName, ShortDescr: p.ShortDescr,
		Image: p.Image, ContactLink: p.ContactLink, PeerType: p.PeerType}
	if len(p.Preferences) > 0 {
		prefs := new(api.Preferences)
		if json.Unmarshal(p.Preferences, prefs) == nil {
			out.Preferences = prefs
		}
	}
	return out
}

// invite makes an invitation. The connection is stored before the agent has
// it, so that its events find it.
func (c *Core) invite(ctx context.Context, user api.UserID) (conn *Conn, u *User, err error) {
	err = c.update(ctx, func(w *work) error {
		if u, err = w.userFor(user); err != nil {
			return err
		}
		conn = w.newConn(u, ConnNew, true)
		return w.PutConn(conn)
	})
	if err != nil {
		return nil, nil, err
	}
	data, err := linkDataOf(u)
	if err != nil {
		c.forget(ctx, conn.ID)
		return nil, nil, err
	}
	link, err := c.cfg.Agent.CreateInvitation(ctx, conn.AgentID, agent.InviteOptions{PQ: c.cfg.PQ, Short: data})
	if err != nil {
		c.forget(ctx, conn.ID)
		return nil, nil, fmt.Errorf("chat: creating an invitation: %w", err)
	}
	err = c.changeConn(ctx, conn.ID, func(cn *Conn) {
		cn.Link = &api.CreatedConnLink{ConnFullLink: link.Full, ConnShortLink: link.Short}
		conn = cn
	})
	return conn, u, err
}

// join uses an invitation link.
func (c *Core) join(ctx context.Context, user api.UserID, link string) (conn *Conn, u *User, err error) {
	o, err := c.open(ctx, link)
	if err != nil {
		return nil, nil, fmt.Errorf("chat: connecting: %w", err)
	}
	if o.info.Contact {
		return nil, nil, coreError(api.ErrorType{Type: "unsupportedConnReq"})
	}
	link = o.ConnFullLink
	var info []byte
	err = c.update(ctx, func(w *work) error {
		if u, err = w.userFor(user); err != nil {
			return err
		}
		if info, err = c.infoOf(u, api.Preferences{}); err != nil {
			return err
		}
		conn = w.newConn(u, ConnJoined, false)
		conn.Link = &o.CreatedConnLink
		conn.PQSupport = c.cfg.PQ && o.info.PQ
		return w.PutConn(conn)
	})
	if err != nil {
		return nil, nil, err
	}
	if err := c.cfg.Agent.Join(ctx, conn.AgentID, link, info, agent.JoinOptions{PQ: conn.PQSupport}); err != nil {
		c.forget(ctx, conn.ID)
		return nil, nil, fmt.Errorf("chat: connecting: %w", err)
	}
	err = c.changeConn(ctx, conn.ID, func(cn *Conn) {
		if cn.Status == ConnJoined {
			cn.Status = ConnSndReady
		}
		conn = cn
	})
	return conn, u, err
}

// resumeConns goes on with connections of an earlier run that the agent may not
// have heard of: an invitation whose link nobody has seen is given up, a link
// that was to be used is used.
func (c *Core) resumeConns(ctx context.Context) error {
	var lost []*Conn
	infos := map[api.ConnID][]byte{}
	err := c.view(ctx, func(tx Tx) error {
		users, err := tx.Users()
		if err != nil {
			return err
		}
		for _, u := range users {
			conns, err := tx.Conns(u.ID)
			if err != nil {
				return err
			}
			for _, cn := range conns {
				_, ours := c.made.Load(cn.AgentID)
				if ours || cn.Status != ConnJoined && (cn.Status != ConnNew || cn.Link != nil) {
					continue
				}
				lost = append(lost, cn)
				if infos[cn.ID], err = c.infoOf(u, api.Preferences{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	for _, cn := range lost {
		if err == nil {
			err = c.resumeConn(ctx, cn, infos[cn.ID])
		}
	}
	return err
}

func (c *Core) resumeConn(ctx context.Context, cn *Conn, info []byte) error {
	if cn.Status == ConnNew {
		return c.deleteConn(ctx, cn)
	}
	err := c.cfg.Agent.Join(ctx, cn.AgentID, cn.Link.ConnFullLink, info, agent.JoinOptions{PQ: cn.PQSupport})
	if err != nil && !errors.Is(err, agent.ErrExists) {
		return fmt.Errorf("chat: connecting: %w", err)
	}
	return c.changeConn(ctx, cn.ID, func(cn *Conn) {
		if cn.Status == ConnJoined {
			cn.Status = ConnSndReady
		}
	})
}

func (w *work) userFor(id api.UserID) (*User, error) {
	if id == 0 {
		return activeUser(w)
	}
	return sameUser(w, id)
}

func (w *work) newConn(u *User, status string, initiated bool) *Conn {
	id := agent.NewConnID()
	w.c.made.Store(id, true)
	return &Conn{UserID: u.ID, AgentID: id, Status: status, Initiated: initiated,
		Version: 1, Peer: apiRange, PQSupport: w.c.cfg.PQ, CreatedAt: w.now, UpdatedAt: w.now}
}

// forget deletes a connection that the agent did not take. It must be done
// even when the caller has gone.
func (c *Core) forget(ctx context.Context, id api.ConnID) {
	err := c.update(context.WithoutCancel(ctx), func(w *work) error { return w.DeleteConn(id) })
	if err != nil {
		c.log.Warn("chat: forgetting a connection", "conn", id, "err", err)
	}
}

func (c *Core) changeConn(ctx context.Context, id api.ConnID, change func(*Conn)) error {
	return c.update(ctx, func(w *work) error {
		cn, err := w.Conn(id)
		if err != nil {
			return err
		}
		change(cn)
		return w.PutConn(cn)
	})
}

// linkPlan says what a link would do.
func (c *Core) linkPlan(ctx context.Context, user api.UserID, link string) (api.Response, error) {
	var r api.Response
	o := opened{}
	ours, err := c.ourLink(ctx, user, link)
	switch {
	case err != nil:
		return r, err
	case ours != nil:
		o.CreatedConnLink = *ours
	default:
		if o, err = c.open(ctx, link); err != nil && !errors.Is(err, agent.ErrVersion) {
			return r, err
		}
	}
	err = c.view(ctx, func(tx Tx) error {
		u, err := sameUser(tx, user)
		if err != nil {
			return err
		}
		plan, err := c.planOf(tx, u, o)
		if err != nil {
			return err
		}
		b, err := json.Marshal(plan)
		r = api.Response{Type: "connectionPlan", User: userView(u),
			ConnLink: &o.CreatedConnLink, ConnectionPlan: b}
		return err
	})
	return r, err
}

func (c *Core) planOf(tx Tx, u *User, o opened) (any, error) {
	plan := map[string]any{"type": "ok"}
	if o.data != nil {
		plan["contactSLinkData_"] = o.data
	}
	if o.info.Contact {
		return map[string]any{"type": "contactAddress", "contactAddressPlan": plan}, nil
	}
	conns, err := tx.Conns(u.ID)
	if err != nil {
		return nil, err
	}
	for _, cn := range conns {
		if !sameLink(cn.Link, o.ConnFullLink) || cn.Status == ConnReady {
			continue
		}
		plan["type"] = "ownLink"
		if !cn.Initiated {
			plan["type"] = "connecting"
		}
		if cn.ContactID != 0 {
			ct, err := tx.Contact(cn.ContactID)
			if err != nil {
				return nil, err
			}
			v, err := contactView(tx, u, ct)
			if err != nil {
				return nil, err
			}
			plan["contact_"] = v
		}
	}
	return map[string]any{"type": "invitationLink", "invitationLinkPlan": plan}, nil
}
