package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/compose"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

func callDeviceAdd(ctx context.Context, n *Node, _ *api.SwarmParams) (any, error) {
	if _, err := n.self(ctx); err != nil {
		return nil, err
	}
	net, err := n.online()
	if err != nil {
		return nil, err
	}
	pin, err := net.PIN(ctx)
	if err != nil {
		return nil, err
	}
	return &api.SwarmParams{PIN: pin}, nil
}

func callDeviceJoin(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	if n.cfg.Link == nil {
		return nil, errOffline
	}
	if ok, err := n.HasAccount(ctx); ok || err != nil {
		if err == nil {
			err = ErrExists
		}
		return nil, err
	}
	b, passphrase, err := n.cfg.Link(ctx, p.PIN)
	if err != nil {
		return nil, err
	}
	a, err := openArchive(b, passphrase)
	if err != nil {
		return nil, err
	}
	return n.adopt(ctx, a)
}

// Archive is our account sealed with a passphrase, for a new device of ours.
func (n *Node) Archive(ctx context.Context, passphrase string) ([]byte, error) {
	return n.sealArchive(ctx, passphrase)
}

func callRevoke(ctx context.Context, n *Node, p *api.SwarmParams) (any, error) {
	dev, err := ident.ParseDeviceID(strings.ToLower(p.Who))
	if err != nil {
		return nil, usagef("%v", err)
	}
	if err := n.Revoke(ctx, dev); err != nil {
		return nil, err
	}
	return n.Account(ctx)
}

// Revoke takes a device of our account its rights in every conversation that
// has it.
func (n *Node) Revoke(ctx context.Context, dev ident.DeviceID) error {
	a, err := n.self(ctx)
	if err != nil {
		return err
	}
	if dev == a.device.ID() {
		return usagef("that is this device; revoke it from another one")
	}
	siblings, err := n.siblings(ctx, a)
	if err != nil {
		return err
	}
	known := false
	for _, s := range siblings {
		known = known || s == dev.String()
	}
	if !known {
		return ErrNotFound
	}
	if err := n.cfg.Values.Put(ctx, value(kindRevoked, "", dev.String(), n.cfg.Now().UTC())); err != nil {
		return err
	}
	active, _, err := n.Active(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range active {
		if err := n.revokeIn(ctx, a, id, dev); err != nil {
			errs = append(errs, fmt.Errorf("swarm: conversation %s: %w", id, err))
		}
	}
	if net := n.network(); net != nil {
		net.Recheck()
	}
	return errors.Join(errs...)
}

func (n *Node) revokeIn(ctx context.Context, a *account, id commit.ObjectID, dev ident.DeviceID) error {
	c, err := n.open(ctx, id)
	if err != nil {
		return err
	}
	_, err = n.write(ctx, c, func(s *snapshot) (*compose.Draft, error) {
		path := commit.DevicePath(dev)
		b, ok, err := s.file(ctx, path)
		if err != nil || !ok {
			return nil, err
		}
		cert, err := ident.ParseCertificate(b)
		if err != nil {
			return nil, err
		}
		// The list has the name of what is removed beside the certificate.
		list := "CRLs/" + dev.String()
		var old *ident.CRL
		if b, ok, err := s.file(ctx, list); err != nil {
			return nil, err
		} else if ok {
			if old, err = ident.ParseCRL(b); err != nil {
				return nil, err
			}
		}
		crl, err := a.account.Revoke(old, n.cfg.Now(), cert)
		if err != nil {
			return nil, err
		}
		d := compose.RemoveDevice(dev, crl)
		return &d, nil
	})
	return err
}
