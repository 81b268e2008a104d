package chatdb

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/chat"
)

var (
	insertEvent = `INSERT INTO chat_events (seq, ts, type, resp) VALUES (?1, ?2, ?3, ` + sealed.Seal("chat_events.resp", "?4", "?1") + `)`
	events      = `SELECT seq, ts, type, ` + sealed.Open("chat_events.resp") + ` FROM chat_events WHERE seq > ? ORDER BY seq LIMIT ?`
	cursor      = `SELECT seq FROM chat_cursors WHERE consumer = ` + sealed.Seal("chat_cursors.consumer", "?1")
	putCursor   = `INSERT INTO chat_cursors (consumer, seq) VALUES (` + sealed.Seal("chat_cursors.consumer", "?1") + `, ?2)
		ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)`
	deleteCursor = `DELETE FROM chat_cursors WHERE consumer = ` + sealed.Seal("chat_cursors.consumer", "?1")
)

func (t *txn) AppendEvent(e *chat.Event) (err error) {
	e.Seq, err = t.put(0, "chat_events", insertEvent, "",
		e.TS.UnixNano(), e.Type, string(e.Resp))
	return err
}

func (t *txn) Events(after int64, limit int) ([]chat.Event, error) {
	rows, err := t.tx.QueryContext(t.ctx, events, after, limit)
	if err != nil {
		return nil, fmt.Errorf("chatdb: listing events: %w", err)
	}
	defer rows.Close()
	var list []chat.Event
	for rows.Next() {
		var e chat.Event
		var ts int64
		if err := rows.Scan(&e.Seq, &ts, &e.Type, (*[]byte)(&e.Resp)); err != nil {
			return nil, fmt.Errorf("chatdb: listing events: %w", err)
		}
		e.TS = time.Unix(0, ts).UTC()
		list = append(list, e)
	}
	return list, rows.Err()
}

// LogRange takes the last number from the table of sequences: it is kept there
// when the events are deleted.
func (t *txn) LogRange() (first, last int64, err error) {
	err = t.scan(&last, "log", `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'chat_events'), 0)`)
	if err != nil {
		return 0, 0, err
	}
	err = t.scan(&first, "log", `SELECT coalesce(min(seq), ?) FROM chat_events`, last+1)
	return first, last, err
}

func (t *txn) DeleteEvents(seq int64) error {
	return t.del("events", `DELETE FROM chat_events WHERE seq <= ?`, seq)
}

func (t *txn) Cursor(consumer string) (seq int64, err error) {
	err = t.scan(&seq, "cursor", cursor, consumer)
	if errors.Is(err, chat.ErrNotFound) {
		return 0, nil
	}
	return seq, err
}

func (t *txn) PutCursor(consumer string, seq int64) error {
	_, err := t.exec(putCursor, consumer, seq)
	if err != nil {
		return fmt.Errorf("chatdb: writing cursor: %w", err)
	}
	return nil
}

func (t *txn) DeleteCursor(consumer string) error { return t.del("cursor", deleteCursor, consumer) }

func (t *txn) MinCursor() (seq int64, ok bool, err error) {
	var n sql.NullInt64
	if err := t.tx.QueryRowContext(t.ctx, `SELECT min(seq) FROM chat_cursors`).Scan(&n); err != nil {
		return 0, false, fmt.Errorf("chatdb: reading cursors: %w", err)
	}
	return n.Int64, n.Valid, nil
}
