package pgqueues

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

// lookup counts a queue's messages in the index, and looks for the marker in
// the last one.
func lookup(id string) string {
	return `SELECT q.num, ` + queuerow.Columns + `, r.place, m.n, coalesce(last.quota, false)
	FROM unnest($1::bytea[]) WITH ORDINALITY AS r (id, place)
	JOIN queues q ON q.` + id + ` = r.id
	CROSS JOIN LATERAL (SELECT count(*) AS n, max(seq) AS seq FROM messages WHERE queue = q.num) AS m
	LEFT JOIN messages last ON last.seq = m.seq`
}

var lookups = [...]string{
	queuestore.ByRecipient: lookup("recipient_id"),
	queuestore.BySender:    lookup("sender_id"),
	queuestore.ByNotifier:  lookup("notifier_id"),
	queuestore.ByLink:      lookup("link_id"),
}

// Lookup implements [queuestore.Reader].
func (s *DB) Lookup(ctx context.Context, refs ...queuestore.Ref) ([]*queuestore.Entry, error) {
	out := make([]*queuestore.Entry, len(refs))
	var ids [len(lookups)][][]byte
	var at [len(lookups)][]int
	for i, r := range refs {
		ids[r.Kind], at[r.Kind] = append(ids[r.Kind], []byte(r.ID)), append(at[r.Kind], i)
	}
	err := s.read(ctx, func(c *pgx.Conn) error {
		var b pgx.Batch
		for kind, list := range ids {
			if len(list) == 0 {
				continue
			}
			b.Queue(lookups[kind], list).Query(func(rows pgx.Rows) error {
				defer rows.Close()
				for rows.Next() {
					var place int
					e := new(queuestore.Entry)
					q, err := queuerow.ScanQueue(rows, &place, &e.Size, &e.Full)
					if err != nil {
						return err
					}
					e.Queue = q
					out[at[kind][place-1]] = e
				}
				return rows.Err()
			})
		}
		return c.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("pgqueues: find queues: %w", err)
	}
	return out, nil
}

// Next implements [queuestore.Reader].
func (s *DB) Next(ctx context.Context, n queuestore.Num, after queuestore.Seq) (*queuestore.Message, error) {
	m := new(queuestore.Message)
	err := s.read(ctx, func(c *pgx.Conn) error {
		return queuerow.ScanMessage(c.QueryRow(ctx, `SELECT seq, sent, notify, quota, id, body FROM messages
			WHERE queue = $1 AND seq > $2 ORDER BY queue, seq LIMIT 1`, n, after), m)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pgqueues: read message: %w", err)
	}
	return m, nil
}

// LinkData implements [queuestore.Reader].
func (s *DB) LinkData(ctx context.Context, n queuestore.Num) (d smp.LinkData, err error) {
	err = s.read(ctx, func(c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT fixed, mutable FROM links WHERE queue = $1`, n).Scan(&d.Fixed, &d.User)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return d, queuestore.ErrNotFound
	}
	if err != nil {
		return d, fmt.Errorf("pgqueues: read link: %w", err)
	}
	return d, nil
}

// OldMessages implements [queuestore.Reader]. The clock hardly ever goes back,
// so the oldest messages come first, and the first young one ends the search.
func (s *DB) OldMessages(ctx context.Context, before time.Time, limit int) ([]queuestore.Old, error) {
	var out []queuestore.Old
	err := s.read(ctx, func(c *pgx.Conn) error {
		out = nil
		rows, err := c.Query(ctx, `SELECT m.seq, q.recipient_id, m.sent
			FROM (SELECT seq, queue, sent FROM messages ORDER BY seq LIMIT $1) m JOIN queues q ON q.num = m.queue
			ORDER BY m.seq`, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o queuestore.Old
			var id []byte
			var sent int64
			if err := rows.Scan(&o.Seq, &id, &sent); err != nil {
				return err
			}
			if sent >= before.Unix() {
				break
			}
			o.RecipientID = smp.RecipientID(id)
			out = append(out, o)
		}
		rows.Close()
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("pgqueues: look for old messages: %w", err)
	}
	return out, nil
}

// NotifierQueues implements [queuestore.Reader].
func (s *DB) NotifierQueues(ctx context.Context, id smp.ServiceID) (n int64, err error) {
	err = s.read(ctx, func(c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT count(*) FROM queues WHERE notifier_service_id = $1`, []byte(id)).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("pgqueues: count a service's queues: %w", err)
	}
	return n, nil
}

// Counts implements [queuestore.Reader].
func (s *DB) Counts(ctx context.Context) (n queuestore.Counts, err error) {
	err = s.read(ctx, func(c *pgx.Conn) error {
		return c.QueryRow(ctx, `SELECT (SELECT count(*) FROM queues), (SELECT count(*) FROM messages)`).
			Scan(&n.Queues, &n.Messages)
	})
	if err != nil {
		return n, fmt.Errorf("pgqueues: count: %w", err)
	}
	return n, nil
}
