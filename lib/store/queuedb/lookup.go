package queuedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

// selectEntry also counts the messages, from the index, and looks for the
// marker in the last one.
const selectEntry = `SELECT num, ` + queuerow.Columns + `,
	(SELECT count(*) FROM messages WHERE queue = queues.num),
	coalesce((SELECT quota FROM messages WHERE queue = queues.num ORDER BY seq DESC LIMIT 1), 0)
	FROM queues WHERE `

var idColumns = [...]string{
	queuestore.ByRecipient: "recipient_id",
	queuestore.BySender:    "sender_id",
	queuestore.ByNotifier:  "notifier_id",
	queuestore.ByLink:      "link_id",
}

// lookupSizes are how many IDs the statements take, so that a few statements
// serve all: a block of commands asks for up to 255 queues, and one statement
// for all costs half of one for each. Places left over are null.
var lookupSizes = [...]int{1, 8, 32, 128}

// lookups are the statements, by kind and size.
var lookups = func() (out [len(idColumns)][len(lookupSizes)]string) {
	for k, column := range idColumns {
		for i, n := range lookupSizes {
			out[k][i] = selectEntry + column + ` IN (?` + strings.Repeat(`, ?`, n-1) + `)`
		}
	}
	return out
}()

// Lookup implements [queuestore.Reader].
func (s *DB) Lookup(ctx context.Context, refs ...queuestore.Ref) ([]*queuestore.Entry, error) {
	var found map[queuestore.Ref]*queuestore.Entry
	out := make([]*queuestore.Entry, len(refs))
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		found = make(map[queuestore.Ref]*queuestore.Entry, len(refs))
		var ids [len(idColumns)][]any
		for _, r := range refs {
			if int(r.Kind) >= len(ids) {
				return fmt.Errorf("no ID of kind %d", r.Kind)
			}
			ids[r.Kind] = append(ids[r.Kind], []byte(r.ID))
		}
		for kind := range ids {
			if err := lookup(ctx, tx, queuestore.IDKind(kind), ids[kind], found); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("queuedb: find queues: %w", err)
	}
	for i, r := range refs {
		out[i] = found[r]
	}
	return out, nil
}

// lookup finds queues by their IDs of one kind.
func lookup(ctx context.Context, tx *sql.Tx, kind queuestore.IDKind, ids []any, found map[queuestore.Ref]*queuestore.Entry) error {
	for len(ids) > 0 {
		i := 0
		for i+1 < len(lookupSizes) && lookupSizes[i] < len(ids) {
			i++
		}
		n := min(lookupSizes[i], len(ids))
		args := make([]any, lookupSizes[i])
		copy(args, ids[:n])
		ids = ids[n:]
		if err := lookupOnce(ctx, tx, kind, lookups[kind][i], args, found); err != nil {
			return err
		}
	}
	return nil
}

func lookupOnce(ctx context.Context, tx *sql.Tx, kind queuestore.IDKind, query string, args []any, found map[queuestore.Ref]*queuestore.Entry) (err error) {
	// A statement that cannot be interrupted takes half as long, and ends soon.
	rows, err := tx.QueryContext(context.WithoutCancel(ctx), query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var row queuestore.Entry
	queues := queuerow.NewReader(rows, &row.Size, &row.Full)
	for rows.Next() {
		e := new(queuestore.Entry)
		if row.Queue, err = queues.Queue(); err != nil {
			return err
		}
		*e = row
		found[queuestore.Ref{Kind: kind, ID: idOf(e.Queue, kind)}] = e
	}
	return rows.Err()
}

// idOf is a queue's ID of a kind, which it has.
func idOf(q *queuestore.Queue, kind queuestore.IDKind) smp.EntityID {
	switch kind {
	case queuestore.BySender:
		return smp.EntityID(q.SenderID)
	case queuestore.ByNotifier:
		return smp.EntityID(q.Notifier.ID)
	case queuestore.ByLink:
		return smp.EntityID(q.LinkID)
	}
	return smp.EntityID(q.RecipientID)
}
