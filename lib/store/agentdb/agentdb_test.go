package agentdb_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/crypto/ratchet"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/agentdb"
)

// encrypted tells open to give databases a key.
var encrypted bool

func TestEncrypted(t *testing.T) {
	encrypted = true
	defer func() { encrypted = false }()
	for name, test := range map[string]func(*testing.T){
		"connections": TestConnections, "deliveries": TestDeliveries, "ratchets": TestRatchetRows, "outbox": TestOutbox,
		"failures": TestUpdateFails, "short links": TestShortLinks, "opened links": TestOpenedLinks, "notifiers": TestNotifiers,
	} {
		t.Run(name, test)
	}
}

func open(t *testing.T) *agentdb.DB {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "agent.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if encrypted {
		if err := db.Protect(t.Context(), store.RawKey([32]byte{1})); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Migrate(t.Context(), agentdb.Migrations()); err != nil {
		t.Fatal(err)
	}
	return agentdb.New(db)
}

func update(t *testing.T, db *agentdb.DB, fn func(agent.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

var now = time.UnixMilli(1_700_000_000_123).UTC()

func conn(id agent.ConnID) *agent.Conn {
	return &agent.Conn{
		ID: id, User: 3, Role: agent.Joiner, Phase: agent.PhaseConnected, Version: 7, PQ: true, Encrypted: true,
		LastMsgID: 9, SndID: 5, SndHash: []byte{1}, RcvID: 4, RcvHash: []byte{2}, Sync: agent.SyncOK, CreatedAt: now,
	}
}

func queues(id agent.ConnID) (*agent.RcvQueue, *agent.SndQueue) {
	return &agent.RcvQueue{
			Conn: id, Server: "smp://x@h", RcvID: smp.RecipientID("r" + id), SndID: "s", Mode: smp.Messaging, Status: agent.QueueActive,
			AuthKey: key.GenerateEd25519(), RelayKey: []byte("relay"), E2EPrivate: []byte("private"), E2ESecret: []byte("secret"),
			Version: 4, LastBroker: "last", Primary: true, Switch: "x",
		}, &agent.SndQueue{
			Conn: id, Server: "smp://x@h", SndID: "s", Mode: smp.Contact, Status: agent.QueueSecured,
			AuthKey: key.GenerateX25519(), E2EPublic: key.X25519Public{1}, E2ESecret: []byte("secret"), Version: 3, Primary: true, Replaces: 7,
		}
}

// same compares rows; keys by their public halves.
func same(t *testing.T, what string, got, want any, keys ...key.Private) {
	t.Helper()
	if len(keys) == 2 && keys[0].PublicKey() != keys[1].PublicKey() {
		t.Errorf("%s: another key", what)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestConnections(t *testing.T) {
	db := open(t)
	want := conn("c1")
	update(t, db, func(tx agent.Tx) error { return errors.Join(tx.InsertConn(want), tx.InsertConn(conn("c2"))) })
	if err := db.Update(t.Context(), func(tx agent.Tx) error { return tx.InsertConn(conn("c1")) }); !errors.Is(err, agent.ErrExists) {
		t.Errorf("inserted twice: %v", err)
	}
	want.Phase, want.SndHash = agent.PhaseDeleted, []byte("other")
	rq, sq := queues("c1")
	update(t, db, func(tx agent.Tx) error {
		return errors.Join(tx.UpdateConn(want), tx.PutRcvQueue(rq), tx.PutSndQueue(sq))
	})
	rq.Status, rq.LastBroker, sq.Mode = agent.QueueDeleting, "next", 0
	update(t, db, func(tx agent.Tx) error { return errors.Join(tx.PutRcvQueue(rq), tx.PutSndQueue(sq)) })
	err := db.View(t.Context(), func(tx agent.Tx) error {
		got, err1 := tx.Conn("c1")
		ids, err2 := tx.Conns()
		rqs, err3 := tx.RcvQueues("c1")
		sqs, err4 := tx.SndQueues("c1")
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return err
		}
		same(t, "connection", got, want)
		same(t, "connections", ids, []agent.ConnID{"c1", "c2"})
		gotKey, sndKey := rqs[0].AuthKey, sqs[0].AuthKey
		rqs[0].AuthKey, sqs[0].AuthKey = rq.AuthKey, sq.AuthKey
		same(t, "receiving queues", rqs, []*agent.RcvQueue{rq}, gotKey, rq.AuthKey)
		same(t, "sending queues", sqs, []*agent.SndQueue{sq}, sndKey, sq.AuthKey)
		_, err := tx.Conn("none")
		if !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("no connection: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	update(t, db, func(tx agent.Tx) error { return tx.DeleteConn("c1") })
	_ = db.View(t.Context(), func(tx agent.Tx) error {
		if all, err := tx.AllRcvQueues(); err != nil || len(all) > 0 {
			t.Errorf("%d queues are left: %v", len(all), err)
		}
		return nil
	})
}

func TestDeliveries(t *testing.T) {
	db := open(t)
	rq, sq := queues("c1")
	_, other := queues("c1")
	m := &agent.SentMessage{
		Conn: "c1", ID: 3, SndID: 2, Kind: agent.KindUser, Notify: true, Hash: []byte("hash"), Body: []byte("body"),
		PQ: true, Key: "key", CreatedAt: now,
	}
	update(t, db, func(tx agent.Tx) error {
		err := errors.Join(tx.InsertConn(conn("c1")), tx.PutRcvQueue(rq), tx.PutSndQueue(sq), tx.PutSndQueue(other))
		return errors.Join(err, tx.PutSent(m, sq.Row))
	})
	update(t, db, func(tx agent.Tx) error {
		return errors.Join(tx.RetryDelivery(sq.Row, 3, 2, time.Second), tx.CopyDeliveries(sq.Row, other.Row))
	})
	update(t, db, func(tx agent.Tx) error {
		d, err := tx.NextDelivery(sq.Row)
		if err != nil {
			return err
		}
		same(t, "delivery", d, &agent.Delivery{SentMessage: *m, Attempts: 2, Delay: time.Second})
		if all, err := tx.DeliveryQueues(); err != nil || len(all) != 2 {
			t.Errorf("queues %v: %v", all, err)
		}
		if id, err := tx.SentByKey("c1", "key"); err != nil || id != 3 {
			t.Errorf("by key: %d, %v", id, err)
		}
		return tx.DeleteDelivery("c1", sq.Row, 3, true)
	})
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.NextDelivery(sq.Row); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("delivered: %v", err)
		}
		if got, err := tx.SentByNumber("c1", 2); err != nil || got.Body == nil {
			t.Errorf("erased before the last delivery: %v", err)
		}
		return errors.Join(tx.DeleteDelivery("c1", other.Row, 3, true), tx.MarkReceipt("c1", 3))
	})
	update(t, db, func(tx agent.Tx) error {
		got, err := tx.SentByNumber("c1", 2)
		if err != nil || got.Body != nil || !got.Receipt {
			t.Errorf("after the last delivery %+v: %v", got, err)
		}
		return tx.Expire(now.Add(time.Second))
	})
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.SentByNumber("c1", 2); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("expired: %v", err)
		}
		return nil
	})
}

func TestRatchetRows(t *testing.T) {
	db := open(t)
	chain := ratchet.HeaderKey{1}
	k := ratchet.SkippedKey{Chain: chain, N: 7, Key: ratchet.MessageKey{2}}
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.Ratchet("c1"); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("no ratchet: %v", err)
		}
		return errors.Join(tx.InsertConn(conn("c1")), tx.PutAgreementKeys("c1", []byte("keys")), tx.PutRatchet("c1", []byte("state")),
			tx.ApplySkipped("c1", ratchet.SkippedDiff{Add: []ratchet.SkippedKey{k}}))
	})
	update(t, db, func(tx agent.Tx) error {
		state, err1 := tx.Ratchet("c1")
		keys, err2 := tx.AgreementKeys("c1")
		chains, err3 := tx.SkippedChains("c1")
		mk, err4 := tx.SkippedKey("c1", chain, 7)
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return err
		}
		if string(state) != "state" || string(keys) != "keys" || len(chains) != 1 || chains[0] != chain || mk != k.Key {
			t.Error("other values")
		}
		return errors.Join(tx.ApplySkipped("c1", ratchet.SkippedDiff{Remove: &ratchet.SkippedKey{Chain: chain, N: 7}}), tx.PutAgreementKeys("c1", nil))
	})
	update(t, db, func(tx agent.Tx) error {
		_, err1 := tx.SkippedKey("c1", chain, 7)
		_, err2 := tx.AgreementKeys("c1")
		if !errors.Is(err1, agent.ErrNotFound) || !errors.Is(err2, agent.ErrNotFound) {
			t.Errorf("deleted: %v, %v", err1, err2)
		}
		return nil
	})
}

func TestOutbox(t *testing.T) {
	db := open(t)
	e := &agent.StoredEvent{Conn: "c1", Queue: 4, Broker: "id", Kind: "msg", Data: []byte("{}"), Body: []byte("body")}
	c := &agent.StoredCommand{Conn: "c1", Kind: "join", Queue: 2, Data: []byte("data"), CreatedAt: now}
	p := &agent.PendingConfirmation{Conn: "c1", ID: "conf", SenderKey: []byte("k"), ReplyQueue: []byte("q"), OwnInfo: []byte("i")}
	r := &agent.PendingRequest{Address: "c1", ID: "req", Link: "simplex:"}
	m := &agent.ReceivedMessage{Conn: "c1", ID: 1, SenderID: 2, Hash: []byte("h"), EncHash: []byte("e"), User: true, ReceivedAt: now}
	update(t, db, func(tx agent.Tx) error {
		return errors.Join(tx.InsertConn(conn("c1")), tx.AddEvent(e), tx.AddCommand(c), tx.PutConfirmation(p), tx.PutRequest(r),
			tx.PutReceived(m), tx.AddKeys("c1", []byte("hash"), now))
	})
	update(t, db, func(tx agent.Tx) error {
		ev, err1 := tx.NextEvent("c1")
		cmd, err2 := tx.NextCommand("c1")
		conf, err3 := tx.Confirmation("c1", "conf")
		req, err4 := tx.Request("c1", "req")
		rcv, err5 := tx.Received("c1", 1)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			return err
		}
		same(t, "event", ev, e)
		same(t, "command", cmd, c)
		same(t, "confirmation", conf, p)
		same(t, "request", req, r)
		same(t, "received message", rcv, m)
		for what, check := range map[string]func() (bool, error){
			"pending event": func() (bool, error) { return tx.EventPending("c1", 4, "id") },
			"seen hash":     func() (bool, error) { return tx.SeenHash("c1", []byte("e")) },
			"seen keys":     func() (bool, error) { return tx.SeenKeys("c1", []byte("hash")) },
		} {
			if ok, err := check(); !ok || err != nil {
				t.Errorf("%s: %v, %v", what, ok, err)
			}
		}
		return errors.Join(tx.DeleteEvent(e.Row), tx.DeleteCommands("c1"), tx.DeleteConfirmations("c1"), tx.DeleteRequest("c1", "req"))
	})
	update(t, db, func(tx agent.Tx) error {
		evs, err1 := tx.EventConns()
		cmds, err2 := tx.CommandConns()
		pending, err3 := tx.EventPending("c1", 4, "id")
		if err := errors.Join(err1, err2, err3); err != nil || len(evs)+len(cmds) > 0 || pending {
			t.Errorf("left: %v, %v, %v: %v", evs, cmds, pending, err)
		}
		return nil
	})
}

// An update that fails leaves nothing.
func TestUpdateFails(t *testing.T) {
	db := open(t)
	want := errors.New("no")
	err := db.Update(context.Background(), func(tx agent.Tx) error { return errors.Join(tx.InsertConn(conn("c1")), want) })
	if !errors.Is(err, want) {
		t.Fatal(err)
	}
	_ = db.View(t.Context(), func(tx agent.Tx) error {
		if ids, err := tx.Conns(); err != nil || len(ids) > 0 {
			t.Errorf("%v: %v", ids, err)
		}
		return nil
	})
}
