package chat

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// linkData is what a short link leads to: who is behind it.
type linkData struct {
	Profile xmsg.Profile `json:"profile"`
	// Message is what an address says to who looks at its link.
	Message  api.MsgContent `json:"message,omitempty"`
	Business bool           `json:"business"`
}

// maxLinkData is what a link has room for.
const maxLinkData = 13600

// linkDataOf is the data of a link to a user. A profile image that does not
// fit is left out; who connects gets it then.
func linkDataOf(u *User, cn *Conn) (*agent.LinkData, error) {
	p, err := wireProfile(u, cn, api.Preferences{})
	if err != nil {
		return nil, err
	}
	return encodeLinkData(linkData{Profile: p})
}

func encodeLinkData(d linkData) (*agent.LinkData, error) {
	b, err := packLinkData(d)
	if err == nil && len(b) > maxLinkData {
		d.Profile.Image = ""
		b, err = packLinkData(d)
	}
	if err != nil {
		return nil, fmt.Errorf("chat: writing a link's data: %w", err)
	}
	if len(b) > maxLinkData {
		b = nil
	}
	return &agent.LinkData{Data: b}, nil
}

func packLinkData(d linkData) ([]byte, error) {
	b, err := json.Marshal(d)
	return xmsg.EncodeLinkData(b), err
}

// opened is a link with what its short form leads to.
type opened struct {
	api.CreatedConnLink
	info agent.LinkInfo
	data json.RawMessage // the link's data, nil if there is none that can be read
}

// open asks what a short link leads to; a full one says it itself. The link
// is ours from then on, and may be opened again.
func (c *Core) open(ctx context.Context, link string) (o opened, err error) {
	o.ConnFullLink = link
	if o.info, err = c.cfg.Agent.ParseLink(link); err != nil || !o.info.Short {
		return o, err
	}
	r, err := c.cfg.Agent.ResolveLink(ctx, link, 0)
	if err != nil {
		return o, err
	}
	o.ConnFullLink, o.ConnShortLink, o.info = r.Full, link, r.Info
	if o.data, err = xmsg.ParseLinkData(r.User.Data); err != nil {
		c.log.Warn("chat: the data of a link cannot be read", "err", err)
	}
	return o, nil
}

// sameLink tells whether one of a connection's links is link.
func sameLink(l *api.CreatedConnLink, link string) bool {
	return l != nil && (l.ConnFullLink == link || l.ConnShortLink != "" && l.ConnShortLink == link)
}

// ourLink tells whether our address or an invitation of ours has the link: what
// it leads to is known then, and the relay need not be asked.
func (c *Core) ourLink(ctx context.Context, user api.UserID, link string) (found *api.CreatedConnLink, address bool, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err == nil && user != 0 {
			u, err = sameUser(tx, user)
		}
		if err != nil {
			return err
		}
		if ad, err := addressOf(tx, u); err == nil && sameLink(ad.Link, link) {
			found, address = as(ad.Link, link), true
			return nil
		}
		conns, err := tx.Conns(u.ID)
		for _, cn := range conns {
			if sameLink(cn.Link, link) && cn.Address == 0 {
				found, address = as(cn.Link, link), cn.Request
			}
		}
		return err
	})
	return found, address, err
}

// as is a link in the form that was asked for, the full one alone, or both.
func as(l *api.CreatedConnLink, link string) *api.CreatedConnLink {
	if l.ConnFullLink == link {
		return &api.CreatedConnLink{ConnFullLink: link}
	}
	return l
}
