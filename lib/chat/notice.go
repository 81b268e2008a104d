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
	r := api.Response{Type: "newChatItems", User: userView(u)}
	for _, it := range items {
		r.ChatItems = append(r.ChatItems, w.c.aItem(v, it))
	}
	return w.emit(r)
}

// firstNotices are what a chat begins with: a banner, how it is encrypted, and
// what both sides allow.
func (w *work) firstNotices(u *User, ct *Contact, pq bool) error {
	banner, err := w.notice(u, ct, true, "chat banner", api.CIContent{Type: "chatBanner"})
	if err != nil {
		return err
	}
	if _, err := w.emitNew(u, ct, banner); err != nil {
		return err
	}
	text := "Messages are end-to-end encrypted."
	if pq {
		text = "Messages are end-to-end encrypted, with post-quantum keys."
	}
	e2ee, err := w.notice(u, ct, false, text, api.CIContent{Type: "rcvDirectE2EEInfo", E2EEInfo: &api.E2EInfo{PQEnabled: &pq}})
	if err != nil {
		return err
	}
	if _, err := w.emitNew(u, ct, e2ee); err != nil {
		return err
	}
	merged := mergePreferences(u, ct)
	var items []*Item
	for _, f := range features {
		if f.hidden {
			continue
		}
		it, err := w.featureNotice(u, ct, f, f.merged(&merged), "rcvChatFeature")
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	_, err = w.emitNew(u, ct, items...)
	return err
}

func (w *work) featureNotice(u *User, ct *Contact, f feature, m *api.ContactUserPreference, typ string) (*Item, error) {
	enabled := m.Enabled
	ttl := m.ContactPreference.TTL
	if m.UserPreference.Preference.TTL != nil {
		ttl = m.UserPreference.Preference.TTL
	}
	return w.notice(u, ct, typ == "sndChatFeature", f.stateText(enabled, ttl),
		api.CIContent{Type: typ, Feature: f.name, Enabled: &enabled, Param: ttl})
}
