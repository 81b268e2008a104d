package agentdb

import (
	"database/sql"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
)

var (
	putSent = `INSERT INTO agent_sent (conn_id, msg_id, snd_id, kind, notify, hash, body, pq, key, receipt, created_at)
		VALUES (?1, ?2, ?3, ?4, ?5, ` + sealed.Seal("agent_sent.hash", "?6", "?1", "?2") + `,
			` + sealed.Seal("agent_sent.body", "?7", "?1", "?2") + `, ?8, ` + sealed.Seal("agent_sent.key", "?9", "?1") + `, ?10, ?11)`
	sentColumns = `conn_id, msg_id, snd_id, kind, notify, ` + opened("agent_sent", "hash", "body") + `,
		pq, ` + opened("agent_sent", "key") + `, receipt, created_at`
	nextDelivery = `SELECT ` + sentColumns + `, attempts, delay FROM agent_sent JOIN
		(SELECT msg_id AS next_id, conn_id AS next_conn, attempts, delay FROM agent_deliveries
			WHERE snd_queue_id = ? ORDER BY msg_id LIMIT 1)
		ON conn_id = next_conn AND msg_id = next_id`
	sentByKey = `SELECT msg_id FROM agent_sent WHERE conn_id = ?1 AND key = ` + sealed.Seal("agent_sent.key", "?2", "?1")

	putReceived = `INSERT INTO agent_received (conn_id, msg_id, sender_id, hash, enc_hash, user, received_at)
		VALUES (?1, ?2, ?3, ` + sealed.Seal("agent_received.hash", "?4", "?1", "?2") + `,
			` + sealed.Seal("agent_received.enc_hash", "?5", "?1") + `, ?6, ?7)`
	selectReceived = `SELECT sender_id, ` + opened("agent_received", "hash", "enc_hash") + `, user, received_at
		FROM agent_received WHERE conn_id = ? AND msg_id = ?`
	seenHash = `SELECT EXISTS (SELECT 1 FROM agent_received
		WHERE conn_id = ?1 AND enc_hash = ` + sealed.Seal("agent_received.enc_hash", "?2", "?1") + `)`
	seenKeys = `SELECT EXISTS (SELECT 1 FROM agent_key_hashes
		WHERE conn_id = ?1 AND hash = ` + sealed.Seal("agent_key_hashes.hash", "?2", "?1") + `)`
	addKeys = `INSERT OR IGNORE INTO agent_key_hashes (conn_id, hash, created_at)
		VALUES (?1, ` + sealed.Seal("agent_key_hashes.hash", "?2", "?1") + `, ?3)`
)

// PutSent implements agent.SendStore.
func (t tx) PutSent(m *agent.SentMessage, queues ...int64) error {
	err := t.exec("put sent message", putSent,
		m.Conn, m.ID, m.SndID, m.Kind, m.Notify, notNull(m.Hash), m.Body, m.PQ,
		sql.NullString{String: m.Key, Valid: m.Key != ""}, m.Receipt, ms(m.CreatedAt))
	for _, q := range queues {
		if err != nil {
			return err
		}
		err = t.exec("put delivery", `INSERT INTO agent_deliveries (snd_queue_id, msg_id, conn_id, attempts, delay)
			VALUES (?, ?, ?, 0, 0)`, q, m.ID, m.Conn)
	}
	return err
}

// sentRow gives the places for sentColumns; done finishes m.
func sentRow(m *agent.SentMessage) (dest []any, done func()) {
	k, created := new(sql.NullString), new(int64)
	return []any{&m.Conn, &m.ID, &m.SndID, &m.Kind, &m.Notify, &m.Hash, &m.Body, &m.PQ, k, &m.Receipt, created},
		func() { m.Key, m.CreatedAt = k.String, at(*created) }
}

// NextDelivery implements agent.SendStore.
func (t tx) NextDelivery(queue int64) (*agent.Delivery, error) {
	d, delay := new(agent.Delivery), int64(0)
	dest, done := sentRow(&d.SentMessage)
	err := t.one("next delivery", nextDelivery, []any{queue}, append(dest, &d.Attempts, &delay)...)
	if err != nil {
		return nil, err
	}
	done()
	d.Delay = time.Duration(delay) * time.Millisecond
	return d, nil
}

// RetryDelivery implements agent.SendStore.
func (t tx) RetryDelivery(queue, msgID int64, attempts int, delay time.Duration) error {
	return t.exec("retry delivery", `UPDATE agent_deliveries SET attempts = ?, delay = ? WHERE snd_queue_id = ? AND msg_id = ?`,
		attempts, delay.Milliseconds(), queue, msgID)
}

// DeleteDelivery implements agent.SendStore.
func (t tx) DeleteDelivery(conn agent.ConnID, queue, msgID int64, keep bool) error {
	err := t.exec("delete delivery", `DELETE FROM agent_deliveries WHERE snd_queue_id = ? AND msg_id = ?`, queue, msgID)
	if err != nil {
		return err
	}
	const last = ` WHERE conn_id = ?1 AND msg_id = ?2
		AND NOT EXISTS (SELECT 1 FROM agent_deliveries WHERE conn_id = ?1 AND msg_id = ?2)`
	if keep {
		return t.exec("erase sent message", `UPDATE agent_sent SET body = NULL`+last, conn, msgID)
	}
	return t.exec("delete sent message", `DELETE FROM agent_sent`+last, conn, msgID)
}

// CopyDeliveries implements agent.QueueStore.
func (t tx) CopyDeliveries(from, to int64) error {
	return t.exec("copy deliveries", `INSERT OR IGNORE INTO agent_deliveries (snd_queue_id, msg_id, conn_id, attempts, delay)
		SELECT ?, msg_id, conn_id, 0, 0 FROM agent_deliveries WHERE snd_queue_id = ?`, to, from)
}

// DeliveryQueues implements agent.SendStore.
func (t tx) DeliveryQueues() (map[int64]agent.ConnID, error) {
	out := make(map[int64]agent.ConnID)
	err := t.each("queues with deliveries", `SELECT DISTINCT snd_queue_id, conn_id FROM agent_deliveries`, nil,
		func(r *sql.Rows) error {
			var q int64
			var c agent.ConnID
			err := r.Scan(&q, &c)
			out[q] = c
			return err
		})
	return out, err
}

// SentByKey implements agent.SendStore.
func (t tx) SentByKey(conn agent.ConnID, key string) (msgID int64, err error) {
	err = t.one("sent message by key", sentByKey, []any{conn, key}, &msgID)
	return msgID, err
}

// SentByNumber implements agent.SendStore.
func (t tx) SentByNumber(conn agent.ConnID, sndID int64) (*agent.SentMessage, error) {
	m := new(agent.SentMessage)
	dest, done := sentRow(m)
	err := t.one("sent message by number", `SELECT `+sentColumns+` FROM agent_sent WHERE conn_id = ? AND snd_id = ?`,
		[]any{conn, sndID}, dest...)
	if err != nil {
		return nil, err
	}
	done()
	return m, nil
}

// MarkReceipt implements agent.SendStore.
func (t tx) MarkReceipt(conn agent.ConnID, msgID int64) error {
	return t.exec("mark receipt", `UPDATE agent_sent SET receipt = 1 WHERE conn_id = ? AND msg_id = ?`, conn, msgID)
}

// PutReceived implements agent.ReceiveStore.
func (t tx) PutReceived(m *agent.ReceivedMessage) error {
	return t.exec("put received message", putReceived,
		m.Conn, m.ID, m.SenderID, m.Hash, m.EncHash, m.User, ms(m.ReceivedAt))
}

// Received implements agent.ReceiveStore.
func (t tx) Received(conn agent.ConnID, msgID int64) (*agent.ReceivedMessage, error) {
	m, received := &agent.ReceivedMessage{Conn: conn, ID: msgID}, int64(0)
	err := t.one("received message", selectReceived, []any{conn, msgID}, &m.SenderID, &m.Hash, &m.EncHash, &m.User, &received)
	if err != nil {
		return nil, err
	}
	m.ReceivedAt = at(received)
	return m, nil
}

// SeenHash implements agent.ReceiveStore.
func (t tx) SeenHash(conn agent.ConnID, encHash []byte) (seen bool, err error) {
	err = t.one("hash of message", seenHash, []any{conn, encHash}, &seen)
	return seen, err
}

// SeenKeys implements agent.ReceiveStore.
func (t tx) SeenKeys(conn agent.ConnID, hash []byte) (seen bool, err error) {
	err = t.one("hash of keys", seenKeys, []any{conn, hash}, &seen)
	return seen, err
}

// AddKeys implements agent.ReceiveStore.
func (t tx) AddKeys(conn agent.ConnID, hash []byte, when time.Time) error {
	return t.exec("add hash of keys", addKeys, conn, hash, ms(when))
}

// Expire implements agent.ReceiveStore.
func (t tx) Expire(before time.Time) error {
	for _, x := range []struct{ what, where string }{
		{"received messages", "agent_received WHERE received_at < ?"},
		{"opened links", "agent_opened_links WHERE created_at < ?"},
		{"hashes of keys", "agent_key_hashes WHERE created_at < ?"},
		{"sent messages", "agent_sent WHERE body IS NULL AND created_at < ?"},
	} {
		if err := t.exec("expire "+x.what, `DELETE FROM `+x.where, ms(before)); err != nil {
			return err
		}
	}
	return nil
}
