package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/agent/relays"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

// parseFull parses a full link.
func parseFull(s string) (link.Request, error) {
	r, err := link.ParseRequest(s)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrLink, err)
	}
	return r, nil
}

// ParseLink implements [API].
func (a *Agent) ParseLink(s string) (LinkInfo, error) {
	l, err := link.Parse(s)
	switch {
	case err != nil:
		return LinkInfo{}, fmt.Errorf("%w: %w", ErrLink, err)
	case l.Short != nil:
		short := l.Short.Restore(a.presets)
		return LinkInfo{
			Short: true, Contact: short.Mode() == link.ContactMode, Type: short.Type, Server: short.Server.String(),
		}, nil
	}
	return a.linkInfo(*l.Full)
}

func (a *Agent) linkInfo(r link.Request) (LinkInfo, error) {
	i := LinkInfo{Contact: r.Mode == link.ContactMode, Server: r.Queues[0].Server.String()}
	if r.ClientData != nil {
		i.ClientData = *r.ClientData
	}
	j, err := a.joinable(r)
	if err != nil {
		return i, err
	}
	i.Version = int(j.agent)
	i.PQ = j.agent >= VersionPQ && (r.E2E == nil || j.e2e.Version >= ratchet.VersionPQ)
	return i, nil
}

// Join implements [API].
func (a *Agent) Join(ctx context.Context, id ConnID, s string, info []byte, o JoinOptions) error {
	l, err := link.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrLink, err)
	case l.Short != nil:
		return a.joinShort(ctx, id, *l.Short, info, o)
	}
	return a.join(ctx, id, *l.Full, info, o, func(Tx) error { return nil })
}

// maxReplyQueue is the room that the reply queue takes in a confirmation.
const maxReplyQueue = 600

func (a *Agent) join(ctx context.Context, id ConnID, r link.Request, info []byte, o JoinOptions, also func(Tx) error) error {
	j, err := a.joinable(r)
	if err != nil {
		return err
	}
	if _, err := a.relays.Choose(o.Server); err != nil {
		return err
	}
	c := &Conn{ID: id, User: o.User, Sync: SyncOK, CreatedAt: a.cfg.Now()}
	cmd, write, err := a.prepare(ctx, c, r, j, info, o)
	if err != nil {
		return err
	}
	err = a.cfg.Store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertConn(c); err != nil {
			return err
		}
		return errors.Join(write(tx), tx.AddCommand(cmd), also(tx))
	})
	if err == nil {
		a.kickCommands(id)
	}
	return err
}

// prepare sets what the connection is and makes the network step that comes
// next; write keeps its keys.
func (a *Agent) prepare(ctx context.Context, c *Conn, r link.Request, j joinable, info []byte, o JoinOptions) (cmd *StoredCommand, write func(Tx) error, err error) {
	c.Version = j.agent
	d := joinData{Server: o.Server, Info: info}
	cmd = &StoredCommand{Conn: c.ID, CreatedAt: c.CreatedAt}
	if r.Mode == link.Invitation {
		write, err = a.prepareJoin(ctx, c, cmd, &d, j, o)
	} else {
		write, err = a.prepareRequest(c, cmd, &d, r, j, o)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(info) > envelope.ConnInfoSize(c.Version, c.PQ)-maxReplyQueue {
		return nil, nil, fmt.Errorf("%w: connInfo of %d bytes", ErrTooLarge, len(info))
	}
	cmd.Data, err = json.Marshal(d)
	return cmd, write, err
}

// prepareJoin makes everything of the joiner that needs no network.
func (a *Agent) prepareJoin(ctx context.Context, c *Conn, cmd *StoredCommand, d *joinData, j joinable, o JoinOptions) (func(Tx) error, error) {
	c.Role, c.Phase, c.PQ = Joiner, PhaseJoining, o.PQ && pqPossible(j.agent, j.e2e.Version)
	cmd.Kind = commandJoin
	own, err := ratchet.GenerateSnd(j.e2e, ratchet.PQSupport(c.PQ))
	if err != nil {
		return nil, err
	}
	defer own.Wipe()
	st, err := ratchet.InitSnd(own, j.e2e, a.cfg.Versions.E2E.Max)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	auth, err := a.openedKey(ctx, j.queue)
	if err != nil {
		return nil, err
	}
	q, err := a.newSndQueue(c.ID, j.queue, auth)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	d.E2E = own.Params().Append(nil)
	state, err := st.AppendBinary(nil)
	return func(tx Tx) error {
		return errors.Join(tx.PutSndQueue(q), tx.PutRatchet(c.ID, state))
	}, err
}

// prepareRequest makes the keys of the invitation that goes to an address.
func (a *Agent) prepareRequest(c *Conn, cmd *StoredCommand, d *joinData, r link.Request, j joinable, o JoinOptions) (func(Tx) error, error) {
	c.Role, c.Phase, c.PQ = Inviter, PhaseInvited, o.PQ && j.agent >= VersionPQ
	cmd.Kind, d.Link = commandRequest, r.String()
	own, err := ratchet.GenerateRcv(a.cfg.Versions.E2E.Max, ratchet.PQSupport(c.PQ))
	if err != nil {
		return nil, err
	}
	b, err := own.AppendBinary(nil)
	return func(tx Tx) error { return tx.PutAgreementKeys(c.ID, b) }, err
}

// sendRequest sends our invitation to an address. A repeated one is sealed
// anew; the owner sees the same invitation twice.
func (a *Agent) sendRequest(ctx context.Context, t *turn, to link.QueueURI, r link.Request, info []byte) error {
	own, err := t.agreementKeys()
	if err != nil {
		return err
	}
	defer own.Wipe()
	j, err := a.joinable(r)
	if err != nil {
		return permanent(CodeVersion, err.Error())
	}
	rq := t.primaryRcv()
	server, err := smp.ParseServerAddr(rq.Server)
	if err != nil {
		return permanent(CodeInternal, err.Error())
	}
	once := key.GenerateX25519()
	k, err := box.SharedKey(to.DHKey, once)
	if err != nil {
		return permanent(CodeProtocol, err.Error())
	}
	pub := once.Public()
	ours, err := queueInfo(rq, server)
	if err != nil {
		return permanent(CodeInternal, err.Error())
	}
	inv := envelope.Invitation{Version: j.agent, Link: a.request(ours, own, "").String(), Info: info}
	body, err := smp.SealClient(k, j.queue.Version, &pub, box.NewNonce(), smp.ClientMessage{Body: envelope.Append(nil, inv)})
	if err != nil {
		return permanent(CodeTooLarge, err.Error())
	}
	return a.relays.Send(ctx, a.key(t.Conn, to.Server.String()), func(s relays.Sender) error {
		return s.Send(ctx, to.SenderID, nil, smp.SEND{Flags: smp.MsgFlags{Notify: true}, Body: body})
	})
}
