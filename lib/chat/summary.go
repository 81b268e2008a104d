package chat

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// What programs are told of relays: which connections were subscribed when the
// program began, and when those of contacts are lost and found again.

// summaryWait is how long relays may take before those that have not answered
// are told of as unreachable.
const summaryWait = 15 * time.Second

// maxRelayNews bounds what is to be told of relays; the oldest is forgotten.
const maxRelayNews = 256

// relayNews is a relay that some connections were lost or found with.
type relayNews struct {
	server string
	up     bool
	conns  []agent.ConnID
}

// HandleStatus implements [agent.Handler].
func (c *Core) HandleStatus(_ context.Context, st agent.Status) {
	c.mu.Lock()
	n := relayNews{server: st.Server, up: st.Up}
	for _, id := range st.Conns {
		if was, known := c.connUp[id]; known && was != st.Up {
			n.conns = append(n.conns, id)
		}
		c.connUp[id] = st.Up
	}
	if len(n.conns) > 0 && c.cfg.Summary {
		c.news = append(c.news[max(0, len(c.news)-maxRelayNews+1):], n)
	}
	c.mu.Unlock()
	c.links.ring()
}

// tell tells of relays until ctx ends.
func (c *Core) tell(ctx context.Context) {
	if !c.settled(ctx) {
		return
	}
	if err := c.update(ctx, (*work).summarise); err != nil && ctx.Err() == nil {
		c.log.Warn("chat: telling of connections", "err", err)
	}
	for {
		ring := c.links.wait()
		c.mu.Lock()
		news := c.news
		c.news = nil
		c.mu.Unlock()
		for _, n := range news {
			if err := c.update(ctx, func(w *work) error { return w.tellRelay(n) }); err != nil && ctx.Err() == nil {
				c.log.Warn("chat: telling of a relay", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ring:
		}
	}
}

// settled waits until every relay of a contact has answered, or had time to.
// It is false when ctx ends before.
func (c *Core) settled(ctx context.Context) bool {
	late := time.NewTimer(summaryWait)
	defer late.Stop()
	for {
		ring := c.links.wait()
		waiting := false
		err := c.view(ctx, func(tx Tx) error {
			return eachConn(tx, func(_ *User, cn *Conn) error {
				_, known := c.linkState(cn.AgentID)
				waiting = waiting || !known && subscribes(cn)
				return nil
			})
		})
		if err != nil || !waiting {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-late.C:
			return true
		case <-ring:
		}
	}
}

func (c *Core) linkState(id agent.ConnID) (up, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	up, known = c.connUp[id]
	return up, known
}

func eachConn(tx Tx, fn func(*User, *Conn) error) error {
	users, err := tx.Users()
	for _, u := range users {
		if err != nil {
			break
		}
		var conns []*Conn
		if conns, err = tx.Conns(u.ID); err != nil {
			break
		}
		for _, cn := range conns {
			if err = fn(u, cn); err != nil {
				break
			}
		}
	}
	return err
}

// subscribes tells whether a connection has a queue that is listened to.
func subscribes(cn *Conn) bool { return cn.Status != ConnDeleted && cn.Status != ConnFailed }

// summarise tells each user of its connections.
func (w *work) summarise() error {
	users, err := w.Users()
	for _, u := range users {
		if err == nil {
			err = w.summariseUser(u)
		}
	}
	return err
}

func (w *work) summariseUser(u *User) error {
	contacts, pending, addresses := []api.ContactSubStatus{}, []api.PendingSubStatus{}, []api.UserContactSubStatus{}
	conns, err := w.Conns(u.ID)
	if err != nil {
		return err
	}
	for _, cn := range conns {
		switch {
		case !subscribes(cn):
		case cn.ContactID == 0:
			pending = append(pending, api.PendingSubStatus{Connection: pendingView(cn), ConnError: w.subError(cn.AgentID)})
		default:
			v, err := viewOf(w, u, cn.ContactID)
			if err != nil {
				return err
			}
			contacts = append(contacts, api.ContactSubStatus{Contact: v, ContactError: w.subError(cn.AgentID)})
		}
	}
	ad, err := w.Address(u.ID)
	if err == nil && ad.Link != nil {
		addresses = append(addresses, api.UserContactSubStatus{UserContact: api.UserContact{UserContactLinkID: ad.ID,
			ConnReqContact: ad.Link.ConnFullLink}, UserContactError: w.subError(ad.AgentID)})
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return w.emitSummary(u, contacts, addresses, pending)
}

func (w *work) emitSummary(u *User, contacts []api.ContactSubStatus, addresses []api.UserContactSubStatus, pending []api.PendingSubStatus) error {
	user := userView(u)
	type members struct {
		Type                string     `json:"type"`
		User                *api.User  `json:"user"`
		MemberSubscriptions []struct{} `json:"memberSubscriptions"`
	}
	type waiting struct {
		Type                 string                 `json:"type"`
		User                 *api.User              `json:"user"`
		PendingSubscriptions []api.PendingSubStatus `json:"pendingSubscriptions"`
	}
	var data [2]json.RawMessage
	for i, v := range []any{members{"memberSubSummary", user, []struct{}{}}, waiting{"pendingSubSummary", user, pending}} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		data[i] = b
	}
	for _, r := range []api.Response{
		{Type: "contactSubSummary", User: user, ContactSubscriptions: contacts},
		{Type: "userContactSubSummary", User: user, UserContactSubscriptions: addresses},
		{Type: "terminalEvent", Data: data[0]},
		{Type: "terminalEvent", Data: data[1]},
	} {
		if _, err := w.emit(r); err != nil {
			return err
		}
	}
	return nil
}

// subError is nil for a connection that is subscribed.
func (w *work) subError(id agent.ConnID) *api.ChatError {
	if up, _ := w.c.linkState(id); up {
		return nil
	}
	return &api.ChatError{Type: "errorAgent", AgentError: json.RawMessage(
		`{"type":"BROKER","brokerAddress":"","brokerErr":{"type":"TIMEOUT"}}`)}
}

// tellRelay tells of contacts that were lost or found.
func (w *work) tellRelay(n relayNews) error {
	r := api.Response{Type: "contactsDisconnected", Server: n.server, ContactRefs: []api.ContactRef{}}
	if n.up {
		r.Type = "contactsSubscribed"
	}
	for _, id := range n.conns {
		cn, err := w.ConnByAgentID(id)
		if errors.Is(err, ErrNotFound) || err == nil && (cn.ContactID == 0 || !subscribes(cn)) {
			continue
		}
		if err != nil {
			return err
		}
		ct, err := w.Contact(cn.ContactID)
		if err != nil {
			return err
		}
		r.ContactRefs = append(r.ContactRefs, api.ContactRef{ContactID: ct.ID, ConnID: cn.ID, AgentConnID: agentConnID(id), LocalDisplayName: ct.Name})
	}
	if len(r.ContactRefs) == 0 {
		return nil
	}
	_, err := w.emit(r)
	return err
}
