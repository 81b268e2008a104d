package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
)

// page is which items of a chat are asked for.
type page struct {
	kind   string         // count, before, after, around, initial
	at     api.ChatItemID // of before, after, around
	count  int
	search string
}

// items selects a page of the items that q selects, the oldest first.
func (p page) items(tx Tx, q ItemQuery) (items []*Item, err error) {
	q.Search = p.search
	if p.count == 0 && p.kind != "around" {
		return nil, nil
	}
	q.Limit = p.count
	switch p.kind {
	case "after":
		q.After = p.at
		return tx.Items(q)
	case "around", "initial":
		before, mid := q, q
		before.Before, before.Last = p.at, true
		mid.After, mid.Limit = p.at-1, p.count+1
		if p.count > 0 {
			if items, err = tx.Items(before); err != nil {
				return nil, err
			}
		}
		rest, err := tx.Items(mid)
		return append(items, rest...), err
	case "before":
		q.Before = p.at
	}
	q.Last = true
	return tx.Items(q)
}

// settle finds where "initial" opens a chat, at the first unread item, and
// refuses pages about items that are not there.
func (p page) settle(tx Tx, q ItemQuery) (page, error) {
	if p.kind == "before" || p.kind == "around" || p.kind == "after" {
		if _, err := tx.Item(p.at); err != nil {
			return p, noItem(p.at)
		}
	}
	if p.kind != "initial" {
		return p, nil
	}
	n, err := tx.Unread(q.ContactID)
	if err != nil || n.Min == 0 {
		p.kind = "count"
		return p, err
	}
	p.at = n.Min
	return p, nil
}

// chatOf is a chat with a page of its items.
func (c *Core) chatOf(ctx context.Context, id api.ContactID, p page) (r api.Response, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		ct, err := contactOf(tx, u, id)
		if err != nil {
			return err
		}
		q := ItemQuery{UserID: u.ID, ContactID: ct.ID}
		opened := p.kind == "initial" || p.kind == "around"
		if p, err = p.settle(tx, q); err != nil {
			return err
		}
		items, err := p.items(tx, q)
		if err != nil {
			return err
		}
		chat, err := c.chatView(tx, u, ct, items)
		if err != nil {
			return err
		}
		r = api.Response{Type: "apiChat", User: userView(u), Chat: chat}
		if !opened {
			chat.ChatStats = api.ChatStats{}
			return nil
		}
		r.NavInfo, err = navInfo(tx, q, items)
		return err
	})
	return r, err
}

// navInfo counts what follows a page.
func navInfo(tx Tx, q ItemQuery, items []*Item) (json.RawMessage, error) {
	if len(items) > 0 {
		q.After = items[len(items)-1].ID
	}
	rest, err := tx.Items(q)
	if err != nil {
		return nil, err
	}
	unread := 0
	for _, it := range rest {
		if it.Unread {
			unread++
		}
	}
	return json.RawMessage(fmt.Sprintf(`{"afterUnread":%d,"afterTotal":%d}`, unread, len(rest))), nil
}

func (c *Core) chatView(tx Tx, u *User, ct *Contact, items []*Item) (*api.AChat, error) {
	v, err := contactView(tx, u, ct)
	if err != nil {
		return nil, err
	}
	chat := &api.AChat{ChatInfo: directInfo(v), ChatItems: []api.ChatItem{}}
	for _, it := range items {
		if err := quotesOnlyWhatIsThere(tx, it); err != nil {
			return nil, err
		}
		chat.ChatItems = append(chat.ChatItems, c.itemView(it))
	}
	chat.ChatStats, err = chatStats(tx, ct)
	return chat, err
}

// chatsQuery is which chats are asked for.
type chatsQuery struct {
	pending bool // connections without a contact too
	count   int  // 0: all
	before  time.Time
	after   time.Time
	filter  struct {
		Type     string `json:"type"`
		Favorite bool   `json:"favorite"`
		Unread   bool   `json:"unread"`
		Search   string `json:"search"`
	}
}

type datedChat struct {
	chat api.AChat
	ts   time.Time
}

// chats are the chats with the last item of each, the latest first.
func (c *Core) chats(tx Tx, u *User, q chatsQuery) ([]api.AChat, error) {
	all, err := c.allChats(tx, u, q)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b datedChat) int {
		if !q.after.IsZero() {
			return a.ts.Compare(b.ts)
		}
		return cmp.Or(b.ts.Compare(a.ts), cmp.Compare(idOf(b.chat), idOf(a.chat)))
	})
	chats := []api.AChat{}
	for _, d := range all {
		if q.count > 0 && len(chats) == q.count {
			break
		}
		chats = append(chats, d.chat)
	}
	if !q.after.IsZero() {
		slices.Reverse(chats)
	}
	return chats, nil
}

func idOf(c api.AChat) api.ContactID {
	if c.ChatInfo.Contact == nil {
		return 0
	}
	return c.ChatInfo.Contact.ContactID
}

func (q chatsQuery) selects(ct *Contact, n api.ChatStats, ts time.Time) bool {
	if !q.before.IsZero() && !ts.Before(q.before) || !q.after.IsZero() && !ts.After(q.after) {
		return false
	}
	switch q.filter.Type {
	case "filters":
		fav := q.filter.Favorite && ct.Settings.Favorite
		unread := q.filter.Unread && (n.UnreadCount > 0 || n.UnreadChat)
		return fav || unread || !q.filter.Favorite && !q.filter.Unread
	case "search":
		s := strings.ToLower(q.filter.Search)
		for _, name := range []string{ct.Name, ct.Profile.DisplayName, ct.Profile.FullName, ct.Alias} {
			if strings.Contains(strings.ToLower(name), s) {
				return true
			}
		}
		return false
	}
	return true
}

func (c *Core) allChats(tx Tx, u *User, q chatsQuery) ([]datedChat, error) {
	contacts, err := tx.Contacts(u.ID)
	if err != nil {
		return nil, err
	}
	var all []datedChat
	for _, ct := range contacts {
		if ct.IsUser || !ct.Used {
			continue
		}
		items, err := tx.Items(ItemQuery{UserID: u.ID, ContactID: ct.ID, Limit: 1, Last: true})
		if err != nil {
			return nil, err
		}
		chat, err := c.chatView(tx, u, ct, items)
		if err != nil {
			return nil, err
		}
		ts := ct.CreatedAt
		if ct.ChatTS != nil {
			ts = *ct.ChatTS
		}
		if q.selects(ct, chat.ChatStats, ts) {
			all = append(all, datedChat{*chat, ts})
		}
	}
	if !q.pending || q.filter.Type == "filters" {
		return all, nil
	}
	conns, err := tx.Conns(u.ID)
	for _, cn := range conns {
		if cn.ContactID == 0 {
			all = append(all, datedChat{pendingChat(cn), cn.UpdatedAt})
		}
	}
	return all, err
}

func pendingChat(cn *Conn) api.AChat {
	return api.AChat{ChatInfo: api.ChatInfo{Type: "contactConnection", ContactConnection: pendingView(cn)},
		ChatItems: []api.ChatItem{}}
}

// listItems are items of all chats, or of one.
func (c *Core) listItems(ctx context.Context, name string, p page) (r api.Response, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		q := ItemQuery{UserID: u.ID}
		if name != "" {
			ct, err := contactNamed(tx, u, name)
			if err != nil {
				return err
			}
			q.ContactID = ct.ID
			r.ChatName = &api.ChatName{ChatType: "direct", ChatName: name}
		}
		if p.kind == "initial" {
			p.kind = "count"
		}
		items, err := p.items(tx, q)
		if err != nil {
			return err
		}
		if p.kind == "around" && p.count == 0 && len(items) == 0 || len(items) > 0 && p.count == 0 && items[0].ID != p.at {
			return noItem(p.at)
		}
		r.Type, r.User, r.ChatItems = "chatItems", userView(u), []api.AChatItem{}
		views := map[api.ContactID]*api.Contact{}
		for _, it := range items {
			if views[it.ContactID] == nil {
				ct, err := tx.Contact(it.ContactID)
				if err != nil {
					return err
				}
				if views[ct.ID], err = contactView(tx, u, ct); err != nil {
					return err
				}
			}
			if err := quotesOnlyWhatIsThere(tx, it); err != nil {
				return err
			}
			r.ChatItems = append(r.ChatItems, c.aItem(views[it.ContactID], it))
		}
		return nil
	})
	return r, err
}

// quotesOnlyWhatIsThere takes the number of a quoted item away when it has been
// deleted.
func quotesOnlyWhatIsThere(tx Tx, it *Item) error {
	q := it.Item.QuotedItem
	if q == nil || q.ItemID == 0 {
		return nil
	}
	_, err := tx.Item(q.ItemID)
	if errors.Is(err, ErrNotFound) {
		q.ItemID, err = 0, nil
	}
	return err
}
