package smpclient

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/session"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// Queue is a queue with the key that authorizes its recipient.
type Queue struct {
	ID  smp.RecipientID
	Key key.Private
}

func (q Queue) entity() smp.EntityID { return smp.EntityID(q.ID) }

// Create makes a queue, and subscribes to it unless req.Create is set. k is
// the private half of req.AuthKey. smp: Create queue command
func (c *Client) Create(ctx context.Context, k key.Private, req smp.NEW) (smp.IDS, error) {
	return c.CreateWith(ctx, NewCorrID(), k, req)
}

// NewCorrID makes a correlation ID for [Client.CreateWith].
func NewCorrID() smp.CorrID { return session.NewCorrID() }

// CreateWith is [Client.Create] with a correlation ID of the caller's, from
// which it made the sender ID of the link's data, see smp.SenderIDFrom. The ID
// must not be used again.
func (c *Client) CreateWith(ctx context.Context, id smp.CorrID, k key.Private, req smp.NEW) (smp.IDS, error) {
	m, err := c.doID(ctx, id, "", k, req)
	return expect[smp.IDS](m, err, req)
}

// Subscribe subscribes to queues; the errors are in their order. A message
// that is waiting goes to OnMessage, before Subscribe returns if the relay
// answers with it. smp: Subscribe to queue
func (c *Client) Subscribe(ctx context.Context, qs []Queue) []error {
	targets := make([]target, len(qs))
	for i, q := range qs {
		targets[i] = target{q.entity(), q.Key}
	}
	return c.subscribe(ctx, targets, smp.SUB{})
}

// target is an entity with its key.
type target struct {
	entity smp.EntityID
	key    key.Private
}

func (c *Client) subscribe(ctx context.Context, ts []target, cmd smp.Command) []error {
	errs := make([]error, len(ts))
	var reqs []session.Request
	var index []int
	for i, t := range ts {
		req, err := c.request("", t.entity, t.key, cmd)
		if err != nil {
			errs[i] = err
			continue
		}
		reqs, index = append(reqs, req), append(index, i)
	}
	for i, r := range c.s.DoAll(ctx, reqs) {
		m, err := answer(cmd, r.Message, r.Err)
		if err == nil {
			switch m.(type) {
			case smp.OK, smp.SOK, smp.MSG:
			default:
				err = unexpected(cmd, m)
			}
		}
		errs[index[i]] = err
	}
	return errs
}

// Get asks for the first waiting message of a queue that is not subscribed;
// ok is false if there is none. smp: Get message command
func (c *Client) Get(ctx context.Context, q Queue) (msg smp.MSG, ok bool, err error) {
	m, err := c.do(ctx, q.entity(), q.Key, smp.GET{})
	if err != nil {
		return smp.MSG{}, false, err
	}
	switch m := m.(type) {
	case smp.MSG:
		return m, true, nil
	case smp.OK:
		return smp.MSG{}, false, nil
	}
	return smp.MSG{}, false, unexpected(smp.GET{}, m)
}

// Ack tells the relay that a message is stored and may be deleted. The next
// message, if it comes as the answer, goes to OnMessage before Ack returns.
// smp: Acknowledge message delivery
func (c *Client) Ack(ctx context.Context, q Queue, id smp.MsgID) error {
	m, err := c.do(ctx, q.entity(), q.Key, smp.ACK{ID: id})
	if err != nil {
		return err
	}
	switch m.(type) {
	case smp.OK, smp.MSG:
		return nil
	}
	return unexpected(smp.ACK{}, m)
}

// ok sends a recipient's command whose answer is OK.
func (c *Client) ok(ctx context.Context, entity smp.EntityID, k key.Private, cmd smp.Command) error {
	m, err := c.do(ctx, entity, k, cmd)
	_, err = expect[smp.OK](m, err, cmd)
	return err
}

// Secure sets the key that the sender must have. smp: Secure queue by recipient
func (c *Client) Secure(ctx context.Context, q Queue, sender key.Public) error {
	return c.ok(ctx, q.entity(), q.Key, smp.KEY{Key: sender})
}

// SetRecipientKeys sets the keys of all recipients of a contact queue;
// [ErrOldVersion] below v15. smp: Set queue recipient keys
func (c *Client) SetRecipientKeys(ctx context.Context, q Queue, keys []key.Public) error {
	cmd := smp.RKEY{Keys: keys}
	if err := c.since(smp.VersionShortLinks, cmd); err != nil {
		return err
	}
	return c.ok(ctx, q.entity(), q.Key, cmd)
}

// EnableNotifications sets the notifier's keys. smp: Enable notifications command
func (c *Client) EnableNotifications(ctx context.Context, q Queue, req smp.NtfReq) (smp.NtfIDs, error) {
	cmd := smp.NKEY{NtfReq: req}
	m, err := c.do(ctx, q.entity(), q.Key, cmd)
	nid, err := expect[smp.NID](m, err, cmd)
	return nid.NtfIDs, err
}

// DisableNotifications takes the notifier's keys away. smp: Disable notifications command
func (c *Client) DisableNotifications(ctx context.Context, q Queue) error {
	return c.ok(ctx, q.entity(), q.Key, smp.NDEL{})
}

// Suspend stops a queue from taking messages. smp: Suspend queue
func (c *Client) Suspend(ctx context.Context, q Queue) error {
	return c.ok(ctx, q.entity(), q.Key, smp.OFF{})
}

// Delete deletes a queue with its messages. smp: Delete queue
func (c *Client) Delete(ctx context.Context, q Queue) error {
	return c.ok(ctx, q.entity(), q.Key, smp.DEL{})
}

// DeleteAll deletes queues; the errors are in their order.
func (c *Client) DeleteAll(ctx context.Context, qs []Queue) []error {
	errs := make([]error, len(qs))
	var reqs []session.Request
	var index []int
	for i, q := range qs {
		req, err := c.request("", q.entity(), q.Key, smp.DEL{})
		if err != nil {
			errs[i] = err
			continue
		}
		reqs, index = append(reqs, req), append(index, i)
	}
	for i, r := range c.s.DoAll(ctx, reqs) {
		m, err := answer(smp.DEL{}, r.Message, r.Err)
		_, errs[index[i]] = expect[smp.OK](m, err, smp.DEL{})
	}
	return errs
}

// Info is the state of a queue. smp: Get queue state
func (c *Client) Info(ctx context.Context, q Queue) (smp.QueueInfo, error) {
	m, err := c.do(ctx, q.entity(), q.Key, smp.QUE{})
	info, err := expect[smp.INFO](m, err, smp.QUE{})
	return info.Info, err
}
