package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// Requests to our contact address.

var requestSyntax = []syntax{
	{"/_accept ", func(a *args) runner {
		incognito := false
		if a.lit("incognito=") {
			incognito = a.onOff()
			a.need(" ")
		}
		return acceptRequest(api.ContactRequestID(a.int()), "", incognito)
	}},
	{"/_reject ", func(a *args) runner { return rejectRequest(api.ContactRequestID(a.int()), "") }},
	{"/ac ", acceptNamed}, {"/accept ", acceptNamed},
	{"/rc ", func(a *args) runner { return rejectRequest(0, a.atName()) }},
	{"/reject ", func(a *args) runner { return rejectRequest(0, a.atName()) }},
}

// atName is a name that may have an @ before it.
func (a *args) atName() string {
	a.lit("@")
	return a.name()
}

func acceptNamed(a *args) runner {
	incognito := false
	for _, word := range []string{"incognito ", "i "} {
		incognito = incognito || a.lit(word)
	}
	return acceptRequest(0, a.atName(), incognito)
}

func requestView(r *Request) *api.UserContactRequest {
	ad := r.AddressID
	return &api.UserContactRequest{ContactRequestID: r.ID, AgentInvitationID: agentConnID(agent.ConnID(r.AgentReq)),
		ContactID: r.ContactID, UserContactLinkID: &ad, CReqChatVRange: r.Peer, LocalDisplayName: r.Name,
		ProfileID: r.ProfileID, Profile: r.Profile, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, XContactID: r.XID, PQSupport: r.PQ}
}

// requestOf finds a request by number or, when that is 0, by name.
func requestOf(tx Tx, u *User, id api.ContactRequestID, name string) (*Request, error) {
	if name == "" {
		r, err := tx.Request(id)
		if errors.Is(err, ErrNotFound) || err == nil && r.UserID != u.ID {
			n := int64(id)
			return nil, storeError(api.StoreError{Type: "contactRequestNotFound", ContactRequestID: &n})
		}
		return r, err
	}
	all, err := tx.Requests(u.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Name == name {
			return r, nil
		}
	}
	return nil, storeError(api.StoreError{Type: "contactRequestNotFoundByName", ContactName: &name})
}

// onRequest stores who asks to connect, tells of it, and accepts at once if
// the address says so. It can be repeated.
func (c *Core) onRequest(ctx context.Context, addr agent.ConnID, ev agent.Request) error {
	var req *Request
	auto := false
	err := c.update(ctx, func(w *work) error {
		ad, err := w.AddressByAgentID(addr)
		if errors.Is(err, ErrNotFound) {
			return errUnknownConn
		}
		if err != nil {
			return err
		}
		u, err := w.User(ad.UserID)
		if err != nil {
			return err
		}
		auto = ad.Settings.AutoAccept != nil
		req, err = w.putRequest(u, ad, ev, !auto)
		return err
	})
	if err != nil || req == nil || !auto || req.Accepted {
		return err
	}
	return c.acceptUnasked(ctx, req)
}

// putRequest stores a request; nil if it cannot be read or was answered.
func (w *work) putRequest(u *User, ad *Address, ev agent.Request, tell bool) (*Request, error) {
	part := xmsg.Parse(ev.Info)[0]
	if part.Err != nil || part.File != nil {
		w.c.log.Warn("chat: request cannot be read", "address", ad.ID, "err", part.Err)
		return nil, nil
	}
	x, err := xmsg.ParseContact(part.Message.Params) // x.info has the same profile
	if err != nil {
		w.c.log.Warn("chat: request cannot be read", "address", ad.ID, "err", err)
		return nil, nil
	}
	all, err := w.Requests(u.ID)
	if err != nil {
		return nil, err
	}
	var req *Request
	for _, r := range all {
		switch {
		case r.AgentReq == ev.ID && r.AgentAddr == ad.AgentID:
			return r, nil // told of before a crash
		case x.ContactReqID != "" && r.XID == x.ContactReqID && r.AddressID == ad.ID && !r.Accepted:
			req = r
		}
	}
	if req == nil {
		if req, err = w.newRequest(u, ad, profileOf(x.Profile), ev.PQ); err != nil {
			return nil, err
		}
	}
	cn := Conn{Peer: apiRange}
	setPeerRange(&cn, part.Message.V)
	req.AgentReq, req.XID, req.Peer, req.UpdatedAt = ev.ID, x.ContactReqID, cn.Peer, w.now
	if err := w.PutRequest(req); err != nil || !tell {
		return req, err
	}
	ct, err := w.Contact(req.ContactID)
	if err != nil {
		return nil, err
	}
	v, err := contactView(w, u, ct)
	if err != nil {
		return nil, err
	}
	_, err = w.emit(api.Response{Type: "receivedContactRequest", User: userView(u), ContactRequest: requestView(req),
		RequestChat: &api.AChat{ChatInfo: directInfo(v), ChatItems: []api.ChatItem{}}})
	return req, err
}

// newRequest makes a request with its contact, whose chat begins already.
func (w *work) newRequest(u *User, ad *Address, p api.Profile, pq bool) (*Request, error) {
	ct, err := w.createContact(u, p)
	if err != nil {
		return nil, err
	}
	req := &Request{UserID: u.ID, AddressID: ad.ID, AgentAddr: ad.AgentID, ContactID: ct.ID, Name: ct.Name,
		ProfileID: ct.ProfileID, Profile: p, PQ: pq && w.c.cfg.PQ, CreatedAt: w.now}
	if err := w.PutRequest(req); err != nil {
		return nil, err
	}
	ct.RequestID = req.ID
	if err := w.PutContact(ct); err != nil {
		return nil, err
	}
	_, err = w.makeNotices(u, ct, req.PQ)
	return req, err
}

// accept gives a request's contact a connection; the agent is still to be
// asked.
func (w *work) accept(u *User, req *Request, status string, custom *CustomProfile) (*Contact, *Conn, error) {
	ct, err := w.Contact(req.ContactID)
	if err != nil {
		return nil, nil, err
	}
	cn := w.newConn(u, status, false)
	cn.ContactID, cn.Address, cn.PQSupport, cn.Custom = ct.ID, req.AddressID, req.PQ, custom
	setPeerRange(cn, xmsg.VersionRange{Min: xmsg.Version(req.Peer.MinVersion), Max: xmsg.Version(req.Peer.MaxVersion)})
	if err := w.PutConn(cn); err != nil {
		return nil, nil, err
	}
	ct.ConnID, ct.Incognito, ct.UpdatedAt, req.Accepted = cn.ID, custom != nil, w.now, true
	return ct, cn, errors.Join(w.PutContact(ct), w.PutRequest(req))
}

// connectRequest lets the agent join the invitation inside a request.
func (c *Core) connectRequest(ctx context.Context, u *User, req *Request, cn *Conn) error {
	info, err := c.infoOf(u, cn, api.Preferences{})
	if err == nil {
		err = c.cfg.Agent.Accept(ctx, cn.AgentID, req.AgentAddr, req.AgentReq, info, agent.JoinOptions{PQ: cn.PQSupport})
	}
	if err == nil || errors.Is(err, agent.ErrExists) {
		return nil
	}
	if ctx.Err() != nil {
		return err // the next run tries again
	}
	undo := c.update(context.WithoutCancel(ctx), func(w *work) error {
		ct, err := w.Contact(req.ContactID)
		if err != nil {
			return err
		}
		ct.ConnID, req.Accepted = 0, false
		return errors.Join(w.PutContact(ct), w.PutRequest(req), w.DeleteConn(cn.ID))
	})
	return errors.Join(fmt.Errorf("chat: accepting a request: %w", err), undo)
}

func acceptRequest(id api.ContactRequestID, name string, incognito bool) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		var u *User
		var req *Request
		var cn *Conn
		err = c.update(ctx, func(w *work) error {
			if u, err = activeUser(w); err != nil {
				return err
			}
			if req, err = requestOf(w, u, id, name); err != nil {
				return err
			}
			if req.Accepted {
				return acceptedAlready(req)
			}
			var custom *CustomProfile
			if incognito {
				if ad, err := w.AddressByAgentID(req.AgentAddr); err == nil && ad.Data {
					return commandError(noIncognito)
				}
				if custom, err = w.newCustomProfile(); err != nil {
					return err
				}
			}
			var ct *Contact
			if ct, cn, err = w.accept(u, req, ConnSndReady, custom); err != nil {
				return err
			}
			v, err := contactView(w, u, ct)
			r = api.Response{Type: "acceptingContactRequest", User: userView(u), Contact: v}
			return err
		})
		if err != nil {
			return r, err
		}
		return r, c.connectRequest(ctx, u, req, cn)
	}
}

func acceptedAlready(req *Request) error {
	b, err := json.Marshal(map[string]any{"type": "CMD", "cmdErr": map[string]any{"type": "PROHIBITED"},
		"errContext": "SEInvitationNotFound acceptContact', invitationId = " + strconv.Quote(string(req.AgentReq))})
	if err != nil {
		return err
	}
	return &api.ChatError{Type: "errorAgent", AgentError: b}
}

// acceptUnasked accepts a request as its address says, and sends the welcome.
func (c *Core) acceptUnasked(ctx context.Context, req *Request) error {
	var u *User
	var cn *Conn
	err := c.update(ctx, func(w *work) error {
		ad, err := w.AddressByAgentID(req.AgentAddr)
		if err != nil {
			return err
		}
		if u, err = w.User(req.UserID); err != nil {
			return err
		}
		var custom *CustomProfile
		if ad.Settings.AutoAccept != nil && ad.Settings.AutoAccept.AcceptIncognito {
			if custom, err = w.newCustomProfile(); err != nil {
				return err
			}
		}
		var ct *Contact
		if ct, cn, err = w.accept(u, req, ConnNew, custom); err != nil {
			return err
		}
		cn.Link = ad.Link // it is not an invitation that nobody has seen
		return errors.Join(w.PutConn(cn), w.emitContact("acceptingContactRequest", u, ct))
	})
	if err != nil {
		return err
	}
	if err := c.connectRequest(ctx, u, req, cn); err != nil {
		return err
	}
	return c.welcomeRequest(ctx, u, req, cn)
}

// welcomeRequest tells that an accepted contact can be sent to, and sends it
// the address's reply.
func (c *Core) welcomeRequest(ctx context.Context, u *User, req *Request, cn *Conn) error {
	replied := false
	err := c.update(ctx, func(w *work) error {
		ct, err := w.Contact(req.ContactID)
		if err != nil {
			return err
		}
		if cn, err = w.Conn(cn.ID); err != nil {
			return err
		}
		if cn.Status == ConnNew {
			cn.Status = ConnSndReady
			if err := w.PutConn(cn); err != nil {
				return err
			}
		}
		if err := w.emitContact("contactSndReady", u, ct); err != nil {
			return err
		}
		ad, err := w.AddressByAgentID(req.AgentAddr)
		if err != nil || len(ad.Settings.AutoReply) == 0 {
			return err
		}
		content, err := xmsg.ParseContent(ad.Settings.AutoReply)
		if err != nil {
			return nil // it was read when it was set
		}
		items, err := w.sndItems(u, ct, cn, []composed{{content: content}})
		if err != nil {
			return err
		}
		replied = true
		_, err = w.emitNew(u, ct, items...)
		return err
	})
	if err == nil && replied {
		c.flushLater(ctx, cn.ID)
	}
	return err
}

// rejectRequest forgets a request with its contact; who asked is not told.
func rejectRequest(id api.ContactRequestID, name string) runner {
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		var req *Request
		var cn *Conn
		err = c.update(ctx, func(w *work) error {
			u, err := activeUser(w)
			if err != nil {
				return err
			}
			if req, err = requestOf(w, u, id, name); err != nil {
				return err
			}
			r = api.Response{Type: "contactRequestRejected", User: userView(u), ContactRequest: requestView(req)}
			ct, err := w.Contact(req.ContactID)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if err == nil {
				if r.RequestContact, err = contactView(w, u, ct); err != nil {
					return err
				}
				if ct.ConnID != 0 {
					if cn, err = w.Conn(ct.ConnID); err != nil {
						return err
					}
				}
				if err := w.DeleteContact(ct.ID); err != nil {
					return err
				}
			}
			return w.DeleteRequest(req.ID)
		})
		if err != nil {
			return r, err
		}
		if cn != nil {
			return r, c.deleteConn(ctx, cn)
		}
		err = c.cfg.Agent.Reject(ctx, req.AgentAddr, req.AgentReq)
		if errors.Is(err, agent.ErrNotFound) {
			err = nil
		}
		return r, err
	}
}
