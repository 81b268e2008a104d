package relayhome

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/link"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
)

// ParseQueue reads the name of a queue: its recipient's or sender's ID in
// base64url, or its address smp://…/ID#….
func ParseQueue(text string) (smp.EntityID, error) {
	if strings.Contains(text, "/") {
		q, err := link.ParseQueueURI(text)
		if err != nil {
			return "", exit.Errorf(exit.Usage, "queue: %w", err).WithHint("give the queue's address smp://… that a link has in smp=, or its ID")
		}
		return smp.EntityID(q.SenderID), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(b) == 0 || len(b) > 64 {
		return "", exit.Errorf(exit.Usage, "queue: not an ID in base64url")
	}
	return smp.EntityID(b), nil
}

// Blocker blocks queues: a [Relay], or a [Home] that is not being served.
type Blocker interface {
	Block(ctx context.Context, id smp.EntityID, why smp.BlockingInfo) error
	Unblock(ctx context.Context, id smp.EntityID) error
}

// SetBlocked blocks a queue, or with nil unblocks it. [exit.NoUser] is
// returned if there is no such queue.
func SetBlocked(ctx context.Context, b Blocker, id smp.EntityID, why *smp.BlockingInfo) error {
	var err error
	if why != nil {
		err = b.Block(ctx, id, *why)
	} else {
		err = b.Unblock(ctx, id)
	}
	if errors.Is(err, queuestore.ErrNotFound) {
		return exit.Errorf(exit.NoUser, "relay: no such queue")
	}
	return exit.Wrap(exit.IOErr, err)
}

// SetBlocked is the function [SetBlocked] for a home that no relay serves;
// else it is [exit.TempFail].
func (h *Home) SetBlocked(ctx context.Context, id smp.EntityID, why *smp.BlockingInfo) error {
	return h.withStore(ctx, func(db queuedump.Store) error {
		s, err := smpserver.New(smpserver.Config{Store: db, Credential: h.cred})
		if err != nil {
			return exit.Errorf(exit.Config, "relay: %w", err)
		}
		return SetBlocked(ctx, s, id, why)
	})
}
