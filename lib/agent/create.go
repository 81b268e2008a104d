package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// CreateInvitation implements [API]. agent: Duplex connection procedure, step 2
func (a *Agent) CreateInvitation(ctx context.Context, id ConnID, o InviteOptions) (Link, error) {
	return a.create(ctx, &Conn{ID: id, User: o.User, Role: Inviter, PQ: o.PQ}, o)
}

// CreateAddress implements [API]. agent: Contact addresses
func (a *Agent) CreateAddress(ctx context.Context, id ConnID, o InviteOptions) (Link, error) {
	return a.create(ctx, &Conn{ID: id, User: o.User, Role: Address, PQ: o.PQ}, o)
}

// mode is that of the queue of an invitation or an address.
func (o InviteOptions) mode(r Role) (smp.QueueMode, error) {
	switch {
	case r == Address:
		return smp.Contact, nil
	case !o.Standard:
		return smp.Messaging, nil
	case o.Short != nil:
		return 0, fmt.Errorf("%w: a short link needs the fast handshake", ErrState)
	}
	return 0, nil
}

func (a *Agent) create(ctx context.Context, c *Conn, o InviteOptions) (Link, error) {
	if _, err := o.mode(c.Role); err != nil {
		return Link{}, err
	}
	if err := a.waitRunning(ctx); err != nil {
		return Link{}, err
	}
	if err := a.fresh(ctx, c.ID); err != nil {
		return Link{}, err
	}
	m, err := a.makeInvite(ctx, c, o)
	if err != nil {
		return Link{}, err
	}
	defer m.wipe()
	c.Phase, c.Version, c.Sync, c.CreatedAt = PhaseInvited, a.cfg.Versions.Agent.Max, SyncOK, a.cfg.Now()
	err = a.cfg.Store.Update(ctx, func(tx Tx) error {
		if err := tx.InsertConn(c); err != nil {
			return err
		}
		return m.store(tx)
	})
	if err != nil {
		_ = m.session.Delete(context.WithoutCancel(ctx), QueueAuth{ID: m.queue.RcvID, Key: m.queue.AuthKey}) // best effort
		return Link{}, err
	}
	a.subscribe(c, m.queue, m.session)
	return a.linkTo(m, o)
}

// makeInvite makes the queue of an invitation or an address on a relay, and
// its keys.
func (a *Agent) makeInvite(ctx context.Context, c *Conn, o InviteOptions) (m made, err error) {
	mode, err := o.mode(c.Role)
	if err != nil {
		return m, err
	}
	var own *ratchet.Private
	if c.Role == Inviter {
		own, err = ratchet.GenerateRcv(a.cfg.Versions.E2E.Max, ratchet.PQSupport(o.PQ && (o.PQLink || o.Short != nil)))
		if err != nil {
			return m, err
		}
	}
	spec := queueSpec{server: o.Server, mode: mode}
	if o.Short != nil {
		spec.link = func(q link.QueueInfo) (*ShortLink, smp.LinkData, error) { return a.makeLink(q, own, o) }
	}
	m, err = a.createSomewhere(ctx, c, spec)
	m.own = own
	if err != nil {
		m.wipe()
		return m, err
	}
	m.queue.Conn, m.queue.Primary = c.ID, true
	return m, nil
}

// linkTo is the link to what was made.
func (a *Agent) linkTo(m made, o InviteOptions) (Link, error) {
	info, err := queueInfo(m.queue, m.server.ServerAddr)
	if err != nil {
		return Link{}, err
	}
	r := a.request(info, m.own, o.ClientData)
	if r.E2E != nil && !o.PQLink {
		r.E2E.KEM = nil // that is in the link's data
	}
	l := Link{Full: r.String()}
	if m.link != nil {
		l.Short = a.shortLink(m.link, m.server.ServerAddr)
	}
	return l, nil
}

// store keeps what was made, of a connection that is there.
func (m made) store(tx Tx) error {
	if err := tx.PutRcvQueue(m.queue); err != nil {
		return err
	}
	if m.link != nil {
		m.link.Queue = m.queue.Row
		if err := tx.PutShortLink(m.link); err != nil {
			return err
		}
	}
	if m.own == nil {
		return nil
	}
	b, err := m.own.AppendBinary(nil)
	if err != nil {
		return err
	}
	return tx.PutAgreementKeys(m.queue.Conn, b)
}

func (m made) wipe() {
	if m.own != nil {
		m.own.Wipe()
	}
}

// request is what a link to a queue of ours says. own is nil for addresses.
func (a *Agent) request(info link.QueueInfo, own *ratchet.Private, data string) link.Request {
	r := link.Request{
		Mode: link.ContactMode, Versions: a.cfg.Versions.Agent, Queues: []link.QueueURI{info.URI(a.cfg.Versions.Client)},
	}
	if data != "" {
		r.ClientData = &data
	}
	if own != nil {
		e2e := own.Params().URI(a.cfg.Versions.E2E)
		r.Mode, r.E2E = link.Invitation, &e2e
	}
	return r
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

// queueSpec is a queue to be made.
type queueSpec struct {
	server string   // smp://…, or empty: one of the configuration
	used   []string // relays to keep away from
	mode   smp.QueueMode
	// link makes the data of a short link to the queue; nil: there is none.
	link func(link.QueueInfo) (*ShortLink, smp.LinkData, error)
}

// made is a queue that was made.
type made struct {
	server  smp.AuthServer
	session Relay
	queue   *RcvQueue
	link    *ShortLink       // nil if there is none, or the relay has none
	own     *ratchet.Private // of an invitation
}

// createSomewhere tries the relays in turn, or the one that was asked for; a
// session that turns out to have ended is worth a second attempt.
func (a *Agent) createSomewhere(ctx context.Context, c *Conn, spec queueSpec) (m made, err error) {
	servers, err := a.relays.Choose(spec.server, spec.used...)
	if err != nil {
		return m, err
	}
	for i := 0; i < len(servers); i++ {
		m, err = a.createQueue(ctx, c, servers[i], spec)
		if err == nil || ctx.Err() != nil {
			break
		}
		if len(servers) == 1 && errors.Is(err, smpclient.ErrClosed) {
			servers = append(servers, servers[0])
		}
	}
	if err != nil {
		err = fmt.Errorf("agent: create queue on %s: %w", m.server.Hosts[0], err)
		err = coded{err, toError(err, m.server.ServerAddr.String())}
	}
	return m, err
}

// createQueue makes a queue on a relay; mode 0 is one that its sender does
// not secure.
func (a *Agent) createQueue(ctx context.Context, c *Conn, server smp.AuthServer, spec queueSpec) (m made, err error) {
	m.server = server
	addr := server.ServerAddr.String()
	if m.session, err = a.relays.Get(ctx, a.key(c, addr)); err != nil {
		return m, err
	}
	v := a.cfg.Versions
	auth, dh, e2e, id := key.GenerateEd25519(), key.GenerateX25519(), key.GenerateX25519(), smpclient.NewCorrID()
	q := &RcvQueue{
		Server: addr, SndID: smp.SenderIDFrom(id), Mode: spec.mode, Status: QueueNew,
		AuthKey: auth, E2EPrivate: e2e.Raw(), Version: v.Client.Max,
	}
	req := smp.NEW{AuthKey: auth.Public(), DHKey: dh.Public(), BasicAuth: server.BasicAuth}
	if spec.mode == smp.Contact || spec.mode == smp.Messaging && v.Agent.Max >= VersionSenderKey && v.Client.Max >= clientSenderKey {
		req.Queue = &smp.QueueReq{Mode: spec.mode}
	}
	if spec.link != nil && req.Queue != nil {
		if m.link, req.Queue.Data, err = linkRequest(q, server.ServerAddr, spec); err != nil {
			return m, err
		}
	}
	ids, err := m.session.CreateWith(ctx, id, auth, req)
	if err != nil {
		return m, err
	}
	k, err := box.SharedKey(ids.DHKey, dh)
	if err != nil {
		return m, err
	}
	asked := q.SndID
	q.RcvID, q.SndID, q.RelayKey, m.queue = ids.RecipientID, ids.SenderID, k.Raw(), q
	if q.Mode = ids.Mode; req.Queue == nil {
		q.Mode = 0
	}
	switch {
	case m.link == nil:
	case ids.LinkID == "": // the relay does not know them
		m.link = nil
	case ids.SenderID != asked || m.link.ID != "" && m.link.ID != ids.LinkID:
		_ = m.session.Delete(ctx, QueueAuth{ID: q.RcvID, Key: auth}) // best effort
		return m, permanent(CodeServer, "the relay made another queue than its link says")
	default:
		m.link.ID = ids.LinkID
	}
	return m, nil
}

func linkRequest(q *RcvQueue, server smp.ServerAddr, spec queueSpec) (*ShortLink, *smp.QueueReqData, error) {
	info, err := queueInfo(q, server)
	if err != nil {
		return nil, nil, err
	}
	l, data, err := spec.link(info)
	if err != nil {
		return nil, nil, err
	}
	return l, &smp.QueueReqData{LinkID: l.ID, SenderID: q.SndID, Data: data}, nil
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

// newSndQueue makes our keys for a queue that we send to. auth is nil if there
// is none yet.
func (a *Agent) newSndQueue(conn ConnID, info link.QueueInfo, auth key.Private) (*SndQueue, error) {
	if auth == nil {
		auth = key.GenerateEd25519()
	}
	e2e := key.GenerateX25519()
	k, err := box.SharedKey(info.DHKey, e2e)
	if err != nil {
		return nil, permanent(CodeProtocol, err.Error())
	}
	return &SndQueue{
		Conn: conn, Server: info.Server.String(), SndID: info.SenderID, Mode: info.Mode, Status: QueueNew,
		AuthKey: auth, E2EPublic: e2e.Public(), E2ESecret: k.Raw(),
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
