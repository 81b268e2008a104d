package chatdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/chatdb"
)

var ctx = context.Background()

func open(t *testing.T, path string) *chatdb.DB {
	t.Helper()
	db, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if encrypted && db.Encrypted() {
		err = db.Unlock(ctx, store.RawKey([32]byte{1}))
	} else if encrypted {
		err = db.Protect(ctx, store.RawKey([32]byte{1}))
	}
	if err != nil {
		t.Fatal(err)
	}
	d, err := chatdb.Open(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func do(t *testing.T, d *chatdb.DB, fn func(chat.Tx) error) {
	t.Helper()
	if err := d.Update(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

// people puts a user with a contact and a connection.
func people(t *testing.T, d *chatdb.DB) (*chat.User, *chat.Contact, *chat.Conn) {
	t.Helper()
	u := &chat.User{Name: "alice", Profile: api.Profile{DisplayName: "alice"}, Active: true}
	c := &chat.Contact{Name: "bob", Profile: api.Profile{DisplayName: "bob"}, Status: "active"}
	cn := &chat.Conn{AgentID: "conn", Status: chat.ConnReady, Peer: api.VersionRange{MinVersion: 1, MaxVersion: 16}}
	do(t, d, func(tx chat.Tx) error {
		err := tx.PutUser(u)
		c.UserID, cn.UserID = u.ID, u.ID
		return errors.Join(err, tx.PutContact(c), tx.PutConn(cn))
	})
	return u, c, cn
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestRowsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	d := open(t, path)
	u, c, cn := people(t, d)
	c.Alias, cn.Status = "b", chat.ConnDeleted
	do(t, d, func(tx chat.Tx) error { return errors.Join(tx.PutContact(c), tx.PutConn(cn)) })
	d = open(t, path) // as after a restart, the schema is there
	err := d.View(ctx, func(tx chat.Tx) error {
		gu, err1 := tx.User(u.ID)
		gc, err2 := tx.ContactByName(u.ID, "bob")
		gn, err3 := tx.ConnByAgentID("conn")
		same(t, "user", gu, u)
		same(t, "contact", gc, c)
		same(t, "connection", gn, cn)
		all, err4 := tx.Contacts(u.ID)
		same(t, "contacts", all, []*chat.Contact{c})
		return errors.Join(err1, err2, err3, err4)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "p.db"))
	err := d.View(ctx, func(tx chat.Tx) error {
		for name, get := range map[string]func() error{
			"user":     func() error { _, err := tx.User(1); return err },
			"contact":  func() error { _, err := tx.Contact(1); return err },
			"name":     func() error { _, err := tx.ContactByName(1, "x"); return err },
			"conn":     func() error { _, err := tx.Conn(1); return err },
			"agent":    func() error { _, err := tx.ConnByAgentID(agent.ConnID("x")); return err },
			"item":     func() error { _, err := tx.Item(1); return err },
			"msg id":   func() error { _, err := tx.ItemByMsgID(1, true, "x"); return err },
			"idem":     func() error { _, err := tx.ItemByIdem(1, "x"); return err },
			"delivery": func() error { _, err := tx.Delivery(1, 1); return err },
		} {
			if err := get(); !errors.Is(err, chat.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Update(ctx, func(tx chat.Tx) error { return tx.PutUser(&chat.User{ID: 7}) })
	if !errors.Is(err, chat.ErrNotFound) {
		t.Errorf("replacing what is not there: %v", err)
	}
}

func TestItems(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "p.db"))
	u, c, _ := people(t, d)
	now := time.Now().UTC()
	put := func(text string, seq int64) *chat.Item {
		it := &chat.Item{UserID: u.ID, ContactID: c.ID, Message: true, MsgID: text, Unread: true, Seq: seq}
		it.Item.Meta = api.CIMeta{ItemText: text, ItemTS: now, ItemStatus: api.CIStatus{Type: "rcvNew"}}
		do(t, d, func(tx chat.Tx) error { return tx.PutItem(it) })
		return it
	}
	one, two, three := put("one 100%", 10), put("two_2", 5), put("three", 20)
	list := func(q chat.ItemQuery) (ids []api.ChatItemID) {
		t.Helper()
		q.UserID = u.ID
		err := d.View(ctx, func(tx chat.Tx) error {
			items, err := tx.Items(q)
			for _, it := range items {
				ids = append(ids, it.ID)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	type ids = []api.ChatItemID
	five := int64(5)
	same(t, "all", list(chat.ItemQuery{}), ids{one.ID, two.ID, three.ID})
	same(t, "last", list(chat.ItemQuery{Last: true, Limit: 2}), ids{two.ID, three.ID})
	same(t, "before", list(chat.ItemQuery{Before: three.ID, Last: true, Limit: 1}), ids{two.ID})
	same(t, "after", list(chat.ItemQuery{After: one.ID, Limit: 1}), ids{two.ID})
	same(t, "by seq", list(chat.ItemQuery{AfterSeq: &five}), ids{one.ID, three.ID})
	same(t, "percent", list(chat.ItemQuery{Search: "0%"}), ids{one.ID})
	same(t, "underscore", list(chat.ItemQuery{Search: "O_"}), ids{two.ID})
	same(t, "sent", list(chat.ItemQuery{SentOnly: true}), nil)
	do(t, d, func(tx chat.Tx) error {
		return errors.Join(tx.MarkReadSeq(u.ID, 5, 10), tx.AddVersion(one.ID, chat.ItemVersion{TS: now}), tx.AddVersion(one.ID, chat.ItemVersion{TS: now}))
	})
	same(t, "unread", list(chat.ItemQuery{Unread: true}), ids{three.ID})
	err := d.View(ctx, func(tx chat.Tx) error {
		n, err := tx.Unread(c.ID)
		same(t, "count", n, chat.Unread{Count: 1, Min: three.ID})
		it, err2 := tx.Item(one.ID)
		same(t, "status", it.Item.Meta.ItemStatus.Type, "rcvRead")
		vs, err3 := tx.Versions(one.ID)
		if len(vs) != 2 || vs[0].ID < vs[1].ID {
			t.Errorf("versions: %+v", vs)
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Fatal(err)
	}
	again := &chat.Item{UserID: u.ID, ContactID: c.ID, MsgID: "three"}
	if err := d.Update(ctx, func(tx chat.Tx) error { return tx.PutItem(again) }); !store.IsConflict(err) {
		t.Errorf("a message twice: %v", err)
	}
	do(t, d, func(tx chat.Tx) error { return tx.DeleteContact(c.ID) })
	same(t, "of a deleted contact", list(chat.ItemQuery{}), nil)
}

func TestOutgoing(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "p.db"))
	_, _, cn := people(t, d)
	do(t, d, func(tx chat.Tx) error {
		for _, k := range []string{"a", "b", "c"} {
			if err := tx.PutOut(&chat.Out{ConnID: cn.ID, Key: k, Body: []byte(k), Notify: k == "b"}); err != nil {
				return err
			}
		}
		outs, err := tx.Outs(cn.ID)
		if err != nil || len(outs) != 3 || outs[0].Key != "a" || !outs[1].Notify || string(outs[2].Body) != "c" {
			t.Errorf("%+v, %v", outs, err)
		}
		err = errors.Join(tx.DeleteOut(outs[0].ID), tx.PutDelivery(cn.ID, 9, 5), tx.PutDelivery(cn.ID, 9, 6))
		id, err2 := tx.Delivery(cn.ID, 9)
		same(t, "delivery", id, 6)
		rest, err3 := tx.Outs(0)
		same(t, "left", len(rest), 2)
		return errors.Join(err, err2, err3)
	})
}

func TestLog(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "p.db"))
	var seqs []int64
	add := func(typ string) {
		do(t, d, func(tx chat.Tx) error {
			e := &chat.Event{TS: time.Now().UTC(), Type: typ, Resp: json.RawMessage(`{"type":"` + typ + `"}`)}
			err := tx.AppendEvent(e)
			seqs = append(seqs, e.Seq)
			return err
		})
	}
	add("a")
	add("b")
	failed := errors.New("failed")
	if err := d.Update(ctx, func(tx chat.Tx) error { return errors.Join(tx.AppendEvent(&chat.Event{Type: "no"}), failed) }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	do(t, d, func(tx chat.Tx) error {
		return errors.Join(tx.DeleteEvents(seqs[1]), tx.PutCursor("x", 5), tx.PutCursor("x", 3),
			tx.PutCursor("gone", 1), tx.DeleteCursor("gone"), tx.DeleteCursor("never there"))
	})
	err := d.View(ctx, func(tx chat.Tx) error {
		first, last, err := tx.LogRange()
		same(t, "range", []int64{first, last}, []int64{seqs[1] + 1, seqs[1]})
		cur, err2 := tx.Cursor("x")
		same(t, "cursor", cur, 5)
		least, ok, err3 := tx.MinCursor()
		same(t, "least", least, 5)
		same(t, "named", ok, true)
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Fatal(err)
	}
	add("c")
	if seqs[2] <= seqs[1] {
		t.Errorf("numbers %v are used again", seqs)
	}
	err = d.View(ctx, func(tx chat.Tx) error {
		events, err := tx.Events(0, 10)
		if len(events) != 1 || events[0].Type != "c" || string(events[0].Resp) != `{"type":"c"}` || events[0].TS.IsZero() {
			t.Errorf("%+v", events)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
