package chat

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xmsg"
)

// recvPageSize is how many messages "recv" gives at once when it is not told.
const recvPageSize = 100

// callRecv gives a page of received messages in the order of their numbers,
// waiting for the first of them if p.Follow. They are not marked as read.
func callRecv(ctx context.Context, c *Core, p api.RecvParams) (any, error) {
	r := &api.RecvResult{Type: "messages"}
	q := ItemQuery{AfterSeq: new(int64), Messages: true, Unread: p.Unread || p.Since == nil, Limit: recvPageSize}
	if p.Since != nil {
		*q.AfterSeq = *p.Since
	}
	if p.Limit > 0 {
		q.Limit = min(p.Limit, recvPageSize)
	}
	err := c.waitFor(ctx, func(tx Tx) (bool, error) {
		lines, err := recvPage(tx, p.From, q)
		r.Messages = lines
		return len(lines) > 0 || !p.Follow, err
	})
	r.LastSeq = *q.AfterSeq
	if n := len(r.Messages); n > 0 {
		r.LastSeq = r.Messages[n-1].Seq
	}
	return r, waited(err)
}

func recvPage(tx Tx, from api.ChatTo, q ItemQuery) ([]api.RecvLine, error) {
	u, err := activeUser(tx)
	if err != nil {
		return nil, err
	}
	q.UserID = u.ID
	if from != (api.ChatTo{}) {
		find, err := finder(from)
		if err != nil {
			return nil, err
		}
		ct, err := find(tx, u)
		if err != nil {
			return nil, err
		}
		q.ContactID = ct.ID
	}
	items, err := tx.Items(q)
	if err != nil {
		return nil, err
	}
	lines := []api.RecvLine{}
	names := map[api.ContactID]string{}
	for _, it := range items {
		if _, ok := names[it.ContactID]; !ok {
			ct, err := tx.Contact(it.ContactID)
			if err != nil {
				return nil, err
			}
			names[ct.ID] = ct.Name
		}
		lines = append(lines, recvLine(it, names[it.ContactID]))
	}
	if q.ContactID == 0 {
		return withLines(tx, lines, q)
	}
	return lines, nil
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
