package smpserver_test

import (
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// notified is a queue with a notifier.
type notified struct {
	*smptest.Queue
	id  smp.EntityID
	key key.Private
}

func newNotified(t *testing.T, c *smptest.Conn) notified {
	t.Helper()
	n := notified{Queue: c.NewQueue(false, smp.Messaging), key: key.GenerateX25519()}
	r := c.Do(n.RcvID(), smp.NKEY{NtfReq: smp.NtfReq{AuthKey: n.key.PublicKey(), DHKey: key.GenerateX25519().Public()}}, n.Key)
	id, ok := r.Message.(smp.NID)
	if !ok {
		t.Fatal(smptest.Describe(r))
	}
	n.id = smp.EntityID(id.NotifierID)
	return n
}

func serviceCredential(t *testing.T) *transport.Credential {
	t.Helper()
	ca, err := transport.GenerateCA("service", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cred, err := ca.GenerateLeaf("service", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

func nsubs(c *smptest.Conn) smp.Response {
	return c.Do(smp.EntityID(c.Service.ServiceID), smp.NSUBS{}, c.Service.Key)
}

func wantCount(t *testing.T, r smp.Response, n int64) {
	t.Helper()
	if m, ok := r.Message.(smp.SOKS); !ok || m.Count != n {
		t.Errorf("got %s %+v, want SOKS %d", smptest.Describe(r), r.Message, n)
	}
}

func wantEvent(t *testing.T, c *smptest.Conn, id smp.EntityID, tag string) smp.Response {
	t.Helper()
	r := c.Event(id)
	if r.Message == nil || r.Message.Tag() != tag {
		t.Errorf("event %s, want %s", smptest.Describe(r), tag)
	}
	return r
}

// eachStore runs a test on all kinds of stores.
func eachStore(t *testing.T, test func(t *testing.T, opt smptest.Option)) {
	t.Run("memory", func(t *testing.T) { test(t, smptest.WithStore(queuestore.NewMem())) })
	t.Run("sqlite", func(t *testing.T) {
		db, err := queuedb.Open(t.Context(), t.TempDir()+"/queues.db", store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		test(t, smptest.WithStore(db))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, smptest.WithStore(postgres(t, pgtest.Start(t, pgtest.Options{}).NewDatabase(t))))
	})
}

func TestNotifierService(t *testing.T) { eachStore(t, testNotifierService) }

func testNotifierService(t *testing.T, opt smptest.Option) {
	relay := smptest.Start(t, opt)
	cred := serviceCredential(t)
	as := func() *smptest.Conn {
		return smptest.Dial(t, relay.Addr, smptest.ConnOptions{Service: cred, ServiceRole: smp.RoleNotifier})
	}
	rcv, plain := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	a, b, c := newNotified(t, rcv), newNotified(t, rcv), newNotified(t, rcv)

	s1 := as()
	id := smp.EntityID(s1.Service.ServiceID)
	wantCount(t, nsubs(s1), 0)
	want(t, plain.Do(a.id, smp.NSUB{}, a.key), "SOK")
	for _, n := range []notified{a, b, c, a} {
		r := s1.Do(n.id, smp.NSUB{}, n.key)
		if m, ok := r.Message.(smp.SOK); !ok || m.ServiceID != s1.Service.ServiceID {
			t.Fatalf("answer %s %+v", smptest.Describe(r), r.Message)
		}
	}
	wantEvent(t, plain, a.id, "END")
	wantCount(t, nsubs(s1), 3)
	want(t, rcv.Do(a.SndID(), send("1"), nil), "OK")
	wantEvent(t, s1, a.id, "NMSG")

	// Another connection of the service has them all.
	s2 := as()
	if s2.Service.ServiceID != s1.Service.ServiceID {
		t.Fatal("another service")
	}
	wantCount(t, nsubs(s2), 3)
	if m, ok := wantEvent(t, s1, id, "ENDS").Message.(smp.ENDS); !ok || m.Count != 3 {
		t.Errorf("got %+v", m)
	}
	want(t, rcv.Do(b.SndID(), send("2"), nil), "OK")
	wantEvent(t, s2, b.id, "NMSG")

	// One is no longer the service's, another has no notifier, a third no queue.
	want(t, plain.Do(a.id, smp.NSUB{}, a.key), "SOK")
	wantEvent(t, s2, a.id, "END")
	wantCount(t, nsubs(s2), 2)
	want(t, rcv.Do(b.RcvID(), smp.NDEL{}, b.Key), "OK")
	wantEvent(t, s2, b.id, "DELD")
	want(t, rcv.Do(c.RcvID(), smp.DEL{}, c.Key), "OK")
	wantEvent(t, s2, c.id, "DELD")
	wantCount(t, nsubs(s2), 0)
	want(t, rcv.Do(a.SndID(), send("3"), nil), "OK")
	wantEvent(t, plain, a.id, "NMSG")
	want(t, s2.Do(a.id, smp.NSUB{}, key.GenerateX25519()), "ERR AUTH")

	// Notifications wait for a service that is away, also over a restart of
	// the association.
	want(t, s2.Do(a.id, smp.NSUB{}, a.key), "SOK")
	wantEvent(t, plain, a.id, "END")
	s2.Close()
	for limit := time.Now().Add(smptest.Timeout); relay.Server().Stats().Services > 0; <-time.After(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the service is still there")
		}
	}
	want(t, rcv.Do(a.SndID(), send("4"), nil), "OK")
	s3 := as()
	wantCount(t, nsubs(s3), 1)
	wantEvent(t, s3, a.id, "NMSG")
	relay.Restart()
	wantCount(t, nsubs(as()), 1)
}

func TestServiceCommandsAreChecked(t *testing.T) {
	relay := smptest.Start(t)
	ntf := smptest.Dial(t, relay.Addr, smptest.ConnOptions{Service: serviceCredential(t), ServiceRole: smp.RoleNotifier})
	msg := smptest.Dial(t, relay.Addr, smptest.ConnOptions{Service: serviceCredential(t), ServiceRole: smp.RoleMessaging})
	plain := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := newNotified(t, plain)
	ntfID, msgID := smp.EntityID(ntf.Service.ServiceID), smp.EntityID(msg.Service.ServiceID)
	want(t, plain.Do(ntfID, smp.NSUBS{}, key.GenerateEd25519()), "ERR SERVICE")
	want(t, ntf.Do(ntfID, smp.NSUBS{}, key.GenerateEd25519()), "ERR SERVICE")
	want(t, ntf.Do(msgID, smp.NSUBS{}, ntf.Service.Key), "ERR SERVICE")
	want(t, msg.Do(msgID, smp.NSUBS{}, msg.Service.Key), "ERR CMD PROHIBITED")
	want(t, ntf.Do(ntfID, smp.SUBS{}, ntf.Service.Key), "ERR CMD PROHIBITED")
	want(t, msg.Do(msgID, smp.SUBS{}, msg.Service.Key), "ERR CMD PROHIBITED") // up to version 18
	want(t, msg.Do(q.id, smp.NSUB{}, q.key), "ERR CMD PROHIBITED")
	want(t, ntf.Do(q.RcvID(), smp.SUB{}, q.Key), "ERR CMD PROHIBITED")
	want(t, ntf.Do(q.id, smp.NSUB{}, key.GenerateX25519()), "ERR AUTH")
}

// TestSharedService has the connections of a service at two relays on one
// database.
func TestSharedService(t *testing.T) {
	ra, rb := twoRelays(t, nil)
	cred := serviceCredential(t)
	as := func(r *smptest.Relay) *smptest.Conn {
		return smptest.Dial(t, r.Addr, smptest.ConnOptions{Service: cred, ServiceRole: smp.RoleNotifier})
	}
	a, b := smptest.Dial(t, ra.Addr, smptest.ConnOptions{}), smptest.Dial(t, rb.Addr, smptest.ConnOptions{})
	q := newNotified(t, a)
	s1, s2 := as(ra), as(rb)
	if s1.Service.ServiceID != s2.Service.ServiceID {
		t.Fatal("two services")
	}
	want(t, s1.Do(q.id, smp.NSUB{}, q.key), "SOK")
	want(t, b.Do(q.SndID(), send("1"), nil), "OK")
	wantEvent(t, s1, q.id, "NMSG")
	wantCount(t, nsubs(s2), 1)
	wantEvent(t, s1, smp.EntityID(s1.Service.ServiceID), "ENDS")
	want(t, a.Do(q.SndID(), send("2"), nil), "OK")
	wantEvent(t, s2, q.id, "NMSG")
	want(t, a.Do(q.id, smp.NSUB{}, q.key), "SOK")
	// Each relay notifies of what it has taken, so one may be told twice.
	s2.Wait("END", func(r smp.Response) bool { return r.EntityID == q.id && smptest.Describe(r) == "END" })
	wantCount(t, nsubs(as(rb)), 0)
}

// TestNotificationsAreBounded sends more than wait for a notification server.
func TestNotificationsAreBounded(t *testing.T) {
	relay := smptest.Start(t)
	c := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := newNotified(t, c)
	for range 20 {
		want(t, c.Do(q.SndID(), send("x"), nil), "OK")
	}
	want(t, c.Do(q.id, smp.NSUB{}, q.key), "SOK")
	c.Do("", smp.PING{}, nil)
	n := 0
	for _, r := range c.Pending() {
		if _, ok := r.Message.(smp.NMSG); ok {
			n++
		}
	}
	c.Do("", smp.PING{}, nil)
	for _, r := range c.Pending() {
		if _, ok := r.Message.(smp.NMSG); ok {
			n++
		}
	}
	if n == 0 || n > 4 {
		t.Errorf("%d notifications", n)
	}
}
