package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent/envelope"
	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// CreateInvitation implements [API]. agent: Duplex connection procedure, step 2
func (a *Agent) CreateInvitation(ctx context.Context, id ConnID, o InviteOptions) (string, error) {
	own, err := ratchet.GenerateRcv(a.cfg.Versions.E2E.Max, ratchet.PQSupport(o.PQ && o.PQLink))
	if err != nil {
		return "", err
	}
	mode := smp.Messaging
	if o.Standard {
		mode = 0
	}
	return a.create(ctx, &Conn{ID: id, Role: Inviter, PQ: o.PQ}, o, mode, own)
}

// CreateAddress implements [API]. agent: Contact addresses
func (a *Agent) CreateAddress(ctx context.Context, id ConnID, o InviteOptions) (string, error) {
	return a.create(ctx, &Conn{ID: id, Role: Address, PQ: o.PQ}, o, smp.Contact, nil)
}

func (a *Agent) create(ctx context.Context, c *Conn, o InviteOptions, mode smp.QueueMode, own *ratchet.Private) (string, error) {
	if err := a.waitRunning(ctx); err != nil {
		return "", err
	}
	if err := a.fresh(ctx, c.ID); err != nil {
		return "", err
	}
	server, s, q, err := a.createSomewhere(ctx, o.Server, mode)
	if err != nil {
		return "", err
	}
	c.Phase, c.Version, c.Sync, c.CreatedAt = PhaseInvited, a.cfg.Versions.Agent.Max, SyncOK, a.cfg.Now()
	q.Conn, q.Primary = c.ID, true
	err = a.cfg.Store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertConn(c); err != nil {
			return err
		}
		if err := tx.PutRcvQueue(q); err != nil || own == nil {
			return err
		}
		b, err := own.AppendBinary(nil)
		if err != nil {
			return err
		}
		return tx.PutAgreementKeys(c.ID, b)
	})
	if err != nil {
		_ = s.Delete(context.WithoutCancel(ctx), QueueAuth{ID: q.RcvID, Key: q.AuthKey}) // best effort
		return "", err
	}
	a.relays.subscribe(q, s)
	var data *string
	if o.ClientData != "" {
		data = &o.ClientData
	}
	return a.request(q, server.ServerAddr, own, data)
}

// request is the link to a queue of ours.
func (a *Agent) request(q *RcvQueue, server smp.ServerAddr, own *ratchet.Private, data *string) (string, error) {
	info, err := queueInfo(q, server)
	if err != nil {
		return "", err
	}
	r := link.Request{
		Mode: link.ContactMode, Versions: a.cfg.Versions.Agent, ClientData: data,
		Queues: []link.QueueURI{info.URI(a.cfg.Versions.Client)},
	}
	if own != nil {
		e2e := own.Params().URI(a.cfg.Versions.E2E)
		r.Mode, r.E2E = link.Invitation, &e2e
	}
	return r.String(), nil
}

func (a *Agent) fresh(ctx context.Context, id ConnID) error {
	err := a.cfg.Store.View(ctx, func(tx Tx) error {
		_, err := tx.Conn(id)
		return err
	})
	switch {
	case err == nil:
		return ErrExists
	case notFound(err):
		return nil
	}
	return err
}

// createSomewhere tries the relays in turn, or the one that was asked for; a
// session that turns out to have ended is worth a second attempt.
func (a *Agent) createSomewhere(ctx context.Context, want string, mode smp.QueueMode) (server smp.AuthServer, s Relay, q *RcvQueue, err error) {
	for range max(2, len(a.servers)) {
		if server, err = a.chooseServer(want, ""); err != nil {
			return server, nil, nil, err
		}
		s, q, err = a.createQueue(ctx, server, mode)
		one := want != "" || len(a.servers) == 1
		if err == nil || ctx.Err() != nil || one && !errors.Is(err, smpclient.ErrClosed) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("agent: create queue on %s: %w", server.Hosts[0], err)
		err = coded{err, toError(err, server.ServerAddr.String())}
	}
	return server, s, q, err
}

// chooseServer takes the relays in turn, another one than avoid if possible.
func (a *Agent) chooseServer(want, avoid string) (smp.AuthServer, error) {
	if want != "" {
		for _, s := range a.servers {
			if s.ServerAddr.String() == want {
				return s, nil // with its password
			}
		}
		return smp.ParseAuthServer(want)
	}
	if len(a.servers) == 0 {
		return smp.AuthServer{}, ErrNoServers
	}
	n := uint32(len(a.servers))
	i := a.turnOf.Add(1) - 1
	for j := range n {
		if s := a.servers[(i+j)%n]; s.ServerAddr.String() != avoid {
			return s, nil
		}
	}
	return a.servers[i%n], nil
}

// createQueue makes a queue on a relay; mode 0 is one that its sender does
// not secure.
func (a *Agent) createQueue(ctx context.Context, server smp.AuthServer, mode smp.QueueMode) (Relay, *RcvQueue, error) {
	s, err := a.relays.get(ctx, server.ServerAddr.String())
	if err != nil {
		return nil, nil, err
	}
	auth, dh := key.GenerateEd25519(), key.GenerateX25519()
	req := smp.NEW{AuthKey: auth.Public(), DHKey: dh.Public(), BasicAuth: server.BasicAuth}
	v := a.cfg.Versions
	if mode == smp.Contact || mode == smp.Messaging && v.Agent.Max >= VersionSenderKey && v.Client.Max >= clientSenderKey {
		req.Queue = &smp.QueueReq{Mode: mode}
	}
	ids, err := s.Create(ctx, auth, req)
	if err != nil {
		return nil, nil, err
	}
	k, err := box.SharedKey(ids.DHKey, dh)
	if err != nil {
		return nil, nil, err
	}
	q := &RcvQueue{
		Server: server.ServerAddr.String(), RcvID: ids.RecipientID, SndID: ids.SenderID, Mode: ids.Mode, Status: QueueNew,
		AuthKey: auth, RelayKey: k.Raw(), E2EPrivate: key.GenerateX25519().Raw(), Version: v.Client.Max,
	}
	if req.Queue == nil {
		q.Mode = 0
	}
	return s, q, nil
}

// clientSenderKey is the SMP client version from which queue addresses say
// who may secure the queue.
const clientSenderKey wire.Version = 3

func queueInfo(q *RcvQueue, server smp.ServerAddr) (link.QueueInfo, error) {
	k, err := q.e2eKey()
	if err != nil {
		return link.QueueInfo{}, err
	}
	return link.QueueInfo{Version: q.Version, Queue: link.Queue{
		Server: server, SenderID: q.SndID, DHKey: k.Public(), Mode: q.Mode,
	}}, nil
}

// newSndQueue makes our keys for a queue that we send to.
func (a *Agent) newSndQueue(conn ConnID, info link.QueueInfo) (*SndQueue, error) {
	e2e := key.GenerateX25519()
	k, err := box.SharedKey(info.DHKey, e2e)
	if err != nil {
		return nil, permanent(CodeProtocol, err.Error())
	}
	return &SndQueue{
		Conn: conn, Server: info.Server.String(), SndID: info.SenderID, Mode: info.Mode, Status: QueueNew,
		AuthKey: key.GenerateEd25519(), E2EPublic: e2e.Public(), E2ESecret: k.Raw(),
		Version: min(info.Version, a.cfg.Versions.Client.Max), Primary: true,
	}, nil
}

// joinable is what both sides of an invitation speak.
type joinable struct {
	queue link.QueueInfo
	e2e   ratchet.Params // of the inviter; zero for an address
	agent wire.Version
}

// joinable finds the common versions, or [ErrVersion].
func (a *Agent) joinable(r link.Request) (j joinable, err error) {
	v, q := a.cfg.Versions, r.Queues[0]
	client, ok1 := q.Versions.Compatible(v.Client)
	agent, ok2 := r.Versions.Compatible(v.Agent)
	j.queue, j.agent = q.At(client), agent
	ok3 := true
	if r.E2E != nil {
		var e2e wire.Version
		e2e, ok3 = r.E2E.Versions.Compatible(v.E2E)
		j.e2e = r.E2E.At(e2e)
	}
	if !ok1 || !ok2 || !ok3 {
		return j, fmt.Errorf("%w: the link offers agent %v, client %v", ErrVersion, r.Versions, q.Versions)
	}
	return j, nil
}

func parseLink(s string) (link.Request, error) {
	l, err := link.Parse(s)
	switch {
	case err != nil:
		return link.Request{}, fmt.Errorf("%w: %w", ErrLink, err)
	case l.Full == nil:
		return link.Request{}, fmt.Errorf("%w: a short link has to be resolved first", ErrLink)
	}
	return *l.Full, nil
}

// ParseLink implements [API].
func (a *Agent) ParseLink(s string) (LinkInfo, error) {
	r, err := parseLink(s)
	if err != nil {
		return LinkInfo{}, err
	}
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
	r, err := parseLink(s)
	if err != nil {
		return err
	}
	return a.join(ctx, id, r, info, o, func(Tx) error { return nil })
}

// maxReplyQueue is the room that the reply queue takes in a confirmation.
const maxReplyQueue = 600

func (a *Agent) join(ctx context.Context, id ConnID, r link.Request, info []byte, o JoinOptions, also func(Tx) error) error {
	j, err := a.joinable(r)
	if err != nil {
		return err
	}
	if _, err := a.chooseServer(o.Server, ""); err != nil {
		return err
	}
	c := &Conn{ID: id, Version: j.agent, Sync: SyncOK, CreatedAt: a.cfg.Now()}
	d := joinData{Server: o.Server, Info: info}
	cmd := &StoredCommand{Conn: id, CreatedAt: c.CreatedAt}
	var write func(Tx) error
	if r.Mode == link.Invitation {
		write, err = a.prepareJoin(c, cmd, &d, j, o)
	} else {
		write, err = a.prepareRequest(c, cmd, &d, r, j, o)
	}
	if err != nil {
		return err
	}
	if len(info) > envelope.ConnInfoSize(c.Version, c.PQ)-maxReplyQueue {
		return fmt.Errorf("%w: connInfo of %d bytes", ErrTooLarge, len(info))
	}
	if cmd.Data, err = json.Marshal(d); err != nil {
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

// prepareJoin makes everything of the joiner that needs no network.
func (a *Agent) prepareJoin(c *Conn, cmd *StoredCommand, d *joinData, j joinable, o JoinOptions) (func(Tx) error, error) {
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
	q, err := a.newSndQueue(c.ID, j.queue)
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
	ours, err := a.request(rq, server, own, nil)
	if err != nil {
		return permanent(CodeInternal, err.Error())
	}
	inv := envelope.Invitation{Version: j.agent, Link: ours, Info: info}
	body, err := smp.SealClient(k, j.queue.Version, &pub, box.NewNonce(), smp.ClientMessage{Body: envelope.Append(nil, inv)})
	if err != nil {
		return permanent(CodeTooLarge, err.Error())
	}
	s, err := a.relays.get(ctx, to.Server.String())
	if err != nil {
		return err
	}
	return s.Send(ctx, to.SenderID, nil, smp.SEND{Flags: smp.MsgFlags{Notify: true}, Body: body})
}
