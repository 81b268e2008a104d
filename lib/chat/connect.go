package chat

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// apiRange is our range of versions in the API's form.
var apiRange = api.VersionRange{MinVersion: int(xmsg.Supported.Min), MaxVersion: int(xmsg.Supported.Max)}

// infoOf is our connection information: x.info with the profile, or x.contact
// when we ask an address.
func (c *Core) infoOf(u *User, cn *Conn, own api.Preferences) ([]byte, error) {
	p, err := wireProfile(u, cn, own)
	if err != nil {
		return nil, err
	}
	ev, params := xmsg.EventInfo, any(xmsg.Info{Profile: p})
	if cn.Request {
		ev, params = xmsg.EventContact, xmsg.Contact{Profile: p, ContactReqID: cn.XID}
	}
	raw, err := xmsg.Params(params)
	if err != nil {
		return nil, err
	}
	return xmsg.Encode(xmsg.Message{V: xmsg.Supported, Event: ev, Params: raw}, xmsg.MaxInfo, xmsg.MaxPQInfo)
}

// wireProfile is what the contact of a connection sees of us.
func wireProfile(u *User, cn *Conn, own api.Preferences) (xmsg.Profile, error) {
	prefs, err := json.Marshal(statedPreferences(u.Profile.Preferences, own))
	if err != nil {
		return xmsg.Profile{}, fmt.Errorf("chat: writing preferences: %w", err)
	}
	p := u.Profile
	if cn.Custom != nil {
		p = cn.Custom.Profile
	}
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
func (c *Core) invite(ctx context.Context, user api.UserID, incognito bool) (conn *Conn, u *User, err error) {
	err = c.update(ctx, func(w *work) error {
		if u, err = w.userFor(user); err != nil {
			return err
		}
		conn = w.newConn(u, ConnNew, true)
		if incognito {
			if conn.Custom, err = w.newCustomProfile(); err != nil {
				return err
			}
		}
		return w.PutConn(conn)
	})
	if err != nil {
		return nil, nil, err
	}
	data, err := linkDataOf(u, conn)
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

// join uses an invitation link, or asks a contact address.
func (c *Core) join(ctx context.Context, user api.UserID, link string, incognito bool) (conn *Conn, u *User, err error) {
	o, err := c.open(ctx, link)
	if err != nil {
		return nil, nil, fmt.Errorf("chat: connecting: %w", err)
	}
	li := o.info
	link = o.ConnFullLink
	var info []byte
	err = c.update(ctx, func(w *work) error {
		if u, err = w.userFor(user); err != nil {
			return err
		}
		conn = w.newConn(u, ConnJoined, li.Contact)
		conn.Link = &o.CreatedConnLink
		conn.PQSupport = c.cfg.PQ && (li.PQ || li.Contact)
		if conn.Request = li.Contact; li.Contact {
			if conn.XID, err = w.askingAs(u, link); err != nil {
				return err
			}
		}
		if incognito {
			if conn.Custom, err = w.newCustomProfile(); err != nil {
				return err
			}
		}
		if info, err = c.infoOf(u, conn, api.Preferences{}); err != nil {
			return err
		}
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
		if cn.Status == ConnJoined && !cn.Request {
			cn.Status = ConnSndReady
		}
		conn = cn
	})
	return conn, u, err
}

// askingAs is our name for a request to an address: the one used before, so
// that the other party knows that it is us again.
func (w *work) askingAs(u *User, link string) (string, error) {
	conns, err := w.Conns(u.ID)
	if err != nil {
		return "", err
	}
	for _, cn := range conns {
		if cn.Request && cn.ContactID == 0 && sameLink(cn.Link, link) {
			return cn.XID, nil
		}
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	return base64.URLEncoding.EncodeToString(b[:]), nil
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
				if ours || cn.Address != 0 || cn.Status != ConnJoined && (cn.Status != ConnNew || cn.Link != nil) {
					continue
				}
				lost = append(lost, cn)
				if infos[cn.ID], err = c.infoOf(u, cn, api.Preferences{}); err != nil {
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
		if cn.Status == ConnJoined && !cn.Request {
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
