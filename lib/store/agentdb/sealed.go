package agentdb

import (
	"strings"

	"github.com/simplexkit/simplexkit/lib/store"
)

// Sealed are the columns that are sealed in an encrypted database. Values are
// bound to their connection and row.
func Sealed() store.Columns { return sealed }

var sealed = func() (out store.Columns) {
	add := func(table string, token bool, row []string, columns ...string) {
		for _, c := range columns {
			out = append(out, store.Column{Name: table + "." + c, Row: row, Token: token})
		}
	}
	conn := []string{"conn_id"}
	add("agent_conns", false, conn, "snd_hash", "rcv_hash")
	add("agent_rcv_queues", true, nil, "name")
	add("agent_rcv_queues", false, []string{"rcv_queue_id", "conn_id"}, "server", "rcv_id", "snd_id", "auth_key",
		"relay_key", "e2e_private", "e2e_secret", "last_broker")
	add("agent_snd_queues", false, []string{"snd_queue_id", "conn_id"}, "server", "snd_id", "auth_key",
		"e2e_public", "e2e_secret")
	add("agent_ratchets", false, conn, "state", "keys")
	add("agent_skipped_keys", true, conn, "header_key")
	add("agent_skipped_keys", false, []string{"conn_id", "header_key", "number"}, "msg_key")
	add("agent_confirmations", false, []string{"conn_id", "conf_id"}, "sender_key", "reply_queue", "own_info")
	add("agent_requests", false, []string{"conn_id", "request_id"}, "link")
	add("agent_sent", true, conn, "key")
	add("agent_sent", false, []string{"conn_id", "msg_id"}, "hash", "body")
	add("agent_received", true, conn, "enc_hash")
	add("agent_received", false, []string{"conn_id", "msg_id"}, "hash")
	add("agent_key_hashes", true, conn, "hash")
	add("agent_events", true, conn, "broker_id")
	add("agent_events", false, []string{"event_id", "conn_id"}, "data", "body")
	add("agent_commands", false, []string{"command_id", "conn_id"}, "data")
	queue := []string{"rcv_queue_id"}
	add("agent_short_links", false, queue, "link_id", "link_key", "root_key", "fixed")
	add("agent_opened_links", true, nil, "server")
	add("agent_opened_links", true, []string{"server"}, "link_id", "snd_id")
	add("agent_opened_links", false, []string{"server", "link_id"}, "link_key", "auth_key")
	add("agent_notifiers", false, queue, "auth_key", "private", "notifier_id", "secret")
	return out
}()

// opened are the expressions for the values of sealed columns.
func opened(table string, columns ...string) string {
	for i, c := range columns {
		columns[i] = sealed.Open(table + "." + c)
	}
	return strings.Join(columns, ", ")
}

// row is the number of a row: have, or for 0 a new one, which the query next
// finds. Values are sealed with it, so it is needed before the row is there.
func (t tx) row(have int64, next string) (n int64, err error) {
	if have != 0 {
		return have, nil
	}
	return n, t.QueryRow(next).Scan(&n)
}

// after is the query next of a table that counts on after deletions.
func after(table string) string {
	return `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '` + table + `'), 0) + 1`
}
