package agent

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// What needs a relay and is not waited for: a step in the store, whose end an
// event tells.

// CreateInvitationLater implements [API].
func (a *Agent) CreateInvitationLater(ctx context.Context, id ConnID, o InviteOptions) error {
	return a.createLater(ctx, &Conn{ID: id, User: o.User, Role: Inviter, PQ: o.PQ}, o)
}

// CreateAddressLater implements [API].
func (a *Agent) CreateAddressLater(ctx context.Context, id ConnID, o InviteOptions) error {
	return a.createLater(ctx, &Conn{ID: id, User: o.User, Role: Address, PQ: o.PQ}, o)
}

func (a *Agent) createLater(ctx context.Context, c *Conn, o InviteOptions) error {
	if _, err := o.mode(c.Role); err != nil {
		return err
	}
	servers, err := a.relays.Choose(o.Server)
	if err != nil {
		return err
	}
	if err := a.tryLink(c.Role, servers[0].ServerAddr, o); err != nil {
		return err
	}
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	c.Phase, c.Version, c.Sync, c.CreatedAt = PhaseCreating, a.cfg.Versions.Agent.Max, SyncOK, a.cfg.Now()
	cmd := &StoredCommand{Conn: c.ID, Kind: commandCreate, Data: data, CreatedAt: c.CreatedAt}
	err = a.cfg.Store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertConn(c); err != nil {
			return err
		}
		return tx.AddCommand(cmd)
	})
	if err == nil {
		a.kickCommands(c.ID)
	}
	return err
}

// tryLink tells early whether a short link can have its data.
func (a *Agent) tryLink(r Role, server smp.ServerAddr, o InviteOptions) error {
	if o.Short == nil {
		return nil
	}
	q := link.Queue{Server: server, SenderID: smp.SenderIDFrom(smpclient.NewCorrID()), DHKey: key.GenerateX25519().Public()}
	var own *ratchet.Private
	if r == Inviter {
		var err error
		if own, err = ratchet.GenerateRcv(a.cfg.Versions.E2E.Max, ratchet.PQSupport(o.PQ)); err != nil {
			return err
		}
		defer own.Wipe()
	}
	_, _, err := a.makeLink(link.QueueInfo{Version: a.cfg.Versions.Client.Max, Queue: q}, own, o)
	return err
}

// doCreate makes the queue of an invitation or an address.
func (a *Agent) doCreate(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	var o InviteOptions
	if err := json.Unmarshal(c.Data, &o); err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	m, err := a.makeInvite(ctx, t.Conn, o)
	if err != nil {
		return m.server.ServerAddr.String(), temporarily(err)
	}
	defer m.wipe()
	l, err := a.linkTo(m, o)
	if err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.done(c)
		if t.Phase != PhaseCreating { // it was deleted meanwhile
			t.then(func() { _ = m.session.Delete(ctx, QueueAuth{ID: m.queue.RcvID, Key: m.queue.AuthKey}) }) // best effort
			return nil
		}
		t.Phase = PhaseInvited
		t.write(m.store)
		t.then(func() { a.subscribe(t.Conn, m.queue, m.session) }) // before anybody has the link
		t.emit(Created{Link: l})
		return nil
	})
}

// DeleteLinkLater implements [API].
func (a *Agent) DeleteLinkLater(ctx context.Context, id ConnID) error {
	_, q, _, err := a.ownLink(ctx, id)
	if err != nil {
		return err
	}
	return a.change(ctx, id, func(t *turn) error {
		t.command(commandDelLink, q.Row, nil)
		return nil
	})
}

// EnableNotificationsLater implements [API].
func (a *Agent) EnableNotificationsLater(ctx context.Context, id ConnID) error {
	return a.later(ctx, id, commandNotify)
}

// DisableNotificationsLater implements [API].
func (a *Agent) DisableNotificationsLater(ctx context.Context, id ConnID) error {
	return a.later(ctx, id, commandUnnotify)
}

// FetchLater implements [API].
func (a *Agent) FetchLater(ctx context.Context, id ConnID) error {
	return a.later(ctx, id, commandFetch)
}

func (a *Agent) later(ctx context.Context, id ConnID, kind CommandKind) error {
	return a.change(ctx, id, func(t *turn) error {
		q := t.primaryRcv()
		if q == nil || t.Phase == PhaseDeleted {
			return fmt.Errorf("%w: %s", ErrState, t.Phase)
		}
		t.command(kind, q.Row, nil)
		return nil
	})
}

// doLater does one of these steps, for the queue that is in use by now.
func (a *Agent) doLater(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	q := t.primaryRcv()
	if q == nil {
		return "", ErrNotFound
	}
	var ev Event
	var failed *Error
	switch c.Kind {
	case commandDelLink:
		err = a.deleteLink(ctx, t, q)
	case commandNotify:
		_, err = a.notify(ctx, t, q)
	case commandUnnotify:
		err = a.unnotify(ctx, t, q)
	case commandFetch:
		var ok bool
		ok, err = a.fetch(ctx, t, q)
		ev = Fetched{Message: ok}
	}
	if err != nil {
		if err = temporarily(err); temporary(err) {
			return q.Server, err
		}
		failed = toError(err, q.Server)
	}
	switch c.Kind {
	case commandDelLink:
		ev = LinkSet{Deleted: failed == nil, Err: failed}
	case commandNotify, commandUnnotify:
		ev = NotifierSet{Enabled: (c.Kind == commandNotify) == (failed == nil), Err: failed}
	case commandFetch:
		if failed != nil {
			ev = Fetched{Err: failed}
		}
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.emit(ev)
		t.done(c)
		return nil
	})
}
