package agentdb_test

import (
	"errors"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp/link"
)

func TestShortLinks(t *testing.T) {
	db := open(t)
	rq, _ := queues("c1")
	update(t, db, func(tx agent.Tx) error {
		return errors.Join(tx.InsertConn(conn("c1")), tx.PutRcvQueue(rq))
	})
	want := &agent.ShortLink{
		Queue: rq.Row, Type: link.Address, ID: "id", Key: "key", Root: key.GenerateEd25519(), Fixed: []byte("fixed"),
	}
	for range 2 { // the second one takes the place of the first
		update(t, db, func(tx agent.Tx) error { return tx.PutShortLink(want) })
	}
	update(t, db, func(tx agent.Tx) error {
		got, err := tx.ShortLink(rq.Row)
		if err != nil {
			return err
		}
		root := got.Root
		got.Root = want.Root
		same(t, "short link", got, want, root, want.Root)
		return tx.DeleteShortLink(rq.Row)
	})
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.ShortLink(rq.Row); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("deleted link: %v", err)
		}
		return tx.PutShortLink(want)
	})
	update(t, db, func(tx agent.Tx) error { return tx.DeleteConn("c1") })
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.ShortLink(rq.Row); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("link of a deleted connection: %v", err)
		}
		return nil
	})
}

func TestOpenedLinks(t *testing.T) {
	db := open(t)
	want := &agent.OpenedLink{Server: "smp://x@h", ID: "id", Key: "key", AuthKey: key.GenerateEd25519(), CreatedAt: now}
	update(t, db, func(tx agent.Tx) error { return tx.PutOpenedLink(want) })
	want.SndID = "sender"
	update(t, db, func(tx agent.Tx) error { return tx.PutOpenedLink(want) })
	update(t, db, func(tx agent.Tx) error {
		got, err1 := tx.OpenedLink("smp://x@h", "id")
		other, err2 := tx.OpenedQueue("smp://x@h", "sender")
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		for _, got := range []*agent.OpenedLink{got, other} {
			k := got.AuthKey
			got.AuthKey = want.AuthKey
			same(t, "opened link", got, want, k, want.AuthKey)
		}
		if _, err := tx.OpenedLink("smp://y@h", "id"); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("of another relay: %v", err)
		}
		return tx.DeleteOpenedLink("smp://x@h", "id")
	})
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.OpenedLink("smp://x@h", "id"); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
		if err := tx.PutOpenedLink(want); err != nil {
			return err
		}
		return tx.Expire(now.Add(1e9))
	})
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.OpenedLink("smp://x@h", "id"); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("expired: %v", err)
		}
		return nil
	})
}

func TestNotifiers(t *testing.T) {
	db := open(t)
	rq, _ := queues("c1")
	update(t, db, func(tx agent.Tx) error {
		return errors.Join(tx.InsertConn(conn("c1")), tx.PutRcvQueue(rq))
	})
	want := &agent.Notifier{Queue: rq.Row, AuthKey: key.GenerateEd25519(), Private: []byte("private")}
	update(t, db, func(tx agent.Tx) error { return tx.PutNotifier(want) })
	want.ID, want.Secret = "notifier", []byte("secret")
	update(t, db, func(tx agent.Tx) error { return tx.PutNotifier(want) })
	update(t, db, func(tx agent.Tx) error {
		got, err := tx.Notifier(rq.Row)
		if err != nil {
			return err
		}
		k := got.AuthKey
		got.AuthKey = want.AuthKey
		same(t, "notifier", got, want, k, want.AuthKey)
		return tx.DeleteNotifier(rq.Row)
	})
	update(t, db, func(tx agent.Tx) error {
		if _, err := tx.Notifier(rq.Row); !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
		return nil
	})
}
