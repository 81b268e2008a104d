package chatdb

import (
	"encoding/json"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/chat"
)

var (
	insertLine = `INSERT INTO chat_lines (seq, key, unread, doc) VALUES (?1, ?2, ?3, ` + sealed.Seal("chat_lines.doc", "?4", "?1") + `)`
	lines      = `SELECT ` + sealed.Open("chat_lines.doc") + ` FROM chat_lines WHERE seq > ? AND unread >= ? ORDER BY seq LIMIT ?`
)

func (t *txn) PutLine(l *chat.Line) error {
	doc, err := json.Marshal(l.Line)
	if err == nil {
		_, err = t.exec(insertLine, l.Seq, l.Key, l.Unread, string(doc))
	}
	if err != nil {
		return fmt.Errorf("chatdb: writing a line: %w", err)
	}
	return nil
}

func (t *txn) HasLine(key string) (bool, error) {
	var n int
	err := t.scan(&n, "line", `SELECT count(*) FROM chat_lines WHERE key = ?`, key)
	return n > 0, err
}

func (t *txn) Lines(after int64, unread bool, limit int) ([]*chat.Line, error) {
	rows, err := t.tx.QueryContext(t.ctx, lines, after, unread, limit)
	if err != nil {
		return nil, fmt.Errorf("chatdb: listing lines: %w", err)
	}
	defer rows.Close()
	var out []*chat.Line
	for rows.Next() {
		var doc []byte
		l := &chat.Line{}
		if err := rows.Scan(&doc); err != nil {
			return nil, fmt.Errorf("chatdb: listing lines: %w", err)
		}
		if err := json.Unmarshal(doc, &l.Line); err != nil {
			return nil, fmt.Errorf("chatdb: listing lines: %w", err)
		}
		l.Seq = l.Line.Seq
		out = append(out, l)
	}
	return out, rows.Err()
}

func (t *txn) MarkLines(from, to int64) error {
	return t.del("unread lines", `UPDATE chat_lines SET unread = 0 WHERE seq BETWEEN ? AND ? AND unread = 1`, from, to)
}
