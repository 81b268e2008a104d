package pgqueues

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store/internal/queuerow"
)

var _ queuestore.Lister = (*DB)(nil)

func list[T any](ctx context.Context, s *DB, what string, scan func(pgx.Rows) (T, error), query string, args ...any) ([]T, error) {
	var out []T
	err := s.read(ctx, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(pgx.CollectableRow) (T, error) { return scan(rows) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pgqueues: list %s: %w", what, err)
	}
	return out, nil
}

// ListQueues implements [queuestore.Lister].
func (s *DB) ListQueues(ctx context.Context, after queuestore.Num, limit int) ([]*queuestore.Queue, error) {
	return list(ctx, s, "queues", func(rows pgx.Rows) (*queuestore.Queue, error) { return queuerow.ScanQueue(rows) },
		`SELECT num, `+queuerow.Columns+` FROM queues WHERE num > $1 ORDER BY num LIMIT $2`, after, limit)
}

// ListMessages implements [queuestore.Lister].
func (s *DB) ListMessages(ctx context.Context, after queuestore.Seq, limit int) ([]queuestore.Stored, error) {
	return list(ctx, s, "messages", func(rows pgx.Rows) (queuestore.Stored, error) {
		m := queuestore.Stored{Message: new(queuestore.Message)}
		return m, queuerow.ScanMessage(rows, m.Message, &m.Queue)
	}, `SELECT seq, sent, notify, quota, id, body, queue FROM messages WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
}

// ListServices implements [queuestore.Lister].
func (s *DB) ListServices(ctx context.Context) ([]queuestore.Service, error) {
	return list(ctx, s, "services", func(rows pgx.Rows) (queuestore.Service, error) {
		var cert, id []byte
		var role string
		err := rows.Scan(&cert, &role, &id)
		return queuestore.Service{Certificate: smp.Fingerprint(cert), Role: queuerow.Role(role), ID: smp.ServiceID(id)}, err
	}, `SELECT certificate, role, id FROM services`)
}
