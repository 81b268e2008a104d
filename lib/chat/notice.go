package chat

import (
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Notices are items that the program writes itself. They take numbers like
// messages, as in other programs, but are no messages: they are neither unread
// nor given by "recv".

func (w *work) notice(u *User, ct *Contact, sentDir bool, text string, content api.CIContent) (*Item, error) {
	it := &Item{UserID: u.ID, ContactID: ct.ID, Sent: sentDir}
	it.Item = api.ChatItem{
		ChatDir: direction(sentDir), Content: content,
		Mentions: map[string]any{}, Reactions: []api.CIReactionCount{},
		Meta: api.CIMeta{ItemTS: w.now, ItemText: text, CreatedAt: w.now, UpdatedAt: w.now,
			ItemStatus: api.CIStatus{Type: "rcvRead"}},
	}
	if sentDir {
		it.Item.Meta.ItemStatus.Type = "sndNew"
	}
	if content.Type == "chatBanner" {
		it.Item.Meta.ItemTS = time.Unix(0, 0).UTC()
	}
	return it, w.PutItem(it)
}

func direction(sent bool) api.CIDirection {
	if sent {
		return api.CIDirection{Type: "directSnd"}
	}
	return api.CIDirection{Type: "directRcv"}
}

// emitNew tells of new items and gives the event's number.
func (w *work) emitNew(u *User, ct *Contact, items ...*Item) (int64, error) {
	v, err := contactView(w, u, ct)
	if err != nil {
		return 0, err
	}
	return w.emitItems(u, v, items...)
}

func (w *work) emitItems(u *User, v *api.Contact, items ...*Item) (int64, error) {
	r := api.Response{Type: "newChatItems", User: userView(u), ChatItems: []api.AChatItem{}}
	for _, it := range items {
		r.ChatItems = append(r.ChatItems, w.c.aItem(v, it))
	}
	return w.emit(r)
}

// makeNotices writes what a chat begins with: a banner if nothing is there yet,
// how it is encrypted, and what both sides allow.
func (w *work) makeNotices(u *User, ct *Contact, pq bool) (groups [][]*Item, err error) {
	there, err := w.Items(ItemQuery{UserID: u.ID, ContactID: ct.ID, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		banner, err := w.notice(u, ct, true, "chat banner", api.CIContent{Type: "chatBanner"})
		if err != nil {
			return nil, err
		}
		groups = append(groups, []*Item{banner})
	}
	e2ee, err := w.notice(u, ct, false, e2eeText(pq), api.CIContent{Type: "rcvDirectE2EEInfo", E2EEInfo: &api.E2EInfo{PQEnabled: &pq}})
	if err != nil {
		return nil, err
	}
	merged := mergePreferences(u, ct)
	var items []*Item
	for _, f := range features {
		if f.hidden {
			continue
		}
		it, err := w.featureNotice(u, ct, f, f.merged(&merged), "rcvChatFeature")
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return append(groups, []*Item{e2ee}, items), nil
}

func e2eeText(pq bool) string {
	if pq {
		return "This conversation is protected by quantum resistant end-to-end encryption. " +
			"It has perfect forward secrecy, repudiation and quantum resistant break-in recovery."
	}
	return "This conversation is protected by end-to-end encryption with perfect forward secrecy, repudiation and break-in recovery."
}

// firstNotices writes the first notices and tells of them. A chat that has
// them, since somebody asked to connect, is left alone.
func (w *work) firstNotices(u *User, ct *Contact, pq bool) error {
	if ct.RequestID != 0 {
		return nil
	}
	groups, err := w.makeNotices(u, ct, pq)
	if err != nil {
		return err
	}
	v, _, err := w.connectingView(u, ct)
	if err != nil {
		return err
	}
	for _, items := range groups {
		if _, err := w.emitItems(u, v, items...); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) featureNotice(u *User, ct *Contact, f feature, m *api.ContactUserPreference, typ string) (*Item, error) {
	enabled, ttl := m.Enabled, f.param(m)
	return w.notice(u, ct, typ == "sndChatFeature", f.stateText(enabled, ttl),
		api.CIContent{Type: typ, Feature: f.name, Enabled: &enabled, Param: ttl})
}

func equalInt(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }

// changedFeatures writes notices of the features whose state changed, and of
// what one side, we or the contact, allows now without a change of the state.
// What it wrote is told of in one event, also when it is nothing.
func (w *work) changedFeatures(u *User, ct *Contact, before api.ContactUserPreferences, ours bool) error {
	items, err := w.featureChanges(u, ct, before, ours)
	if err == nil {
		_, err = w.emitNew(u, ct, items...)
	}
	return err
}

func (w *work) featureChanges(u *User, ct *Contact, before api.ContactUserPreferences, ours bool) (items []*Item, err error) {
	after := mergePreferences(u, ct)
	side := map[bool]string{true: "snd", false: "rcv"}[ours]
	for _, f := range features {
		if f.hidden {
			continue
		}
		b, a := f.merged(&before), f.merged(&after)
		was, is := b.ContactPreference, a.ContactPreference
		if ours {
			was, is = b.UserPreference.Preference, a.UserPreference.Preference
		}
		var it *Item
		switch {
		case b.Enabled != a.Enabled || !equalInt(f.param(b), f.param(a)):
			it, err = w.featureNotice(u, ct, f, a, side+"ChatFeature")
		case was.Allow != is.Allow || !equalInt(was.TTL, is.TTL):
			it, err = w.notice(u, ct, ours, f.offer(is, ours),
				api.CIContent{Type: side + "ChatPreference", Feature: f.name, Allowed: is.Allow, Param: is.TTL})
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}
