package agent

import (
	"context"
	"strconv"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// sessionEvents takes what the sessions with relays have to tell.
type sessionEvents struct{ a *Agent }

var _ relays.Events = sessionEvents{}

// Deliver implements [relays.Events].
func (e sessionEvents) Deliver(q relays.Sub, m smp.Message) {
	e.a.deposit(ConnID(q.Conn), delivery{queue: q.Queue, msg: m})
}

// Lost tells the client that a queue is lost.
func (e sessionEvents) Lost(ctx context.Context, q relays.Sub, server string, cause error) {
	err := e.a.change(ctx, ConnID(q.Conn), func(t *turn) error {
		if t.Phase != PhaseDeleted && t.rcvQueue(q.Queue) != nil {
			t.emit(ConnError{Err: toError(cause, server), Fatal: true})
		}
		return nil
	})
	if err != nil && ctx.Err() == nil && !notFound(err) {
		e.a.log.Warn("cannot store a lost subscription", "err", err)
	}
}

// Changed implements [relays.Events].
func (e sessionEvents) Changed(ctx context.Context, server string, up bool, conns []string, err error) {
	ids := make([]ConnID, len(conns))
	for i, c := range conns {
		ids[i] = ConnID(c)
	}
	e.a.handler.HandleStatus(ctx, Status{Server: server, Up: up, Conns: ids, Err: err})
}

// Reached implements [relays.Events].
func (e sessionEvents) Reached(server string) { e.a.workers.Wake(server) }

// scope is who shares sessions: the connections of a user, or only those with
// one relay of one thing, such as a connection or a link.
func (a *Agent) scope(u UserID, entity string) string {
	if a.cfg.Network.Isolation == relays.IsolateEntity {
		return entity
	}
	return strconv.FormatInt(int64(u), 10)
}

// key names the session with a relay for a connection.
func (a *Agent) key(c *Conn, server string) relays.Key {
	return relays.Key{Server: server, Scope: a.scope(c.User, string(c.ID))}
}

// subscribe keeps a queue subscribed. on is the session that made it, or nil.
func (a *Agent) subscribe(c *Conn, q *RcvQueue, on Relay) {
	auth := QueueAuth{ID: q.RcvID, Key: q.AuthKey}
	a.relays.Subscribe(a.key(c, q.Server), relays.Sub{Conn: string(c.ID), Queue: q.Row, Auth: auth}, on)
}
