package chatdb

import (
	"fmt"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

// A row's number is not in its doc when it is inserted; it is set on reading
// from json_set, so that doc and column cannot disagree.

var (
	insertUser = `INSERT INTO chat_users (user_id, doc) VALUES (?1, ` + sealed.Seal("chat_users.doc", "?2", "?1") + `)`
	updateUser = `UPDATE chat_users SET doc = ` + sealed.Seal("chat_users.doc", "?2", "?1") + ` WHERE user_id = ?1`
	userDoc    = `SELECT json_set(` + sealed.Open("chat_users.doc") + `, '$.ID', user_id) FROM chat_users `

	contactName   = sealed.Seal("chat_contacts.name", "?3", "?2")
	contactSealed = sealed.Seal("chat_contacts.doc", "?4", "?1", "?2", contactName)
	insertContact = `INSERT INTO chat_contacts (contact_id, user_id, name, doc) VALUES (?1, ?2, ` + contactName + `, ` + contactSealed + `)`
	updateContact = `UPDATE chat_contacts SET user_id = ?2, name = ` + contactName + `, doc = ` + contactSealed + ` WHERE contact_id = ?1`
	contactDoc    = `SELECT json_set(` + sealed.Open("chat_contacts.doc") + `, '$.ID', contact_id) FROM chat_contacts `
	contactByName = contactDoc + `WHERE user_id = ?1 AND name = ` + sealed.Seal("chat_contacts.name", "?2", "?1")

	connSealed = sealed.Seal("chat_conns.doc", "?4", "?1", "?2", "?3")
	insertConn = `INSERT INTO chat_conns (conn_id, user_id, agent_conn_id, doc) VALUES (?1, ?2, ?3, ` + connSealed + `)`
	updateConn = `UPDATE chat_conns SET user_id = ?2, agent_conn_id = ?3, doc = ` + connSealed + ` WHERE conn_id = ?1`
	connDoc    = `SELECT json_set(` + sealed.Open("chat_conns.doc") + `, '$.ID', conn_id) FROM chat_conns `

	outKey    = sealed.Seal("chat_outs.key", "?4", "?1", "?2")
	outBody   = sealed.Seal("chat_outs.body", "?6", "?1", "?2")
	insertOut = `INSERT INTO chat_outs (out_id, conn_id, item_id, key, notify, body) VALUES (?1, ?2, ?3, ` + outKey + `, ?5, ` + outBody + `)`
	updateOut = `UPDATE chat_outs SET conn_id = ?2, item_id = ?3, key = ` + outKey + `, notify = ?5, body = ` + outBody + ` WHERE out_id = ?1`
	outs      = `SELECT out_id, conn_id, item_id, ` + sealed.Open("chat_outs.key") + `, notify, ` + sealed.Open("chat_outs.body") + `
		FROM chat_outs WHERE ? IN (0, conn_id) ORDER BY out_id`
)

func (t *txn) PutUser(u *chat.User) error {
	d, err := doc(u)
	if err != nil {
		return err
	}
	id, err := t.put(int64(u.ID), "chat_users", insertUser, updateUser, d)
	u.ID = api.UserID(id)
	return err
}

func (t *txn) User(id api.UserID) (*chat.User, error) {
	u := new(chat.User)
	return u, t.get(u, "user", userDoc+`WHERE user_id = ?`, id)
}

func (t *txn) Users() ([]*chat.User, error) {
	return list[chat.User](t, "users", userDoc+`ORDER BY user_id`)
}

func (t *txn) DeleteUser(id api.UserID) error {
	return t.del("user", `DELETE FROM chat_users WHERE user_id = ?`, id)
}

func (t *txn) NewProfileID() (api.ProfileID, error) {
	id, err := t.put(0, "chat_profiles", `INSERT INTO chat_profiles (profile_id) VALUES (?1)`, "")
	return api.ProfileID(id), err
}

func (t *txn) PutContact(c *chat.Contact) error {
	d, err := doc(c)
	if err != nil {
		return err
	}
	id, err := t.put(int64(c.ID), "chat_contacts", insertContact, updateContact, c.UserID, c.Name, d)
	c.ID = api.ContactID(id)
	return err
}

func (t *txn) Contact(id api.ContactID) (*chat.Contact, error) {
	c := new(chat.Contact)
	return c, t.get(c, "contact", contactDoc+`WHERE contact_id = ?`, id)
}

func (t *txn) ContactByName(u api.UserID, name string) (*chat.Contact, error) {
	c := new(chat.Contact)
	return c, t.get(c, "contact", contactByName, u, name)
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
	id, err := t.put(int64(c.ID), "chat_conns", insertConn, updateConn, c.UserID, string(c.AgentID), d)
	c.ID = api.ConnID(id)
	return err
}

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
	id, err := t.put(o.ID, "chat_outs", insertOut, updateOut, o.ConnID, o.ItemID, o.Key, o.Notify, o.Body)
	o.ID = id
	return err
}

func (t *txn) Outs(c api.ConnID) ([]*chat.Out, error) {
	rows, err := t.tx.QueryContext(t.ctx, outs, c)
	if err != nil {
		return nil, fmt.Errorf("chatdb: listing outgoing messages: %w", err)
	}
	defer rows.Close()
	var list []*chat.Out
	for rows.Next() {
		o := new(chat.Out)
		if err := rows.Scan(&o.ID, &o.ConnID, &o.ItemID, &o.Key, &o.Notify, &o.Body); err != nil {
			return nil, fmt.Errorf("chatdb: listing outgoing messages: %w", err)
		}
		list = append(list, o)
	}
	return list, rows.Err()
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
