package smpclient

import (
	"context"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

// Notifier is a queue's notifications with the key that authorizes them.
type Notifier struct {
	ID  smp.NotifierID
	Key key.Private
}

// SubscribeNotifications subscribes to the notifications of queues; the errors
// are in their order. NMSG goes to OnMessage.
// smp: Subscribe to queue notifications
func (c *Client) SubscribeNotifications(ctx context.Context, ns []Notifier) []error {
	targets := make([]target, len(ns))
	for i, n := range ns {
		targets[i] = target{smp.EntityID(n.ID), n.Key}
	}
	return c.subscribe(ctx, targets, smp.NSUB{})
}

// SubscribeService subscribes to all queues that are associated with the
// session's service and says how many they are: to their messages or, in the
// notifier's role, to their notifications. [ErrOldVersion] if the session has
// no service. smp: Subscribe to multiple queues
func (c *Client) SubscribeService(ctx context.Context) (queues int64, err error) {
	service := c.hello.Service
	if service == nil {
		return 0, fmt.Errorf("%w: the session has no service", ErrOldVersion)
	}
	var cmd smp.Command = smp.SUBS{}
	if service.Role == smp.RoleNotifier {
		cmd = smp.NSUBS{}
	}
	m, err := c.do(ctx, smp.EntityID(service.ServiceID), service.Key, cmd)
	soks, err := expect[smp.SOKS](m, err, cmd)
	return soks.Count, err
}
