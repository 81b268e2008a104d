package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// sameRelay tells whether a link's queue is on the relay that has the link.
func sameRelay(l, q smp.ServerAddr) bool {
	return len(l.Hosts) > 0 && slices.Contains(q.Hosts, l.Hosts[0])
}

// get asks the relay for a link's data; see [Agent.ResolveLink].
func (a *Agent) get(ctx context.Context, u UserID, l link.Short) (smp.LNK, error) {
	server := l.Server.String()
	id := l.LinkID
	var auth key.Private
	if l.Mode() == link.ContactMode {
		id, _ = link.ContactKeys(l.Key)
	} else {
		opened, err := a.opening(ctx, l, server)
		if err != nil {
			return smp.LNK{}, err
		}
		auth = opened.AuthKey
	}
	var lnk smp.LNK
	err := a.relays.Send(ctx, relays.Key{Server: server, Scope: a.scope(u, string(id))}, func(s relays.Sender) (err error) {
		if auth != nil {
			lnk, err = s.SecureByLink(ctx, id, auth)
		} else {
			lnk, err = s.GetLink(ctx, id)
		}
		return err
	})
	if err != nil {
		return lnk, linkError(err, server)
	}
	if auth == nil {
		return lnk, nil
	}
	return lnk, a.cfg.Store.Update(ctx, func(tx Tx) error {
		o, err := tx.OpenedLink(server, id)
		if err != nil {
			return err
		}
		o.SndID = lnk.SenderID
		return tx.PutOpenedLink(o)
	})
}

// opening is the key with which we ask for a one-time link: always the same,
// and on disk before the relay sees it.
func (a *Agent) opening(ctx context.Context, l link.Short, server string) (o *OpenedLink, err error) {
	err = a.cfg.Store.Update(ctx, func(tx Tx) (err error) {
		if o, err = tx.OpenedLink(server, l.LinkID); err == nil && o.Key == l.Key || err != nil && !notFound(err) {
			return err
		}
		o = &OpenedLink{Server: server, ID: l.LinkID, Key: l.Key, AuthKey: key.GenerateEd25519(), CreatedAt: a.cfg.Now()}
		return tx.PutOpenedLink(o)
	})
	return o, err
}

// openedKey is the key that a queue was secured with when its link was opened,
// or nil.
func (a *Agent) openedKey(ctx context.Context, q link.QueueInfo) (k key.Private, err error) {
	err = a.cfg.Store.View(ctx, func(tx Tx) error {
		o, err := tx.OpenedQueue(q.Server.String(), q.SenderID)
		if err == nil {
			k = o.AuthKey
		}
		return err
	})
	if notFound(err) {
		return nil, nil
	}
	return k, err
}

// forgetOpened erases what opened the link of a queue.
func (t *turn) forgetOpened(q *SndQueue) {
	t.write(func(tx Tx) error {
		o, err := tx.OpenedQueue(q.Server, q.SndID)
		if notFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.DeleteOpenedLink(o.Server, o.ID)
	})
}

// ResolveLink implements [API]. smp: Get link data
func (a *Agent) ResolveLink(ctx context.Context, s string, u UserID) (Resolved, error) {
	if err := a.waitRunning(ctx); err != nil {
		return Resolved{}, err
	}
	l, err := link.ParseShort(s)
	if err != nil {
		return Resolved{}, fmt.Errorf("%w: %w", ErrLink, err)
	}
	return a.resolve(ctx, u, l)
}

func (a *Agent) resolve(ctx context.Context, u UserID, l link.Short) (Resolved, error) {
	l = l.Restore(a.presets)
	if l.Server.KeyHash == "" {
		return Resolved{}, fmt.Errorf("%w: short link of an unknown relay %s", ErrLink, l.Server.Hosts[0])
	}
	lnk, err := a.get(ctx, u, l)
	if err != nil {
		return Resolved{}, err
	}
	fixed, user, err := link.Open(l.Mode(), l.Key, link.DataKey(l.Mode(), l.Key), lnk.Data)
	if err != nil {
		return Resolved{}, fmt.Errorf("%w: %w", ErrLink, err)
	}
	q := &fixed.Request.Queues[0]
	if !sameRelay(l.Server, q.Server) || q.SenderID != lnk.SenderID {
		return Resolved{}, fmt.Errorf("%w: data of another address", ErrLink)
	}
	q.Server = l.Server
	r := Resolved{Request: fixed.Request, Full: fixed.Request.String(), RootKey: fixed.RootKey, EntityID: fixed.EntityID, User: user}
	r.Info, err = a.linkInfo(fixed.Request)
	return r, err
}

// joinShort joins with a short link, which is opened later.
func (a *Agent) joinShort(ctx context.Context, id ConnID, l link.Short, info []byte, o JoinOptions) error {
	if _, err := a.relays.Choose(o.Server); err != nil {
		return err
	}
	c := &Conn{
		ID: id, User: o.User, Role: Joiner, Phase: PhaseJoining, Version: a.cfg.Versions.Agent.Max, Sync: SyncOK, CreatedAt: a.cfg.Now(),
	}
	data, err := json.Marshal(joinData{Link: l.String(), Server: o.Server, Info: info, PQ: o.PQ})
	if err != nil {
		return err
	}
	cmd := &StoredCommand{Conn: id, Kind: commandResolve, Data: data, CreatedAt: c.CreatedAt}
	err = a.cfg.Store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertConn(c); err != nil {
			return err
		}
		return tx.AddCommand(cmd)
	})
	if err == nil {
		a.kickCommands(id)
	}
	return err
}

// doResolve opens a short link and goes on as with a full one.
func (a *Agent) doResolve(ctx context.Context, t *turn, c *StoredCommand) (until string, err error) {
	var d joinData
	if err := json.Unmarshal(c.Data, &d); err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	l, err := link.ParseShort(d.Link)
	if err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	r, err := a.resolve(ctx, t.User, l)
	if err != nil {
		return l.Restore(a.presets).Server.String(), temporarily(err)
	}
	j, err := a.joinable(r.Request)
	if err != nil {
		return "", permanent(CodeVersion, err.Error())
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.done(c)
		if t.Phase != PhaseJoining || len(t.snd) > 0 {
			return nil
		}
		next, write, err := a.prepare(ctx, t.Conn, r.Request, j, d.Info, JoinOptions{Server: d.Server, PQ: d.PQ})
		if err != nil {
			return permanent(CodeProtocol, err.Error())
		}
		t.write(write)
		t.write(func(tx Tx) error { return tx.AddCommand(next) })
		return nil
	})
}
