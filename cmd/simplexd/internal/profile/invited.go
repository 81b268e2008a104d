package profile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/swarm"
)

// invitedBy is the name under which the log of events is followed for
// invitations, and invitedBatch how many events are read at once.
const (
	invitedBy    = "swarm invitations"
	invitedBatch = 100
)

// takeInvitations makes a request of every message of a contact that is an
// invitation to a conversation of the swarm and nothing else, until ctx ends.
// It begins when there is an account, where it ended the last time.
func (p *Profile) takeInvitations(ctx context.Context) error {
	for ctx.Err() == nil {
		changed := p.swarm.Changed()
		ok, err := p.swarm.HasAccount(ctx)
		if err == nil && !ok {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err == nil {
			err = p.followInvitations(ctx)
		}
		if ctx.Err() == nil {
			p.log.Warn("invitations of contacts are looked for later", "err", err, "next", swarmRetry)
			select {
			case <-time.After(swarmRetry):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// followInvitations reads the log of events until something fails.
func (p *Profile) followInvitations(ctx context.Context) error {
	seq, err := p.Core.Cursor(ctx, invitedBy)
	for kept := seq; err == nil; {
		var events []chat.Event
		events, err = p.Core.NextEvents(ctx, seq, invitedBatch)
		if errors.Is(err, chat.ErrLagged) {
			seq, err = p.Core.LastSeq(ctx)
			continue
		}
		took := false
		for _, ev := range events {
			if ev.Type == "newChatItems" && bytes.Contains(ev.Resp, []byte(swarm.InvitationPrefix)) {
				took = p.takeInvitation(ctx, ev.Resp) || took
			}
			seq = ev.Seq
		}
		// What is no invitation may be read again, and is seldom noted.
		if err == nil && (took || seq-kept >= 10*invitedBatch) {
			err, kept = p.Core.Ack(ctx, invitedBy, seq), seq
		}
	}
	return err
}

// takeInvitation tells whether an event was an invitation.
func (p *Profile) takeInvitation(ctx context.Context, data []byte) bool {
	var ev api.Response
	if json.Unmarshal(data, &ev) != nil {
		return false
	}
	took := false
	for _, it := range ev.ChatItems {
		if it.ChatItem.ChatDir.Type != "directRcv" {
			continue
		}
		i, err := swarm.ParseInvitation(it.ChatItem.Meta.ItemText)
		if err != nil {
			continue // a message that speaks of one, or a broken one, stays a message
		}
		if _, err := p.swarm.Request(ctx, i); err != nil {
			p.log.Warn("an invitation of a contact was not taken", "err", err)
		}
		took = true
	}
	return took
}
