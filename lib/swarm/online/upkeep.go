package online

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
	"github.com/simplexkit/simplexkit/lib/swarm/peer"
)

// glance is how often upkeep looks when nothing wakes it; what failed has its
// own times.
const glance = 5 * time.Second

// stepTime bounds one step of upkeep that is no transfer.
const stepTime = 30 * time.Second

// upkeep does what has to be done until ctx ends: join the conversations there
// are, copy those that were accepted, deliver invitations, ask for keys, and
// agree with our other devices.
func (o *Online) upkeep(ctx context.Context) {
	t := time.NewTicker(glance)
	defer t.Stop()
	for ctx.Err() == nil {
		if err := o.look(ctx); err != nil && ctx.Err() == nil {
			o.log.Warn("swarm upkeep", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-o.wake:
		case <-t.C:
		}
	}
}

func (o *Online) look(ctx context.Context) error {
	active, wanting, err := o.node.Active(ctx)
	if err != nil {
		return err
	}
	for _, id := range active {
		if err := o.join(ctx, id); err != nil { // the others do not suffer for it
			o.log.Warn("a conversation does not take part", "conv", id, "err", err)
		}
	}
	o.introduceAll(ctx)
	for _, id := range wanting {
		o.copy(ctx, id)
	}
	if err := o.deliver(ctx); err != nil {
		return err
	}
	for _, id := range active {
		if err := o.askKeys(ctx, id); err != nil {
			o.log.Debug("keys of a conversation", "conv", id, "err", err)
		}
	}
	return o.syncSiblings(ctx)
}

// join takes part in a conversation; the keys of its devices are in it.
func (o *Online) join(ctx context.Context, id commit.ObjectID) error {
	if ready, err := o.node.Ready(ctx, id); err != nil || !ready {
		if err == nil {
			o.kick() // it is to be copied now
		}
		return err
	}
	certs, err := o.node.Peers(ctx, id)
	if err != nil {
		return err
	}
	for _, c := range certs {
		if _, known := o.devs.Peer(c.DeviceID()); !known {
			if _, _, err := o.devs.Add(c.PublicKey()); err != nil {
				return err
			}
		}
		if p, ok := o.devs.Peer(c.DeviceID()); ok && o.devs.Road(c.DeviceID()) == p2p.None {
			if _, addrs, err := o.node.Where(ctx, c.DeviceID().String()); err == nil {
				o.host.AddAddrs(p, addrs, time.Hour)
			}
		}
	}
	o.engine.Join(id)
	return nil
}

// introduceAll says hello to the connected devices that have not heard it.
func (o *Online) introduceAll(ctx context.Context) {
	for _, id := range o.host.Status().Neighbours {
		if o.host.Road(id) == p2p.None && o.due("lan "+id.String()) {
			o.tried("lan "+id.String(), o.short(ctx, func(ctx context.Context) error { return o.host.Connect(ctx, id) }))
		}
	}
	for _, p := range o.host.Peers() {
		dev, ok := o.devs.Device(p.Peer)
		if !ok {
			continue // no device of the swarm: a bootstrap node
		}
		o.mu.Lock()
		met := o.met[dev]
		o.mu.Unlock()
		what := "hello " + dev.String()
		if !met && o.due(what) {
			o.tried(what, o.short(ctx, func(ctx context.Context) error { return o.engine.Hello(ctx, dev) }))
		}
	}
}

func (o *Online) short(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	return fn(ctx)
}

// copy copies a conversation that was accepted.
func (o *Online) copy(ctx context.Context, id commit.ObjectID) {
	what := "copy " + id.String()
	if !o.due(what) {
		return
	}
	err := o.copyFrom(ctx, id)
	o.tried(what, err)
	if err != nil {
		o.askAll(ctx, id)
		return
	}
	o.engine.Join(id)
	if head, err := o.node.Head(ctx, id); err == nil {
		o.Announce(id, head)
	}
	o.kick()
}

func (o *Online) copyFrom(ctx context.Context, id commit.ObjectID) error {
	devices, token, err := o.node.Sources(ctx, id)
	if err != nil {
		return err
	}
	errs := []error{errors.New("online: no device is known that has the conversation")}
	for _, d := range devices {
		dev, err := ident.ParseDeviceID(d)
		if err != nil {
			continue
		}
		err = o.short(ctx, func(ctx context.Context) error { return o.reach(ctx, dev) })
		if err == nil && token != "" {
			err = o.short(ctx, func(ctx context.Context) error { return o.redeem(ctx, dev, id, token) })
		}
		if err == nil {
			err = o.engine.Clone(ctx, id, dev, func(ctx context.Context, s peer.Stream) error { return o.node.Clone(ctx, id, dev, s) })
		}
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("device %.8s: %w", d, err))
	}
	return errors.Join(errs...)
}

// askAll asks devices that we met for a conversation that nobody else gives.
// Who has it, and has us as a member, invites us again; that comes in as an
// invitation does and names the device.
func (o *Online) askAll(ctx context.Context, id commit.ObjectID) {
	known, err := o.node.Known(ctx)
	if err != nil {
		return
	}
	left := maxAsked
	for _, dev := range known {
		what := "ask " + id.String() + dev.String()
		if left == 0 || dev == o.device.ID() || !o.due(what) {
			continue
		}
		left--
		o.tried(what, o.short(ctx, func(ctx context.Context) error {
			if err := o.reach(ctx, dev); err != nil {
				return err
			}
			return o.engine.AskInvite(ctx, dev, id)
		}))
	}
}

// maxAsked is how many devices are asked for a conversation at a time.
const maxAsked = 16

// deliver sends the invitations that wait.
func (o *Online) deliver(ctx context.Context) error {
	waiting, err := o.node.Waiting(ctx)
	if err != nil {
		return err
	}
	for u, list := range waiting {
		what := "invite " + u.String()
		if !o.due(what) {
			continue
		}
		o.tried(what, o.short(ctx, func(ctx context.Context) error { return o.deliverTo(ctx, u, list) }))
	}
	return nil
}

// deliverTo sends invitations to every device of an account that is reached.
func (o *Online) deliverTo(ctx context.Context, u ident.URI, list []*swarm.Invitation) error {
	devices, err := o.devicesOf(ctx, u)
	if err != nil {
		return err
	}
	err = errors.New("online: no device of the account is known")
	for _, dev := range devices {
		if err = o.reach(ctx, dev); err != nil {
			continue
		}
		for _, i := range list {
			meta := map[string]string{"title": i.Title, "mode": fmt.Sprint(i.Mode)}
			if err = o.engine.Invite(ctx, dev, peer.Invite{Conversation: i.Conv, Metadata: meta}); err != nil {
				break
			}
			if err = o.node.Delivered(ctx, i.Conv, u); err != nil {
				return err
			}
		}
	}
	return err
}

// devicesOf are the devices of an account that are known or at its rendez-vous.
func (o *Online) devicesOf(ctx context.Context, u ident.URI) ([]ident.DeviceID, error) {
	known, err := o.node.DevicesOf(ctx, u)
	if err != nil {
		return nil, err
	}
	if found, err := o.host.Find(ctx, topic(u), 8); err == nil {
		for _, id := range found {
			if id == o.host.ID() || o.host.Connect(ctx, id) != nil {
				continue
			}
			if dev, ok := o.devs.Device(id); ok && o.engine.Hello(ctx, dev) == nil {
				continue // now it is known whose it is
			}
		}
		return o.node.DevicesOf(ctx, u)
	}
	return known, nil
}

// askKeys asks the members who are connected for keys that we lack.
func (o *Online) askKeys(ctx context.Context, id commit.ObjectID) error {
	keys, err := o.node.WantedKeys(ctx, id)
	if err != nil || len(keys) == 0 {
		return err
	}
	certs, err := o.node.Peers(ctx, id)
	if err != nil {
		return err
	}
	for _, k := range keys {
		for _, c := range certs {
			dev := c.DeviceID()
			what := "key " + k + dev.String()
			if o.devs.Road(dev) == p2p.None || !o.due(what) {
				continue
			}
			err := o.short(ctx, func(ctx context.Context) error { return o.askKey(ctx, dev, id, k) })
			o.tried(what, err)
			if err == nil {
				break
			}
		}
	}
	return nil
}
