package chatdb

import (
	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

var (
	addressSealed = sealed.Seal("chat_addresses.doc", "?4", "?1", "?2", "?3")
	insertAddress = `INSERT INTO chat_addresses (address_id, user_id, agent_conn_id, doc) VALUES (?1, ?2, ?3, ` + addressSealed + `)`
	updateAddress = `UPDATE chat_addresses SET user_id = ?2, agent_conn_id = ?3, doc = ` + addressSealed + ` WHERE address_id = ?1`
	addressDoc    = `SELECT json_set(` + sealed.Open("chat_addresses.doc") + `, '$.ID', address_id) FROM chat_addresses `

	requestSealed = sealed.Seal("chat_requests.doc", "?3", "?1", "?2")
	insertRequest = `INSERT INTO chat_requests (request_id, user_id, doc) VALUES (?1, ?2, ` + requestSealed + `)`
	updateRequest = `UPDATE chat_requests SET user_id = ?2, doc = ` + requestSealed + ` WHERE request_id = ?1`
	requestDoc    = `SELECT json_set(` + sealed.Open("chat_requests.doc") + `, '$.ID', request_id) FROM chat_requests `
)

func (t *txn) PutAddress(a *chat.Address) error {
	d, err := doc(a)
	if err != nil {
		return err
	}
	id, err := t.put(int64(a.ID), "chat_addresses", insertAddress, updateAddress, a.UserID, string(a.AgentID), d)
	a.ID = api.UserContactLinkID(id)
	return err
}

func (t *txn) Address(u api.UserID) (*chat.Address, error) {
	a := new(chat.Address)
	return a, t.get(a, "address", addressDoc+`WHERE user_id = ?`, u)
}

func (t *txn) AddressByAgentID(id agent.ConnID) (*chat.Address, error) {
	a := new(chat.Address)
	return a, t.get(a, "address", addressDoc+`WHERE agent_conn_id = ?`, string(id))
}

func (t *txn) DeleteAddress(id api.UserContactLinkID) error {
	return t.del("address", `DELETE FROM chat_addresses WHERE address_id = ?`, id)
}

func (t *txn) PutRequest(r *chat.Request) error {
	d, err := doc(r)
	if err != nil {
		return err
	}
	id, err := t.put(int64(r.ID), "chat_requests", insertRequest, updateRequest, r.UserID, d)
	r.ID = api.ContactRequestID(id)
	return err
}

func (t *txn) Request(id api.ContactRequestID) (*chat.Request, error) {
	r := new(chat.Request)
	return r, t.get(r, "contact request", requestDoc+`WHERE request_id = ?`, id)
}

func (t *txn) Requests(u api.UserID) ([]*chat.Request, error) {
	return list[chat.Request](t, "contact requests", requestDoc+`WHERE user_id = ? ORDER BY request_id`, u)
}

func (t *txn) DeleteRequest(id api.ContactRequestID) error {
	return t.del("contact request", `DELETE FROM chat_requests WHERE request_id = ?`, id)
}
