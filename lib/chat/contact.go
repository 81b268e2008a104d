package chat

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

func (c *Core) contactsList(tx Tx, u *User) (api.Response, error) {
	r := api.Response{Type: "contactsList", User: userView(u), Contacts: []api.Contact{}}
	contacts, err := tx.Contacts(u.ID)
	for _, ct := range contacts {
		if ct.IsUser || ct.ConnID == 0 && ct.Status == "active" || ct.Status == "deletedByUser" {
			continue // no connection yet: a card
		}
		v, err := contactView(tx, u, ct)
		if err != nil {
			return r, err
		}
		r.Contacts = append(r.Contacts, *v)
	}
	return r, err
}

// deleteContact ends a contact: "full" with the chat, "entity" keeping it,
// "messages" deletes the chat alone. notify tells the other party.
func (c *Core) deleteContact(ctx context.Context, id api.ContactID, mode string, notify bool) (r api.Response, err error) {
	var conn *Conn
	var farewell bool
	err = c.withContact(ctx, id, func(w *work, u *User, ct *Contact) error {
		if ct.IsUser {
			return storeError(api.StoreError{Type: "prohibitedDeleteUser", UserID: &u.ID, ContactID: &ct.ID})
		}
		if ct.ConnID != 0 && mode != "messages" {
			var err error
			if conn, err = w.Conn(ct.ConnID); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		v, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		if conn != nil {
			if farewell, err = w.endConn(conn, notify); err != nil {
				return err
			}
		}
		v.ChatDeleted = v.ChatDeleted || mode == "messages"
		if mode == "entity" {
			v.ActiveConn, v.ContactStatus = nil, "deletedByUser"
		}
		r = api.Response{Type: "contactDeleted", User: userView(u), Contact: v}
		return w.removeContact(u, ct, mode)
	})
	if err != nil || conn == nil {
		return r, err
	}
	if farewell {
		c.flushLater(ctx, conn.ID)
		return r, nil
	}
	return r, c.deleteConn(ctx, conn)
}

// endConn marks a connection as ended and stores a farewell if it can be sent.
func (w *work) endConn(cn *Conn, notify bool) (farewell bool, err error) {
	if notify && cn.Status == ConnReady {
		farewell = true
		if err := w.out(cn, xmsg.EventDirectDel, newMsgID(), nil, 0); err != nil {
			return false, err
		}
	}
	cn.Status = ConnDeleted
	return farewell, w.PutConn(cn)
}

func (w *work) removeContact(u *User, ct *Contact, mode string) error {
	switch mode {
	case "messages":
		ct.Deleted = true
		if err := w.clear(u, ct); err != nil {
			return err
		}
	case "entity":
		ct.Status, ct.ConnID = "deletedByUser", 0
	default:
		return w.DeleteContact(ct.ID)
	}
	return w.PutContact(ct)
}

// deleteConn asks the agent to end a connection; its event deletes the row.
func (c *Core) deleteConn(ctx context.Context, cn *Conn) error {
	err := c.cfg.Agent.Delete(ctx, cn.AgentID)
	if errors.Is(err, agent.ErrNotFound) {
		return c.onConn(ctx, cn.AgentID, func(w *work, cn *Conn, _ *User) error { return w.dropConn(cn) })
	}
	if err != nil {
		return fmt.Errorf("chat: deleting a connection: %w", err)
	}
	return nil
}

func noPending(id api.ConnID) error {
	return storeError(api.StoreError{Type: "pendingConnectionNotFound", ConnID: &id})
}

// pendingConn is a connection of u without a contact.
func pendingConn(tx Tx, u *User, id api.ConnID) (*Conn, error) {
	cn, err := tx.Conn(id)
	if errors.Is(err, ErrNotFound) || err == nil && (cn.ContactID != 0 || cn.UserID != u.ID) {
		return nil, noPending(id)
	}
	return cn, err
}

func (c *Core) deletePending(ctx context.Context, id api.ConnID) (r api.Response, err error) {
	var conn *Conn
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		conn, err = pendingConn(tx, u, id)
		if err == nil {
			r = api.Response{Type: "contactConnectionDeleted", User: userView(u), Connection: pendingView(conn)}
		}
		return err
	})
	if err != nil {
		return r, err
	}
	if err := c.deleteConn(ctx, conn); err != nil {
		return r, err
	}
	c.forget(ctx, conn.ID)
	return r, nil
}

// setPrefs sets preferences for one contact and tells it.
func (c *Core) setPrefs(ctx context.Context, id api.ContactID, change func(*api.Preferences)) (r api.Response, err error) {
	var conn api.ConnID
	err = c.withContact(ctx, id, func(w *work, u *User, ct *Contact) error {
		from, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		before := mergePreferences(u, ct)
		change(&ct.UserPrefs)
		if err := w.PutContact(ct); err != nil {
			return err
		}
		to, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		r = api.Response{Type: "contactPrefsUpdated", User: userView(u), FromContact: from, ToContact: to}
		// A time that was taken over from the contact is not told to it before
		// the user says the same.
		if !reflect.DeepEqual(from.UserPreferences, to.UserPreferences) {
			if err := w.changedFeatures(u, ct, before, true); err != nil {
				return err
			}
		}
		conn, err = w.tellContact(u, ct)
		return err
	})
	if conn != 0 {
		c.flushLater(ctx, conn)
	}
	return r, err
}

// tellContact stores an x.info for a contact; 0 if it cannot be sent to.
func (w *work) tellContact(u *User, ct *Contact) (api.ConnID, error) {
	if ct.ConnID == 0 {
		return 0, nil
	}
	cn, err := w.Conn(ct.ConnID)
	if err != nil || cn.Status != ConnReady {
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return 0, err
	}
	p, err := wireProfile(u, cn, ct.UserPrefs)
	if err != nil {
		return 0, err
	}
	return cn.ID, w.out(cn, xmsg.EventInfo, newMsgID(), xmsg.Info{Profile: p}, 0)
}

// tellProfile tells all contacts of a changed profile, but those that see
// another. changed are the contacts between whom and us something else holds
// now than before.
func (w *work) tellProfile(was, u *User, changed *[]api.Contact) (conns []api.ConnID, err error) {
	contacts, err := w.Contacts(u.ID)
	if err != nil {
		return nil, err
	}
	var items []api.AChatItem
	for _, ct := range contacts {
		if ct.IsUser || ct.Incognito {
			continue
		}
		id, err := w.tellContact(u, ct)
		if err != nil {
			return nil, err
		}
		if id == 0 {
			continue
		}
		conns = append(conns, id)
		before := mergePreferences(was, ct)
		if reflect.DeepEqual(before, mergePreferences(u, ct)) {
			continue
		}
		v, err := contactView(w, u, ct)
		if err != nil {
			return nil, err
		}
		*changed = append(*changed, *v)
		its, err := w.featureChanges(u, ct, before, true)
		if err != nil {
			return nil, err
		}
		for _, it := range its {
			items = append(items, w.c.aItem(v, it))
		}
	}
	if len(conns) > 0 {
		_, err = w.emit(api.Response{Type: "newChatItems", User: userView(u), ChatItems: append([]api.AChatItem{}, items...)})
	}
	return conns, err
}
