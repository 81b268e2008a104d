// Package queuerow turns queues and messages into rows and back, the same for
// every database: IDs, keys and secrets are bytes, and null where absent.
package queuerow

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// Columns of queues but num, in the order of [Args] and [ScanQueue].
const Columns = `recipient_id, sender_id, recipient_keys, secret, sender_key, mode, status, blocking,
	link_id, notifier_id, notifier_key, notifier_secret, notifier_service_id, service_id`

// Scanner is a row of a result.
type Scanner interface{ Scan(dest ...any) error }

// columns is where [Columns] are read to. A database/sql row may lend its
// memory, as sql.RawBytes, until the next.
type columns[B ~[]byte] struct {
	num                                                        queuestore.Num
	status                                                     queuestore.Status
	recipientID, senderID, recipientKeys, secret, senderKey    B
	mode, blocking, linkID, ntfID, ntfKey, ntfSecret, ntfSvcID B
	serviceID                                                  B
}

func (c *columns[B]) dest() []any {
	return []any{&c.num, &c.recipientID, &c.senderID, &c.recipientKeys, &c.secret, &c.senderKey, &c.mode, &c.status, &c.blocking,
		&c.linkID, &c.ntfID, &c.ntfKey, &c.ntfSecret, &c.ntfSvcID, &c.serviceID}
}

func (c *columns[B]) queue() (*queuestore.Queue, error) {
	q := &queuestore.Queue{
		Num: c.num, RecipientID: smp.RecipientID(c.recipientID), SenderID: smp.SenderID(c.senderID), Status: c.status,
		LinkID: smp.LinkID(c.linkID), ServiceID: smp.ServiceID(c.serviceID),
	}
	copy(q.Secret[:], c.secret)
	if len(c.mode) > 0 {
		q.Mode = smp.QueueMode(c.mode[0])
	}
	p := parser{}
	q.RecipientKeys = p.keys(c.recipientKeys)
	q.SenderKey = p.key(c.senderKey)
	q.Blocking = p.blocking(c.blocking)
	if c.ntfID != nil {
		q.Notifier = &queuestore.Notifier{ID: smp.NotifierID(c.ntfID), Key: p.key(c.ntfKey), ServiceID: smp.ServiceID(c.ntfSvcID)}
		copy(q.Notifier.Secret[:], c.ntfSecret)
	}
	if p.err != nil {
		return nil, fmt.Errorf("queue %d: %w", q.Num, p.err)
	}
	return q, nil
}

// ScanQueue reads num, [Columns] and what else the row has.
func ScanQueue(row Scanner, more ...any) (*queuestore.Queue, error) {
	var c columns[[]byte]
	if err := row.Scan(append(c.dest(), more...)...); err != nil {
		return nil, err
	}
	return c.queue()
}

// Reader is [ScanQueue] for many rows of one result of database/sql.
type Reader struct {
	rows *sql.Rows
	c    columns[sql.RawBytes]
	dest []any
}

// NewReader reads rows; what else they have goes to more.
func NewReader(rows *sql.Rows, more ...any) *Reader {
	r := &Reader{rows: rows}
	r.dest = append(r.c.dest(), more...)
	return r
}

// Queue reads the current row.
func (r *Reader) Queue() (*queuestore.Queue, error) {
	if err := r.rows.Scan(r.dest...); err != nil {
		return nil, err
	}
	return r.c.queue()
}

// Args are the values of [Columns].
func Args(q *queuestore.Queue) []any {
	mode := ""
	if q.Mode != 0 {
		mode = string(q.Mode)
	}
	args := []any{[]byte(q.RecipientID), []byte(q.SenderID), appendKeys(q.RecipientKeys), q.Secret[:],
		optionalKey(q.SenderKey), mode, q.Status, appendBlocking(q.Blocking), Optional(q.LinkID)}
	if n := q.Notifier; n != nil {
		args = append(args, []byte(n.ID), optionalKey(n.Key), n.Secret[:], Optional(n.ServiceID))
	} else {
		args = append(args, nil, nil, nil, nil)
	}
	return append(args, Optional(q.ServiceID))
}

// Optional is null for an empty ID.
func Optional[T ~string](id T) any {
	if id == "" {
		return nil
	}
	return []byte(id)
}

func optionalKey(k key.Public) any {
	if k == nil {
		return nil
	}
	return k.AppendSPKI(nil)
}

func appendKeys(keys []key.Public) (b []byte) {
	for _, k := range keys {
		b = wire.AppendShort(b, k.AppendSPKI(nil))
	}
	return b
}

func appendBlocking(i *smp.BlockingInfo) any {
	if i == nil {
		return nil
	}
	b, err := json.Marshal(i)
	if err != nil {
		return nil // unreachable: strings and numbers
	}
	return b
}

// parser keeps the first error.
type parser struct{ err error }

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) key(der []byte) key.Public {
	if der == nil {
		return nil
	}
	k, err := key.ParsePublic(der)
	if err != nil {
		p.fail(err)
	}
	return k
}

func (p *parser) keys(b []byte) (keys []key.Public) {
	d := wire.NewDecoder(b)
	for d.Len() > 0 {
		keys = append(keys, p.key(d.Short()))
	}
	if err := d.Done(); err != nil {
		p.fail(err)
	}
	return keys
}

func (p *parser) blocking(b []byte) *smp.BlockingInfo {
	if b == nil {
		return nil
	}
	i := new(smp.BlockingInfo)
	if err := json.Unmarshal(b, i); err != nil {
		p.fail(err)
	}
	return i
}

// Role is the role in a column.
func Role(s string) smp.ServiceRole {
	if len(s) != 1 {
		return 0
	}
	return smp.ServiceRole(s[0])
}

// ScanMessage reads seq, sent, notify, quota, id, body and what else the row
// has.
func ScanMessage(row Scanner, m *queuestore.Message, more ...any) error {
	var sent int64
	var id []byte
	if err := row.Scan(append([]any{&m.Seq, &sent, &m.Notify, &m.Quota, &id, &m.Body}, more...)...); err != nil {
		return err
	}
	m.ID, m.Time = smp.MsgID(id), time.Unix(sent, 0).UTC()
	return nil
}

// NotNull is b, or empty: nil would be null.
func NotNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
