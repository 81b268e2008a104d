package chat

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// Reactions to messages.

// emojis are those that there can be reactions with.
var emojis = strings.Fields("👍 👎 😀 😂 😢 ❤ 🚀 ✅")

// maxReactions is how many different reactions one side may give to an item.
const maxReactions = 3

var reactionSyntax = []syntax{
	{"/_reaction ", reactRef},
	{"+", func(a *args) runner { return reactText(a, true) }},
	{"-", func(a *args) runner { return reactText(a, false) }},
}

func reactRef(a *args) runner {
	r := a.ref()
	a.need(" ")
	id := api.ChatItemID(a.int())
	a.need(" ")
	on := a.onOff()
	a.need(" ")
	raw := json.RawMessage(a.rest())
	emoji := readReaction(raw)
	if emoji == "" {
		a.fail()
		return nil
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		contact, err := r.contact()
		if err != nil {
			return api.Response{}, err
		}
		return c.react(ctx, contact, id, emoji, on)
	}
}

// readReaction gives the emoji of a reaction; "" for what is none.
func readReaction(raw json.RawMessage) string {
	var v struct{ Type, Emoji string }
	if json.Unmarshal(raw, &v) != nil || v.Type != "emoji" || !slices.Contains(emojis, v.Emoji) {
		return ""
	}
	return v.Emoji
}

func reactionJSON(emoji string) json.RawMessage {
	return json.RawMessage(`{"type":"emoji","emoji":"` + emoji + `"}`)
}

// shortEmojis are signs for emojis on the command line.
var shortEmojis = map[string]string{"1": "👍", "+": "👍", "-": "👎", ")": "😀", ",": "😢", "*": "❤", "^": "🚀"}

// reactText is "+1 @name words" and "-1 @name words".
func reactText(a *args, on bool) runner {
	word := a.word()
	emoji := shortEmojis[word]
	if slices.Contains(emojis, word) {
		emoji = word
	}
	a.need(" ")
	name := a.atName()
	a.need(" ")
	text := a.text()
	if emoji == "" {
		a.fail()
		return nil
	}
	return func(ctx context.Context, c *Core) (api.Response, error) {
		it, err := c.findItem(ctx, name, text, false, false)
		if err != nil {
			return api.Response{}, err
		}
		return c.react(ctx, it.ContactID, it.ID, emoji, on)
	}
}

// setReaction adds or removes a reaction of one side. The count goes with it.
func (it *Item) setReaction(emoji string, ours, on bool) {
	list := it.Reactions
	if !on {
		it.Reactions = slices.DeleteFunc(slices.Clone(list), func(r Reaction) bool { return r.Emoji == emoji && r.Ours == ours })
	} else {
		it.Reactions = append(slices.Clone(list), Reaction{Emoji: emoji, Ours: ours})
	}
	counts := map[string]*api.CIReactionCount{}
	for _, r := range it.Reactions {
		n := counts[r.Emoji]
		if n == nil {
			n = &api.CIReactionCount{Reaction: reactionJSON(r.Emoji)}
			counts[r.Emoji] = n
		}
		n.TotalReacted++
		n.UserReacted = n.UserReacted || r.Ours
	}
	it.Item.Reactions = []api.CIReactionCount{}
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		it.Item.Reactions = append(it.Item.Reactions, *counts[k])
	}
}

func (it *Item) reacted(emoji string, ours bool) (has bool, n int) {
	for _, r := range it.Reactions {
		if r.Ours == ours {
			n++
			has = has || r.Emoji == emoji
		}
	}
	return has, n
}

// react adds or removes a reaction of ours.
func (c *Core) react(ctx context.Context, chat api.ContactID, id api.ChatItemID, emoji string, on bool) (r api.Response, err error) {
	var conn api.ConnID
	err = c.withContact(ctx, chat, func(w *work, u *User, ct *Contact) error {
		it, err := w.Item(id)
		if errors.Is(err, ErrNotFound) || err == nil && it.ContactID != ct.ID {
			return noItem(id)
		}
		if err != nil {
			return err
		}
		if !mergePreferences(u, ct).Reactions.Enabled.ForUser {
			return commandError("feature not allowed Message reactions")
		}
		has, n := it.reacted(emoji, true)
		switch {
		case !it.Message || it.Item.Meta.ItemDeleted != nil:
			return commandError("reaction not possible - no shared item ID")
		case on && has:
			return commandError("reaction already added")
		case !on && !has:
			return commandError("reaction already removed")
		case on && n >= maxReactions:
			return commandError("too many reactions")
		}
		_, _, cn, err := w.ready(func(Tx, *User) (*Contact, error) { return ct, nil })
		if err != nil {
			return err
		}
		conn = cn.ID
		x := xmsg.React{MsgID: xmsg.MsgID(it.MsgID), Reaction: reactionJSON(emoji), Add: on}
		if err := w.out(cn, xmsg.EventReact, newMsgID(), x, 0); err != nil {
			return err
		}
		it.setReaction(emoji, true, on)
		if err := w.PutItem(it); err != nil {
			return err
		}
		r, err = w.reactionEvent(u, ct, it, true, emoji, on)
		return err
	})
	if conn != 0 && err == nil {
		c.flushLater(ctx, conn)
	}
	return r, err
}

func (w *work) reactionEvent(u *User, ct *Contact, it *Item, ours bool, emoji string, on bool) (api.Response, error) {
	v, err := contactView(w, u, ct)
	return api.Response{Type: "chatItemReaction", User: userView(u), Added: &on, Reaction: &api.ACIReaction{ChatInfo: directInfo(v),
		ChatReaction: api.CIReaction{ChatDir: direction(ours), ChatItem: w.c.itemView(it), SentAt: w.now, Reaction: reactionJSON(emoji)}}}, err
}

// react takes a reaction of the other party, to a message of either side.
func (in *inbound) react(m xmsg.Message) error {
	x, err := xmsg.ParseReact(m.Params)
	if err != nil {
		return err
	}
	emoji := readReaction(x.Reaction)
	if emoji == "" || !mergePreferences(in.user, in.contact).Reactions.Enabled.ForContact {
		return nil // a reaction that we do not know, or do not allow
	}
	it, err := in.ItemByMsgID(in.contact.ID, true, string(x.MsgID))
	if errors.Is(err, ErrNotFound) {
		it, err = in.ItemByMsgID(in.contact.ID, false, string(x.MsgID))
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	has, n := it.reacted(emoji, false)
	if x.Add == has || x.Add && n >= maxReactions {
		return nil
	}
	it.setReaction(emoji, false, x.Add)
	if err := in.PutItem(it); err != nil {
		return err
	}
	r, err := in.reactionEvent(in.user, in.contact, it, false, emoji, x.Add)
	if err == nil {
		r.Reaction.ChatReaction.SentAt = in.brokerTime()
		_, err = in.emit(r)
	}
	return err
}
