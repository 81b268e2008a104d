package chat

import (
	"context"
	"encoding/json"
	"errors"
	"sort"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// Call executes a structured method and returns a value of package api to be
// written as JSON, or an [*api.Error]. "subscribe" is the line protocol's own.
func (c *Core) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	m, ok := methods[method]
	if !ok {
		return nil, usage("there is no method %q", method)
	}
	v, err := m(ctx, c, params)
	if err != nil {
		return nil, callError(err)
	}
	return v, nil
}

type method func(ctx context.Context, c *Core, params json.RawMessage) (any, error)

// reading makes a method of a function with typed parameters.
func reading[P any](fn func(context.Context, *Core, P) (any, error)) method {
	return func(ctx context.Context, c *Core, params json.RawMessage) (any, error) {
		var p P
		if len(params) > 0 {
			if err := json.Unmarshal(params, &p); err != nil {
				return nil, usage("parameters: %v", err)
			}
		}
		return fn(ctx, c, p)
	}
}

type none struct{}

var methods = map[string]method{
	"init": reading(callInit), "createProfile": reading(callInit),
	"info": reading(callInfo), "invite": reading(callInvite), "connect": reading(callConnect),
	"requests": reading(callRequests), "contacts": reading(callContacts), "send": reading(callSend), "recv": reading(callRecv),
	"markRead": reading(callMarkRead), "wait": reading(callWait), "ack": reading(callAck),
}

func callInit(ctx context.Context, c *Core, p api.InitParams) (any, error) {
	var r *api.InfoResult
	err := c.update(ctx, func(w *work) error {
		u, err := w.createUser(api.Profile{DisplayName: p.DisplayName, FullName: p.FullName})
		if err == nil {
			r = &api.InfoResult{Type: "info", User: userView(u), Version: c.cfg.Version}
		}
		return err
	})
	return r, err
}

func callInfo(ctx context.Context, c *Core, _ none) (any, error) {
	r := &api.InfoResult{Type: "info", Version: c.cfg.Version}
	err := c.view(ctx, func(tx Tx) error {
		var err error
		if _, r.LastSeq, err = tx.LogRange(); err != nil {
			return err
		}
		u, err := activeUser(tx)
		var ce *api.ChatError
		if errors.As(err, &ce) {
			return nil // no profile yet
		}
		if err != nil {
			return err
		}
		r.User = userView(u)
		if r.Unread, err = tx.UnreadOfUser(u.ID); err != nil {
			return err
		}
		list, err := contactLines(tx, u)
		if err != nil {
			return err
		}
		r.Contacts = len(list)
		conns, err := tx.Conns(u.ID)
		for _, cn := range conns {
			if cn.ContactID == 0 && cn.Status != ConnFailed {
				r.Pending++
			}
		}
		return err
	})
	return r, err
}

func callInvite(ctx context.Context, c *Core, _ none) (any, error) {
	cn, _, err := c.invite(ctx, 0, false)
	if err != nil {
		return nil, err
	}
	return &api.InviteResult{Type: "invitation", Link: cn.Link.ConnFullLink, ShortLink: cn.Link.ConnShortLink, ConnID: cn.ID}, nil
}

func callConnect(ctx context.Context, c *Core, p api.ConnectParams) (any, error) {
	cn, err := c.underway(ctx, p.Link)
	if errors.Is(err, ErrNotFound) {
		cn, _, err = c.join(ctx, 0, p.Link, false)
	}
	if err != nil {
		return nil, err
	}
	if !p.Wait {
		return &api.ConnectResult{Type: "connection", State: "joining", ConnID: cn.ID}, nil
	}
	return c.waitConn(ctx, cn.ID)
}

// waitConn waits until both parties of a connection can send.
func (c *Core) waitConn(ctx context.Context, id api.ConnID) (*api.ConnectResult, error) {
	r := &api.ConnectResult{Type: "connection", State: "connected", ConnID: id}
	err := c.waitFor(ctx, func(tx Tx) (bool, error) {
		cn, err := tx.Conn(id)
		switch {
		case err != nil:
			return false, err
		case cn.Status == ConnFailed:
			return false, &agent.Error{Code: agent.ErrorCode(cn.ErrCode), Detail: cn.Error}
		case cn.Status != ConnReady:
			return false, nil
		}
		ct, err := tx.Contact(cn.ContactID)
		if err != nil {
			return false, err
		}
		r.Contact, err = contactLine(tx, ct)
		return true, err
	})
	return r, waited(err)
}

// waited gives a wait that ended with its caller's deadline a code of its own.
func waited(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &api.Error{Type: "error", Code: api.CodeTimeout, Message: "chat: not yet: it goes on without waiting"}
	}
	return err
}

func contactLine(tx Tx, ct *Contact) (*api.ContactLine, error) {
	l := &api.ContactLine{ContactID: ct.ID, Name: ct.Name, FullName: ct.Profile.FullName, Alias: ct.Alias, State: "connecting", CreatedAt: ct.CreatedAt}
	if ct.ConnID != 0 {
		cn, err := tx.Conn(ct.ConnID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if err == nil && cn.Status == ConnReady {
			l.State = "connected"
		}
	}
	if ct.Status != "active" {
		l.State = "deleted"
	}
	n, err := tx.Unread(ct.ID)
	l.Unread = n.Count
	return l, err
}

func contactLines(tx Tx, u *User) ([]api.ContactLine, error) {
	contacts, err := tx.Contacts(u.ID)
	if err != nil {
		return nil, err
	}
	lines := []api.ContactLine{}
	for _, ct := range contacts {
		if ct.IsUser || ct.ConnID == 0 && ct.Status == "active" || ct.Status == "deletedByUser" {
			continue
		}
		l, err := contactLine(tx, ct)
		if err != nil {
			return nil, err
		}
		lines = append(lines, *l)
	}
	sort.SliceStable(lines, func(i, j int) bool { return lines[i].Name < lines[j].Name })
	return lines, nil
}

func callContacts(ctx context.Context, c *Core, _ none) (any, error) {
	r := &api.ContactsResult{Type: "contacts"}
	err := c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err == nil {
			r.Contacts, err = contactLines(tx, u)
		}
		return err
	})
	return r, err
}

// finder finds the contact that a call names: "@bob", "bob", 2 or "@2"; a name
// goes before a number.
func finder(to api.ChatTo) (func(Tx, *User) (*Contact, error), error) {
	if to.ContactID != 0 {
		return byID(to.ContactID), nil
	}
	name := to.Name
	if len(name) > 1 && name[0] == '@' {
		name = name[1:]
	}
	if name == "" || name == "@" {
		return nil, usage("to whom? a contact's name or number is missing")
	}
	return func(tx Tx, u *User) (*Contact, error) {
		ct, err := contactNamed(tx, u, name)
		a := args{s: name}
		if err != nil {
			if other, ok := aliased(tx, u, name); ok {
				return other, nil
			}
		}
		if id := a.int(); err != nil && a.done() {
			if ct, errID := contactOf(tx, u, api.ContactID(id)); errID == nil {
				return ct, nil
			}
		}
		return ct, err
	}, nil
}

// aliased is the contact that has a name of our own giving.
func aliased(tx Tx, u *User, alias string) (*Contact, bool) {
	contacts, err := tx.Contacts(u.ID)
	if err != nil {
		return nil, false
	}
	for _, ct := range contacts {
		if ct.Alias == alias && !ct.IsUser {
			return ct, true
		}
	}
	return nil, false
}

func callSend(ctx context.Context, c *Core, p api.SendParams) (any, error) {
	start := c.now()
	find, err := finder(p.To)
	if err != nil {
		return nil, err
	}
	if p.Text == "" {
		return nil, usage("there is no text to send")
	}
	if p.Wait == "" {
		p.Wait = "sent"
	}
	if _, ok := levels[p.Wait]; !ok {
		return nil, usage("wait: %q is none of queued, sent, delivered", p.Wait)
	}
	it, err := c.sendOnce(ctx, find, p)
	if err != nil {
		return nil, err
	}
	r := &api.SendResult{Type: "sent", ItemID: it.ID, MessageID: it.MsgID, State: "queued"}
	err = c.waitItem(ctx, r, p.Wait)
	r.Elapsed = c.now().Sub(start).Seconds()
	return r, err
}

// sendOnce sends, or finds what was sent under the same key.
func (c *Core) sendOnce(ctx context.Context, find func(Tx, *User) (*Contact, error), p api.SendParams) (it *Item, err error) {
	look := func() error {
		return c.view(ctx, func(tx Tx) error {
			u, err := activeUser(tx)
			if err == nil {
				it, err = tx.ItemByIdem(u.ID, p.Idem)
			}
			return err
		})
	}
	if p.Idem != "" {
		if err := look(); err == nil || !errors.Is(err, ErrNotFound) {
			return it, err
		}
	}
	_, items, err := c.send(ctx, find, composed{content: xmsg.TextContent(p.Text), idem: p.Idem})
	if err != nil {
		if p.Idem != "" && look() == nil { // another call was faster
			return it, nil
		}
		return nil, err
	}
	return items[0], nil
}

// levels are how far a message has come, by what "wait" calls them.
var levels = map[string]int{"queued": 1, "sent": 2, "delivered": 3}

// waitItem waits until a message has come as far as asked.
func (c *Core) waitItem(ctx context.Context, r *api.SendResult, level string) error {
	err := c.waitFor(ctx, func(tx Tx) (bool, error) {
		it, err := tx.Item(r.ItemID)
		if err != nil {
			return false, err
		}
		switch st := it.Item.Meta.ItemStatus; st.Type {
		case "sndSent":
			r.State = "sent"
		case "sndRcvd":
			r.State = "delivered"
		case "sndErrorAuth":
			return false, &agent.Error{Code: agent.CodeAuth, Detail: "the contact's queue refuses our messages or is gone"}
		case "sndError":
			return false, &agent.Error{Code: agent.CodeServer, Detail: "not sent: " + string(st.AgentError)}
		}
		return levels[r.State] >= levels[level], nil
	})
	return waited(err)
}

func callWait(ctx context.Context, c *Core, p api.WaitParams) (any, error) {
	switch {
	case p.ConnID != 0:
		return c.waitConn(ctx, p.ConnID)
	case p.ItemID != 0:
		if p.State == "" {
			p.State = "sent"
		}
		if _, ok := levels[p.State]; !ok {
			return nil, usage("wait: %q is none of queued, sent, delivered", p.State)
		}
		start := c.now()
		r := &api.SendResult{Type: "sent", ItemID: p.ItemID, State: "queued"}
		err := c.waitItem(ctx, r, p.State)
		r.Elapsed = c.now().Sub(start).Seconds()
		return r, err
	}
	return nil, usage("wait: connId or itemId is missing")
}

func callAck(ctx context.Context, c *Core, p api.AckParams) (any, error) {
	if p.Consumer == "" {
		return nil, usage("ack: consumer is missing")
	}
	return &api.OK{Type: "ok", Seq: p.Seq}, c.Ack(ctx, p.Consumer, p.Seq)
}

func callMarkRead(ctx context.Context, c *Core, p api.MarkReadParams) (any, error) {
	from, to := p.Seq, p.Seq
	if p.UpTo != 0 {
		from, to = 1, p.UpTo
	}
	if to <= 0 || p.Seq != 0 && p.UpTo != 0 {
		return nil, usage("markRead: one of seq and upTo")
	}
	err := c.update(ctx, func(w *work) error {
		u, err := activeUser(w)
		if err == nil {
			err = w.MarkReadSeq(u.ID, from, to)
		}
		if err == nil {
			err = w.MarkLines(from, to)
		}
		return err
	})
	return &api.OK{Type: "ok", Seq: to}, err
}
