package chatdb

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

func (t *txn) scan(v any, what, query string, args ...any) error {
	err := t.tx.QueryRowContext(t.ctx, query, args...).Scan(v)
	if errors.Is(err, sql.ErrNoRows) {
		err = chat.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("chatdb: reading %s: %w", what, err)
	}
	return nil
}

// itemText is what queries search in.
var itemText = sealed.Open("chat_items.text")

// itemDoc takes from the columns what they keep alone.
var itemDoc = `SELECT json_set(` + sealed.Open("chat_items.doc") + `, '$.ID', item_id, '$.Item.meta.itemId', item_id, '$.Unread', json(iif(unread, 'true', 'false'))) FROM chat_items `

var (
	itemValues = []string{
		sealed.Seal("chat_items.msg_id", "?6", "?3"), sealed.Seal("chat_items.idem", "?9", "?2"),
		sealed.Seal("chat_items.text", "?10", "?1", "?2", "?3"), sealed.Seal("chat_items.doc", "?11", "?1", "?2", "?3"),
	}
	insertItem = `INSERT INTO chat_items (item_id, user_id, contact_id, sent, message, unread, seq, msg_id, idem, text, doc)
		VALUES (?1, ?2, ?3, ?4, ?5, ?7, ?8, ` + strings.Join(itemValues, ", ") + `)`
	updateItem = `UPDATE chat_items SET user_id = ?2, contact_id = ?3, sent = ?4, message = ?5, unread = ?7, seq = ?8,
		(msg_id, idem, text, doc) = (` + strings.Join(itemValues, ", ") + `) WHERE item_id = ?1`
	itemByMsgID = `WHERE contact_id = ?1 AND sent = ?2 AND msg_id = ` + sealed.Seal("chat_items.msg_id", "?3", "?1")
	itemByIdem  = `WHERE user_id = ?1 AND idem = ` + sealed.Seal("chat_items.idem", "?2", "?1")

	insertVersion = `INSERT INTO chat_item_versions (version_id, item_id, doc)
		VALUES (?1, ?2, ` + sealed.Seal("chat_item_versions.doc", "?3", "?1", "?2") + `)`
	versions = `SELECT json_set(` + sealed.Open("chat_item_versions.doc") + `, '$.ID', version_id)
		FROM chat_item_versions WHERE item_id = ? ORDER BY version_id DESC`
)

func (t *txn) PutItem(it *chat.Item) error {
	d, err := doc(it)
	if err != nil {
		return err
	}
	seq := sql.NullInt64{Int64: it.Seq, Valid: it.Seq != 0}
	id, err := t.put(int64(it.ID), "chat_items", insertItem, updateItem,
		it.UserID, it.ContactID, it.Sent, it.Message, nullable(it.MsgID), it.Unread, seq,
		nullable(it.Idem), it.Item.Meta.ItemText, d)
	it.ID = api.ChatItemID(id)
	it.Item.Meta.ItemID = it.ID
	return err
}

func (t *txn) item(where string, args ...any) (*chat.Item, error) {
	it := new(chat.Item)
	if err := t.get(it, "item", itemDoc+where, args...); err != nil {
		return nil, err
	}
	return settle(it), nil
}

// settle lets the status follow the column: read and unread are counted there.
func settle(it *chat.Item) *chat.Item {
	if st := &it.Item.Meta.ItemStatus; !it.Sent && !it.Unread && st.Type == "rcvNew" {
		st.Type = "rcvRead"
	}
	return it
}

func (t *txn) Item(id api.ChatItemID) (*chat.Item, error) { return t.item(`WHERE item_id = ?`, id) }

func (t *txn) ItemByMsgID(c api.ContactID, sent bool, msgID string) (*chat.Item, error) {
	return t.item(itemByMsgID, c, sent, msgID)
}

func (t *txn) ItemByIdem(u api.UserID, key string) (*chat.Item, error) {
	return t.item(itemByIdem, u, key)
}

func (t *txn) Items(q chat.ItemQuery) ([]*chat.Item, error) {
	where, order := []string{"user_id = ?"}, "item_id"
	args := []any{q.UserID}
	add := func(use bool, cond string, arg ...any) {
		if use {
			where, args = append(where, cond), append(args, arg...)
		}
	}
	add(q.ContactID != 0, "contact_id = ?", q.ContactID)
	add(q.After != 0, "item_id > ?", q.After)
	add(q.Before != 0, "item_id < ?", q.Before)
	add(q.Messages, "message = 1")
	add(q.Unread, "unread = 1")
	add(q.SentOnly, "sent = 1")
	if q.Search != "" {
		esc := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q.Search)
		add(true, itemText+` LIKE ? ESCAPE '\'`, "%"+esc+"%")
	}
	if q.AfterSeq != nil {
		add(true, "seq > ?", *q.AfterSeq)
		order = "seq"
	}
	limit := q.Limit
	if limit == 0 {
		limit = -1
	}
	if q.Last {
		order += " DESC"
	}
	items, err := list[chat.Item](t, "items", itemDoc+"WHERE "+strings.Join(where, " AND ")+
		" ORDER BY "+order+" LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, err
	}
	if q.Last {
		slices.Reverse(items)
	}
	for _, it := range items {
		settle(it)
	}
	return items, nil
}

func (t *txn) DeleteItem(id api.ChatItemID) error {
	return t.del("item", `DELETE FROM chat_items WHERE item_id = ?`, id)
}

func (t *txn) AddVersion(id api.ChatItemID, v chat.ItemVersion) error {
	d, err := doc(v)
	if err != nil {
		return err
	}
	_, err = t.put(0, "chat_item_versions", insertVersion, "", id, d)
	return err
}

func (t *txn) Versions(id api.ChatItemID) ([]chat.ItemVersion, error) {
	vs, err := list[chat.ItemVersion](t, "versions", versions, id)
	var out []chat.ItemVersion
	for _, v := range vs {
		out = append(out, *v)
	}
	return out, err
}

func (t *txn) Unread(c api.ContactID) (n chat.Unread, err error) {
	err = t.tx.QueryRowContext(t.ctx, `SELECT count(*), coalesce(min(i.item_id), 0)
		FROM chat_contacts c JOIN chat_items i ON i.user_id = c.user_id AND i.contact_id = c.contact_id AND i.unread = 1
		WHERE c.contact_id = ?`, c).Scan(&n.Count, &n.Min)
	if err != nil {
		err = fmt.Errorf("chatdb: counting unread: %w", err)
	}
	return n, err
}

func (t *txn) UnreadOfUser(u api.UserID) (n int, err error) {
	return n, t.scan(&n, "unread", `SELECT count(*) FROM chat_items WHERE user_id = ? AND unread = 1`, u)
}

func (t *txn) MarkRead(c api.ContactID, ids ...api.ChatItemID) error {
	const all = `UPDATE chat_items SET unread = 0 WHERE contact_id = ? AND unread = 1`
	if ids == nil {
		return t.del("unread", all, c)
	}
	for _, id := range ids {
		if err := t.del("unread", all+` AND item_id = ?`, c, id); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) MarkReadSeq(u api.UserID, from, to int64) error {
	return t.del("unread", `UPDATE chat_items SET unread = 0 WHERE user_id = ? AND seq BETWEEN ? AND ? AND unread = 1`,
		u, from, to)
}
