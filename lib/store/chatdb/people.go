package chatdb

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

// A row's number is not in its doc when it is inserted; it is set on reading
// from json_set, so that doc and column cannot disagree.

func (t *txn) PutUser(u *chat.User) error {
	d, err := doc(u)
	if err != nil {
		return err
	}
	id, err := t.put(int64(u.ID), "user", `INSERT INTO chat_users (doc) VALUES (?)`,
		`UPDATE chat_users SET doc = ? WHERE user_id = ?`, d)
	u.ID = api.UserID(id)
	return err
}

func (t *txn) User(id api.UserID) (*chat.User, error) {
	u := new(chat.User)
	return u, t.get(u, "user", `SELECT json_set(doc, '$.ID', user_id) FROM chat_users WHERE user_id = ?`, id)
}

func (t *txn) Users() ([]*chat.User, error) {
	return list[chat.User](t, "users", `SELECT json_set(doc, '$.ID', user_id) FROM chat_users ORDER BY user_id`)
}

func (t *txn) DeleteUser(id api.UserID) error {
	return t.del("user", `DELETE FROM chat_users WHERE user_id = ?`, id)
}

func (t *txn) NewProfileID() (api.ProfileID, error) {
	id, err := t.put(0, "profile", `INSERT INTO chat_profiles DEFAULT VALUES`, "")
	return api.ProfileID(id), err
}

func (t *txn) PutContact(c *chat.Contact) error {
	d, err := doc(c)
	if err != nil {
		return err
	}
	id, err := t.put(int64(c.ID), "contact", `INSERT INTO chat_contacts (user_id, name, doc) VALUES (?, ?, ?)`,
		`UPDATE chat_contacts SET user_id = ?, name = ?, doc = ? WHERE contact_id = ?`, c.UserID, c.Name, d)
	c.ID = api.ContactID(id)
	return err
}

const contactDoc = `SELECT json_set(doc, '$.ID', contact_id) FROM chat_contacts `

func (t *txn) Contact(id api.ContactID) (*chat.Contact, error) {
	c := new(chat.Contact)
	return c, t.get(c, "contact", contactDoc+`WHERE contact_id = ?`, id)
}

func (t *txn) ContactByName(u api.UserID, name string) (*chat.Contact, error) {
	c := new(chat.Contact)
	return c, t.get(c, "contact", contactDoc+`WHERE user_id = ? AND name = ?`, u, name)
}

func (t *txn) Contacts(u api.UserID) ([]*chat.Contact, error) {
	return list[chat.Contact](t, "contacts", contactDoc+`WHERE user_id = ? ORDER BY contact_id`, u)
}

func (t *txn) DeleteContact(id api.ContactID) error {
	return t.del("contact", `DELETE FROM chat_contacts WHERE contact_id = ?`, id)
}

func (t *txn) PutConn(c *chat.Conn) error {
	d, err := doc(c)
	if err != nil {
		return err
	}
	id, err := t.put(int64(c.ID), "connection", `INSERT INTO chat_conns (user_id, agent_conn_id, doc) VALUES (?, ?, ?)`,
		`UPDATE chat_conns SET user_id = ?, agent_conn_id = ?, doc = ? WHERE conn_id = ?`, c.UserID, string(c.AgentID), d)
	c.ID = api.ConnID(id)
	return err
}

const connDoc = `SELECT json_set(doc, '$.ID', conn_id) FROM chat_conns `

func (t *txn) Conn(id api.ConnID) (*chat.Conn, error) {
	c := new(chat.Conn)
	return c, t.get(c, "connection", connDoc+`WHERE conn_id = ?`, id)
}

func (t *txn) ConnByAgentID(id agent.ConnID) (*chat.Conn, error) {
	c := new(chat.Conn)
	return c, t.get(c, "connection", connDoc+`WHERE agent_conn_id = ?`, string(id))
}

func (t *txn) Conns(u api.UserID) ([]*chat.Conn, error) {
	return list[chat.Conn](t, "connections", connDoc+`WHERE user_id = ? ORDER BY conn_id`, u)
}

func (t *txn) DeleteConn(id api.ConnID) error {
	return t.del("connection", `DELETE FROM chat_conns WHERE conn_id = ?`, id)
}

func (t *txn) PutOut(o *chat.Out) error {
	id, err := t.put(o.ID, "outgoing message",
		`INSERT INTO chat_outs (conn_id, item_id, key, notify, body) VALUES (?, ?, ?, ?, ?)`,
		`UPDATE chat_outs SET conn_id = ?, item_id = ?, key = ?, notify = ?, body = ? WHERE out_id = ?`,
		o.ConnID, o.ItemID, o.Key, o.Notify, o.Body)
	o.ID = id
	return err
}

func (t *txn) Outs(c api.ConnID) ([]*chat.Out, error) {
	rows, err := t.tx.QueryContext(t.ctx, `SELECT out_id, conn_id, item_id, key, notify, body FROM chat_outs
		WHERE ? IN (0, conn_id) ORDER BY out_id`, c)
	if err != nil {
		return nil, fmt.Errorf("chatdb: listing outgoing messages: %w", err)
	}
	defer rows.Close()
	var outs []*chat.Out
	for rows.Next() {
		o := new(chat.Out)
		if err := rows.Scan(&o.ID, &o.ConnID, &o.ItemID, &o.Key, &o.Notify, &o.Body); err != nil {
			return nil, fmt.Errorf("chatdb: listing outgoing messages: %w", err)
		}
		outs = append(outs, o)
	}
	return outs, rows.Err()
}

func (t *txn) DeleteOut(id int64) error {
	return t.del("outgoing message", `DELETE FROM chat_outs WHERE out_id = ?`, id)
}

func (t *txn) PutDelivery(c api.ConnID, msgID int64, it api.ChatItemID) error {
	_, err := t.exec(`INSERT INTO chat_deliveries (conn_id, msg_id, item_id) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET item_id = excluded.item_id`, c, msgID, it)
	if err != nil {
		return fmt.Errorf("chatdb: inserting delivery: %w", err)
	}
	return nil
}

func (t *txn) Delivery(c api.ConnID, msgID int64) (id api.ChatItemID, err error) {
	return id, t.scan(&id, "delivery", `SELECT item_id FROM chat_deliveries WHERE conn_id = ? AND msg_id = ?`, c, msgID)
}

func (t *txn) MaxOutMsgID(c api.ConnID) (id int64, err error) {
	return id, t.scan(&id, "delivery", `SELECT coalesce(max(msg_id), 0) FROM chat_deliveries WHERE conn_id = ?`, c)
}
