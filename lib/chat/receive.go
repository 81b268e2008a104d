package chat

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// inbound is a message of the agent on its way into the store.
type inbound struct {
	*work
	conn    *Conn
	user    *User
	contact *Contact
	msg     agent.Message
	// receipt is set when something was taken that the sender may be told of.
	receipt bool
	// closing is set when the other party ended the connection.
	closing bool
}

// onMessage takes a message: all that it says is on disk when it returns nil.
// What cannot be read is dropped with a note in the log; it must not stop the
// connection.
func (c *Core) onMessage(ctx context.Context, id agent.ConnID, m agent.Message) error {
	in := &inbound{msg: m}
	if err := c.storeMessage(ctx, id, in, false); err != nil {
		return err
	}
	if in.receipt && in.sendsReceipts() {
		if err := c.cfg.Agent.SendReceipt(ctx, id, m.ID); err != nil {
			c.log.Debug("chat: sending a receipt", "conn", in.conn.ID, "err", err)
		}
	}
	if in.closing {
		return c.deleteConn(ctx, in.conn)
	}
	return nil
}

// storeMessage stores all that a message says. With only, errNotNow takes back
// one that asks for more than to be stored.
func (c *Core) storeMessage(ctx context.Context, id agent.ConnID, in *inbound, only bool) error {
	m := in.msg
	return c.onConn(ctx, id, func(w *work, cn *Conn, u *User) error {
		in.work, in.conn, in.user, in.receipt, in.closing = w, cn, u, false, false
		if m.ID <= cn.LastRcv {
			in.receipt = true // taken before a crash, perhaps without its receipt
			return nil
		}
		if cn.ContactID == 0 {
			if err := w.peerInfo(cn, u, nil, cn.Status); err != nil {
				return err
			}
		}
		var err error
		if in.contact, err = w.Contact(cn.ContactID); err != nil {
			return err
		}
		if err = in.take(); err == nil && only && in.closing {
			err = errNotNow
		}
		return err
	})
}

// sendsReceipts tells whether the contact hears what we have received.
func (in *inbound) sendsReceipts() bool {
	if in.contact != nil && in.contact.Settings.SendRcpts != nil {
		return *in.contact.Settings.SendRcpts
	}
	return in.user.Receipts
}

func (in *inbound) take() error {
	parts := xmsg.Parse(in.msg.Body)
	for _, p := range parts {
		if p.Err == nil && p.File == nil && setPeerRange(in.conn, p.Message.V) {
			in.conn.UpdatedAt = in.now
		}
	}
	in.conn.LastRcv = in.msg.ID
	if err := in.PutConn(in.conn); err != nil {
		return err
	}
	if err := in.integrity(); err != nil {
		return err
	}
	for _, p := range parts {
		if p.File != nil {
			continue
		}
		err := p.Err
		if err == nil {
			err = in.dispatch(p.Message)
		}
		if errors.Is(err, xmsg.ErrSyntax) || errors.Is(err, xmsg.ErrTooLarge) || errors.Is(err, xmsg.ErrUnsupported) {
			in.c.log.Warn("chat: message cannot be read", "conn", in.conn.ID, "err", err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *inbound) dispatch(m xmsg.Message) error {
	switch m.Event {
	case xmsg.EventNew:
		return in.newMessage(m)
	case xmsg.EventUpdate:
		return in.update(m)
	case xmsg.EventDel:
		return in.del(m)
	case xmsg.EventReact:
		return in.react(m)
	case xmsg.EventInfo:
		return in.info(m)
	case xmsg.EventDirectDel:
		return in.directDel(m)
	}
	in.c.log.Debug("chat: event not used", "conn", in.conn.ID, "known", m.Event.Known())
	return nil
}

// integrityError is the agent's verdict in the API's words; nil if in order.
func integrityError(i agent.Integrity) *api.MsgErrorType {
	switch i.Verdict {
	case agent.IntegritySkipped:
		return &api.MsgErrorType{Type: "msgSkipped", FromMsgID: &i.From, ToMsgID: &i.To}
	case agent.IntegrityBadID:
		return &api.MsgErrorType{Type: "msgBadId", MsgID: &i.Prev}
	case agent.IntegrityBadHash:
		return &api.MsgErrorType{Type: "msgBadHash"}
	case agent.IntegrityDuplicate:
		return &api.MsgErrorType{Type: "msgDuplicate"}
	}
	return nil
}

// integrity writes a notice when a message came out of order.
func (in *inbound) integrity() error {
	e := integrityError(in.msg.Integrity)
	if e == nil {
		return nil
	}
	it, err := in.notice(in.user, in.contact, false, "message error: "+e.Type, api.CIContent{Type: "rcvIntegrityError", MsgError: e})
	if err != nil {
		return err
	}
	_, err = in.emitNew(in.user, in.contact, it)
	return err
}

// brokerTime is the relay's time, which it gives in whole seconds.
func (in *inbound) brokerTime() time.Time { return in.msg.BrokerTime.UTC().Truncate(time.Second) }

func (in *inbound) newMessage(m xmsg.Message) error {
	n, err := xmsg.ParseNew(m.Params)
	if err != nil {
		return err
	}
	in.receipt = true
	if m.MsgID != "" {
		_, err := in.ItemByMsgID(in.contact.ID, false, string(m.MsgID))
		if err == nil {
			return nil // the same message, sent twice
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	it := &Item{UserID: in.user.ID, ContactID: in.contact.ID, Message: true, Unread: true,
		MsgID: string(m.MsgID), Integrity: integrityError(in.msg.Integrity)}
	it.Item = in.rcvItem(m, n)
	if it.Item.QuotedItem, err = in.quoted(n.Quote); err != nil {
		return err
	}
	return in.add(it)
}

func (in *inbound) rcvItem(m xmsg.Message, n xmsg.New) api.ChatItem {
	item := api.ChatItem{
		ChatDir:  direction(false),
		Content:  api.CIContent{Type: "rcvMsgContent", MsgContent: n.Content.Raw()},
		Mentions: map[string]any{}, Reactions: []api.CIReactionCount{},
		Meta: api.CIMeta{ItemTS: in.brokerTime(), ItemText: n.Content.Display(), ItemStatus: api.CIStatus{Type: "rcvNew"},
			ItemSharedMsgID: string(m.MsgID), ItemLive: n.Live, CreatedAt: in.now, UpdatedAt: in.now},
	}
	if n.TTL != nil && life(in.user, in.contact, n.TTL) != nil {
		item.Meta.ItemTimed = &api.CITimed{TTL: *n.TTL}
	}
	if n.Forward != nil && *n.Forward {
		item.Meta.ItemForwarded = []byte(`{"type":"unknown"}`)
	}
	return item
}

// add stores a received item with the event that tells of it.
func (in *inbound) add(it *Item) error {
	if err := in.PutItem(it); err != nil {
		return err
	}
	in.contact.ChatTS = &in.now
	in.contact.Deleted = false
	if err := in.PutContact(in.contact); err != nil {
		return err
	}
	seq, err := in.emitNew(in.user, in.contact, it)
	if err != nil {
		return err
	}
	it.Seq = seq
	return in.PutItem(it)
}

// quoted is the message that a received one answers, found here if we have it.
func (in *inbound) quoted(q *xmsg.Quote) (*api.CIQuote, error) {
	if q == nil {
		return nil, nil
	}
	ours := !q.Ref.Sent
	dir := direction(ours)
	v := &api.CIQuote{ChatDir: &dir, SharedMsgID: string(q.Ref.MsgID), SentAt: q.Ref.SentAt, Content: q.Content.Raw()}
	it, err := in.ItemByMsgID(in.contact.ID, ours, string(q.Ref.MsgID))
	if err == nil {
		v.ItemID = it.ID
	} else if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return v, nil
}

// update changes the content of a message that the other party sent. One that
// is not here is added: it was deleted, or never came.
func (in *inbound) update(m xmsg.Message) error {
	up, err := xmsg.ParseUpdate(m.Params)
	if err != nil {
		return err
	}
	it, err := in.ItemByMsgID(in.contact.ID, false, string(up.MsgID))
	if errors.Is(err, ErrNotFound) {
		m.MsgID = up.MsgID
		it = &Item{UserID: in.user.ID, ContactID: in.contact.ID, Message: true, Unread: true, MsgID: string(up.MsgID)}
		it.Item = in.rcvItem(m, xmsg.New{Content: up.Content, TTL: up.TTL, Live: up.Live})
		it.Item.Meta.ItemEdited = true
		return in.add(it)
	}
	if err != nil {
		return err
	}
	wasLive := it.Item.Meta.ItemLive != nil && *it.Item.Meta.ItemLive
	if err := in.edit(it, up.Content, in.brokerTime()); err != nil {
		return err
	}
	if wasLive {
		it.Item.Meta.ItemLive = up.Live
	}
	if err := in.PutItem(it); err != nil {
		return err
	}
	return in.emitItem("chatItemUpdated", it)
}

func (in *inbound) emitItem(typ string, it *Item) error {
	v, err := contactView(in, in.user, in.contact)
	if err != nil {
		return err
	}
	a := in.c.aItem(v, it)
	_, err = in.emit(api.Response{Type: typ, User: userView(in.user), ChatItem: &a})
	return err
}

// del deletes a message that the other party sent: marked as deleted, or gone
// if both sides allow full deletion.
func (in *inbound) del(m xmsg.Message) error {
	d, err := xmsg.ParseDel(m.Params)
	if err != nil {
		return err
	}
	it, err := in.ItemByMsgID(in.contact.ID, false, string(d.MsgID))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := contactView(in, in.user, in.contact)
	if err != nil {
		return err
	}
	full := mergePreferences(in.user, in.contact).FullDelete.Enabled.ForContact
	deletion, err := in.deleteItem(v, it, full, in.brokerTime())
	if err != nil {
		return err
	}
	no := false
	_, err = in.emit(api.Response{Type: "chatItemsDeleted", User: userView(in.user),
		ChatItemDeletions: []api.ChatItemDeletion{deletion}, ByUser: &no, Timed: &no})
	return err
}

// info takes the other party's changed profile.
func (in *inbound) info(m xmsg.Message) error {
	i, err := xmsg.ParseInfo(m.Params)
	if err != nil {
		return err
	}
	p, was := profileOf(i.Profile), in.contact.Profile
	if reflect.DeepEqual(was, p) {
		return nil
	}
	from, err := contactView(in, in.user, in.contact)
	if err != nil {
		return err
	}
	before := mergePreferences(in.user, in.contact)
	in.contact.Profile, in.contact.UpdatedAt = p, in.now
	in.adoptLife()
	if err := in.renameContact(); err != nil {
		return err
	}
	if err := in.profileNotice(was, p); err != nil {
		return err
	}
	if err := in.changedFeatures(in.user, in.contact, before, false); err != nil {
		return err
	}
	to, err := contactView(in, in.user, in.contact)
	if err == nil {
		_, err = in.emit(api.Response{Type: "contactUpdated", User: userView(in.user), FromContact: from, ToContact: to})
	}
	return err
}

// profileNotice says what changed in a profile, unless that is nothing but
// preferences.
func (in *inbound) profileNotice(from, to api.Profile) error {
	was, is := from, to
	was.Preferences, is.Preferences = nil, nil
	if reflect.DeepEqual(was, is) {
		return nil
	}
	ev, err := json.Marshal(map[string]any{"type": "profileUpdated", "fromProfile": from, "toProfile": to})
	if err != nil {
		return err
	}
	it, err := in.notice(in.user, in.contact, false, "updated profile", api.CIContent{Type: "rcvDirectEvent", RcvDirectEvent: ev})
	if err == nil {
		_, err = in.emitNew(in.user, in.contact, it)
	}
	return err
}

// adoptLife lets our time for disappearing messages follow the contact's.
func (in *inbound) adoptLife() {
	theirs := api.Preference{}
	if p := in.contact.Profile.Preferences; p != nil && p.TimedMessages != nil {
		theirs = *p.TimedMessages
	}
	f := featureNamed("timedMessages")
	standard := f.get(in.user.Profile.Preferences)
	switch own := in.contact.UserPrefs.TimedMessages; {
	case own != nil:
		in.contact.UserPrefs.TimedMessages = &api.Preference{Allow: own.Allow, TTL: theirs.TTL}
	case !equalInt(theirs.TTL, standard.TTL):
		in.contact.UserPrefs.TimedMessages = &api.Preference{Allow: standard.Allow, TTL: theirs.TTL}
	}
}

// renameContact lets the local name follow the profile if it is free.
func (in *inbound) renameContact() error {
	name := in.contact.Profile.DisplayName
	if name != in.contact.Name {
		if _, err := in.ContactByName(in.user.ID, name); errors.Is(err, ErrNotFound) {
			in.contact.Name = name
		} else if err != nil {
			return err
		}
	}
	return in.PutContact(in.contact)
}

// directDel ends the connection because the other party deleted us.
func (in *inbound) directDel(m xmsg.Message) error {
	in.closing = true
	in.conn.Status, in.contact.Status, in.contact.UpdatedAt = ConnDeleted, "deleted", in.now
	if err := errors.Join(in.PutConn(in.conn), in.PutContact(in.contact)); err != nil {
		return err
	}
	it, err := in.notice(in.user, in.contact, false, "contact deleted",
		api.CIContent{Type: "rcvDirectEvent", RcvDirectEvent: []byte(`{"type":"contactDeleted"}`)})
	if err != nil {
		return err
	}
	it.Item.Meta.ItemSharedMsgID = string(m.MsgID)
	if err := in.PutItem(it); err != nil {
		return err
	}
	if _, err := in.emitNew(in.user, in.contact, it); err != nil {
		return err
	}
	return in.emitContact("contactDeletedByContact", in.user, in.contact)
}
