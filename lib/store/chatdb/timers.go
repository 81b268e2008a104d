package chatdb

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
)

func (t *txn) PutTimer(id api.ChatItemID, at time.Time) error {
	_, err := t.exec(`INSERT INTO chat_timers (item_id, delete_at) VALUES (?, ?)
		ON CONFLICT DO UPDATE SET delete_at = excluded.delete_at`, id, at.UnixNano())
	if err != nil {
		return fmt.Errorf("chatdb: writing timer: %w", err)
	}
	return nil
}

func (t *txn) Timers(now time.Time, limit int) (due []api.ChatItemID, next time.Time, err error) {
	rows, err := t.tx.QueryContext(t.ctx, `SELECT item_id FROM chat_timers WHERE delete_at <= ? ORDER BY delete_at LIMIT ?`,
		now.UnixNano(), limit)
	if err != nil {
		return nil, next, fmt.Errorf("chatdb: listing timers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id api.ChatItemID
		if err := rows.Scan(&id); err != nil {
			return nil, next, fmt.Errorf("chatdb: listing timers: %w", err)
		}
		due = append(due, id)
	}
	if err := rows.Err(); err != nil {
		return nil, next, fmt.Errorf("chatdb: listing timers: %w", err)
	}
	var at sql.NullInt64
	if err := t.scan(&at, "timers", `SELECT min(delete_at) FROM chat_timers`); err != nil {
		return nil, next, err
	}
	if at.Valid {
		next = time.Unix(0, at.Int64).UTC()
	}
	return due, next, nil
}
