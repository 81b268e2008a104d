package chat

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// HandleEvent implements [agent.Handler].
func (c *Core) HandleEvent(ctx context.Context, id agent.ConnID, ev agent.Event) error {
	if err := c.waitStarted(ctx); err != nil {
		return err
	}
	err := c.handle(ctx, id, ev)
	if errors.Is(err, errUnknownConn) {
		c.log.Debug("chat: event of an unknown connection", "event", fmt.Sprintf("%T", ev))
		return nil
	}
	if err != nil {
		return fmt.Errorf("chat: handling %T: %w", ev, err)
	}
	return nil
}

func (c *Core) handle(ctx context.Context, id agent.ConnID, ev agent.Event) error {
	switch ev := ev.(type) {
	case agent.Confirmation:
		return c.onConfirmation(ctx, id, ev)
	case agent.Info:
		return c.onConn(ctx, id, func(w *work, cn *Conn, u *User) error {
			return w.peerInfo(cn, u, ev.Info, cn.Status)
		})
	case agent.Request:
		return c.onRequest(ctx, id, ev)
	case agent.Connected:
		return c.onConnected(ctx, id, ev)
	case agent.RatchetSync:
		return c.onSync(ctx, id, ev)
	case agent.Switched:
		return c.onSwitched(ctx, id, ev)
	case agent.Message:
		return c.onMessage(ctx, id, ev)
	case agent.Sent:
		return c.onDelivery(ctx, id, ev.MsgID, sent)
	case agent.SendError:
		return c.onDelivery(ctx, id, ev.MsgID, sendFailed(ev))
	case agent.Receipt:
		return c.onDelivery(ctx, id, ev.MsgID, received(ev))
	case agent.ConnError:
		return c.onConnError(ctx, id, ev)
	case agent.Deleted:
		return c.onConn(ctx, id, func(w *work, cn *Conn, _ *User) error { return w.dropConn(cn) })
	}
	return nil // what does not concern contacts and their messages
}

var errUnknownConn = errors.New("chat: unknown connection")

// onConn runs fn with the connection and its user.
func (c *Core) onConn(ctx context.Context, id agent.ConnID, fn func(*work, *Conn, *User) error) error {
	return c.update(ctx, func(w *work) error {
		cn, err := w.ConnByAgentID(id)
		if errors.Is(err, ErrNotFound) {
			return errUnknownConn
		}
		if err != nil {
			return err
		}
		u, err := w.User(cn.UserID)
		if err != nil {
			return err
		}
		return fn(w, cn, u)
	})
}

// onConfirmation stores who answered our invitation, then lets the connection
// go on. Both can be repeated.
func (c *Core) onConfirmation(ctx context.Context, id agent.ConnID, ev agent.Confirmation) error {
	var info []byte
	err := c.onConn(ctx, id, func(w *work, cn *Conn, u *User) (err error) {
		cn.PQSupport = cn.PQSupport && ev.PQ
		if err := w.peerInfo(cn, u, ev.Info, ConnRequested); err != nil {
			return err
		}
		info, err = c.infoOf(u, cn, api.Preferences{})
		return err
	})
	if err != nil {
		return err
	}
	err = c.cfg.Agent.Allow(ctx, id, ev.ID, info)
	if errors.Is(err, agent.ErrState) || errors.Is(err, agent.ErrNotFound) {
		return nil // allowed before a crash, or deleted meanwhile
	}
	if err != nil {
		return err
	}
	return c.onConn(ctx, id, func(w *work, cn *Conn, _ *User) error {
		if cn.Status != ConnRequested {
			return nil
		}
		cn.Status = ConnAccepted
		return w.PutConn(cn)
	})
}

// peerInfo makes a contact of the other party's connection information.
// Information that cannot be read makes a contact without a profile: the
// connection is worth more than its name.
func (w *work) peerInfo(cn *Conn, u *User, info []byte, status string) error {
	if cn.ContactID != 0 {
		return nil
	}
	p := api.Profile{DisplayName: "unknown"}
	if part := xmsg.Parse(info)[0]; part.Err == nil && part.File == nil {
		setPeerRange(cn, part.Message.V)
		if i, err := xmsg.ParseInfo(part.Message.Params); err == nil {
			p = profileOf(i.Profile)
		}
	} else {
		w.c.log.Warn("chat: connection information cannot be read", "conn", cn.ID, "err", part.Err)
	}
	ct, err := w.createContact(u, p)
	if err != nil {
		return err
	}
	cn.ContactID, cn.Status, cn.UpdatedAt = ct.ID, status, w.now
	ct.ConnID, ct.Alias, ct.Incognito = cn.ID, cn.Alias, cn.Custom != nil
	if err := errors.Join(w.PutConn(cn), w.PutContact(ct)); err != nil {
		return err
	}
	return w.emitContact("contactConnecting", u, ct)
}

func setPeerRange(cn *Conn, r xmsg.VersionRange) bool {
	if r == (xmsg.VersionRange{}) {
		r = xmsg.VersionRange{Min: 1, Max: 1}
	}
	peer := api.VersionRange{MinVersion: int(r.Min), MaxVersion: int(r.Max)}
	v, ok := xmsg.Supported.Common(r)
	if !ok || peer == cn.Peer && int(v) == cn.Version {
		return false
	}
	cn.Peer, cn.Version = peer, int(v)
	return true
}

// connectingView is a contact as the events of its connecting show it: they say
// who began, later answers do not.
func (w *work) connectingView(u *User, ct *Contact) (*api.Contact, *api.Profile, error) {
	v, err := contactView(w, u, ct)
	if err != nil || v.ActiveConn == nil || v.ActiveConn.ConnStatus == ConnDeleted {
		return v, nil, err
	}
	cn, err := w.Conn(v.ActiveConn.ConnID)
	if err != nil {
		return nil, nil, err
	}
	v.ActiveConn.ContactConnInitiated = cn.Initiated
	if cn.Custom != nil {
		return v, &cn.Custom.Profile, nil
	}
	return v, nil, nil
}

func (w *work) emitContact(typ string, u *User, ct *Contact) error {
	v, custom, err := w.connectingView(u, ct)
	if err != nil {
		return err
	}
	r := api.Response{Type: typ, User: userView(u), Contact: v}
	if typ == "contactConnected" {
		r.UserCustomProfile = custom
	}
	_, err = w.emit(r)
	return err
}

// onConnected tells that messages can go both ways, and writes the first
// notices into the chat.
func (c *Core) onConnected(ctx context.Context, id agent.ConnID, ev agent.Connected) error {
	c.HandleStatus(ctx, agent.Status{Up: true, Conns: []agent.ConnID{id}})
	var conn api.ConnID
	err := c.onConn(ctx, id, func(w *work, cn *Conn, u *User) error {
		conn = cn.ID
		if cn.Status == ConnReady {
			return nil
		}
		if err := w.peerInfo(cn, u, nil, cn.Status); err != nil {
			return err
		}
		cn.Status, cn.UpdatedAt, cn.PQ = ConnReady, w.now, &ev.PQ
		if err := w.PutConn(cn); err != nil {
			return err
		}
		ct, err := w.Contact(cn.ContactID)
		if err != nil {
			return err
		}
		if err := w.emitContact("contactConnected", u, ct); err != nil {
			return err
		}
		return w.firstNotices(u, ct, ev.PQ)
	})
	if err == nil {
		c.flushLater(ctx, conn) // what was written before
	}
	return err
}

// onConnError keeps the error of a connection that cannot be established, and
// tells of all.
func (c *Core) onConnError(ctx context.Context, id agent.ConnID, ev agent.ConnError) error {
	return c.onConn(ctx, id, func(w *work, cn *Conn, u *User) error {
		if ev.Err == nil {
			return nil
		}
		if ev.Fatal && cn.Status != ConnReady {
			cn.Status, cn.Error, cn.UpdatedAt = ConnFailed, ev.Err.Error(), w.now
			cn.ErrCode = string(ev.Err.Code)
			if err := w.PutConn(cn); err != nil {
				return err
			}
		}
		_, err := w.emit(api.Response{Type: "chatError", User_: userView(u), ChatError: chatError(ev.Err)})
		return err
	})
}

// dropConn deletes a connection's row and takes it from its contact. One that
// the other party ended stays, as deleted, while the contact does.
func (w *work) dropConn(cn *Conn) error {
	if cn.ContactID != 0 {
		ct, err := w.Contact(cn.ContactID)
		if err == nil && ct.ConnID == cn.ID && ct.Status == "deleted" {
			return nil
		}
		if err == nil && ct.ConnID == cn.ID {
			ct.ConnID = 0
			err = w.PutContact(ct)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return w.DeleteConn(cn.ID)
}
