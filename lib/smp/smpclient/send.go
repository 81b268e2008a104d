package smpclient

import (
	"context"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// SecureSender sets the sender's own key on a messaging queue; [ErrOldVersion]
// below v9. smp: Secure queue by sender
func (c *Client) SecureSender(ctx context.Context, id smp.SenderID, k key.Private) error {
	cmd := smp.SKEY{Key: k.PublicKey()}
	if err := c.since(smp.VersionSenderKey, cmd); err != nil {
		return err
	}
	return c.ok(ctx, smp.EntityID(id), k, cmd)
}

// Send puts a message into a queue; k is nil for a queue that is not secured.
// After nil the relay has the message. smp: Send message
func (c *Client) Send(ctx context.Context, id smp.SenderID, k key.Private, m smp.SEND) error {
	return c.ok(ctx, smp.EntityID(id), k, m)
}

// Ping asks the relay for a sign of life. smp: Keep-alive command
func (c *Client) Ping(ctx context.Context) error {
	m, err := c.do(ctx, "", nil, smp.PING{})
	_, err = expect[smp.PONG](m, err, smp.PING{})
	return err
}
