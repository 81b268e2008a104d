package agentdb

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/store"
)

const connColumns = `conn_id, role, phase, version, pq, encrypted, last_msg_id, snd_id, snd_hash, rcv_id, rcv_hash, sync, created_at, user_id`

// InsertConn implements agent.ConnStore.
func (t tx) InsertConn(c *agent.Conn) error {
	err := t.exec("insert connection", `INSERT INTO agent_conns (`+connColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, c.Role, c.Phase, c.Version, c.PQ, c.Encrypted, c.LastMsgID,
		c.SndID, notNull(c.SndHash), c.RcvID, notNull(c.RcvHash), c.Sync, ms(c.CreatedAt), c.User)
	if store.IsConflict(err) {
		return fmt.Errorf("agentdb: insert connection: %w", agent.ErrExists)
	}
	return err
}

// Conn implements agent.ConnStore.
func (t tx) Conn(id agent.ConnID) (*agent.Conn, error) {
	c, created := new(agent.Conn), int64(0)
	err := t.one("connection", `SELECT `+connColumns+` FROM agent_conns WHERE conn_id = ?`, []any{id},
		&c.ID, &c.Role, &c.Phase, &c.Version, &c.PQ, &c.Encrypted, &c.LastMsgID,
		&c.SndID, &c.SndHash, &c.RcvID, &c.RcvHash, &c.Sync, &created, &c.User)
	if err != nil {
		return nil, err
	}
	c.CreatedAt = at(created)
	return c, nil
}

// UpdateConn implements agent.ConnStore.
func (t tx) UpdateConn(c *agent.Conn) error {
	return t.exec("update connection", `UPDATE agent_conns SET role = ?, phase = ?, version = ?, pq = ?, encrypted = ?,
		last_msg_id = ?, snd_id = ?, snd_hash = ?, rcv_id = ?, rcv_hash = ?, sync = ? WHERE conn_id = ?`,
		c.Role, c.Phase, c.Version, c.PQ, c.Encrypted,
		c.LastMsgID, c.SndID, notNull(c.SndHash), c.RcvID, notNull(c.RcvHash), c.Sync, c.ID)
}

// DeleteConn implements agent.ConnStore.
func (t tx) DeleteConn(id agent.ConnID) error {
	return t.exec("delete connection", `DELETE FROM agent_conns WHERE conn_id = ?`, id)
}

// Conns implements agent.ConnStore.
func (t tx) Conns() ([]agent.ConnID, error) {
	return list[agent.ConnID](t, "connections", `SELECT conn_id FROM agent_conns ORDER BY created_at, conn_id`)
}

// Ratchet implements agent.RatchetStore.
func (t tx) Ratchet(id agent.ConnID) (state []byte, err error) {
	err = t.one("ratchet", `SELECT state FROM agent_ratchets WHERE conn_id = ? AND state IS NOT NULL`, []any{id}, &state)
	return state, err
}

// PutRatchet implements agent.RatchetStore.
func (t tx) PutRatchet(id agent.ConnID, state []byte) error {
	return t.exec("put ratchet", `INSERT INTO agent_ratchets (conn_id, state) VALUES (?, ?)
		ON CONFLICT (conn_id) DO UPDATE SET state = excluded.state`, id, state)
}

// SkippedChains implements agent.RatchetStore.
func (t tx) SkippedChains(id agent.ConnID) (out []ratchet.HeaderKey, err error) {
	const query = `SELECT DISTINCT header_key FROM agent_skipped_keys WHERE conn_id = ?`
	err = t.each("skipped chains", query, []any{id}, func(r *sql.Rows) error {
		var b []byte
		if err := r.Scan(&b); err != nil {
			return err
		}
		var k ratchet.HeaderKey
		if copy(k[:], b) != len(k) || len(b) != len(k) {
			return errors.New("header key of wrong size")
		}
		out = append(out, k)
		return nil
	})
	return out, err
}

// SkippedKey implements agent.RatchetStore.
func (t tx) SkippedKey(id agent.ConnID, chain ratchet.HeaderKey, n uint32) (k ratchet.MessageKey, err error) {
	var b []byte
	err = t.one("skipped key", `SELECT msg_key FROM agent_skipped_keys WHERE conn_id = ? AND header_key = ? AND number = ?`,
		[]any{id, chain[:], n}, &b)
	if err == nil && len(b) != len(k) {
		err = errors.New("agentdb: skipped key: wrong size")
	}
	copy(k[:], b)
	return k, err
}

// ApplySkipped implements agent.RatchetStore.
func (t tx) ApplySkipped(id agent.ConnID, d ratchet.SkippedDiff) error {
	if r := d.Remove; r != nil {
		err := t.exec("delete skipped key", `DELETE FROM agent_skipped_keys WHERE conn_id = ? AND header_key = ? AND number = ?`,
			id, r.Chain[:], r.N)
		if err != nil {
			return err
		}
	}
	for _, k := range d.Add {
		err := t.exec("add skipped key", `INSERT OR REPLACE INTO agent_skipped_keys (conn_id, header_key, number, msg_key)
			VALUES (?, ?, ?, ?)`, id, k.Chain[:], k.N, k.Key[:])
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteSkipped implements agent.RatchetStore.
func (t tx) DeleteSkipped(id agent.ConnID) error {
	return t.exec("delete skipped keys", `DELETE FROM agent_skipped_keys WHERE conn_id = ?`, id)
}

// AgreementKeys implements agent.RatchetStore.
func (t tx) AgreementKeys(id agent.ConnID) (keys []byte, err error) {
	err = t.one("agreement keys", `SELECT keys FROM agent_ratchets WHERE conn_id = ? AND keys IS NOT NULL`, []any{id}, &keys)
	return keys, err
}

// PutAgreementKeys implements agent.RatchetStore.
func (t tx) PutAgreementKeys(id agent.ConnID, keys []byte) error {
	return t.exec("put agreement keys", `INSERT INTO agent_ratchets (conn_id, keys) VALUES (?, ?)
		ON CONFLICT (conn_id) DO UPDATE SET keys = excluded.keys`, id, keys)
}
