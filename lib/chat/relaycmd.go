package chat

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Commands about relays: moving a contact's queue to another one, and what is
// subscribed where.

var relaySyntax = []syntax{
	{"/_switch ", func(a *args) runner { return switchQueue(a.ref(), "", false) }},
	{"/switch ", func(a *args) runner { a.lit("@"); return switchQueue(ref{}, a.name(), false) }},
	{"/_abort switch ", func(a *args) runner { return switchQueue(a.ref(), "", true) }},
	{"/abort switch ", func(a *args) runner { a.lit("@"); return switchQueue(ref{}, a.name(), true) }},
	{"/get subs total ", func(a *args) runner { return subsTotal(api.UserID(a.int())) }},
	{"/get subs", fixed(subs)},
}

// mover is an [Agent] that can move queues; [agent.Agent] is one.
type mover interface {
	Switch(ctx context.Context, id agent.ConnID) error
	AbortSwitch(ctx context.Context, id agent.ConnID) error
}

// switchQueue moves our queue for a contact, or gives up to.
func switchQueue(r ref, name string, abort bool) runner {
	return func(ctx context.Context, c *Core) (resp api.Response, err error) {
		conn, err := connOf(ctx, c, r, name)
		if err != nil {
			return resp, err
		}
		m, ok := c.cfg.Agent.(mover)
		if !ok {
			return resp, commandError("not supported")
		}
		do, typ := m.Switch, "contactSwitchStarted"
		if abort {
			do, typ = m.AbortSwitch, "contactSwitchAborted"
		}
		if err := do(ctx, conn.AgentID); errors.Is(err, agent.ErrState) {
			return resp, &api.ChatError{Type: "errorAgent", AgentError: json.RawMessage(
				`{"type":"CMD","cmdErr":{"type":"PROHIBITED"},"errContext":"switchConnection: not allowed"}`)}
		} else if err != nil {
			return resp, err
		}
		stats := c.stats(ctx, conn.AgentID)
		err = c.onConn(ctx, conn.AgentID, func(w *work, cn *Conn, u *User) error {
			v, err := viewOf(w, u, cn.ContactID)
			resp = api.Response{Type: typ, User: userView(u), Contact: v, Stats: stats}
			return err
		})
		return resp, err
	}
}

// onSwitched tells how the moving of a queue goes.
func (c *Core) onSwitched(ctx context.Context, id agent.ConnID, ev agent.Switched) error {
	stats := c.stats(ctx, id)
	return c.onConn(ctx, id, func(w *work, cn *Conn, u *User) error {
		if cn.ContactID == 0 {
			return nil
		}
		ct, err := w.Contact(cn.ContactID)
		if err != nil {
			return err
		}
		v, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		direction := map[bool]string{true: "rcv", false: "snd"}[ev.Receiving]
		if _, err := w.emit(api.Response{Type: "contactSwitch", User: userView(u), Contact: v, SwitchProgress: &api.SwitchProgress{
			QueueDirection: direction, SwitchPhase: string(ev.Phase), ConnectionStats: stats}}); err != nil {
			return err
		}
		if ev.Phase != agent.SwitchStarted && ev.Phase != agent.SwitchCompleted {
			return nil
		}
		return w.switchNotice(u, ct, ev)
	})
}

// switchNotice writes that a queue begins to move, or has moved.
func (w *work) switchNotice(u *User, ct *Contact, ev agent.Switched) error {
	event := json.RawMessage(`{"type":"switchQueue","phase":"` + string(ev.Phase) + `"}`)
	text, content := "started changing address...", api.CIContent{Type: "sndConnEvent", SndConnEvent: event}
	if !ev.Receiving {
		text, content = "started changing address for you...", api.CIContent{Type: "rcvConnEvent", RcvConnEvent: event}
	}
	if ev.Phase == agent.SwitchCompleted {
		text = map[bool]string{true: "you changed address", false: "changed address for you"}[ev.Receiving]
	}
	it, err := w.notice(u, ct, ev.Receiving, text, content)
	if err != nil {
		return err
	}
	_, err = w.emitNew(u, ct, it)
	return err
}

// subscriptions counts queues by relay, of one user or, with 0, of all.
func (c *Core) subscriptions(ctx context.Context, of api.UserID) (active, pending map[string]int, err error) {
	active, pending = map[string]int{}, map[string]int{}
	insp, ok := c.cfg.Agent.(Inspector)
	if !ok {
		return nil, nil, commandError("not supported")
	}
	var ids []agent.ConnID
	err = c.view(ctx, func(tx Tx) error {
		users, err := tx.Users()
		for _, u := range users {
			if err == nil && (of == 0 || of == u.ID) {
				ad, aerr := tx.Address(u.ID)
				if aerr == nil {
					ids = append(ids, ad.AgentID)
				} else if !errors.Is(aerr, ErrNotFound) {
					err = aerr
				}
			}
		}
		return errors.Join(err, eachConn(tx, func(u *User, cn *Conn) error {
			if subscribes(cn) && (of == 0 || of == u.ID) {
				ids = append(ids, cn.AgentID)
			}
			return nil
		}))
	})
	for _, id := range ids {
		if err != nil {
			break
		}
		var ci agent.ConnInfo
		if ci, err = insp.Connection(ctx, id); errors.Is(err, agent.ErrNotFound) {
			err = nil // it has not come so far
			continue
		}
		to := pending
		if ci.Subscribed {
			to = active
		}
		for _, s := range ci.RcvServers {
			to[s]++
		}
	}
	return active, pending, err
}

func subs(ctx context.Context, c *Core) (api.Response, error) {
	active, pending, err := c.subscriptions(ctx, 0)
	return api.Response{Type: "agentSubs", ActiveSubs: active, PendingSubs: pending, RemovedSubs: map[string][]string{}}, err
}

func subsTotal(id api.UserID) runner {
	return func(ctx context.Context, c *Core) (api.Response, error) {
		var user *api.User
		err := c.view(ctx, func(tx Tx) error {
			u, err := tx.User(id)
			if errors.Is(err, ErrNotFound) {
				return coreError(api.ErrorType{Type: "userUnknown"})
			}
			if err == nil {
				user = userView(u)
			}
			return err
		})
		if err != nil {
			return api.Response{}, err
		}
		active, pending, err := c.subscriptions(ctx, id)
		t, session := new(api.SubsTotal), len(active) > 0
		for _, n := range active {
			t.Active += n
		}
		for _, n := range pending {
			t.Pending += n
		}
		return api.Response{Type: "agentSubsTotal", User: user, SubsTotal: t, HasSession: &session}, err
	}
}
