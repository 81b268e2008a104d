package relayhome

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
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

// Listed is a queue on a block-list.
type Listed struct {
	Queue smp.EntityID
	Why   smp.BlockingInfo
}

// ParseBlockList reads a block-list: on each line a queue as in [ParseQueue],
// and spam or content, if it is not spam. Empty lines, and those that begin
// with #, are skipped. The error tells the first wrong line by its number.
func ParseBlockList(text string) (out []Listed, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		why := smp.BlockedSpam
		if len(words) > 1 {
			why = smp.BlockingReason(words[1])
		}
		id, err := ParseQueue(words[0])
		if err != nil || len(words) > 2 || why != smp.BlockedSpam && why != smp.BlockedContent {
			return nil, exit.Errorf(exit.Config, "block_list: line %d: not a queue, and spam or content", n)
		}
		out = append(out, Listed{id, smp.BlockingInfo{Reason: why}})
	}
	return out, nil
}

// BlockList reads the block-list of the settings; without one it is empty.
func (h *Home) BlockList() ([]Listed, error) {
	path := h.Settings.BlockList
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(h.Dir, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, exit.Errorf(exit.Config, "block_list: %w", err)
	}
	return ParseBlockList(string(text))
}

// BlockAll blocks those queues of a list that are there, and tells how many
// that are.
func (r *Relay) BlockAll(ctx context.Context, list []Listed) (n int, err error) {
	for _, l := range list {
		switch err := r.Block(ctx, l.Queue, l.Why); {
		case err == nil:
			n++
		case !errors.Is(err, queuestore.ErrNotFound):
			return n, err
		}
	}
	return n, nil
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
