package agentdb

import (
	"database/sql"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

const rcvColumns = `rcv_queue_id, conn_id, server, rcv_id, snd_id, mode, status, auth_key, relay_key, e2e_private, e2e_secret, version, last_broker, is_primary, replaces, switch`

// PutRcvQueue implements agent.QueueStore.
func (t tx) PutRcvQueue(q *agent.RcvQueue) error {
	res, err := t.Exec(`INSERT INTO agent_rcv_queues (`+rcvColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (rcv_queue_id) DO UPDATE SET status = excluded.status, e2e_secret = excluded.e2e_secret,
			version = excluded.version, last_broker = excluded.last_broker, is_primary = excluded.is_primary,
			replaces = excluded.replaces, switch = excluded.switch`,
		rowID(q.Row), q.Conn, q.Server, []byte(q.RcvID), []byte(q.SndID), int(q.Mode), q.Status,
		q.AuthKey.AppendPKCS8(nil), q.RelayKey, q.E2EPrivate, q.E2ESecret, q.Version,
		[]byte(q.LastBroker), q.Primary, q.Replaces, q.Switch)
	if err == nil && q.Row == 0 {
		q.Row, err = res.LastInsertId()
	}
	if err != nil {
		return fmt.Errorf("agentdb: put receiving queue: %w", err)
	}
	return nil
}

// RcvQueues implements agent.QueueStore.
func (t tx) RcvQueues(id agent.ConnID) ([]*agent.RcvQueue, error) {
	return t.rcvQueues(`SELECT `+rcvColumns+` FROM agent_rcv_queues WHERE conn_id = ? ORDER BY rcv_queue_id`, id)
}

// AllRcvQueues implements agent.QueueStore.
func (t tx) AllRcvQueues() ([]*agent.RcvQueue, error) {
	return t.rcvQueues(`SELECT ` + rcvColumns + ` FROM agent_rcv_queues ORDER BY rcv_queue_id`)
}

func (t tx) rcvQueues(query string, args ...any) (out []*agent.RcvQueue, err error) {
	err = t.each("receiving queues", query, args, func(r *sql.Rows) error {
		q := new(agent.RcvQueue)
		var rcvID, sndID, auth, last []byte
		var mode int
		err := r.Scan(&q.Row, &q.Conn, &q.Server, &rcvID, &sndID, &mode, &q.Status, &auth, &q.RelayKey,
			&q.E2EPrivate, &q.E2ESecret, &q.Version, &last, &q.Primary, &q.Replaces, &q.Switch)
		if err != nil {
			return err
		}
		q.RcvID, q.SndID, q.LastBroker = smp.RecipientID(rcvID), smp.SenderID(sndID), smp.MsgID(last)
		q.Mode = smp.QueueMode(mode)
		q.AuthKey, err = key.ParsePrivate(auth)
		out = append(out, q)
		return err
	})
	return out, err
}

// DeleteRcvQueue implements agent.QueueStore.
func (t tx) DeleteRcvQueue(row int64) error {
	return t.exec("delete receiving queue", `DELETE FROM agent_rcv_queues WHERE rcv_queue_id = ?`, row)
}

const sndColumns = `snd_queue_id, conn_id, server, snd_id, mode, status, auth_key, e2e_public, e2e_secret, version, is_primary, replaces, switch`

// PutSndQueue implements agent.QueueStore.
func (t tx) PutSndQueue(q *agent.SndQueue) error {
	res, err := t.Exec(`INSERT INTO agent_snd_queues (`+sndColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (snd_queue_id) DO UPDATE SET mode = excluded.mode, status = excluded.status, is_primary = excluded.is_primary,
			replaces = excluded.replaces, switch = excluded.switch`,
		rowID(q.Row), q.Conn, q.Server, []byte(q.SndID), int(q.Mode), q.Status, q.AuthKey.AppendPKCS8(nil),
		q.E2EPublic.Raw(), q.E2ESecret, q.Version, q.Primary, q.Replaces, q.Switch)
	if err == nil && q.Row == 0 {
		q.Row, err = res.LastInsertId()
	}
	if err != nil {
		return fmt.Errorf("agentdb: put sending queue: %w", err)
	}
	return nil
}

// SndQueues implements agent.QueueStore.
func (t tx) SndQueues(id agent.ConnID) (out []*agent.SndQueue, err error) {
	const query = `SELECT ` + sndColumns + ` FROM agent_snd_queues WHERE conn_id = ? ORDER BY snd_queue_id`
	err = t.each("sending queues", query, []any{id}, func(r *sql.Rows) error {
		q := new(agent.SndQueue)
		var sndID, auth, e2e []byte
		var mode int
		err := r.Scan(&q.Row, &q.Conn, &q.Server, &sndID, &mode, &q.Status, &auth, &e2e, &q.E2ESecret,
			&q.Version, &q.Primary, &q.Replaces, &q.Switch)
		if err != nil {
			return err
		}
		q.SndID, q.Mode = smp.SenderID(sndID), smp.QueueMode(mode)
		if len(e2e) != len(q.E2EPublic) {
			return key.ErrParse
		}
		q.E2EPublic = key.X25519Public(e2e)
		q.AuthKey, err = key.ParsePrivate(auth)
		out = append(out, q)
		return err
	})
	return out, err
}

// DeleteSndQueue implements agent.QueueStore.
func (t tx) DeleteSndQueue(row int64) error {
	return t.exec("delete sending queue", `DELETE FROM agent_snd_queues WHERE snd_queue_id = ?`, row)
}

// rowID is NULL for a row to be inserted.
func rowID(row int64) sql.NullInt64 { return sql.NullInt64{Int64: row, Valid: row != 0} }
