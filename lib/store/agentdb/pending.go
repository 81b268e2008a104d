package agentdb

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/smp"
)

var (
	putConfirmation = `INSERT OR REPLACE INTO agent_confirmations (conn_id, conf_id, sender_key, reply_queue, own_info)
		VALUES (?1, ?2, ` + confSealed("sender_key", "?3") + `, ` + confSealed("reply_queue", "?4") + `, ` + confSealed("own_info", "?5") + `)`
	selectConfirmation = `SELECT ` + opened("agent_confirmations", "sender_key", "reply_queue", "own_info") + `
		FROM agent_confirmations WHERE conn_id = ? AND conf_id = ?`

	putRequest    = `INSERT INTO agent_requests (conn_id, request_id, link) VALUES (?1, ?2, ` + sealed.Seal("agent_requests.link", "?3", "?1", "?2") + `)`
	selectRequest = `SELECT ` + sealed.Open("agent_requests.link") + ` FROM agent_requests WHERE conn_id = ? AND request_id = ?`

	addEvent = `INSERT INTO agent_events (event_id, conn_id, rcv_queue_id, broker_id, kind, data, body)
		VALUES (?1, ?2, ?3, ` + sealed.Seal("agent_events.broker_id", "?4", "?2") + `, ?5,
			` + sealed.Seal("agent_events.data", "?6", "?1", "?2") + `, ` + sealed.Seal("agent_events.body", "?7", "?1", "?2") + `)`
	nextEvent = `SELECT event_id, rcv_queue_id, ` + sealed.Open("agent_events.broker_id") + `, kind,
		` + opened("agent_events", "data", "body") + ` FROM agent_events WHERE conn_id = ? ORDER BY event_id LIMIT 1`
	eventPending = `SELECT EXISTS (SELECT 1 FROM agent_events
		WHERE conn_id = ?1 AND rcv_queue_id = ?2 AND broker_id = ` + sealed.Seal("agent_events.broker_id", "?3", "?1") + `)`

	addCommand = `INSERT INTO agent_commands (command_id, conn_id, kind, queue_id, data, created_at)
		VALUES (?1, ?2, ?3, ?4, ` + sealed.Seal("agent_commands.data", "?5", "?1", "?2") + `, ?6)`
	nextCommand = `SELECT command_id, kind, queue_id, ` + sealed.Open("agent_commands.data") + `, created_at
		FROM agent_commands WHERE conn_id = ? ORDER BY command_id LIMIT 1`
)

func confSealed(column, value string) string {
	return sealed.Seal("agent_confirmations."+column, value, "?1", "?2")
}

// PutConfirmation implements agent.RequestStore.
func (t tx) PutConfirmation(c *agent.PendingConfirmation) error {
	return t.exec("put confirmation", putConfirmation, c.Conn, c.ID, c.SenderKey, c.ReplyQueue, c.OwnInfo)
}

// Confirmation implements agent.RequestStore.
func (t tx) Confirmation(conn agent.ConnID, id agent.ConfirmationID) (*agent.PendingConfirmation, error) {
	c := &agent.PendingConfirmation{Conn: conn, ID: id}
	err := t.one("confirmation", selectConfirmation, []any{conn, id}, &c.SenderKey, &c.ReplyQueue, &c.OwnInfo)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DeleteConfirmations implements agent.RequestStore.
func (t tx) DeleteConfirmations(conn agent.ConnID) error {
	return t.exec("delete confirmations", `DELETE FROM agent_confirmations WHERE conn_id = ?`, conn)
}

// PutRequest implements agent.RequestStore.
func (t tx) PutRequest(r *agent.PendingRequest) error {
	return t.exec("put request", putRequest, r.Address, r.ID, r.Link)
}

// Request implements agent.RequestStore.
func (t tx) Request(addr agent.ConnID, id agent.RequestID) (*agent.PendingRequest, error) {
	r := &agent.PendingRequest{Address: addr, ID: id}
	err := t.one("request", selectRequest, []any{addr, id}, &r.Link)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// DeleteRequest implements agent.RequestStore.
func (t tx) DeleteRequest(addr agent.ConnID, id agent.RequestID) error {
	return t.exec("delete request", `DELETE FROM agent_requests WHERE conn_id = ? AND request_id = ?`, addr, id)
}

// AddEvent implements agent.EventStore.
func (t tx) AddEvent(e *agent.StoredEvent) error {
	row, err := t.row(0, after("agent_events"))
	if err == nil {
		_, err = t.Exec(addEvent, row, e.Conn, e.Queue, []byte(e.Broker), e.Kind, notNull(e.Data), e.Body)
	}
	if err != nil {
		return fmt.Errorf("agentdb: add event: %w", err)
	}
	e.Row = row
	return nil
}

// NextEvent implements agent.EventStore.
func (t tx) NextEvent(conn agent.ConnID) (*agent.StoredEvent, error) {
	e, broker := &agent.StoredEvent{Conn: conn}, []byte(nil)
	err := t.one("next event", nextEvent, []any{conn}, &e.Row, &e.Queue, &broker, &e.Kind, &e.Data, &e.Body)
	if err != nil {
		return nil, err
	}
	e.Broker = smp.MsgID(broker)
	return e, nil
}

// DeleteEvent implements agent.EventStore.
func (t tx) DeleteEvent(row int64) error {
	return t.exec("delete event", `DELETE FROM agent_events WHERE event_id = ?`, row)
}

// EventConns implements agent.EventStore.
func (t tx) EventConns() ([]agent.ConnID, error) {
	return list[agent.ConnID](t, "connections with events", `SELECT DISTINCT conn_id FROM agent_events`)
}

// EventPending implements agent.EventStore.
func (t tx) EventPending(conn agent.ConnID, queue int64, broker smp.MsgID) (pending bool, err error) {
	err = t.one("event of message", eventPending, []any{conn, queue, []byte(broker)}, &pending)
	return pending, err
}

// AddCommand implements agent.CommandStore.
func (t tx) AddCommand(c *agent.StoredCommand) error {
	row, err := t.row(0, after("agent_commands"))
	if err == nil {
		_, err = t.Exec(addCommand, row, c.Conn, c.Kind, c.Queue, c.Data, ms(c.CreatedAt))
	}
	if err != nil {
		return fmt.Errorf("agentdb: add command: %w", err)
	}
	c.Row = row
	return nil
}

// NextCommand implements agent.CommandStore.
func (t tx) NextCommand(conn agent.ConnID) (*agent.StoredCommand, error) {
	c, created := &agent.StoredCommand{Conn: conn}, int64(0)
	err := t.one("next command", nextCommand, []any{conn}, &c.Row, &c.Kind, &c.Queue, &c.Data, &created)
	if err != nil {
		return nil, err
	}
	c.CreatedAt = at(created)
	return c, nil
}

// DeleteCommand implements agent.CommandStore.
func (t tx) DeleteCommand(row int64) error {
	return t.exec("delete command", `DELETE FROM agent_commands WHERE command_id = ?`, row)
}

// DeleteCommands implements agent.CommandStore.
func (t tx) DeleteCommands(conn agent.ConnID) error {
	return t.exec("delete commands", `DELETE FROM agent_commands WHERE conn_id = ?`, conn)
}

// CommandConns implements agent.CommandStore.
func (t tx) CommandConns() ([]agent.ConnID, error) {
	return list[agent.ConnID](t, "connections with commands", `SELECT DISTINCT conn_id FROM agent_commands`)
}
