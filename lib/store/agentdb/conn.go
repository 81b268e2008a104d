package agentdb

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/store"
)

var (
	insertConn = `INSERT INTO agent_conns (conn_id, role, phase, version, pq, encrypted, last_msg_id, snd_id, snd_hash,
			rcv_id, rcv_hash, sync, created_at, user_id)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ` + sealed.Seal("agent_conns.snd_hash", "?9", "?1") + `,
			?10, ` + sealed.Seal("agent_conns.rcv_hash", "?11", "?1") + `, ?12, ?13, ?14)`
	selectConn = `SELECT conn_id, role, phase, version, pq, encrypted, last_msg_id, snd_id, ` + sealed.Open("agent_conns.snd_hash") + `,
		rcv_id, ` + sealed.Open("agent_conns.rcv_hash") + `, sync, created_at, user_id FROM agent_conns WHERE conn_id = ?`
	updateConn = `UPDATE agent_conns SET role = ?1, phase = ?2, version = ?3, pq = ?4, encrypted = ?5,
		last_msg_id = ?6, snd_id = ?7, snd_hash = ` + sealed.Seal("agent_conns.snd_hash", "?8", "?12") + `,
		rcv_id = ?9, rcv_hash = ` + sealed.Seal("agent_conns.rcv_hash", "?10", "?12") + `, sync = ?11 WHERE conn_id = ?12`

	selectRatchet = `SELECT ` + sealed.Open("agent_ratchets.state") + ` FROM agent_ratchets WHERE conn_id = ? AND state IS NOT NULL`
	putRatchet    = `INSERT INTO agent_ratchets (conn_id, state) VALUES (?1, ` + sealed.Seal("agent_ratchets.state", "?2", "?1") + `)
		ON CONFLICT (conn_id) DO UPDATE SET state = excluded.state`
	selectKeys = `SELECT ` + sealed.Open("agent_ratchets.keys") + ` FROM agent_ratchets WHERE conn_id = ? AND keys IS NOT NULL`
	putKeys    = `INSERT INTO agent_ratchets (conn_id, keys) VALUES (?1, ` + sealed.Seal("agent_ratchets.keys", "?2", "?1") + `)
		ON CONFLICT (conn_id) DO UPDATE SET keys = excluded.keys`

	thisChain     = sealed.Seal("agent_skipped_keys.header_key", "?2", "?1")
	skippedChains = `SELECT DISTINCT ` + sealed.Open("agent_skipped_keys.header_key") + ` FROM agent_skipped_keys WHERE conn_id = ?`
	skippedKey    = `SELECT ` + sealed.Open("agent_skipped_keys.msg_key") + ` FROM agent_skipped_keys
		WHERE conn_id = ?1 AND header_key = ` + thisChain + ` AND number = ?3`
	deleteSkipped = `DELETE FROM agent_skipped_keys WHERE conn_id = ?1 AND header_key = ` + thisChain + ` AND number = ?3`
	addSkipped    = `INSERT OR REPLACE INTO agent_skipped_keys (conn_id, header_key, number, msg_key)
		VALUES (?1, ` + thisChain + `, ?3, ` + sealed.Seal("agent_skipped_keys.msg_key", "?4", "?1", thisChain, "?3") + `)`
)

// InsertConn implements agent.ConnStore.
func (t tx) InsertConn(c *agent.Conn) error {
	err := t.exec("insert connection", insertConn,
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
	err := t.one("connection", selectConn, []any{id},
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
	return t.exec("update connection", updateConn, c.Role, c.Phase, c.Version, c.PQ, c.Encrypted,
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

// Users implements agent.ConnStore.
func (t tx) Users() (map[agent.ConnID]agent.UserID, error) {
	out := make(map[agent.ConnID]agent.UserID)
	err := t.each("users of connections", `SELECT conn_id, user_id FROM agent_conns WHERE user_id != 0`, nil,
		func(r *sql.Rows) error {
			var c agent.ConnID
			var u agent.UserID
			err := r.Scan(&c, &u)
			out[c] = u
			return err
		})
	return out, err
}

// Ratchet implements agent.RatchetStore.
func (t tx) Ratchet(id agent.ConnID) (state []byte, err error) {
	err = t.one("ratchet", selectRatchet, []any{id}, &state)
	return state, err
}

// PutRatchet implements agent.RatchetStore.
func (t tx) PutRatchet(id agent.ConnID, state []byte) error {
	return t.exec("put ratchet", putRatchet, id, state)
}

// SkippedChains implements agent.RatchetStore.
func (t tx) SkippedChains(id agent.ConnID) (out []ratchet.HeaderKey, err error) {
	err = t.each("skipped chains", skippedChains, []any{id}, func(r *sql.Rows) error {
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
	err = t.one("skipped key", skippedKey, []any{id, chain[:], n}, &b)
	if err == nil && len(b) != len(k) {
		err = errors.New("agentdb: skipped key: wrong size")
	}
	copy(k[:], b)
	return k, err
}

// ApplySkipped implements agent.RatchetStore.
func (t tx) ApplySkipped(id agent.ConnID, d ratchet.SkippedDiff) error {
	if r := d.Remove; r != nil {
		err := t.exec("delete skipped key", deleteSkipped, id, r.Chain[:], r.N)
		if err != nil {
			return err
		}
	}
	for _, k := range d.Add {
		err := t.exec("add skipped key", addSkipped, id, k.Chain[:], k.N, k.Key[:])
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
	err = t.one("agreement keys", selectKeys, []any{id}, &keys)
	return keys, err
}

// PutAgreementKeys implements agent.RatchetStore.
func (t tx) PutAgreementKeys(id agent.ConnID, keys []byte) error {
	return t.exec("put agreement keys", putKeys, id, keys)
}
