package smpserver_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/store/pgqueues"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

func postgres(t *testing.T, dsn string) queuestore.Store {
	t.Helper()
	s, err := pgqueues.Open(t.Context(), dsn, pgqueues.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// twoRelays are two relays on one database.
func twoRelays(t *testing.T, edit func(*smpserver.Config)) (a, b *smptest.Relay) {
	t.Helper()
	dsn := pgtest.Start(t, pgtest.Options{}).NewDatabase(t)
	if edit == nil {
		edit = func(*smpserver.Config) {}
	}
	start := func() *smptest.Relay {
		return smptest.Start(t, smptest.WithStore(postgres(t, dsn)), smptest.WithConfig(edit))
	}
	return start(), start()
}

// TestSharedDelivery sends on both relays, while the recipient is connected
// to one of them.
func TestSharedDelivery(t *testing.T) {
	ra, rb := twoRelays(t, nil)
	a, b := smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), smptest.Dial(t, rb.Addr, smptest.ConnOptions{})
	q := a.NewQueue(true, smp.Messaging)
	const n = 40
	var wg sync.WaitGroup
	for name, c := range map[string]*smptest.Conn{"a": smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), "b": b} {
		wg.Go(func() {
			for i := range n {
				if r := c.Do(q.SndID(), send(fmt.Sprint(name, " ", i)), nil); smptest.Describe(r) != "OK" {
					t.Errorf("%s: %s", name, smptest.Describe(r))
				}
			}
		})
	}
	next := map[string]int{}
	r := a.Event(q.RcvID())
	for range 2 * n {
		if smptest.Describe(r) == "OK" { // none at that moment
			r = a.Event(q.RcvID())
		}
		id, m := q.Open(t, r)
		var name string
		var i int
		if _, err := fmt.Sscan(string(m.Body), &name, &i); err != nil || i != next[name] {
			t.Fatalf("%q, want number %d: %v", m.Body, next[name], err)
		}
		next[name]++
		r = a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key)
	}
	want(t, r, "OK")
	wg.Wait()
}

// TestSharedQuota fills a queue on both relays at once: not one message more
// than the quota gets in.
func TestSharedQuota(t *testing.T) {
	const quota = 16
	ra, rb := twoRelays(t, func(c *smpserver.Config) { c.Quota = quota })
	a, b := smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), smptest.Dial(t, rb.Addr, smptest.ConnOptions{})
	q := a.NewQueue(false, smp.Messaging)
	var wg sync.WaitGroup
	var taken atomic.Int64
	for _, c := range []*smptest.Conn{a, b} {
		wg.Go(func() {
			for range quota {
				switch d := smptest.Describe(c.Do(q.SndID(), send("x"), nil)); d {
				case "OK":
					taken.Add(1)
				case "ERR QUOTA":
				default:
					t.Error(d)
				}
			}
		})
	}
	wg.Wait()
	if n := taken.Load(); n != quota {
		t.Fatalf("%d messages in a queue of %d", n, quota)
	}
	// Emptied at one relay, it takes messages at the other.
	want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	bodies, full := drain(t, a, q, a.Event(q.RcvID()))
	if len(bodies) != quota || !full {
		t.Fatalf("%d messages, marker %v", len(bodies), full)
	}
	limit := time.After(smptest.Timeout)
	for smptest.Describe(b.Do(q.SndID(), send("again"), nil)) != "OK" {
		select { // acknowledgements are written a little later
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			t.Fatal("the queue stays full")
		}
	}
	if _, m := q.Open(t, a.Event(q.RcvID())); string(m.Body) != "again" {
		t.Fatalf("after the quota: %q", m.Body)
	}
}

// TestSharedOwner moves a subscription from relay to relay.
func TestSharedOwner(t *testing.T) {
	ra, rb := twoRelays(t, nil)
	a, b := smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), smptest.Dial(t, rb.Addr, smptest.ConnOptions{})
	q := a.NewQueue(true, smp.Messaging)
	want(t, b.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	want(t, a.Event(q.RcvID()), "END")
	want(t, a.Do(q.SndID(), send("one"), nil), "OK")
	id, m := q.Open(t, b.Event(q.RcvID()))
	if string(m.Body) != "one" {
		t.Fatalf("%q", m.Body)
	}
	want(t, a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key), "ERR NO_MSG")
	want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK") // what was not acknowledged comes again
	want(t, b.Event(q.RcvID()), "END")
	again, _ := q.Open(t, a.Event(q.RcvID()))
	if again != id {
		t.Fatal("another message")
	}
	want(t, a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key), "OK")
}

// TestSharedRace lets both relays subscribe at once: one of them keeps the
// subscription, the other gets END.
func TestSharedRace(t *testing.T) {
	ra, rb := twoRelays(t, nil)
	a, b := smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), smptest.Dial(t, rb.Addr, smptest.ConnOptions{})
	for range 20 {
		q := a.NewQueue(false, smp.Messaging)
		conns := []*smptest.Conn{a, b}
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Go(func() {
				if r := c.Do(q.RcvID(), smp.SUB{}, q.Key); smptest.Describe(r) != "SOK" {
					t.Error(smptest.Describe(r))
				}
			})
		}
		wg.Wait()
		want(t, a.Do(q.SndID(), send("x"), nil), "OK")
		var got, ended atomic.Int64
		for _, c := range conns {
			wg.Go(func() {
				switch r := c.Event(q.RcvID()); r.Message.(type) {
				case smp.MSG:
					got.Add(1)
				case smp.END:
					ended.Add(1)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 || ended.Load() != 1 {
			t.Fatalf("%d got the message, %d got END", got.Load(), ended.Load())
		}
	}
}

// TestSharedRecord changes a queue at one relay and uses it at the other.
func TestSharedRecord(t *testing.T) {
	ra, rb := twoRelays(t, nil)
	a, b := smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), smptest.Dial(t, rb.Addr, smptest.ConnOptions{})
	q := a.NewQueue(true, smp.Messaging)
	want(t, b.Do(q.SndID(), send("unsecured"), nil), "OK") // now both know it
	a.Event(q.RcvID())
	k := key.GenerateX25519()
	want(t, a.Do(q.RcvID(), smp.KEY{Key: k.PublicKey()}, q.Key), "OK")
	want(t, b.Do(q.SndID(), send("not signed"), nil), "ERR AUTH")
	want(t, b.Do(q.SndID(), send("signed"), k), "OK")
	want(t, a.Do(q.RcvID(), smp.OFF{}, q.Key), "OK")
	want(t, b.Do(q.SndID(), send("off"), k), "ERR AUTH")
	want(t, b.Do(q.RcvID(), smp.DEL{}, q.Key), "OK")
	want(t, a.Event(q.RcvID()), "DELD")
	want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "ERR AUTH")
}

// TestSharedNotification sends at one relay and notifies at the other.
func TestSharedNotification(t *testing.T) {
	ra, rb := twoRelays(t, nil)
	a, b := smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), smptest.Dial(t, rb.Addr, smptest.ConnOptions{})
	q := a.NewQueue(false, smp.Messaging)
	k := key.GenerateX25519()
	dh := key.GenerateX25519()
	r := a.Do(q.RcvID(), smp.NKEY{NtfReq: smp.NtfReq{AuthKey: k.PublicKey(), DHKey: dh.Public()}}, q.Key)
	nid, ok := r.Message.(smp.NID)
	if !ok {
		t.Fatal(smptest.Describe(r))
	}
	want(t, b.Do(smp.EntityID(nid.NotifierID), smp.NSUB{}, k), "SOK")
	shared, err := box.SharedKey(nid.DHKey, dh)
	if err != nil {
		t.Fatal(err)
	}
	// notified is the message that a relay tells of.
	notified := func(c *smptest.Conn) smp.MsgID {
		t.Helper()
		r := c.Event(smp.EntityID(nid.NotifierID))
		n, ok := r.Message.(smp.NMSG)
		if !ok {
			t.Fatal(smptest.Describe(r))
		}
		meta, err := smp.OpenNMsgMeta(shared, n.Nonce, n.Meta)
		if err != nil {
			t.Fatal(err)
		}
		return meta.ID
	}
	// Each message is told of once, by the relay where the server is, though
	// the other has taken it.
	want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	there, here := b, a
	for i := range 6 {
		want(t, a.Do(q.SndID(), send(fmt.Sprint(i)), nil), "OK")
		id, _ := q.Open(t, a.Event(q.RcvID()))
		if got := notified(there); got != id {
			t.Fatalf("message %d: notified of another one", i)
		}
		want(t, a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key), "OK")
		if i%2 == 1 {
			want(t, here.Do(smp.EntityID(nid.NotifierID), smp.NSUB{}, k), "SOK")
			want(t, there.Event(smp.EntityID(nid.NotifierID)), "END")
			here, there = there, here
		}
	}
}
