package pgqueues

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

// update is one update's view of the store.
type update struct {
	g       *group
	ops     []op // not sent yet
	saved   bool // a savepoint is set, for some were sent
	claimed []news
}

var (
	_ queuestore.Tx      = (*update)(nil)
	_ queuestore.Claimer = (*update)(nil)
)

// ask sends what waits and a statement whose answer is wanted now.
func (u *update) ask(doing, sql string, args []any, answer func(*pgx.QueuedQuery)) error {
	g := u.g
	if g.err == nil {
		var b pgx.Batch
		g.queue(&b, g.pending)
		if !u.saved {
			b.Queue(`SAVEPOINT one`)
		}
		g.queue(&b, u.ops)
		answer(b.Queue(sql, args...))
		g.pending, u.ops, u.saved, g.wrote = nil, nil, true, true
		g.err = g.c.SendBatch(g.ctx, &b).Close()
	}
	if g.err != nil {
		return fmt.Errorf("pgqueues: %s: %w", doing, kindOf(g.err))
	}
	return nil
}

// rows counts the rows that a statement has changed.
func (u *update) rows(doing, sql string, args ...any) (n int64, err error) {
	err = u.ask(doing, sql, args, func(q *pgx.QueuedQuery) {
		q.Exec(func(tag pgconn.CommandTag) error {
			n = tag.RowsAffected()
			return nil
		})
	})
	return n, err
}

func (u *update) later(sql string, touches queuestore.Num, args ...any) {
	u.ops = append(u.ops, op{sql: sql, args: args, touches: touches})
}

// placeholders is $1, $2, … for n values.
func placeholders(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	return b.String()
}

// columns is how many values [queuerow.Args] gives.
var columns = strings.Count(queuerow.Columns, ",") + 1

var (
	insertQueue = `INSERT INTO queues (` + queuerow.Columns + `, updated_at, num) VALUES (` + placeholders(columns+2) + `) ON CONFLICT DO NOTHING`
	updateQueue = fmt.Sprintf(`UPDATE queues SET (%s, updated_at) = (%s) WHERE num = $%d AND NOT EXISTS (
			SELECT 1 FROM queues o WHERE o.recipient_id = $1 AND o.num <> $%[3]d UNION ALL
			SELECT 1 FROM queues o WHERE o.sender_id = $2 AND o.num <> $%[3]d UNION ALL
			SELECT 1 FROM queues o WHERE o.link_id = $9 AND o.num <> $%[3]d UNION ALL
			SELECT 1 FROM queues o WHERE o.notifier_id = $10 AND o.num <> $%[3]d)`,
		queuerow.Columns, placeholders(columns+1), columns+2)
)

func queueArgs(q *queuestore.Queue, n queuestore.Num) []any {
	return append(queuerow.Args(q), time.Now().Unix(), n)
}

// AddQueue implements [queuestore.QueueTx].
func (u *update) AddQueue(q *queuestore.Queue, link smp.LinkData) error {
	u.g.num++ // a number that is not used stays so
	num := queuestore.Num(u.g.num)
	n, err := u.rows("add queue", insertQueue, queueArgs(q, num)...)
	if err != nil {
		return err
	}
	q.Num = 0
	if n == 0 {
		return queuestore.ErrDuplicate
	}
	q.Num = num
	if q.LinkID != "" {
		return u.PutLinkData(num, link)
	}
	return nil
}

// PutQueue implements [queuestore.QueueTx].
func (u *update) PutQueue(q *queuestore.Queue) error {
	n, err := u.rows("change queue", updateQueue, queueArgs(q, q.Num)...)
	if err == nil && n == 0 {
		if n, err = u.rows("change queue", `SELECT 1 FROM queues WHERE num = $1`, q.Num); err == nil {
			err = queuestore.ErrNotFound
			if n > 0 {
				err = queuestore.ErrDuplicate
			}
		}
	}
	if err != nil {
		return err
	}
	u.g.touch(q.Num)
	if q.LinkID == "" {
		u.later(`DELETE FROM links WHERE queue = $1`, 0, q.Num)
	}
	return nil
}

// DeleteQueue implements [queuestore.QueueTx].
func (u *update) DeleteQueue(n queuestore.Num) error {
	u.later(`DELETE FROM messages WHERE queue = $1`, 0, n)
	u.ops = append(u.ops, op{sql: `DELETE FROM queues WHERE num = $1`, args: []any{n}, deletes: n})
	return nil
}

// PutLinkData implements [queuestore.QueueTx].
func (u *update) PutLinkData(n queuestore.Num, d smp.LinkData) error {
	if d.Fixed == nil {
		u.later(`UPDATE links SET mutable = $1 WHERE queue = $2`, 0, queuerow.NotNull(d.User), n)
		return nil
	}
	u.later(`INSERT INTO links (queue, fixed, mutable) SELECT num, $2, $3 FROM queues WHERE num = $1
		ON CONFLICT (queue) DO UPDATE SET fixed = excluded.fixed, mutable = excluded.mutable`,
		0, n, d.Fixed, queuerow.NotNull(d.User))
	return nil
}

// Service implements [queuestore.QueueTx].
func (u *update) Service(cert smp.Fingerprint, role smp.ServiceRole, proposed smp.ServiceID) (smp.ServiceID, error) {
	u.later(`INSERT INTO services (certificate, role, id, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		0, []byte(cert), string(role), []byte(proposed), time.Now().Unix())
	var id []byte
	var known string
	err := u.ask("look for service", `SELECT id, role FROM services WHERE certificate = $1`, []any{[]byte(cert)},
		func(q *pgx.QueuedQuery) {
			q.QueryRow(func(row pgx.Row) error {
				err := row.Scan(&id, &known)
				if errors.Is(err, pgx.ErrNoRows) {
					return nil // the ID proposed is another service's
				}
				return err
			})
		})
	if err != nil {
		return "", err
	}
	if known != string(role) {
		return "", queuestore.ErrDuplicate
	}
	return smp.ServiceID(id), nil
}

// AddMessage implements [queuestore.MessageTx].
func (u *update) AddMessage(n queuestore.Num, m *queuestore.Message) error {
	u.g.seq++
	m.Seq = queuestore.Seq(u.g.seq)
	u.ops = append(u.ops, op{queue: n, add: m})
	return nil
}

// DeleteMessages implements [queuestore.MessageTx].
func (u *update) DeleteMessages(n queuestore.Num, upTo queuestore.Seq) error {
	u.ops = append(u.ops, op{queue: n, upTo: upTo})
	return nil
}

// Claim implements [queuestore.Claimer].
func (u *update) Claim(r queuestore.Ref) {
	kind := int16(rowRecipient)
	switch r.Kind {
	case queuestore.ByNotifier:
		kind = rowNotifier
	case queuestore.ByNotifierService:
		kind = rowNotifierService
	}
	u.claimed = append(u.claimed, news{kind, []byte(r.ID), 0})
}

// Notified implements [queuestore.Claimer].
func (u *update) Notified(id smp.NotifierID, upTo queuestore.Seq) {
	u.claimed = append(u.claimed, news{rowNotified, []byte(id), int64(upTo)})
}
