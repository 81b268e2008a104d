package chat

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Commands that connect.

var connectSyntax = []syntax{
	{"/_connect plan ", func(a *args) runner {
		id := api.UserID(a.int())
		a.need(" ")
		link := a.word()
		return func(ctx context.Context, c *Core) (api.Response, error) { return c.linkPlan(ctx, id, link) }
	}},
	{"/_connect ", func(a *args) runner {
		id := api.UserID(a.int())
		return connectLink(a, id, a.flag("incognito", false))
	}},
	{"/connect", connectWords}, {"/c", connectWords},
	{"/_set incognito :", func(a *args) runner {
		id := api.ConnID(a.int())
		a.need(" ")
		return setIncognito(id, a.onOff())
	}},
}

// connectWords is "/connect [incognito] [LINK]"; a link is looked into first.
func connectWords(a *args) runner {
	incognito := false
	for _, word := range []string{" incognito", " i"} {
		if rest := len(a.s) - len(word); a.s == word || rest > 0 && a.s[:len(word)+1] == word+" " {
			incognito = a.lit(word)
			break
		}
	}
	if a.s == "" {
		return connectLink(a, 0, incognito)
	}
	link := ""
	if a.s[0] == ' ' {
		link = a.s[1:]
	}
	run := connectLink(a, 0, incognito)
	return func(ctx context.Context, c *Core) (api.Response, error) {
		plan, err := c.linkPlan(ctx, 0, link)
		if err == nil && !goesOn(plan.ConnectionPlan) {
			return plan, nil
		}
		return run(ctx, c)
	}
}

// goesOn tells whether a link is used after a look at what it would do.
func goesOn(plan json.RawMessage) bool {
	var v struct {
		Invitation *struct{ Type string } `json:"invitationLinkPlan"`
		Contact    *struct{ Type string } `json:"contactAddressPlan"`
	}
	if json.Unmarshal(plan, &v) != nil {
		return true
	}
	switch {
	case v.Invitation != nil:
		return v.Invitation.Type == "ok" || v.Invitation.Type == "ownLink"
	case v.Contact != nil:
		return v.Contact.Type != "known" && v.Contact.Type != "connectingProhibit"
	}
	return true
}

// connectLink makes an invitation, or uses a link; a short link may follow it
// and another form of the same.
func connectLink(a *args, id api.UserID, incognito bool) runner {
	link := ""
	if a.lit(" ") {
		link = a.word()
		if a.lit(" ") {
			a.word()
		}
	}
	if link == "" {
		return func(ctx context.Context, c *Core) (api.Response, error) {
			cn, u, err := c.invite(ctx, id, incognito)
			if err != nil {
				return api.Response{}, err
			}
			return api.Response{Type: "invitation", User: userView(u), ConnLinkInvitation: cn.Link, Connection: pendingView(cn)}, nil
		}
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		cn, u, err := c.join(ctx, id, link, incognito)
		if err != nil {
			return api.Response{}, err
		}
		r := api.Response{Type: "sentConfirmation", User: userView(u), Connection: pendingView(cn)}
		if cn.Custom != nil {
			r.CustomUserProfile = &cn.Custom.Profile
		}
		if cn.Request {
			r.Type = "sentInvitation"
		}
		return r, nil
	}
}

// setIncognito lets an invitation that nobody has used show another profile.
func setIncognito(id api.ConnID, on bool) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := activeUser(w)
			if err != nil {
				return err
			}
			cn, err := pendingConn(w, u, id)
			if err != nil {
				return err
			}
			if cn.Status != ConnNew || on == (cn.Custom != nil) {
				return coreError(api.ErrorType{Type: "connectionIncognitoChangeProhibited"})
			}
			cn.Custom, cn.UpdatedAt = nil, w.now
			if on {
				if cn.Custom, err = w.newCustomProfile(); err != nil {
					return err
				}
				r.CustomUserProfile = &cn.Custom.Profile
			}
			r.Type, r.User, r.ToConnection = "connectionIncognitoUpdated", userView(u), pendingView(cn)
			return w.PutConn(cn)
		})
		return r, err
	}
}

// linkPlan says what a link would do.
func (c *Core) linkPlan(ctx context.Context, user api.UserID, link string) (api.Response, error) {
	var r api.Response
	o := opened{}
	ours, address, err := c.ourLink(ctx, user, link)
	switch {
	case err != nil:
		return r, err
	case ours != nil:
		o.CreatedConnLink, o.info.Contact = *ours, address
	default:
		if o, err = c.open(ctx, link); err != nil && !errors.Is(err, agent.ErrVersion) {
			return r, err
		}
	}
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err == nil && user != 0 {
			u, err = sameUser(tx, user)
		}
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
	conns, err := tx.Conns(u.ID)
	if err != nil {
		return nil, err
	}
	plan := map[string]any{"type": "ok"}
	if o.data != nil {
		plan["contactSLinkData_"] = o.data
	}
	if o.info.Contact {
		plan, err = c.addressPlan(tx, u, conns, o.ConnFullLink, plan)
		return map[string]any{"type": "contactAddress", "contactAddressPlan": plan}, err
	}
	for _, cn := range conns {
		if cn.Request || cn.Address != 0 || !sameLink(cn.Link, o.ConnFullLink) || cn.Status == ConnReady {
			continue
		}
		plan["type"] = "ownLink"
		if !cn.Initiated {
			plan["type"] = "connecting"
		}
		if cn.ContactID != 0 {
			if plan["contact_"], err = contactViewByID(tx, u, cn.ContactID); err != nil {
				return nil, err
			}
		}
	}
	return map[string]any{"type": "invitationLink", "invitationLinkPlan": plan}, nil
}

func contactViewByID(tx Tx, u *User, id api.ContactID) (*api.Contact, error) {
	ct, err := tx.Contact(id)
	if err != nil {
		return nil, err
	}
	return contactView(tx, u, ct)
}

// addressPlan says what a link to a contact address would do.
func (c *Core) addressPlan(tx Tx, u *User, conns []*Conn, link string, plan map[string]any) (map[string]any, error) {
	ad, err := addressOf(tx, u)
	if err == nil && sameLink(ad.Link, link) {
		return map[string]any{"type": "ownLink"}, nil
	}
	for _, cn := range conns {
		if !cn.Request || !sameLink(cn.Link, link) {
			continue
		}
		if cn.ContactID == 0 {
			if plan["type"] == "ok" {
				plan = map[string]any{"type": "connectingConfirmReconnect"}
			}
			continue
		}
		v, err := contactViewByID(tx, u, cn.ContactID)
		if err != nil {
			return nil, err
		}
		plan = map[string]any{"type": "known", "contact": v}
		if cn.Status != ConnReady && cn.Status != ConnDeleted {
			plan["type"] = "connectingProhibit"
		}
	}
	return plan, nil
}
