package pgqueues

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// group is one transaction of several updates.
type group struct {
	s   *DB
	ctx context.Context
	c   *pgx.Conn
	err error // the first of the database; nothing more is sent after it

	firstSeq int64 // of messages added in this transaction
	num, seq int64 // last used
	change   int64
	pending  []op // of updates that are kept, not sent yet
	wrote    bool // something was sent

	// touched are the queues of which other relays must learn, and of each
	// the first message that asks to notify, or 0.
	touched map[queuestore.Num]queuestore.Seq
	claimed []news
}

// news is a row of changes that is not of a queue.
type news struct {
	kind   int16
	id     []byte
	notify int64
}

// begin locks, and lets the relay learn what others did. A connection that
// was lost since the last group is made again.
func (s *DB) begin(ctx context.Context) (*group, error) {
	fresh := s.w == nil
	g, err := s.tryBegin(ctx)
	if err != nil && !fresh && s.w.IsClosed() {
		s.w = nil
		g, err = s.tryBegin(ctx)
	}
	return g, err
}

func (s *DB) tryBegin(ctx context.Context) (*group, error) {
	if s.w == nil {
		c, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		s.w = c
	}
	g := &group{s: s, ctx: ctx, c: s.w, touched: map[queuestore.Num]queuestore.Seq{}}
	var pruned int64
	var changes []queuestore.Change
	var b pgx.Batch
	b.Queue(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`)
	b.Queue(`SELECT num, seq, change, pruned FROM state FOR UPDATE`).QueryRow(func(row pgx.Row) error {
		return row.Scan(&g.num, &g.seq, &g.change, &pruned)
	})
	// Each statement sees what was committed before it began: this one, all
	// that was before the lock.
	b.Queue(`SELECT kind, id, notify FROM changes WHERE no > $1 ORDER BY no`, s.cursor.Load()).Query(func(rows pgx.Rows) error {
		var err error
		changes, err = scanChanges(rows)
		return err
	})
	if err := g.c.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	if pruned > s.cursor.Load() {
		changes = []queuestore.Change{{Kind: queuestore.ChangedAny}}
	}
	if len(changes) > 0 && s.changed != nil {
		if err := s.changed(ctx, changes); err != nil {
			return nil, fmt.Errorf("learn of changes: %w", err)
		}
	}
	s.cursor.Store(g.change)
	g.firstSeq = g.seq + 1
	return g, nil
}

// The kinds in the table changes.
const (
	rowQueue = iota
	rowRecipient
	rowNotifier
	rowNotifierService
	rowNotified
)

func scanChanges(rows pgx.Rows) (out []queuestore.Change, err error) {
	defer rows.Close()
	for rows.Next() {
		var kind int
		var id []byte
		c := queuestore.Change{Ref: queuestore.Ref{Kind: queuestore.ByRecipient}}
		if err := rows.Scan(&kind, &id, &c.Notify); err != nil {
			return nil, err
		}
		switch kind {
		case rowQueue:
		case rowRecipient:
			c.Kind = queuestore.ChangedOwner
		case rowNotifier:
			c.Kind, c.Ref.Kind = queuestore.ChangedOwner, queuestore.ByNotifier
		case rowNotifierService:
			c.Kind, c.Ref.Kind = queuestore.ChangedOwner, queuestore.ByNotifierService
		case rowNotified:
			c.Kind, c.Ref.Kind = queuestore.ChangedNotified, queuestore.ByNotifier
		default:
			c.Kind = queuestore.ChangedAny
		}
		c.Ref.ID = smp.EntityID(id)
		out = append(out, c)
	}
	return out, rows.Err()
}

// run runs one update.
func (g *group) run(fn func(queuestore.Tx) error) error {
	u := &update{g: g}
	err := fn(u)
	switch {
	case g.err != nil:
		return g.err
	case err == nil:
		g.pending = append(g.pending, u.ops...)
		g.claimed = append(g.claimed, u.claimed...)
		if u.saved {
			g.pending = append(g.pending, op{sql: `RELEASE SAVEPOINT one`})
		}
	case u.saved:
		g.pending = append(g.pending, op{sql: `ROLLBACK TO SAVEPOINT one`}, op{sql: `RELEASE SAVEPOINT one`})
	}
	return err
}

// commit ends the transaction.
func (g *group) commit() error {
	if g.err != nil {
		return g.err
	}
	if len(g.pending) == 0 && len(g.claimed) == 0 && !g.wrote {
		_, err := g.c.Exec(g.ctx, `ROLLBACK`) // waits for no disk
		return err
	}
	var b pgx.Batch
	g.queue(&b, g.pending)
	g.queueChanges(&b)
	b.Queue(`UPDATE state SET num = $1, seq = $2, change = $3`, g.num, g.seq, g.change)
	b.Queue(`SELECT pg_notify('`+channel+`', $1)`, notification(g.s.token, g.change))
	b.Queue(`COMMIT`).Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errors.New("the database rolled back instead")
		}
		return nil
	})
	if err := g.c.SendBatch(g.ctx, &b).Close(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	g.s.cursor.Store(g.change)
	return nil
}

// queueChanges writes what other relays must learn.
func (g *group) queueChanges(b *pgx.Batch) {
	now := time.Now().Unix()
	if len(g.touched) > 0 {
		var nums, nos, notify []int64
		for n, seq := range g.touched {
			g.change++
			nums, nos, notify = append(nums, int64(n)), append(nos, g.change), append(notify, int64(seq))
		}
		b.Queue(`INSERT INTO changes (no, at, kind, id, notify) SELECT t.no, $1, 0, q.recipient_id, t.notify
			FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS t (num, no, notify) JOIN queues q ON q.num = t.num`,
			now, nums, nos, notify)
	}
	if len(g.claimed) > 0 {
		var nos, notify []int64
		var kinds []int16
		var ids [][]byte
		for _, r := range g.claimed {
			g.change++
			nos, kinds, ids, notify = append(nos, g.change), append(kinds, r.kind), append(ids, r.id), append(notify, r.notify)
		}
		b.Queue(`INSERT INTO changes (no, at, kind, id, notify)
			SELECT t.no, $1, t.kind, t.id, t.notify FROM unnest($2::bigint[], $3::smallint[], $4::bytea[], $5::bigint[]) AS t (no, kind, id, notify)`,
			now, nos, kinds, ids, notify)
	}
}
