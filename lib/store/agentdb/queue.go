package agentdb

import (
	"database/sql"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
)

var (
	putRcvQueue = `INSERT INTO agent_rcv_queues (rcv_queue_id, conn_id, server, rcv_id, snd_id, mode, status, auth_key, relay_key,
			e2e_private, e2e_secret, version, last_broker, is_primary, replaces, switch, name)
		VALUES (?1, ?2, ` + rcvSealed("server", "?3") + `, ` + rcvSealed("rcv_id", "?4") + `, ` + rcvSealed("snd_id", "?5") + `, ?6, ?7,
			` + rcvSealed("auth_key", "?8") + `, ` + rcvSealed("relay_key", "?9") + `, ` + rcvSealed("e2e_private", "?10") + `,
			` + rcvSealed("e2e_secret", "?11") + `, ?12, ` + rcvSealed("last_broker", "?13") + `, ?14, ?15, ?16,
			` + sealed.Seal("agent_rcv_queues.name", "?17") + `)
		ON CONFLICT (rcv_queue_id) DO UPDATE SET status = excluded.status, e2e_secret = excluded.e2e_secret,
			version = excluded.version, last_broker = excluded.last_broker, is_primary = excluded.is_primary,
			replaces = excluded.replaces, switch = excluded.switch`
	selectRcvQueues = `SELECT rcv_queue_id, conn_id, ` + opened("agent_rcv_queues", "server", "rcv_id", "snd_id") + `, mode, status,
		` + opened("agent_rcv_queues", "auth_key", "relay_key", "e2e_private", "e2e_secret") + `, version,
		` + opened("agent_rcv_queues", "last_broker") + `, is_primary, replaces, switch FROM agent_rcv_queues`

	putSndQueue = `INSERT INTO agent_snd_queues (snd_queue_id, conn_id, server, snd_id, mode, status, auth_key, e2e_public,
			e2e_secret, version, is_primary, replaces, switch)
		VALUES (?1, ?2, ` + sndSealed("server", "?3") + `, ` + sndSealed("snd_id", "?4") + `, ?5, ?6, ` + sndSealed("auth_key", "?7") + `,
			` + sndSealed("e2e_public", "?8") + `, ` + sndSealed("e2e_secret", "?9") + `, ?10, ?11, ?12, ?13)
		ON CONFLICT (snd_queue_id) DO UPDATE SET mode = excluded.mode, status = excluded.status, is_primary = excluded.is_primary,
			replaces = excluded.replaces, switch = excluded.switch`
	selectSndQueues = `SELECT snd_queue_id, conn_id, ` + opened("agent_snd_queues", "server", "snd_id") + `, mode, status,
		` + opened("agent_snd_queues", "auth_key", "e2e_public", "e2e_secret") + `, version, is_primary, replaces, switch
		FROM agent_snd_queues`
)

func rcvSealed(column, value string) string {
	return sealed.Seal("agent_rcv_queues."+column, value, "?1", "?2")
}

func sndSealed(column, value string) string {
	return sealed.Seal("agent_snd_queues."+column, value, "?1", "?2")
}

// queueName is what no two receiving queues have in common.
func queueName(q *agent.RcvQueue) []byte { return append([]byte(q.Server+"\n"), q.RcvID...) }

// PutRcvQueue implements agent.QueueStore.
func (t tx) PutRcvQueue(q *agent.RcvQueue) error {
	row, err := t.row(q.Row, `SELECT coalesce(max(rcv_queue_id), 0) + 1 FROM agent_rcv_queues`)
	if err != nil {
		return fmt.Errorf("agentdb: put receiving queue: %w", err)
	}
	err = t.exec("put receiving queue", putRcvQueue,
		row, q.Conn, q.Server, []byte(q.RcvID), []byte(q.SndID), int(q.Mode), q.Status,
		q.AuthKey.AppendPKCS8(nil), q.RelayKey, q.E2EPrivate, q.E2ESecret, q.Version,
		[]byte(q.LastBroker), q.Primary, q.Replaces, q.Switch, queueName(q))
	if err == nil {
		q.Row = row
	}
	return err
}

// RcvQueues implements agent.QueueStore.
func (t tx) RcvQueues(id agent.ConnID) ([]*agent.RcvQueue, error) {
	return t.rcvQueues(selectRcvQueues+` WHERE conn_id = ? ORDER BY rcv_queue_id`, id)
}

// AllRcvQueues implements agent.QueueStore.
func (t tx) AllRcvQueues() ([]*agent.RcvQueue, error) {
	return t.rcvQueues(selectRcvQueues + ` ORDER BY rcv_queue_id`)
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

// PutSndQueue implements agent.QueueStore.
func (t tx) PutSndQueue(q *agent.SndQueue) error {
	row, err := t.row(q.Row, `SELECT coalesce(max(snd_queue_id), 0) + 1 FROM agent_snd_queues`)
	if err != nil {
		return fmt.Errorf("agentdb: put sending queue: %w", err)
	}
	err = t.exec("put sending queue", putSndQueue,
		row, q.Conn, q.Server, []byte(q.SndID), int(q.Mode), q.Status, q.AuthKey.AppendPKCS8(nil),
		q.E2EPublic.Raw(), q.E2ESecret, q.Version, q.Primary, q.Replaces, q.Switch)
	if err == nil {
		q.Row = row
	}
	return err
}

// SndQueues implements agent.QueueStore.
func (t tx) SndQueues(id agent.ConnID) (out []*agent.SndQueue, err error) {
	err = t.each("sending queues", selectSndQueues+` WHERE conn_id = ? ORDER BY snd_queue_id`, []any{id}, func(r *sql.Rows) error {
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
