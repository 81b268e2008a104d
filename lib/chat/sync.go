package chat

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Re-synchronising: a ratchet that was restored from a copy, or has lost its
// state, is replaced by a new one.

var syncSyntax = []syntax{
	{"/_sync ", func(a *args) runner { r := a.ref(); return syncRatchet(r, "", a.flag("force", false)) }},
	{"/sync ", func(a *args) runner { a.lit("@"); n := a.name(); return syncRatchet(ref{}, n, a.flag("force", false)) }},
}

// syncer is an [Agent] that can replace a ratchet; [agent.Agent] is one.
type syncer interface {
	SyncRatchet(ctx context.Context, id agent.ConnID, force bool) error
}

func syncRatchet(r ref, name string, force bool) runner {
	return func(ctx context.Context, c *Core) (resp api.Response, err error) {
		conn, err := connOf(ctx, c, r, name)
		if err != nil {
			return resp, err
		}
		s, ok := c.cfg.Agent.(syncer)
		if !ok {
			return resp, commandError("not supported")
		}
		if err := s.SyncRatchet(ctx, conn.AgentID, force); errors.Is(err, agent.ErrState) {
			return resp, &api.ChatError{Type: "errorAgent", AgentError: json.RawMessage(
				`{"type":"CMD","cmdErr":{"type":"PROHIBITED"},"errContext":"synchronizeRatchet: not allowed"}`)}
		} else if err != nil {
			return resp, err
		}
		stats := c.stats(ctx, conn.AgentID)
		err = c.onConn(ctx, conn.AgentID, func(w *work, cn *Conn, u *User) error {
			v, err := viewOf(w, u, cn.ContactID)
			resp = api.Response{Type: "contactRatchetSyncStarted", User: userView(u), Contact: v, Stats: stats}
			return err
		})
		return resp, err
	}
}

func viewOf(w *work, u *User, id api.ContactID) (*api.Contact, error) {
	ct, err := w.Contact(id)
	if err != nil {
		return nil, err
	}
	return contactView(w, u, ct)
}

// stats is the agent's state of a connection, empty if it does not tell.
func (c *Core) stats(ctx context.Context, id agent.ConnID) *api.ConnectionStats {
	if insp, ok := c.cfg.Agent.(Inspector); ok {
		if ci, err := insp.Connection(ctx, id); err == nil {
			return connStats(ci)
		}
	}
	return connStats(agent.ConnInfo{})
}

// syncTexts are the notices for the states that have one.
var syncTexts = map[agent.SyncState]string{
	agent.SyncStarted: "connection synchronization started",
	agent.SyncAgreed:  "connection synchronization agreed",
	agent.SyncOK:      "connection synchronized",
}

// onSync tells how the replacing of a ratchet goes, and sends what was written
// meanwhile.
func (c *Core) onSync(ctx context.Context, id agent.ConnID, ev agent.RatchetSync) error {
	stats := c.stats(ctx, id)
	stats.RatchetSyncState = string(ev.State) // as it was at the event
	var conn api.ConnID
	err := c.onConn(ctx, id, func(w *work, cn *Conn, u *User) error {
		conn = cn.ID
		if cn.ContactID == 0 {
			return nil
		}
		ct, err := w.Contact(cn.ContactID)
		if err != nil {
			return err
		}
		if ratchetReplaced(ev.State) {
			if err := w.codeReset(u, ct, cn); err != nil {
				return err
			}
		}
		return w.syncTold(u, ct, ev.State, stats)
	})
	if err == nil && (ev.State == agent.SyncOK || ev.State == agent.SyncAllowed) {
		c.flushLater(ctx, conn)
	}
	return err
}

// syncTold emits the event and the notice of a state. What we began is told by
// the answer to the command.
func (w *work) syncTold(u *User, ct *Contact, s agent.SyncState, stats *api.ConnectionStats) error {
	if s != agent.SyncStarted {
		v, err := contactView(w, u, ct)
		if err != nil {
			return err
		}
		if _, err := w.emit(api.Response{Type: "contactRatchetSync", User: userView(u), Contact: v,
			RatchetSyncProgress: &api.RatchetSyncProgress{RatchetSyncStatus: string(s), ConnectionStats: stats}}); err != nil {
			return err
		}
	}
	text, ok := syncTexts[s]
	if !ok {
		return nil
	}
	event := json.RawMessage(`{"type":"ratchetSync","syncStatus":"` + string(s) + `"}`)
	content := api.CIContent{Type: "rcvConnEvent", RcvConnEvent: event}
	if s == agent.SyncStarted {
		content = api.CIContent{Type: "sndConnEvent", SndConnEvent: event}
	}
	it, err := w.notice(u, ct, s == agent.SyncStarted, text, content)
	if err != nil {
		return err
	}
	_, err = w.emitNew(u, ct, it)
	return err
}
