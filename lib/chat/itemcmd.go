package chat

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// Commands about messages.

var itemSyntax = []syntax{
	{"/_send ", sendRef},
	{"@", sendName},
	{"/feed ", feed},
	{"> @", func(a *args) runner { return replyTo(a, false) }},
	{">> @", func(a *args) runner { return replyTo(a, true) }},
	{"/_update item ", updateRef},
	{"! @", updateText},
	{"/_delete item ", deleteItemsRef},
	{`\ @`, deleteText},
	{"/_get item info ", itemInfoRef},
	{"/item info @", itemInfoText},
	{"/_get items ", func(a *args) runner { return listing("", a.pagination()) }},
	{"/tail", tail}, {"/t", tail},
	{"/search ", search}, {"/? ", search},
	{"/last_item_id", lastItemID},
	{"/show ", showItem},
}

func byID(id api.ContactID) func(Tx, *User) (*Contact, error) {
	return func(tx Tx, u *User) (*Contact, error) { return contactOf(tx, u, id) }
}

func byName(name string) func(Tx, *User) (*Contact, error) {
	return func(tx Tx, u *User) (*Contact, error) { return contactNamed(tx, u, name) }
}

func sendRef(a *args) runner {
	r := a.ref()
	live := a.flag("live", false)
	var ttl *int
	if a.lit(" ttl=") {
		if !a.lit("default") {
			n := int(a.int())
			ttl = &n
		}
	}
	var msgs []composed
	switch {
	case a.lit(" json "):
		msgs = a.messages()
	case a.lit(" text "):
		msgs = []composed{{content: xmsg.TextContent(a.some())}}
	default:
		a.fail()
	}
	for i := range msgs {
		msgs[i].live, msgs[i].ttl = live, ttl
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		id, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		resp, _, err := c.send(ctx, byID(id), msgs...)
		return resp, err
	}
}

// sendName is "@name text".
func sendName(a *args) runner {
	name := a.name()
	a.need(" ")
	text := a.text()
	return func(ctx context.Context, c *Core) (api.Response, error) {
		find := func(tx Tx, u *User) (*Contact, error) {
			ct, err := contactNamed(tx, u, name)
			var ce *api.ChatError
			if errors.As(err, &ce) {
				err = coreError(api.ErrorType{Type: "contactNotFound", ContactName: name})
			}
			return ct, err
		}
		r, _, err := c.send(ctx, find, composed{content: xmsg.TextContent(text)})
		return r, err
	}
}

// quotedText is " (text) " or nothing.
func (a *args) quotedText() (string, bool) {
	if !a.lit(" (") {
		return "", false
	}
	q, rest, ok := strings.Cut(a.s, ")")
	if !ok || q == "" {
		a.fail()
	}
	a.s = rest
	return q, true
}

func itemByText(tx Tx, u *User, ct *Contact, text string, sentOnly, rcvdOnly bool) (*Item, error) {
	items, err := tx.Items(ItemQuery{UserID: u.ID, ContactID: ct.ID, Messages: true, Search: text, SentOnly: sentOnly})
	if err != nil {
		return nil, err
	}
	for i := len(items) - 1; i >= 0; i-- {
		if it := items[i]; (!rcvdOnly || !it.Sent) && it.Item.Meta.ItemDeleted == nil &&
			strings.HasPrefix(it.Item.Meta.ItemText, text) {
			return it, nil
		}
	}
	return nil, storeError(api.StoreError{Type: "chatItemNotFoundByText", Text: &text})
}

// replyTo is "> @name (their words) text", or ">> @name (our words) text".
func replyTo(a *args, own bool) runner {
	name := a.name()
	quoted, ok := a.quotedText()
	a.need(" ")
	text := a.text()
	if !ok {
		a.fail()
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		m := composed{content: xmsg.TextContent(text)}
		it, err := c.findItem(ctx, name, quoted, own, !own)
		if err != nil {
			return api.Response{}, err
		}
		m.quote = it.ID
		r, _, err := c.send(ctx, byName(name), m)
		return r, err
	}
}

// findItem finds a message of a chat by the beginning of its text; the last
// sent one for no text.
func (c *Core) findItem(ctx context.Context, name, text string, sentOnly, rcvdOnly bool) (it *Item, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		ct, err := contactNamed(tx, u, name)
		if err == nil {
			it, err = itemByText(tx, u, ct, text, sentOnly, rcvdOnly)
		}
		return err
	})
	return it, err
}

// updateRef is "/_update item @2 7 json {…}|text …".
func updateRef(a *args) runner {
	r := a.ref()
	a.need(" ")
	id := api.ChatItemID(a.int())
	a.flag("live", false)
	var content xmsg.Content
	switch {
	case a.lit(" json "):
		content = a.updatedContent()
	case a.lit(" text "):
		content = xmsg.TextContent(a.some())
	default:
		a.fail()
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		contact, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		return c.updateItem(ctx, contact, id, content)
	}
}

func (a *args) updatedContent() xmsg.Content {
	var v struct {
		MsgContent json.RawMessage `json:"msgContent"`
	}
	whole := json.RawMessage(a.s)
	a.json(&v)
	if v.MsgContent == nil {
		v.MsgContent = whole // content alone, as older clients write it
	}
	content, err := xmsg.ParseContent(v.MsgContent)
	if err != nil {
		a.fail()
	}
	return content
}

// updateText is "! @name [(old words)] text".
func updateText(a *args) runner {
	name := a.name()
	old, _ := a.quotedText()
	a.need(" ")
	text := a.text()
	return func(ctx context.Context, c *Core) (api.Response, error) {
		it, err := c.findItem(ctx, name, old, true, false)
		if err != nil {
			return api.Response{}, err
		}
		return c.updateItem(ctx, it.ContactID, it.ID, xmsg.TextContent(text))
	}
}

func deleteItemsRef(a *args) runner {
	r := a.ref()
	a.need(" ")
	ids := a.ids()
	a.need(" ")
	mode := a.oneOf("broadcast", "internalMark", "internal")
	return func(ctx context.Context, c *Core) (api.Response, error) {
		contact, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		return c.deleteItems(ctx, contact, ids, mode)
	}
}

// deleteText is "\ @name words".
func deleteText(a *args) runner {
	name := a.name()
	a.need(" ")
	text := a.some()
	return func(ctx context.Context, c *Core) (api.Response, error) {
		it, err := c.findItem(ctx, name, text, true, false)
		if err != nil {
			return api.Response{}, err
		}
		return c.deleteItems(ctx, it.ContactID, []api.ChatItemID{it.ID}, "broadcast")
	}
}

func itemInfoRef(a *args) runner {
	r := a.ref()
	a.need(" ")
	id := api.ChatItemID(a.int())
	return func(ctx context.Context, c *Core) (api.Response, error) {
		contact, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		return c.itemInfo(ctx, func(tx Tx, u *User) (*Contact, *Item, error) {
			ct, err := contactOf(tx, u, contact)
			if err != nil {
				return nil, nil, err
			}
			it, err := tx.Item(id)
			if err != nil || it.ContactID != ct.ID {
				return nil, nil, noItem(id)
			}
			return ct, it, nil
		})
	}
}

func itemInfoText(a *args) runner {
	name := a.name()
	a.need(" ")
	text := a.some()
	return func(ctx context.Context, c *Core) (api.Response, error) {
		return c.itemInfo(ctx, func(tx Tx, u *User) (*Contact, *Item, error) {
			ct, err := contactNamed(tx, u, name)
			if err != nil {
				return nil, nil, err
			}
			it, err := itemByText(tx, u, ct, text, false, false)
			return ct, it, err
		})
	}
}

func listing(name string, p page) runner {
	return func(ctx context.Context, c *Core) (api.Response, error) { return c.listItems(ctx, name, p) }
}

const tailCount = 10

// tail is "/tail [@name] [N]".
func tail(a *args) runner {
	name := ""
	if a.lit(" @") {
		name = a.name()
	}
	return listing(name, page{kind: "count", count: int(a.optInt(tailCount))})
}

// search is "/search [@name] [N] text".
func search(a *args) runner {
	name := ""
	if a.lit("@") {
		name = a.name()
		a.need(" ")
	}
	p := page{kind: "count", count: tailCount}
	if n, rest, ok := strings.Cut(a.s, " "); ok {
		if v, err := strconv.ParseUint(n, 10, 31); err == nil {
			p.count, a.s = int(v), rest
		}
	}
	p.search = a.some()
	return listing(name, p)
}

// lastItemID is "/last_item_id [@name] [N]": the Nth from the end, counting
// from 0.
func lastItemID(a *args) runner {
	name := ""
	if a.lit(" @") {
		name = a.name()
	}
	n := int(a.optInt(0))
	run := listing(name, page{kind: "count", count: n + 1})
	return func(ctx context.Context, c *Core) (api.Response, error) {
		r, err := run(ctx, c)
		if err != nil {
			return r, err
		}
		var id *api.ChatItemID
		if len(r.ChatItems) == n+1 {
			id = &r.ChatItems[0].ChatItem.Meta.ItemID
		}
		b, err := json.Marshal([]any{r.User, id})
		return api.Response{Type: "chatItemId", Data: b}, err
	}
}

// showItem is "/show ID".
func showItem(a *args) runner {
	id := api.ChatItemID(a.int())
	return listing("", page{kind: "around", at: id})
}
