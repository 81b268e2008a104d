package chatdb_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

func TestAddressesAndTimers(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	at := time.Date(2026, 11, 20, 16, 0, 0, 5, time.UTC)
	err := db.Update(t.Context(), func(tx chat.Tx) error {
		u := &chat.User{Name: "alice"}
		ct := &chat.Contact{Name: "bob"}
		err := tx.PutUser(u)
		ct.UserID = u.ID
		err = errors.Join(err, tx.PutContact(ct))
		if _, err := tx.Address(u.ID); !errors.Is(err, chat.ErrNotFound) {
			t.Errorf("no address: %v", err)
		}
		ad := &chat.Address{UserID: u.ID, AgentID: "c", Link: &api.CreatedConnLink{ConnFullLink: "l"}}
		req := &chat.Request{UserID: u.ID, Name: "bob", AgentReq: "r", ContactID: ct.ID}
		err = errors.Join(err, tx.PutAddress(ad), tx.PutRequest(req))
		ad.Data, req.Accepted = true, true
		err = errors.Join(err, tx.PutAddress(ad), tx.PutRequest(req))
		byUser, err1 := tx.Address(u.ID)
		byAgent, err2 := tx.AddressByAgentID("c")
		back, err3 := tx.Request(req.ID)
		all, err4 := tx.Requests(u.ID)
		if !reflect.DeepEqual(ad, byUser) || !reflect.DeepEqual(ad, byAgent) || !reflect.DeepEqual(req, back) || len(all) != 1 {
			t.Errorf("%+v %+v %+v %+v", byUser, byAgent, back, all)
		}
		it := &chat.Item{UserID: u.ID, ContactID: ct.ID}
		err = errors.Join(err, err1, err2, err3, err4, tx.PutItem(it), tx.PutTimer(it.ID, at.Add(time.Hour)), tx.PutTimer(it.ID, at))
		due, next, err5 := tx.Timers(at.Add(-1), 10)
		if len(due) != 0 || !next.Equal(at) {
			t.Errorf("before: %v %v", due, next)
		}
		due, _, err6 := tx.Timers(at, 10)
		if len(due) != 1 || due[0] != it.ID {
			t.Errorf("due: %v", due)
		}
		err = errors.Join(err, err5, err6, tx.DeleteItem(it.ID), tx.DeleteRequest(req.ID), tx.DeleteAddress(ad.ID))
		due, next, err7 := tx.Timers(at, 10)
		if len(due) != 0 || !next.IsZero() {
			t.Errorf("gone: %v %v", due, next)
		}
		return errors.Join(err, err7)
	})
	if err != nil {
		t.Fatal(err)
	}
}
