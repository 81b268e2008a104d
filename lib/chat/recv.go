package chat

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// recvPageSize is how many messages are read from the store at once.
const recvPageSize = 100

func callRecv(ctx context.Context, c *Core, p api.RecvParams) (any, error) {
	if p.Follow {
		return nil, usage("recv: follow gives lines, not one answer")
	}
	r := &api.RecvResult{Type: "messages", Messages: []api.RecvLine{}}
	last, err := c.Recv(ctx, p, func(l api.RecvLine) error {
		r.Messages = append(r.Messages, l)
		return nil
	})
	r.LastSeq = last
	return r, err
}

// Recv calls line for every message that p asks for, in the order of their
// numbers, until there are no more or, with p.Follow, until ctx ends (which is
// no error then). It returns the first error of line. Lines are not marked as
// read by it.
func (c *Core) Recv(ctx context.Context, p api.RecvParams, line func(api.RecvLine) error) (lastSeq int64, err error) {
	q := ItemQuery{AfterSeq: new(int64), Messages: true, Unread: p.Since == nil, Limit: recvPageSize}
	if p.Since != nil {
		*q.AfterSeq = *p.Since
	}
	given := 0
	for {
		news := c.bell.wait()
		lines, err := c.recvPage(ctx, p, q)
		if err != nil {
			return *q.AfterSeq, callErrorUnlessDone(ctx, p, err)
		}
		for _, l := range lines {
			if err := line(l); err != nil {
				return *q.AfterSeq, err
			}
			*q.AfterSeq = l.Seq
			if given++; given == p.Limit {
				return *q.AfterSeq, nil
			}
		}
		if len(lines) == recvPageSize {
			continue
		}
		if !p.Follow {
			return *q.AfterSeq, nil
		}
		select {
		case <-ctx.Done():
			return *q.AfterSeq, nil
		case <-news:
		}
	}
}

func callErrorUnlessDone(ctx context.Context, p api.RecvParams, err error) error {
	if p.Follow && ctx.Err() != nil {
		return nil
	}
	return callError(err)
}

func (c *Core) recvPage(ctx context.Context, p api.RecvParams, q ItemQuery) (lines []api.RecvLine, err error) {
	err = c.view(ctx, func(tx Tx) error {
		u, err := activeUser(tx)
		if err != nil {
			return err
		}
		q.UserID = u.ID
		if p.From != (api.ChatTo{}) {
			find, err := finder(p.From)
			if err != nil {
				return err
			}
			ct, err := find(tx, u)
			if err != nil {
				return err
			}
			q.ContactID = ct.ID
		}
		items, err := tx.Items(q)
		if err != nil {
			return err
		}
		names := map[api.ContactID]string{}
		for _, it := range items {
			if _, ok := names[it.ContactID]; !ok {
				ct, err := tx.Contact(it.ContactID)
				if err != nil {
					return err
				}
				names[ct.ID] = ct.Name
			}
			lines = append(lines, recvLine(it, names[it.ContactID]))
		}
		return nil
	})
	return lines, err
}

func recvLine(it *Item, contact string) api.RecvLine {
	l := api.RecvLine{Type: "message", V: api.Version, Seq: it.Seq, Contact: contact, ContactID: it.ContactID,
		ItemID: it.ID, MsgID: it.MsgID, SentAt: it.Item.Meta.ItemTS, ReceivedAt: it.Item.Meta.CreatedAt.Truncate(time.Microsecond),
		Text: it.Item.Meta.ItemText, Integrity: it.Integrity}
	if content, err := xmsg.ParseContent(it.Item.Content.MsgContent); err == nil && content.Type != xmsg.TypeText {
		l.MsgType = content.Type
	}
	return l
}
