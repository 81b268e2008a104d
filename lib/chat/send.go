package chat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// composed is a message to send.
type composed struct {
	content xmsg.Content
	quote   api.ChatItemID // 0: none
	live    bool
	ttl     *int
	idem    string

	mentions int  // members named: only in groups
	file     bool // a file is to go with it
}

// refuse is why a message cannot go to a contact.
func (m composed) refuse() error {
	switch {
	case m.mentions > 0:
		return commandError("mentions are not supported in this chat")
	case m.content.Type == xmsg.TypeReport:
		return commandError("sending reports via this API is not supported")
	case m.file:
		return commandError("files are not supported")
	}
	return nil
}

func newMsgID() xmsg.MsgID {
	var b [12]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	return xmsg.MakeMsgID(b)
}

// send stores messages to a contact and gives them to the agent, with one
// commit if it can. The items are on disk when it returns without an error,
// whatever the agent says: what it did not take is given to it again later.
func (c *Core) send(ctx context.Context, find func(Tx, *User) (*Contact, error), msgs ...composed) (api.Response, []*Item, error) {
	var r api.Response
	var items []*Item
	var connID api.ConnID
	store := func(w *work) error {
		u, ct, cn, err := w.ready(find)
		if err != nil {
			return err
		}
		connID, items = cn.ID, nil
		v, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		r = api.Response{Type: "newChatItems", User: userView(u), ChatItems: []api.AChatItem{}}
		if items, err = w.sndItems(u, ct, cn, msgs); err != nil {
			return err
		}
		for _, it := range items {
			r.ChatItems = append(r.ChatItems, c.aItem(v, it))
		}
		ct.ChatTS, ct.Deleted, ct.Used = &w.now, false, true
		return w.PutContact(ct)
	}
	err := c.sendNow(ctx, find, store)
	if !errors.Is(err, errNotNow) {
		return r, items, err
	}
	if err := c.update(ctx, store); err != nil {
		return r, nil, err
	}
	c.flushLater(ctx, connID)
	return r, items, nil
}

// ready finds a contact that can be sent to.
func (w *work) ready(find func(Tx, *User) (*Contact, error)) (*User, *Contact, *Conn, error) {
	u, err := activeUser(w)
	if err != nil {
		return nil, nil, nil, err
	}
	ct, err := find(w, u)
	if err != nil {
		return nil, nil, nil, err
	}
	if ct.ConnID != 0 {
		cn, err := w.Conn(ct.ConnID)
		if err == nil && (cn.Status == ConnReady || cn.Status == ConnSndReady) {
			return u, ct, cn, nil
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, nil, nil, err
		}
	}
	v, err := contactView(w, u, ct)
	if err != nil {
		return nil, nil, nil, err
	}
	return nil, nil, nil, coreError(api.ErrorType{Type: "contactNotReady", Contact: v})
}

// sndItem stores the item of one message, which is still to be stored for the
// agent.
func (w *work) sndItem(u *User, ct *Contact, m composed) (*Item, *xmsg.Message, error) {
	if err := m.refuse(); err != nil {
		return nil, nil, err
	}
	id := newMsgID()
	ttl := life(u, ct, m.ttl)
	n := xmsg.New{Content: m.content, TTL: ttl}
	if m.live {
		n.Live = &m.live
	}
	var quoted *api.CIQuote
	if m.quote != 0 {
		q, v, err := w.quoteOf(ct, m.quote)
		if err != nil {
			return nil, nil, err
		}
		n.Quote, quoted = q, v
	}
	it := &Item{UserID: u.ID, ContactID: ct.ID, Sent: true, Message: true, MsgID: string(id), Idem: m.idem}
	it.Item = api.ChatItem{
		ChatDir:  direction(true),
		Content:  api.CIContent{Type: "sndMsgContent", MsgContent: m.content.Raw()},
		Mentions: map[string]any{}, Reactions: []api.CIReactionCount{}, QuotedItem: quoted,
		Meta: api.CIMeta{ItemTS: w.now, ItemText: m.content.Display(), ItemStatus: api.CIStatus{Type: "sndNew"},
			ItemSharedMsgID: string(id), ItemLive: n.Live, CreatedAt: w.now, UpdatedAt: w.now},
	}
	if ttl != nil {
		it.Item.Meta.ItemTimed = &api.CITimed{TTL: *ttl}
	}
	if err := w.PutItem(it); err != nil {
		return nil, nil, err
	}
	msg, err := message(xmsg.EventNew, id, n)
	if err != nil {
		return nil, nil, err
	}
	return it, msg, w.startTimer(it)
}

// sndItems stores messages with their items. Several go to the agent as one
// body as far as they fit and the contact can read that.
func (w *work) sndItems(u *User, ct *Contact, cn *Conn, msgs []composed) (items []*Item, err error) {
	var batch []*Item
	var body []xmsg.Message
	flush := func() error {
		if len(body) == 0 {
			return nil
		}
		first := batch[0]
		for _, it := range batch[1:] {
			first.Batch = append(first.Batch, it.ID)
		}
		if len(batch) > 1 {
			if err := w.PutItem(first); err != nil {
				return err
			}
		}
		err := w.outBatch(cn, body, first.ID)
		batch, body = nil, nil
		return err
	}
	for _, m := range msgs {
		it, msg, err := w.sndItem(u, ct, m)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
		joined := append(append([]xmsg.Message{}, body...), *msg)
		if len(body) > 0 && (cn.Version < int(xmsg.VersionBatch) || !xmsg.BatchFits(joined, fitOf(cn))) {
			if err := flush(); err != nil {
				return nil, err
			}
			joined = []xmsg.Message{*msg}
		}
		batch, body = append(batch, it), joined
	}
	return items, flush()
}

func message(ev xmsg.Event, id xmsg.MsgID, params any) (*xmsg.Message, error) {
	p, err := xmsg.Params(params)
	return &xmsg.Message{V: xmsg.Supported, MsgID: id, Event: ev, Params: p}, err
}

// fitOf is how many bytes fit into a message of a connection.
func fitOf(cn *Conn) int {
	if cn.Version >= int(xmsg.VersionZstd) {
		return xmsg.MaxPQBody // what fits whether or not the ratchet is post-quantum
	}
	return xmsg.MaxBody
}

// out stores a message for the agent.
func (w *work) out(cn *Conn, ev xmsg.Event, id xmsg.MsgID, params any, it api.ChatItemID) error {
	m, err := message(ev, id, params)
	if err != nil {
		return err
	}
	return w.outBatch(cn, []xmsg.Message{*m}, it)
}

// outBatch stores messages for the agent as one body.
func (w *work) outBatch(cn *Conn, msgs []xmsg.Message, it api.ChatItemID) error {
	var body []byte
	var err error
	if len(msgs) == 1 {
		body, err = xmsg.Encode(msgs[0], xmsg.MaxBody, fitOf(cn))
	} else {
		body, err = xmsg.EncodeBatch(msgs)
	}
	if err != nil {
		return err
	}
	o := &Out{ConnID: cn.ID, ItemID: it, Key: string(msgs[0].MsgID), Body: body, Notify: msgs[0].Event.Notifies()}
	if w.line.send != nil && w.line.conn == cn.ID {
		return w.line.pass(w, o)
	}
	return w.PutOut(o)
}

// quoteOf refers to an item of the chat, for the message and for the API.
func (w *work) quoteOf(ct *Contact, id api.ChatItemID) (*xmsg.Quote, *api.CIQuote, error) {
	it, err := w.Item(id)
	if errors.Is(err, ErrNotFound) || err == nil && it.ContactID != ct.ID {
		return nil, nil, noItem(id)
	}
	if err != nil {
		return nil, nil, err
	}
	if !it.Message || it.Item.Meta.ItemDeleted != nil {
		return nil, nil, coreError(api.ErrorType{Type: "invalidQuote"})
	}
	content, err := xmsg.ParseContent(it.Item.Content.MsgContent)
	if err != nil {
		return nil, nil, err
	}
	ts := it.Item.Meta.ItemTS.Truncate(time.Second)
	dir := direction(it.Sent)
	return &xmsg.Quote{Ref: xmsg.Ref{MsgID: xmsg.MsgID(it.MsgID), SentAt: ts, Sent: it.Sent}, Content: content},
		&api.CIQuote{ChatDir: &dir, ItemID: it.ID, SharedMsgID: it.MsgID, SentAt: ts, Content: content.Raw()}, nil
}

// flushLater gives stored messages to the agent now if it takes them, else
// with the next message or at the next start.
func (c *Core) flushLater(ctx context.Context, id api.ConnID) {
	if err := c.flush(context.WithoutCancel(ctx), id); err != nil {
		c.log.Warn("chat: giving messages to the agent", "conn", id, "err", err)
	}
}

// flush gives a connection's stored messages to the agent, in order.
func (c *Core) flush(ctx context.Context, id api.ConnID) error {
	mu, _ := c.sending.LoadOrStore(id, new(sync.Mutex))
	mu.(*sync.Mutex).Lock()
	defer mu.(*sync.Mutex).Unlock()
	var cn *Conn
	var outs []*Out
	err := c.view(ctx, func(tx Tx) (err error) {
		if outs, err = tx.Outs(id); err == nil && len(outs) > 0 {
			cn, err = tx.Conn(id)
		}
		return err
	})
	for _, o := range outs {
		if err == nil {
			err = c.hand(ctx, cn, o)
		}
	}
	return err
}

// hand gives one message to the agent. One that the agent refuses for good is
// not tried again.
func (c *Core) hand(ctx context.Context, cn *Conn, o *Out) error {
	msgID, err := c.cfg.Agent.Send(ctx, cn.AgentID, agent.Outgoing{Body: o.Body, Notify: o.Notify, Key: o.Key})
	refused := errors.Is(err, agent.ErrTooLarge) || errors.Is(err, agent.ErrNotFound)
	if err != nil && !refused {
		return fmt.Errorf("chat: sending: %w", err)
	}
	return c.update(ctx, func(w *work) error {
		if !refused {
			if err := w.PutDelivery(cn.ID, msgID, o.ItemID); err != nil {
				return err
			}
		} else if o.ItemID != 0 {
			if err := w.setStatus(o.ItemID, sendFailed(agent.SendError{Err: refusal(err)})); err != nil {
				return err
			}
		}
		return w.DeleteOut(o.ID)
	})
}

func refusal(err error) *agent.Error {
	if errors.Is(err, agent.ErrTooLarge) {
		return &agent.Error{Code: agent.CodeTooLarge, Detail: err.Error()}
	}
	return &agent.Error{Code: agent.CodeAuth, Detail: err.Error()}
}

// A transition is how an event changes the status of a sent item; false leaves
// it as it is.
type transition func(api.CIStatus) (api.CIStatus, bool)

func sent(st api.CIStatus) (api.CIStatus, bool) {
	return api.CIStatus{Type: "sndSent", SndProgress: "complete"}, st.Type == "sndNew" || st.Type == "sndWarning"
}

func received(ev agent.Receipt) transition {
	status := "ok"
	if ev.BadHash {
		status = "badMsgHash"
	}
	return func(st api.CIStatus) (api.CIStatus, bool) {
		return api.CIStatus{Type: "sndRcvd", MsgRcptStatus: status, SndProgress: "complete"}, st.Type != "sndRcvd"
	}
}

func sendFailed(ev agent.SendError) transition {
	return func(st api.CIStatus) (api.CIStatus, bool) {
		pending := st.Type == "sndNew" || st.Type == "sndWarning"
		if ev.Err != nil && ev.Err.Code == agent.CodeAuth && !ev.Temporary {
			return api.CIStatus{Type: "sndErrorAuth"}, pending
		}
		next := api.CIStatus{Type: "sndError", AgentError: sndErrorJSON(ev.Err)}
		if ev.Temporary {
			next.Type = "sndWarning"
		}
		return next, pending
	}
}

func sndErrorJSON(e *agent.Error) json.RawMessage {
	v := map[string]any{"type": "other"}
	if e != nil {
		switch e.Code {
		case agent.CodeAuth, agent.CodeQuota, agent.CodeExpired:
			v["type"] = string(e.Code)
		default:
			v["sndError"] = e.Error()
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("chat: unreachable: a map of strings always has a JSON form")
	}
	return b
}

// onDelivery follows a message that the agent carries. The agent can be ahead
// of us: it may tell of a message before its number is stored here.
func (c *Core) onDelivery(ctx context.Context, id agent.ConnID, msgID int64, t transition) error {
	var cn *Conn
	unknown := false
	follow := func(w *work, conn *Conn, _ *User) error {
		cn, unknown = conn, false
		it, err := w.Delivery(conn.ID, msgID)
		if errors.Is(err, ErrNotFound) {
			unknown = true
			return nil
		}
		if err != nil || it == 0 {
			return err
		}
		return w.setStatus(it, t)
	}
	if err := c.onConn(ctx, id, follow); err != nil {
		return err
	}
	if unknown {
		if err := c.flush(ctx, cn.ID); err != nil {
			return err
		}
		if err := c.onConn(ctx, id, follow); err != nil {
			return err
		}
	}
	if cn.Status == ConnDeleted {
		return c.deleteConn(ctx, cn) // its farewell has gone
	}
	return nil
}

// setStatus changes the status of a sent item, and of those that went with it,
// and tells of it.
func (w *work) setStatus(id api.ChatItemID, t transition) error {
	first, err := w.Item(id)
	if errors.Is(err, ErrNotFound) {
		return nil // deleted
	}
	if err != nil {
		return err
	}
	u, err := w.User(first.UserID)
	if err != nil {
		return err
	}
	v, err := contactViewByID(w, u, first.ContactID)
	if err != nil {
		return err
	}
	r := api.Response{Type: "chatItemsStatusesUpdated", User: userView(u)}
	for _, id := range append([]api.ChatItemID{id}, first.Batch...) {
		it, err := w.Item(id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if changed, err := w.moveStatus(it, t); err != nil {
			return err
		} else if changed {
			r.ChatItems = append(r.ChatItems, w.c.aItem(v, it))
		}
	}
	if len(r.ChatItems) == 0 {
		return nil
	}
	_, err = w.emit(r)
	return err
}

func (w *work) moveStatus(it *Item, t transition) (changed bool, err error) {
	st, change := t(it.Item.Meta.ItemStatus)
	if !change {
		return false, nil
	}
	no := false
	it.Item.Meta.ItemStatus, it.Item.Meta.UpdatedAt = st, w.now
	if st.Type == "sndSent" || st.Type == "sndRcvd" {
		it.Item.Meta.SentViaProxy = &no
	}
	return true, w.PutItem(it)
}
