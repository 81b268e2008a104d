package chat

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// edit gives an item other content and keeps what it had.
func (w *work) edit(it *Item, content xmsg.Content, at time.Time) error {
	vs, err := w.Versions(it.ID)
	if err != nil {
		return err
	}
	created := w.now.Truncate(time.Second)
	if len(vs) == 0 {
		first := ItemVersion{Content: it.Item.Content.MsgContent, TS: it.Item.Meta.ItemTS, Created: created}
		if err := w.AddVersion(it.ID, first); err != nil {
			return err
		}
	}
	it.Item.Content.MsgContent, it.Item.Meta.ItemText = content.Raw(), content.Display()
	it.Item.Meta.ItemEdited = true
	return w.AddVersion(it.ID, ItemVersion{Content: content.Raw(), TS: at, Created: created})
}

// deleteItem marks an item as deleted, or removes it.
func (w *work) deleteItem(v *api.Contact, it *Item, remove bool, at time.Time) (d api.ChatItemDeletion, err error) {
	d.DeletedChatItem = w.c.aItem(v, it)
	if remove {
		return d, w.DeleteItem(it.ID)
	}
	it.Item.Meta.ItemDeleted = &api.CIDeleted{Type: "deleted", DeletedTS: &at, ChatType: "direct"}
	it.Item.Meta.UpdatedAt = w.now
	if !it.Sent {
		it.Item.Meta.UpdatedAt = it.Item.Meta.CreatedAt
	}
	if err := w.PutItem(it); err != nil {
		return d, err
	}
	to := w.c.aItem(v, it)
	d.ToChatItem = &to
	return d, nil
}

// withContact runs fn in a transaction with a contact of the active user.
func (c *Core) withContact(ctx context.Context, id api.ContactID, fn func(w *work, u *User, ct *Contact) error) error {
	return c.update(ctx, func(w *work) error {
		u, err := activeUser(w)
		if err != nil {
			return err
		}
		ct, err := contactOf(w, u, id)
		if err != nil {
			return err
		}
		return fn(w, u, ct)
	})
}

// updateItem changes a message of ours on both sides.
func (c *Core) updateItem(ctx context.Context, chat api.ContactID, id api.ChatItemID, content xmsg.Content) (r api.Response, err error) {
	var conn api.ConnID
	err = c.withContact(ctx, chat, func(w *work, u *User, ct *Contact) error {
		it, err := w.Item(id)
		if errors.Is(err, ErrNotFound) || err == nil && it.ContactID != ct.ID {
			return noItem(id)
		}
		if err != nil {
			return err
		}
		if !it.Sent || !it.Message || !c.itemView(it).Meta.Editable {
			return coreError(api.ErrorType{Type: "invalidChatItemUpdate"})
		}
		v, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		r = api.Response{Type: "chatItemNotChanged", User: userView(u)}
		if !sameContent(it.Item.Content.MsgContent, content.Raw()) {
			r.Type = "chatItemUpdated"
			if conn, err = w.sendEdit(ct, it, content); err != nil {
				return err
			}
		}
		a := c.aItem(v, it)
		r.ChatItem = &a
		return nil
	})
	if conn != 0 {
		c.flushLater(ctx, conn)
	}
	return r, err
}

func sameContent(a, b api.MsgContent) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	ja, errA := json.Marshal(x)
	jb, errB := json.Marshal(y)
	return errA == nil && errB == nil && slices.Equal(ja, jb)
}

func (w *work) sendEdit(ct *Contact, it *Item, content xmsg.Content) (api.ConnID, error) {
	_, _, cn, err := w.ready(func(Tx, *User) (*Contact, error) { return ct, nil })
	if err != nil {
		return 0, err
	}
	if err := w.out(cn, xmsg.EventUpdate, newMsgID(), xmsg.Update{MsgID: xmsg.MsgID(it.MsgID), Content: content}, 0); err != nil {
		return 0, err
	}
	if err := w.edit(it, content, w.now); err != nil {
		return 0, err
	}
	return cn.ID, w.PutItem(it)
}

// deleteItems deletes messages here ("internal", "internalMark") or on both
// sides ("broadcast"). Those that are not there are told of in an event.
func (c *Core) deleteItems(ctx context.Context, chat api.ContactID, ids []api.ChatItemID, mode string) (r api.Response, err error) {
	var conn api.ConnID
	err = c.withContact(ctx, chat, func(w *work, u *User, ct *Contact) error {
		items, missing, err := w.itemsOf(ct, ids)
		if err != nil {
			return err
		}
		v, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		remove := mode == "internal"
		if mode == "broadcast" {
			if conn, err = w.sendDeletions(ct, items); err != nil {
				return err
			}
			remove = mergePreferences(u, ct).FullDelete.Enabled.ForUser
		}
		yes, no := true, false
		r = api.Response{Type: "chatItemsDeleted", User: userView(u), ByUser: &yes, Timed: &no,
			ChatItemDeletions: []api.ChatItemDeletion{}}
		for _, it := range items {
			d, err := w.deleteItem(v, it, remove, w.now)
			if err != nil {
				return err
			}
			r.ChatItemDeletions = append(r.ChatItemDeletions, d)
		}
		if len(missing) > 0 {
			_, err = w.emit(api.Response{Type: "chatErrors", ChatErrors: missing})
		}
		return err
	})
	if conn != 0 {
		c.flushLater(ctx, conn)
	}
	return r, err
}

func (w *work) itemsOf(ct *Contact, ids []api.ChatItemID) (items []*Item, missing []api.ChatError, err error) {
	for _, id := range ids {
		it, err := w.Item(id)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && it.ContactID != ct.ID:
			missing = append(missing, *noItem(id))
		case err != nil:
			return nil, nil, err
		default:
			items = append(items, it)
		}
	}
	return items, missing, nil
}

func (w *work) sendDeletions(ct *Contact, items []*Item) (api.ConnID, error) {
	_, _, cn, err := w.ready(func(Tx, *User) (*Contact, error) { return ct, nil })
	if err != nil {
		return 0, err
	}
	for _, it := range items {
		if !w.c.itemView(it).Meta.Deletable {
			return 0, coreError(api.ErrorType{Type: "invalidChatItemDelete"})
		}
		if err := w.out(cn, xmsg.EventDel, newMsgID(), xmsg.Del{MsgID: xmsg.MsgID(it.MsgID)}, 0); err != nil {
			return 0, err
		}
	}
	return cn.ID, nil
}

// itemInfo is an item with the contents it had.
func (c *Core) itemInfo(ctx context.Context, find func(tx Tx, u *User) (*Contact, *Item, error)) (r api.Response, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		ct, it, err := find(tx, u)
		if err != nil {
			return err
		}
		v, err := contactView(tx, u, ct)
		if err != nil {
			return err
		}
		vs, err := tx.Versions(it.ID)
		if err != nil {
			return err
		}
		if len(vs) == 0 {
			m := it.Item.Meta
			vs = []ItemVersion{{ID: int64(it.ID), Content: it.Item.Content.MsgContent, TS: m.ItemTS, Created: m.CreatedAt}}
		}
		info := api.ChatItemInfo{ItemVersions: []api.ChatItemVersion{}}
		for _, x := range vs {
			info.ItemVersions = append(info.ItemVersions,
				api.ChatItemVersion{ChatItemVersionID: x.ID, MsgContent: x.Content, ItemVersionTS: x.TS, CreatedAt: x.Created})
		}
		a := c.aItem(v, it)
		r = api.Response{Type: "chatItemInfo", User: userView(u), ChatItem: &a, ChatItemInfo: &info}
		return nil
	})
	return r, err
}

// clear deletes the items of a chat.
func (w *work) clear(u *User, ct *Contact) error {
	items, err := w.Items(ItemQuery{UserID: u.ID, ContactID: ct.ID})
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Item.Content.Type == "chatBanner" {
			continue
		}
		if err := w.DeleteItem(it.ID); err != nil {
			return err
		}
	}
	return nil
}
