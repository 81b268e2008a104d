package smpclient

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// SetLink sets or changes the data of a queue's short link; [ErrOldVersion]
// below v15. smp: Set short link
func (c *Client) SetLink(ctx context.Context, q Queue, id smp.LinkID, data smp.LinkData) error {
	cmd := smp.LSET{LinkID: id, Data: data}
	if err := c.since(smp.VersionShortLinks, cmd); err != nil {
		return err
	}
	return c.ok(ctx, q.entity(), q.Key, cmd)
}

// DeleteLink deletes the data of a queue's short link; [ErrOldVersion] below
// v15. smp: Delete short link
func (c *Client) DeleteLink(ctx context.Context, q Queue) error {
	if err := c.since(smp.VersionShortLinks, smp.LDEL{}); err != nil {
		return err
	}
	return c.ok(ctx, q.entity(), q.Key, smp.LDEL{})
}

// SecureByLink gets the data of a one-time link and sets the sender's key; the
// same key may ask again; [ErrOldVersion] below v15. smp: Set link key
func (c *Client) SecureByLink(ctx context.Context, id smp.LinkID, k key.Private) (smp.LNK, error) {
	cmd := smp.LKEY{Key: k.PublicKey()}
	if err := c.since(smp.VersionShortLinks, cmd); err != nil {
		return smp.LNK{}, err
	}
	m, err := c.do(ctx, smp.EntityID(id), k, cmd)
	return expect[smp.LNK](m, err, cmd)
}

// GetLink gets the data of a contact link; [ErrOldVersion] below v15.
// smp: Get link data
func (c *Client) GetLink(ctx context.Context, id smp.LinkID) (smp.LNK, error) {
	if err := c.since(smp.VersionShortLinks, smp.LGET{}); err != nil {
		return smp.LNK{}, err
	}
	m, err := c.do(ctx, smp.EntityID(id), nil, smp.LGET{})
	return expect[smp.LNK](m, err, smp.LGET{})
}
