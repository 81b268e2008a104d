package chat

import (
	"context"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Commands about connections, contacts and chats.

var chatSyntax = []syntax{
	{"/_contacts ", func(a *args) runner { return listContacts(api.UserID(a.int())) }},
	{"/contacts", fixed(listContacts(0))},
	{"/_get chats ", getChats},
	{"/_get chats pcc=", func(a *args) runner { // of the active user, as older clients write it
		q := chatsQuery{pending: a.onOff()}
		return func(ctx context.Context, c *Core) (api.Response, error) {
			return withUser(0, func(tx Tx, u *User) (api.Response, error) {
				chats, err := c.chats(tx, u, q)
				return api.Response{Type: "apiChats", User: userView(u), Chats: chats}, err
			})(ctx, c)
		}
	}},
	{"/chats", chatList}, {"/cs", chatList},
	{"/_get chat ", getChat},
	{"/_read chat ", readChat},
	{"/_read chat items ", readItems},
	{"/_read user ", readUser},
	{"/_unread chat ", unreadChat},
	{"/_clear chat ", func(a *args) runner { return clearChat(a.ref(), "") }},
	{"/clear ", func(a *args) runner { a.need("@"); return clearChat(ref{}, a.name()) }},
	{"/_delete ", deleteRef},
	{"/delete ", deleteName}, {"/d ", deleteName},
	{"/_info ", func(a *args) runner { return contactInfo(a.ref(), "") }},
	{"/info ", func(a *args) runner { a.lit("@"); return contactInfo(ref{}, a.name()) }},
	{"/i ", func(a *args) runner { a.lit("@"); return contactInfo(ref{}, a.name()) }},
	{"/_set alias ", setAlias},
	{"/_set prefs ", setPrefsJSON},
	{"/_settings ", setSettings},
}

func listContacts(id api.UserID) runner {
	return func(ctx context.Context, c *Core) (api.Response, error) {
		return withUser(id, c.contactsList)(ctx, c)
	}
}

func (c *Core) contactID(ctx context.Context, name string) (id api.ContactID, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		ct, err := contactNamed(tx, u, name)
		if err == nil {
			id = ct.ID
		}
		return err
	})
	return id, err
}

// getChats is "/_get chats USER [pcc=on] [count=N|before=T count=N|after=T count=N] [JSON]".
func getChats(a *args) runner {
	id := api.UserID(a.int())
	q := chatsQuery{pending: a.flag("pcc", false)}
	switch {
	case a.lit(" before="):
		q.before = a.time()
		a.need(" count=")
		q.count = int(a.int())
	case a.lit(" after="):
		q.after = a.time()
		a.need(" count=")
		q.count = int(a.int())
	case a.lit(" count="):
		q.count = int(a.int())
	}
	if a.lit(" ") {
		a.json(&q.filter)
		if q.filter.Type != "filters" && q.filter.Type != "search" {
			a.fail()
		}
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		return withUser(id, func(tx Tx, u *User) (api.Response, error) {
			chats, err := c.chats(tx, u, q)
			return api.Response{Type: "apiChats", User: userView(u), Chats: chats}, err
		})(ctx, c)
	}
}

func chatList(a *args) runner {
	q := chatsQuery{count: 20}
	if a.lit(" ") {
		if q.count = 0; !a.lit("all") {
			q.count = int(a.int())
		}
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		return withUser(0, func(tx Tx, u *User) (api.Response, error) {
			chats, err := c.chats(tx, u, q)
			return api.Response{Type: "chats", Chats: chats}, err
		})(ctx, c)
	}
}

func getChat(a *args) runner {
	r := a.ref()
	a.need(" ")
	if a.lit("content=") {
		a.word()
		a.need(" ")
		a.pagination()
		return func(context.Context, *Core) (api.Response, error) {
			return api.Response{}, commandError("content filter not supported")
		}
	}
	p := a.pagination()
	return func(ctx context.Context, c *Core) (api.Response, error) {
		id, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		return c.chatOf(ctx, id, p)
	}
}

// withRef runs fn in a transaction with the contact of a reference or name.
func withRef(r ref, name string, fn func(*work, *User, *Contact) (api.Response, error)) runner {
	return func(ctx context.Context, c *Core) (resp api.Response, err error) {
		var id api.ContactID
		if name != "" {
			id, err = c.contactID(ctx, name)
		} else {
			id, err = r.contact()
		}
		if err != nil {
			return resp, err
		}
		err = c.withContact(ctx, id, func(w *work, u *User, ct *Contact) error {
			resp, err = fn(w, u, ct)
			return err
		})
		return resp, err
	}
}

func okFor(u *User) api.Response { return api.Response{Type: "cmdOk", User_: userView(u)} }

func readChat(a *args) runner {
	r := a.ref()
	run := withRef(r, "", func(w *work, u *User, ct *Contact) (api.Response, error) {
		ct.Unread = false
		return okFor(u), errors.Join(w.read(ct), w.PutContact(ct))
	})
	return func(ctx context.Context, c *Core) (api.Response, error) {
		resp, err := run(ctx, c)
		var ce *api.ChatError
		if errors.As(err, &ce) && ce.StoreError != nil && ce.StoreError.ContactID != nil {
			ce.StoreError.Type = "userNotFoundByContactId"
		}
		return resp, err
	}
}

func readItems(a *args) runner {
	r := a.ref()
	a.need(" ")
	ids := a.ids()
	return withRef(r, "", func(w *work, u *User, ct *Contact) (api.Response, error) {
		if err := w.read(ct, ids...); err != nil {
			return api.Response{}, err
		}
		v, err := contactView(w, u, ct)
		info := directInfo(v)
		return api.Response{Type: "itemsReadForChat", User: userView(u), ChatInfo: &info}, err
	})
}

func readUser(a *args) runner {
	id := api.UserID(a.int())
	return func(ctx context.Context, c *Core) (r api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := sameUser(w, id)
			if err != nil {
				return err
			}
			r = okFor(u)
			contacts, err := w.Contacts(id)
			for _, ct := range contacts {
				err = errors.Join(err, w.read(ct))
			}
			return err
		})
		return r, err
	}
}

func unreadChat(a *args) runner {
	r := a.ref()
	a.need(" ")
	on := a.onOff()
	return withRef(r, "", func(w *work, u *User, ct *Contact) (api.Response, error) {
		ct.Unread = on
		return okFor(u), w.PutContact(ct)
	})
}

func clearChat(r ref, name string) runner {
	return withRef(r, name, func(w *work, u *User, ct *Contact) (api.Response, error) {
		if err := w.clear(u, ct); err != nil {
			return api.Response{}, err
		}
		v, err := contactView(w, u, ct)
		info := directInfo(v)
		return api.Response{Type: "chatCleared", User: userView(u), ChatInfo: &info}, err
	})
}

func deleteRef(a *args) runner {
	r := a.ref()
	mode, notify := "full", true
	if a.lit(" ") {
		mode = a.oneOf("full", "entity", "messages")
		notify = a.flag("notify", true)
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		if r.kind == ':' {
			return c.deletePending(ctx, api.ConnID(r.id))
		}
		if r.kind == '*' {
			return api.Response{}, commandError("not supported")
		}
		id, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		return c.deleteContact(ctx, id, mode, notify)
	}
}

func deleteName(a *args) runner {
	a.lit("@")
	name := a.name()
	return func(ctx context.Context, c *Core) (api.Response, error) {
		id, err := c.contactID(ctx, name)
		if err != nil {
			return api.Response{}, err
		}
		return c.deleteContact(ctx, id, "full", true)
	}
}

// Inspector is an [Agent] that can also tell the state of a connection.
type Inspector interface {
	Connection(ctx context.Context, id agent.ConnID) (agent.ConnInfo, error)
}

func contactInfo(r ref, name string) runner {
	var conn *Conn
	find := withRef(r, name, func(w *work, u *User, ct *Contact) (api.Response, error) {
		v, err := contactView(w, u, ct)
		if err == nil && ct.ConnID != 0 {
			conn, err = w.Conn(ct.ConnID)
		}
		return api.Response{Type: "contactInfo", User: userView(u), Contact: v}, err
	})
	return func(ctx context.Context, c *Core) (api.Response, error) {
		resp, err := find(ctx, c)
		insp, ok := c.cfg.Agent.(Inspector)
		if err != nil || conn == nil || !ok {
			return resp, err
		}
		ci, err := insp.Connection(ctx, conn.AgentID)
		if err != nil {
			return resp, err
		}
		resp.ConnectionStats = connStats(ci)
		return resp, nil
	}
}

func connStats(ci agent.ConnInfo) *api.ConnectionStats {
	st := &api.ConnectionStats{ConnAgentVersion: ci.Version, RcvQueuesInfo: []api.RcvQueueInfo{},
		SndQueuesInfo: []api.SndQueueInfo{}, RatchetSyncState: string(ci.Sync), RatchetSyncSupported: ci.Version >= 3}
	for _, s := range ci.RcvServers {
		st.RcvQueuesInfo = append(st.RcvQueuesInfo, api.RcvQueueInfo{RcvServer: s})
	}
	for _, s := range ci.SndServers {
		st.SndQueuesInfo = append(st.SndQueuesInfo, api.SndQueueInfo{SndServer: s})
	}
	return st
}

func setAlias(a *args) runner {
	r := a.ref()
	alias := ""
	if a.lit(" ") {
		alias = a.rest()
	}
	if r.kind != ':' {
		return withRef(r, "", func(w *work, u *User, ct *Contact) (api.Response, error) {
			ct.Alias = alias
			v, err := contactView(w, u, ct)
			return api.Response{Type: "contactAliasUpdated", User: userView(u), ToContact: v}, errors.Join(err, w.PutContact(ct))
		})
	}
	return func(ctx context.Context, c *Core) (resp api.Response, err error) {
		err = c.update(ctx, func(w *work) error {
			u, err := activeUser(w)
			if err != nil {
				return err
			}
			cn, err := pendingConn(w, u, api.ConnID(r.id))
			if err != nil {
				return err
			}
			cn.Alias, cn.UpdatedAt = alias, w.now
			resp = api.Response{Type: "connectionAliasUpdated", User: userView(u), ToConnection: pendingView(cn)}
			return w.PutConn(cn)
		})
		return resp, err
	}
}

func setPrefsJSON(a *args) runner {
	r := a.ref()
	a.need(" ")
	var prefs api.Preferences
	a.json(&prefs)
	return func(ctx context.Context, c *Core) (api.Response, error) {
		id, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		return c.setPrefs(ctx, id, func(p *api.Preferences) { *p = prefs })
	}
}

func setSettings(a *args) runner {
	r := a.ref()
	a.need(" ")
	var s api.ChatSettings
	a.json(&s)
	return withRef(r, "", func(w *work, u *User, ct *Contact) (api.Response, error) {
		ct.Settings = s
		return okFor(u), w.PutContact(ct)
	})
}
