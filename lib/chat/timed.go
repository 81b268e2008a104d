package chat

import (
	"context"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Messages that disappear, and items that are kept for some time alone.

// life is how long a message to or from a contact lives, in seconds: asked for
// what it says itself, or what both sides agreed on. nil is for ever, which it
// also is while they do not agree.
func life(u *User, ct *Contact, asked *int) *int {
	m := mergePreferences(u, ct).TimedMessages
	if !m.Enabled.ForUser || !m.Enabled.ForContact {
		return nil
	}
	if asked != nil {
		return asked
	}
	return m.UserPreference.Preference.TTL
}

// startTimer lets an item disappear after its time from now on.
func (w *work) startTimer(it *Item) error {
	timed := it.Item.Meta.ItemTimed
	if timed == nil || timed.DeleteAt != nil {
		return nil
	}
	at := w.now.Add(time.Duration(timed.TTL) * time.Second)
	it.Item.Meta.ItemTimed = &api.CITimed{TTL: timed.TTL, DeleteAt: &at}
	if err := w.PutItem(it); err != nil {
		return err
	}
	w.timed = true
	return w.PutTimer(it.ID, at)
}

// read marks items of a contact as read: all, or those named. It starts the
// timers of those that disappear.
func (w *work) read(ct *Contact, ids ...api.ChatItemID) error {
	items, err := w.Items(ItemQuery{UserID: ct.UserID, ContactID: ct.ID, Unread: true})
	if err != nil {
		return err
	}
	if err := w.MarkRead(ct.ID, ids...); err != nil {
		return err
	}
	named := map[api.ChatItemID]bool{}
	for _, id := range ids {
		named[id] = true
	}
	for _, it := range items {
		if ids != nil && !named[it.ID] {
			continue
		}
		it.Unread = false
		if err := w.startTimer(it); err != nil {
			return err
		}
	}
	return nil
}

// disappear deletes the items whose time has come and says when the next is
// due; zero if none is.
func (c *Core) disappear(ctx context.Context) (next time.Time, err error) {
	var due []api.ChatItemID
	err = c.view(ctx, func(tx Tx) error {
		due, next, err = tx.Timers(c.now(), 100)
		return err
	})
	if err != nil || len(due) == 0 {
		return next, err
	}
	for _, id := range due {
		if err := c.update(ctx, func(w *work) error { return w.expire(id) }); err != nil {
			return next, err
		}
	}
	return c.now(), nil // there may be more
}

// expire deletes an item whose time has come, and tells of it.
func (w *work) expire(id api.ChatItemID) error {
	it, err := w.Item(id)
	if errors.Is(err, ErrNotFound) {
		return nil // its timer has gone with it
	}
	if err != nil {
		return err
	}
	u, err := w.User(it.UserID)
	if err != nil {
		return err
	}
	v, err := contactViewByID(w, u, it.ContactID)
	if err != nil {
		return err
	}
	d, err := w.deleteItem(v, it, true, w.now)
	if err != nil {
		return err
	}
	yes := true
	_, err = w.emit(api.Response{Type: "chatItemsDeleted", User: userView(u), ByUser: &yes, Timed: &yes,
		ChatItemDeletions: []api.ChatItemDeletion{d}})
	return err
}

// forgetOld deletes the items that users and contacts do not keep any longer.
func (c *Core) forgetOld(ctx context.Context) error {
	return c.update(ctx, func(w *work) error {
		users, err := w.Users()
		if err != nil {
			return err
		}
		for _, u := range users {
			contacts, err := w.Contacts(u.ID)
			if err != nil {
				return err
			}
			for _, ct := range contacts {
				ttl := u.ItemTTL
				if ct.ItemTTL != nil {
					ttl = *ct.ItemTTL
				}
				if err := w.forgetBefore(u, ct, ttl); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (w *work) forgetBefore(u *User, ct *Contact, ttl int64) error {
	if ttl <= 0 {
		return nil
	}
	items, err := w.Items(ItemQuery{UserID: u.ID, ContactID: ct.ID})
	if err != nil {
		return err
	}
	for _, it := range items {
		if w.now.Sub(it.Item.Meta.CreatedAt) < time.Duration(ttl)*time.Second {
			break
		}
		if err := w.DeleteItem(it.ID); err != nil {
			return err
		}
	}
	return nil
}
