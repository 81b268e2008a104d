package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// LinkData is what a short link leads to besides the connection request.
type LinkData struct {
	Data []byte // of the client, such as a profile; about 13,600 bytes fit
	// Direct, Owners and Relays are of addresses only.
	Direct bool         // the address may be asked for a connection
	Owners []link.Owner // who may change the data besides us
	Relays []link.Short // chat relays that take requests
	// EntityID is the client's name of what the link is for. It cannot be
	// changed later.
	EntityID []byte
}

// user is the part of the data that can be changed.
func (d LinkData) user(m link.Mode, v wire.VersionRange) link.User {
	return link.User{Mode: m, Versions: v, Direct: d.Direct, Owners: d.Owners, Relays: d.Relays, Data: d.Data}
}

// storedLinkData is LinkData in the store: identifiers and keys are no text.
type storedLinkData struct {
	User     []byte // as in the link
	EntityID []byte `json:",omitempty"`
}

// MarshalJSON implements json.Marshaler. The error is [ErrTooLarge].
func (d LinkData) MarshalJSON() ([]byte, error) {
	user := d.user(link.ContactMode, wire.VersionRange{})
	if _, err := link.SignUser(key.GenerateEd25519(), user); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return json.Marshal(storedLinkData{user.Append(nil), d.EntityID})
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *LinkData) UnmarshalJSON(b []byte) error {
	var s storedLinkData
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s.User == nil { // of an earlier release
		type plain LinkData
		return json.Unmarshal(b, (*plain)(d))
	}
	u, err := link.ParseUser(s.User)
	*d = LinkData{Data: u.Data, Direct: u.Direct, Owners: u.Owners, Relays: u.Relays, EntityID: s.EntityID}
	return err
}

// makeLink makes the data of a short link to a queue that has the address q.
func (a *Agent) makeLink(q link.QueueInfo, own *ratchet.Private, o InviteOptions) (*ShortLink, smp.LinkData, error) {
	r := a.request(q, own, o.ClientData)
	root := key.GenerateEd25519()
	l := &ShortLink{Type: link.OneTime, Root: root}
	if r.Mode == link.ContactMode {
		l.Type = link.Address
		if o.LinkType != 0 {
			l.Type = o.LinkType
		}
		if err := link.ValidateOwners(root.Public(), o.Short.Owners); err != nil {
			return nil, smp.LinkData{}, fmt.Errorf("%w: %w", ErrLink, err)
		}
	}
	var fixed []byte
	l.Key, fixed = link.SignFixed(root, link.Fixed{Versions: a.cfg.Versions.Agent, Request: r, EntityID: o.Short.EntityID})
	user, err := link.SignUser(root, o.Short.user(r.Mode, a.cfg.Versions.Agent))
	if err != nil {
		return nil, smp.LinkData{}, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	data, err := link.Seal(link.DataKey(r.Mode, l.Key), fixed, user)
	if err != nil {
		return nil, smp.LinkData{}, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if l.Fixed = data.Fixed; r.Mode == link.ContactMode {
		l.ID, _ = link.ContactKeys(l.Key)
	}
	return l, data, nil
}

// shortLink is the text of a short link. Of a relay that all apps know it has
// the host only.
func (a *Agent) shortLink(l *ShortLink, server smp.ServerAddr) string {
	s := link.Short{Type: l.Type, Server: server, Key: l.Key}
	if l.Type == link.OneTime {
		s.LinkID = l.ID
	}
	short := s.Shorten(a.presets)
	short.Web = !short.Server.Equal(s.Server) || smp.KindOf(server.Hosts[0]) == smp.HostDomain
	return short.String()
}

// ownLink finds the short link of a connection. l is nil if there is none.
func (a *Agent) ownLink(ctx context.Context, id ConnID) (t *turn, q *RcvQueue, l *ShortLink, err error) {
	t = &turn{a: a, ctx: ctx} // to look at, not to change
	if err := t.load(id); err != nil {
		return nil, nil, nil, err
	}
	if q = t.primaryRcv(); q == nil || t.Phase != PhaseInvited {
		return nil, nil, nil, fmt.Errorf("%w: %s", ErrState, t.Phase)
	}
	err = a.cfg.Store.View(ctx, func(tx Tx) (err error) {
		l, err = tx.ShortLink(q.Row)
		return err
	})
	if notFound(err) {
		l, err = nil, nil
	}
	return t, q, l, err
}

// linkToSet is the link whose data is to be set, made and stored if an
// address has none yet.
func (a *Agent) linkToSet(ctx context.Context, id ConnID) (t *turn, q *RcvQueue, l *ShortLink, err error) {
	t, q, l, err = a.ownLink(ctx, id)
	if err != nil || l != nil {
		return t, q, l, err
	}
	if t.Role != Address {
		return nil, nil, nil, fmt.Errorf("%w: an invitation gets its short link when it is made", ErrState)
	}
	server, err := smp.ParseServerAddr(q.Server)
	if err != nil {
		return nil, nil, nil, err
	}
	info, err := queueInfo(q, server)
	if err != nil {
		return nil, nil, nil, err
	}
	if l, _, err = a.makeLink(info, nil, InviteOptions{Short: &LinkData{}}); err != nil {
		return nil, nil, nil, err
	}
	l.Queue = q.Row
	return t, q, l, a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.PutShortLink(l) })
}

// sealUser signs and seals the part of a link's data that can be changed.
func (a *Agent) sealUser(l *ShortLink, d LinkData) ([]byte, error) {
	mode := link.Short{Type: l.Type}.Mode()
	if err := link.ValidateOwners(l.Root.Public(), d.Owners); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLink, err)
	}
	signed, err := link.SignUser(l.Root, d.user(mode, a.cfg.Versions.Agent))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	sealed, err := link.SealUser(link.DataKey(mode, l.Key), signed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return sealed, nil
}

// SetLink implements [API]. smp: Set short link
func (a *Agent) SetLink(ctx context.Context, id ConnID, d LinkData) (short string, err error) {
	if err := a.waitRunning(ctx); err != nil {
		return "", err
	}
	t, q, l, err := a.linkToSet(ctx, id)
	if err != nil {
		return "", err
	}
	return a.setLink(ctx, t, q, l, d)
}

func (a *Agent) setLink(ctx context.Context, t *turn, q *RcvQueue, l *ShortLink, d LinkData) (short string, err error) {
	user, err := a.sealUser(l, d)
	if err != nil {
		return "", err
	}
	server, err := smp.ParseServerAddr(q.Server)
	if err != nil {
		return "", err
	}
	s, err := a.relays.Get(ctx, a.key(t.Conn, q.Server))
	if err == nil {
		err = s.SetLink(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey}, l.ID, smp.LinkData{Fixed: l.Fixed, User: user})
	}
	if err != nil {
		return "", linkError(err, q.Server)
	}
	return a.shortLink(l, server), nil
}

// SetLinkLater implements [API].
func (a *Agent) SetLinkLater(ctx context.Context, id ConnID, d LinkData) error {
	_, _, l, err := a.linkToSet(ctx, id)
	if err != nil {
		return err
	}
	if _, err := a.sealUser(l, d); err != nil {
		return err
	}
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return a.change(ctx, id, func(t *turn) error {
		t.command(commandSetLink, l.Queue, data)
		return nil
	})
}

// doSetLink sets the data of a link.
func (a *Agent) doSetLink(ctx context.Context, _ *turn, c *StoredCommand) (until string, err error) {
	var d LinkData
	if err := json.Unmarshal(c.Data, &d); err != nil {
		return "", permanent(CodeInternal, err.Error())
	}
	t, q, l, err := a.ownLink(ctx, c.Conn)
	if err != nil || l == nil {
		return "", errors.Join(err, ErrNotFound)
	}
	set := LinkSet{}
	if set.Short, err = a.setLink(ctx, t, q, l, d); err != nil {
		if cause := temporarily(err); temporary(cause) {
			return q.Server, cause
		}
		set.Err = toError(err, q.Server)
	}
	return "", a.change(ctx, c.Conn, func(t *turn) error {
		t.emit(set)
		t.done(c)
		return nil
	})
}

// DeleteLink implements [API]. smp: Delete short link
func (a *Agent) DeleteLink(ctx context.Context, id ConnID) error {
	if err := a.waitRunning(ctx); err != nil {
		return err
	}
	t, q, l, err := a.ownLink(ctx, id)
	if err != nil || l == nil {
		return err
	}
	return a.deleteLink(ctx, t, q)
}

func (a *Agent) deleteLink(ctx context.Context, t *turn, q *RcvQueue) error {
	s, err := a.relays.Get(ctx, a.key(t.Conn, q.Server))
	if err == nil {
		err = s.DeleteLink(ctx, QueueAuth{ID: q.RcvID, Key: q.AuthKey})
	}
	if err != nil {
		return linkError(err, q.Server)
	}
	return a.cfg.Store.Update(ctx, func(tx Tx) error { return tx.DeleteShortLink(q.Row) })
}

// ShortLink implements [API].
func (a *Agent) ShortLink(ctx context.Context, id ConnID) (string, error) {
	_, q, l, err := a.ownLink(ctx, id)
	if err != nil || l == nil {
		return "", err
	}
	server, err := smp.ParseServerAddr(q.Server)
	if err != nil {
		return "", err
	}
	return a.shortLink(l, server), nil
}

// NewOwner implements [API].
func (a *Agent) NewOwner(ctx context.Context, id ConnID, ownerID []byte, k key.Ed25519Public) (link.Owner, error) {
	if len(ownerID) > link.MaxOwnerID {
		return link.Owner{}, fmt.Errorf("%w: owner's ID of %d bytes", ErrTooLarge, len(ownerID))
	}
	_, _, l, err := a.linkToSet(ctx, id)
	if err != nil {
		return link.Owner{}, err
	}
	return link.NewOwner(ownerID, k, l.Root), nil
}

// linkError is err of a relay that was asked about a link.
func linkError(err error, server string) error {
	if errors.Is(err, smpclient.ErrOldVersion) {
		return permanent(CodeVersion, "the relay is too old for short links")
	}
	return coded{fmt.Errorf("agent: short link: %w", err), toError(err, server)}
}
