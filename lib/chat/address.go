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

// Contact addresses of ours.

var addressSyntax = []syntax{
	{"/_address ", ofUser((*Core).createAddress)},
	{"/address", fixed(ofActive((*Core).createAddress))}, {"/ad", fixed(ofActive((*Core).createAddress))},
	{"/_show_address ", ofUser((*Core).showAddress)},
	{"/show_address", fixed(ofActive((*Core).showAddress))}, {"/sa", fixed(ofActive((*Core).showAddress))},
	{"/_delete_address ", ofUser((*Core).deleteAddress)},
	{"/delete_address", fixed(ofActive((*Core).deleteAddress))}, {"/da", fixed(ofActive((*Core).deleteAddress))},
	{"/_short_link_address ", ofUser((*Core).showAddress)}, {"/short_link_address", fixed(ofActive((*Core).showAddress))},
	{"/_profile_address ", func(a *args) runner {
		id := api.UserID(a.int())
		a.need(" ")
		return profileAddress(id, a.onOff())
	}},
	{"/profile_address ", func(a *args) runner { return profileAddress(0, a.onOff()) }},
	{"/pa ", func(a *args) runner { return profileAddress(0, a.onOff()) }},
	{"/_address_settings ", addressSettingsJSON},
	{"/auto_accept ", autoAccept},
}

func ofUser(fn func(*Core, context.Context, api.UserID) (api.Response, error)) func(*args) runner {
	return func(a *args) runner {
		id := api.UserID(a.int())
		return func(ctx context.Context, c *Core) (api.Response, error) { return fn(c, ctx, id) }
	}
}

func ofActive(fn func(*Core, context.Context, api.UserID) (api.Response, error)) runner {
	return func(ctx context.Context, c *Core) (api.Response, error) { return fn(c, ctx, 0) }
}

func noAddress() error { return storeError(api.StoreError{Type: "userContactLinkNotFound"}) }

// addressOf is a user's address. One whose link was never given to anybody,
// because of a crash, counts as absent.
func addressOf(tx Tx, u *User) (*Address, error) {
	ad, err := tx.Address(u.ID)
	if errors.Is(err, ErrNotFound) || err == nil && ad.Link == nil {
		return nil, noAddress()
	}
	return ad, err
}

func addressView(a *Address) *api.UserContactLink {
	return &api.UserContactLink{UserContactLinkID: a.ID, ConnLinkContact: *a.Link,
		ShortLinkDataSet: a.Data, ShortLinkLargeDataSet: a.Data, AddressSettings: a.Settings}
}

// createAddress makes a user's address. It is stored before the agent has it,
// so that its requests find it.
func (c *Core) createAddress(ctx context.Context, id api.UserID) (r api.Response, err error) {
	var u *User
	ad := &Address{AgentID: agent.NewConnID()}
	err = c.update(ctx, func(w *work) error {
		if u, err = w.userFor(id); err != nil {
			return err
		}
		old, err := w.Address(u.ID)
		if err == nil && old.Link == nil {
			err = errors.Join(w.DeleteAddress(old.ID), ErrNotFound)
		}
		if err == nil {
			return storeError(api.StoreError{Type: "duplicateContactLink"})
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		ad.UserID = u.ID
		return w.PutAddress(ad)
	})
	if err != nil {
		return r, err
	}
	data, err := addressData(u, ad)
	var link agent.Link
	if err == nil {
		link, err = c.cfg.Agent.CreateAddress(ctx, ad.AgentID, agent.InviteOptions{PQ: c.cfg.PQ, Short: data})
	}
	if err != nil {
		forget := c.update(context.WithoutCancel(ctx), func(w *work) error { return w.DeleteAddress(ad.ID) })
		return r, errors.Join(fmt.Errorf("chat: creating an address: %w", err), forget)
	}
	ad.Link = &api.CreatedConnLink{ConnFullLink: link.Full, ConnShortLink: link.Short}
	ad.Data = link.Short != ""
	err = c.update(ctx, func(w *work) error { return w.PutAddress(ad) })
	return api.Response{Type: "userContactLinkCreated", User: userView(u), ConnLinkContact: ad.Link}, err
}

// addressData is what the short link of an address leads to.
func addressData(u *User, ad *Address) (*agent.LinkData, error) {
	p, err := wireProfile(u, &Conn{}, api.Preferences{})
	if err != nil {
		return nil, err
	}
	return encodeLinkData(linkData{Profile: p, Message: ad.Settings.AutoReply, Business: ad.Settings.BusinessAddress})
}

func (c *Core) showAddress(ctx context.Context, id api.UserID) (api.Response, error) {
	return withUser(id, func(tx Tx, u *User) (api.Response, error) {
		ad, err := addressOf(tx, u)
		if err != nil {
			return api.Response{}, err
		}
		return api.Response{Type: "userContactLink", User: userView(u), ContactLink: addressView(ad)}, nil
	})(ctx, c)
}

// deleteAddress deletes a user's address and takes it out of the profile.
func (c *Core) deleteAddress(ctx context.Context, id api.UserID) (r api.Response, err error) {
	var ad *Address
	listed := false
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err == nil && id != 0 {
			u, err = sameUser(tx, id)
		}
		if err == nil {
			listed = u.Profile.ContactLink != ""
			ad, err = addressOf(tx, u)
		}
		return err
	})
	if err != nil {
		return r, err
	}
	if err := c.cfg.Agent.Delete(ctx, ad.AgentID); err != nil && !errors.Is(err, agent.ErrNotFound) {
		return r, fmt.Errorf("chat: deleting an address: %w", err)
	}
	err = c.update(ctx, func(w *work) error {
		u, err := w.User(ad.UserID)
		r = api.Response{Type: "userContactLinkDeleted", User: userView(u)}
		return errors.Join(err, w.DeleteAddress(ad.ID))
	})
	if err == nil && listed {
		var changed api.Response
		if changed, err = c.setProfile(ctx, ad.UserID, func(p *api.Profile) { p.ContactLink = "" }); err == nil {
			r.User = changed.User
		}
	}
	return r, err
}

// profileAddress puts the address into the profile that contacts see, or takes
// it out.
func profileAddress(id api.UserID, on bool) runner {
	return func(ctx context.Context, c *Core) (api.Response, error) {
		link := ""
		err := c.view(ctx, func(tx Tx) error {
			u, err := activeUser(tx)
			if err == nil && id != 0 {
				u, err = sameUser(tx, id)
			}
			if err != nil {
				return err
			}
			ad, err := addressOf(tx, u)
			if err == nil && on {
				link = ad.Link.Shortest()
			}
			return err
		})
		if err != nil {
			return api.Response{}, err
		}
		return c.setProfile(ctx, id, func(p *api.Profile) { p.ContactLink = link })
	}
}

func addressSettingsJSON(a *args) runner {
	id := api.UserID(a.int())
	a.need(" ")
	var v struct {
		Business   *bool           `json:"businessAddress"`
		AutoAccept *api.AutoAccept `json:"autoAccept"`
		AutoReply  json.RawMessage `json:"autoReply"`
	}
	a.json(&v)
	if v.Business == nil {
		a.fail()
		return nil
	}
	s := api.AddressSettings{BusinessAddress: *v.Business, AutoAccept: v.AutoAccept}
	if len(v.AutoReply) > 0 && string(v.AutoReply) != "null" {
		s.AutoReply = a.content(v.AutoReply)
	}
	return setAddress(id, s)
}

// content reads message content.
func (a *args) content(b []byte) api.MsgContent {
	c, err := xmsg.ParseContent(b)
	if err != nil {
		a.fail()
		return nil
	}
	return c.Raw()
}

// autoAccept is "/auto_accept on [incognito=on|business] [text …|json …]" or
// "/auto_accept off".
func autoAccept(a *args) runner {
	var s api.AddressSettings
	if a.onOff() {
		s.AutoAccept = &api.AutoAccept{}
		switch {
		case a.lit(" business"):
			s.BusinessAddress = true
		default:
			s.AutoAccept.AcceptIncognito = a.flag("incognito", false)
		}
		switch {
		case a.lit(" text "):
			s.AutoReply = xmsg.TextContent(a.some()).Raw()
		case a.lit(" json "):
			s.AutoReply = a.content([]byte(a.rest()))
		}
	}
	return setAddress(0, s)
}

const noIncognito = "incognito not allowed for address with short link data"

func setAddress(id api.UserID, s api.AddressSettings) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		var relink api.UserID
		err = c.update(ctx, func(w *work) error {
			u, err := w.userFor(id)
			if err != nil {
				return err
			}
			ad, err := addressOf(w, u)
			if err != nil {
				return err
			}
			if s.AutoAccept != nil && s.AutoAccept.AcceptIncognito && ad.Data {
				return commandError(noIncognito)
			}
			ad.Settings = s
			r = api.Response{Type: "userContactLinkUpdated", User: userView(u), ContactLink: addressView(ad)}
			if err := w.PutAddress(ad); err != nil {
				return err
			}
			relink, err = w.staleAddress(u.ID)
			return err
		})
		if err == nil && relink != 0 {
			c.relink(ctx, relink)
		}
		return r, err
	}
}

// staleAddress remembers that what the link of a user's address tells has
// changed. After the commit, [Core.relink] is to be called for the user that it
// returns, if that is not 0.
func (w *work) staleAddress(u api.UserID) (api.UserID, error) {
	ad, err := w.Address(u)
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, nil
	case err != nil || ad.Link == nil || !ad.Data:
		return 0, err
	}
	ad.Stale++
	return u, w.PutAddress(ad)
}

// relink gives the agent what the link of a user's address is to tell. If that
// fails it is done after the next change or start.
func (c *Core) relink(ctx context.Context, id api.UserID) {
	c.linking.Lock()
	defer c.linking.Unlock()
	ctx = context.WithoutCancel(ctx)
	var ad *Address
	var data *agent.LinkData
	err := c.view(ctx, func(tx Tx) error {
		u, err := tx.User(id)
		if err != nil {
			return err
		}
		if ad, err = tx.Address(id); err == nil && ad.Stale != 0 {
			data, err = addressData(u, ad)
		}
		return err
	})
	if err == nil && data != nil {
		err = c.cfg.Agent.SetLinkLater(ctx, ad.AgentID, *data)
	}
	if err == nil && data != nil {
		err = c.update(ctx, func(w *work) error {
			now, err := w.Address(id)
			if err != nil || now.ID != ad.ID || now.Stale != ad.Stale {
				return err // it has changed again, and is to be given again
			}
			now.Stale = 0
			return w.PutAddress(now)
		})
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		c.log.Warn("chat: changing what the link of an address tells", "err", err)
	}
}
