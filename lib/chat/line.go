package chat

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
)

// Line is a message of a conversation that is kept elsewhere, such as a swarm's
// repository: what recv shows of it.
type Line struct {
	Seq    int64
	Key    string // what the message is known by there
	Unread bool
	Line   api.RecvLine
}

// LineTx keeps lines.
type LineTx interface {
	PutLine(l *Line) error
	// HasLine tells whether a message is there already.
	HasLine(key string) (bool, error)
	// Lines are up to limit lines after seq, in order.
	Lines(after int64, unread bool, limit int) ([]*Line, error)
	// MarkLines marks lines with from <= Seq <= to as read.
	MarkLines(from, to int64) error
}

// TakeSwarm logs a message of a swarm as an event and, if somebody else wrote
// it, for recv. A message that comes again changes nothing.
func (c *Core) TakeSwarm(ctx context.Context, m api.SwarmMessage) error {
	key := "swarm " + m.Conv + " " + m.Commit
	return c.update(ctx, func(w *work) error {
		if again, err := w.HasLine(key); again || err != nil {
			return err
		}
		seq, err := w.emit(api.Response{Type: m.Type, Swarm: &m})
		if err != nil {
			return err
		}
		m.Seq = seq
		return w.PutLine(&Line{Seq: seq, Key: key, Unread: !m.Own && m.Text != "", Line: api.RecvLine{
			Type: "message", V: api.Version, Seq: seq, Contact: "swarm:" + m.Conv, MsgID: m.Commit,
			SentAt: m.SentAt, ReceivedAt: w.now.Truncate(time.Microsecond), Text: m.Text, Swarm: &m,
		}})
	})
}

// withLines adds the lines of other conversations to a page of messages, in the
// order of their numbers, and keeps the page's length.
func withLines(tx Tx, page []api.RecvLine, q ItemQuery) ([]api.RecvLine, error) {
	more, err := tx.Lines(*q.AfterSeq, q.Unread, q.Limit)
	if err != nil || len(more) == 0 {
		return page, err
	}
	for _, l := range more {
		if q.Unread || l.Line.Text != "" && !l.Line.Swarm.Own {
			page = append(page, l.Line)
		}
	}
	slices.SortFunc(page, func(a, b api.RecvLine) int { return cmp.Compare(a.Seq, b.Seq) })
	return page[:min(len(page), q.Limit)], nil
}
