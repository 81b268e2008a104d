package pgqueues

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

// op is a statement to be sent later: a message to add, or messages to
// delete, or some other.
type op struct {
	queue queuestore.Num      // of the next two
	add   *queuestore.Message // to add
	upTo  queuestore.Seq      // to delete

	sql  string
	args []any
	// touches is a queue that sql changes, deletes one that it will delete,
	// and of which other relays must learn; 0 for none.
	touches, deletes queuestore.Num
}

// queue makes statements of ops, with all additions and deletions of messages
// between two others joined into one statement each. That changes their
// order, but not their effect: deletions go first, and one that reaches
// messages of this transaction begins anew.
func (g *group) queue(b *pgx.Batch, ops []op) {
	var m messages
	for _, o := range ops {
		switch {
		case o.add != nil:
			m.add(o.queue, o.add)
			first, ok := g.touched[o.queue]
			if o.add.Notify && first == 0 {
				first = o.add.Seq
			}
			if !ok || first != 0 {
				g.touched[o.queue] = first
			}
		case o.sql == "":
			if int64(o.upTo) >= g.firstSeq {
				m.flush(b)
			}
			m.delete(o.queue, o.upTo)
			g.touch(o.queue)
		default:
			m.flush(b)
			if o.deletes != 0 {
				delete(g.touched, o.deletes)
				g.change++
				b.Queue(`INSERT INTO changes (no, at, kind, id, notify)
					SELECT $1, $2, 0, recipient_id, 0 FROM queues WHERE num = $3`, g.change, time.Now().Unix(), o.deletes)
			}
			b.Queue(o.sql, o.args...)
			g.touch(o.touches)
		}
	}
	m.flush(b)
	g.wrote = g.wrote || b.Len() > 0
}

func (g *group) touch(n queuestore.Num) {
	if _, ok := g.touched[n]; n != 0 && !ok {
		g.touched[n] = 0 // without a message
	}
}

// messages are columns of rows to add and to delete.
type messages struct {
	seqs, queues, sent []int64
	notify, quota      []bool
	ids, bodies        [][]byte

	from, upTo []int64
}

func (m *messages) add(n queuestore.Num, msg *queuestore.Message) {
	m.seqs, m.queues, m.sent = append(m.seqs, int64(msg.Seq)), append(m.queues, int64(n)), append(m.sent, msg.Time.Unix())
	m.notify, m.quota = append(m.notify, msg.Notify), append(m.quota, msg.Quota)
	m.ids, m.bodies = append(m.ids, []byte(msg.ID)), append(m.bodies, queuerow.NotNull(msg.Body))
}

func (m *messages) delete(n queuestore.Num, upTo queuestore.Seq) {
	m.from, m.upTo = append(m.from, int64(n)), append(m.upTo, int64(upTo))
}

func (m *messages) flush(b *pgx.Batch) {
	if len(m.from) > 0 {
		b.Queue(`DELETE FROM messages m USING unnest($1::bigint[], $2::bigint[]) AS d (queue, seq)
			WHERE m.queue = d.queue AND m.seq <= d.seq`, m.from, m.upTo)
	}
	if len(m.seqs) > 0 {
		b.Queue(`INSERT INTO messages (seq, queue, sent, notify, quota, id, body)
			SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::boolean[], $6::bytea[], $7::bytea[])`,
			m.seqs, m.queues, m.sent, m.notify, m.quota, m.ids, m.bodies)
	}
	*m = messages{}
}
