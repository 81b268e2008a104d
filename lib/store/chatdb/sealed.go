package chatdb

import "github.com/simplexkit/simplexkit/lib/store"

// Sealed are the columns that are sealed in an encrypted database. Values are
// bound to their row and to whom it belongs; a contact's also to its name, so
// that no name leads to another contact.
func Sealed() store.Columns { return sealed }

var sealed = store.Columns{
	{Name: "chat_users.doc", Row: []string{"user_id"}},
	{Name: "chat_contacts.name", Row: []string{"user_id"}, Token: true},
	{Name: "chat_contacts.doc", Row: []string{"contact_id", "user_id", "name"}},
	{Name: "chat_conns.doc", Row: []string{"conn_id", "user_id", "agent_conn_id"}},
	{Name: "chat_addresses.doc", Row: []string{"address_id", "user_id", "agent_conn_id"}},
	{Name: "chat_requests.doc", Row: []string{"request_id", "user_id"}},
	{Name: "chat_items.msg_id", Row: []string{"contact_id"}, Token: true},
	{Name: "chat_items.idem", Row: []string{"user_id"}, Token: true},
	{Name: "chat_items.text", Row: []string{"item_id", "user_id", "contact_id"}},
	{Name: "chat_items.doc", Row: []string{"item_id", "user_id", "contact_id"}},
	{Name: "chat_item_versions.doc", Row: []string{"version_id", "item_id"}},
	{Name: "chat_outs.key", Row: []string{"out_id", "conn_id"}},
	{Name: "chat_outs.body", Row: []string{"out_id", "conn_id"}},
	{Name: "chat_lines.doc", Row: []string{"seq"}},
	{Name: "chat_events.resp", Row: []string{"seq"}},
	{Name: "chat_cursors.consumer", Token: true},
}
