package queuedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

var _ queuestore.Lister = (*DB)(nil)

// list calls add for each row of a query.
func (s *DB) list(ctx context.Context, what string, add func(*sql.Rows) error, query string, args ...any) error {
	err := s.db.View(ctx, func(tx *sql.Tx) (err error) {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			if err := add(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("queuedb: list %s: %w", what, err)
	}
	return nil
}

// ListQueues implements [queuestore.Lister].
func (s *DB) ListQueues(ctx context.Context, after queuestore.Num, limit int) (out []*queuestore.Queue, err error) {
	err = s.list(ctx, "queues", func(rows *sql.Rows) error {
		q, err := queuerow.ScanQueue(rows)
		out = append(out, q)
		return err
	}, selectQueue+`num > ? ORDER BY num LIMIT ?`, after, limit)
	return out, err
}

// ListMessages implements [queuestore.Lister].
func (s *DB) ListMessages(ctx context.Context, after queuestore.Seq, limit int) (out []queuestore.Stored, err error) {
	err = s.list(ctx, "messages", func(rows *sql.Rows) error {
		m := queuestore.Stored{Message: new(queuestore.Message)}
		err := queuerow.ScanMessage(rows, m.Message, &m.Queue)
		out = append(out, m)
		return err
	}, `SELECT seq, sent, notify, quota, id, body, queue FROM messages WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
	return out, err
}

// ListServices implements [queuestore.Lister].
func (s *DB) ListServices(ctx context.Context) (out []queuestore.Service, err error) {
	err = s.list(ctx, "services", func(rows *sql.Rows) error {
		var cert, id []byte
		var role string
		err := rows.Scan(&cert, &role, &id)
		out = append(out, queuestore.Service{Certificate: smp.Fingerprint(cert), Role: queuerow.Role(role), ID: smp.ServiceID(id)})
		return err
	}, `SELECT certificate, role, id FROM services`)
	return out, err
}
