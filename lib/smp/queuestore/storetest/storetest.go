// Package storetest is the conformance suite of [queuestore.Store]: what
// every implementation must do.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// Open opens an empty store. reopen closes it and opens it again with what it
// held; nil for a store that does not outlive its process.
type Open func(t *testing.T) (s queuestore.Store, reopen func() queuestore.Store)

// Run runs the suite.
func Run(t *testing.T, open Open) {
	tests := map[string]func(*testing.T, *suite){
		"queues":     testQueues,
		"ids":        testIDs,
		"duplicates": testDuplicates,
		"links":      testLinks,
		"services":   testServices,
		"messages":   testMessages,
		"bodies":     testBodies,
		"quota":      testQuota,
		"expiry":     testExpiry,
		"rollback":   testRollback,
		"concurrent": testConcurrent,
		"reopen":     testReopen,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, reopen := open(t)
			u := &suite{T: t, Store: s, reopen: reopen}
			t.Cleanup(func() {
				if err := u.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
				if err := u.Close(); err != nil {
					t.Errorf("close again: %v", err)
				}
			})
			test(t, u)
		})
	}
}

type suite struct {
	*testing.T
	queuestore.Store
	reopen func() queuestore.Store
}

func id[T ~string]() T {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return T(b)
}

// NewQueue is a record with random IDs and keys, not stored yet.
func NewQueue(mode smp.QueueMode) *queuestore.Queue {
	q := &queuestore.Queue{
		RecipientID:   id[smp.RecipientID](),
		SenderID:      id[smp.SenderID](),
		RecipientKeys: []key.Public{key.GenerateX25519().Public()},
		Mode:          mode,
	}
	_, _ = rand.Read(q.Secret[:])
	return q
}

// NewMessage is a message with a random ID, not stored yet.
func NewMessage(body string) *queuestore.Message {
	return &queuestore.Message{ID: id[smp.MsgID](), Time: time.Now().Truncate(time.Second).UTC(), Notify: true, Body: []byte(body)}
}

func (s *suite) update(fn func(queuestore.Tx) error) {
	s.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		s.Fatalf("update: %v", err)
	}
}

func (s *suite) add(q *queuestore.Queue) *queuestore.Queue {
	s.Helper()
	s.update(func(tx queuestore.Tx) error { return tx.AddQueue(q, smp.LinkData{}) })
	return q
}

func (s *suite) put(q queuestore.Queue) {
	s.Helper()
	s.update(func(tx queuestore.Tx) error { return tx.PutQueue(&q) })
}

func (s *suite) send(q *queuestore.Queue, m *queuestore.Message) *queuestore.Message {
	s.Helper()
	s.update(func(tx queuestore.Tx) error { return tx.AddMessage(q.Num, m) })
	return m
}

func (s *suite) lookup(kind queuestore.IDKind, id smp.EntityID) *queuestore.Entry {
	s.Helper()
	e, err := s.Lookup(context.Background(), queuestore.Ref{Kind: kind, ID: id})
	if err != nil || len(e) != 1 {
		s.Fatalf("lookup: %v, %d entries", err, len(e))
	}
	return e[0]
}

func (s *suite) entry(q *queuestore.Queue) *queuestore.Entry {
	s.Helper()
	e := s.lookup(queuestore.ByRecipient, smp.EntityID(q.RecipientID))
	if e == nil {
		s.Fatal("queue is absent")
	}
	return e
}

func (s *suite) next(q *queuestore.Queue, after queuestore.Seq) *queuestore.Message {
	s.Helper()
	m, err := s.Next(context.Background(), q.Num, after)
	if err != nil {
		s.Fatalf("next: %v", err)
	}
	return m
}

func (s *suite) same(what string, got, want any) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func testQueues(_ *testing.T, s *suite) {
	q := s.add(NewQueue(smp.Messaging))
	if q.Num == 0 {
		s.Fatal("no number")
	}
	s.same("new queue", s.entry(q).Queue, q)

	ttl := int64(86400)
	full := *q
	full.RecipientKeys = append(full.RecipientKeys, key.GenerateEd25519().Public(), key.GenerateEd448().Public())
	full.SenderKey = key.GenerateEd448().Public()
	full.Status = queuestore.Blocked
	full.Blocking = &smp.BlockingInfo{Reason: smp.BlockedContent, Notice: &smp.ClientNotice{TTL: &ttl}}
	full.Notifier = &queuestore.Notifier{ID: id[smp.NotifierID](), Key: key.GenerateEd25519().Public(), ServiceID: id[smp.ServiceID]()}
	full.Notifier.Secret[5] = 7
	full.ServiceID = id[smp.ServiceID]()
	s.put(full)
	s.same("full record", s.entry(q).Queue, &full)

	bare := full
	bare.Notifier, bare.Blocking, bare.SenderKey, bare.ServiceID, bare.Mode, bare.Status = nil, nil, nil, "", 0, queuestore.Off
	s.put(bare)
	s.same("bare record", s.entry(q).Queue, &bare)

	s.send(q, NewMessage("x"))
	s.update(func(tx queuestore.Tx) error { return tx.DeleteQueue(q.Num) })
	s.update(func(tx queuestore.Tx) error { return tx.DeleteQueue(q.Num) })
	if s.lookup(queuestore.ByRecipient, smp.EntityID(q.RecipientID)) != nil {
		s.Error("deleted queue is found")
	}
	if s.next(q, 0) != nil {
		s.Error("message of a deleted queue is found")
	}
	err := s.Update(context.Background(), func(tx queuestore.Tx) error { return tx.PutQueue(&bare) })
	if !errors.Is(err, queuestore.ErrNotFound) {
		s.Errorf("put of a deleted queue: %v", err)
	}
	if other := s.add(NewQueue(smp.Contact)); other.Num == q.Num {
		s.Error("number is used again")
	}
}

func testIDs(_ *testing.T, s *suite) {
	q := NewQueue(smp.Contact)
	q.LinkID, q.Notifier = id[smp.LinkID](), &queuestore.Notifier{ID: id[smp.NotifierID](), Key: key.GenerateX25519().Public()}
	s.add(q)
	other := s.add(NewQueue(smp.Messaging))
	for kind, id := range map[queuestore.IDKind]smp.EntityID{
		queuestore.ByRecipient: smp.EntityID(q.RecipientID), queuestore.BySender: smp.EntityID(q.SenderID),
		queuestore.ByNotifier: smp.EntityID(q.Notifier.ID), queuestore.ByLink: smp.EntityID(q.LinkID),
	} {
		if e := s.lookup(kind, id); e == nil || e.Queue.Num != q.Num {
			s.Errorf("kind %d: %+v", kind, e)
		}
		if e := s.lookup((kind+1)%4, id); e != nil {
			s.Errorf("kind %d is found as another", kind)
		}
	}
	es, err := s.Lookup(context.Background(), queuestore.Ref{Kind: queuestore.BySender, ID: "none"},
		queuestore.Ref{Kind: queuestore.BySender, ID: smp.EntityID(other.SenderID)},
		queuestore.Ref{Kind: queuestore.ByRecipient, ID: smp.EntityID(q.RecipientID)})
	if err != nil || len(es) != 3 || es[0] != nil || es[1].Queue.Num != other.Num || es[2].Queue.Num != q.Num {
		s.Errorf("batch: %v %v", es, err)
	}
	service := id[smp.ServiceID]()
	s.serves(service, 0)
	served := *q
	notifier := *q.Notifier
	notifier.ServiceID = service
	served.Notifier = &notifier
	s.put(served)
	s.serves(service, 1)
	gone := *q
	gone.Notifier = nil
	s.put(gone)
	s.serves(service, 0)
	if s.lookup(queuestore.ByNotifier, smp.EntityID(q.Notifier.ID)) != nil {
		s.Error("removed notifier is found")
	}
	if c, err := s.Counts(context.Background()); err != nil || c != (queuestore.Counts{Queues: 2}) {
		s.Errorf("counts %+v, %v", c, err)
	}
}

func (s *suite) serves(id smp.ServiceID, want int64) {
	s.Helper()
	if n, err := s.NotifierQueues(context.Background(), id); err != nil || n != want {
		s.Errorf("%d queues of the service, %v; want %d", n, err, want)
	}
}

func testDuplicates(_ *testing.T, s *suite) {
	q := NewQueue(smp.Contact)
	q.LinkID, q.Notifier = id[smp.LinkID](), &queuestore.Notifier{ID: id[smp.NotifierID](), Key: key.GenerateX25519().Public()}
	s.add(q)
	s.update(func(tx queuestore.Tx) error {
		for i := range 4 {
			d := NewQueue(smp.Contact)
			switch i {
			case 0:
				d.RecipientID = q.RecipientID
			case 1:
				d.SenderID = q.SenderID
			case 2:
				d.LinkID = q.LinkID
			case 3:
				d.Notifier = q.Notifier
			}
			if err := tx.AddQueue(d, smp.LinkData{}); !errors.Is(err, queuestore.ErrDuplicate) {
				s.Errorf("duplicate %d: %v", i, err)
			}
		}
		return tx.AddQueue(NewQueue(smp.Contact), smp.LinkData{}) // the transaction goes on
	})
	other := s.add(NewQueue(smp.Contact))
	s.update(func(tx queuestore.Tx) error {
		d := *other
		d.LinkID = q.LinkID
		if err := tx.PutQueue(&d); !errors.Is(err, queuestore.ErrDuplicate) {
			s.Errorf("put with another's link: %v", err)
		}
		return tx.PutQueue(q)
	})
}

func testLinks(_ *testing.T, s *suite) {
	ctx := context.Background()
	q := NewQueue(smp.Contact)
	q.LinkID = id[smp.LinkID]()
	data := smp.LinkData{Fixed: []byte("fixed"), User: []byte("user")}
	s.update(func(tx queuestore.Tx) error { return tx.AddQueue(q, data) })
	got, err := s.LinkData(ctx, q.Num)
	s.same("data", []any{got, err}, []any{data, error(nil)})
	s.update(func(tx queuestore.Tx) error { return tx.PutLinkData(q.Num, smp.LinkData{User: []byte("user2")}) })
	got, _ = s.LinkData(ctx, q.Num)
	s.same("new user data", got, smp.LinkData{Fixed: []byte("fixed"), User: []byte("user2")})

	gone := *q
	gone.LinkID = ""
	s.put(gone)
	if _, err := s.LinkData(ctx, q.Num); !errors.Is(err, queuestore.ErrNotFound) {
		s.Errorf("data of a removed link: %v", err)
	}
	s.put(*q)
	data = smp.LinkData{Fixed: []byte("f"), User: []byte{}}
	s.update(func(tx queuestore.Tx) error { return tx.PutLinkData(q.Num, data) })
	got, _ = s.LinkData(ctx, q.Num)
	s.same("set again", got, data)
	s.update(func(tx queuestore.Tx) error { return tx.DeleteQueue(q.Num) })
	if _, err := s.LinkData(ctx, q.Num); !errors.Is(err, queuestore.ErrNotFound) {
		s.Errorf("data of a deleted queue: %v", err)
	}
}

func testServices(_ *testing.T, s *suite) {
	cert, first, second := id[smp.Fingerprint](), id[smp.ServiceID](), id[smp.ServiceID]()
	s.update(func(tx queuestore.Tx) error {
		got, err := tx.Service(cert, smp.RoleMessaging, first)
		s.same("new service", []any{got, err}, []any{first, error(nil)})
		got, err = tx.Service(cert, smp.RoleMessaging, second)
		s.same("known service", []any{got, err}, []any{first, error(nil)})
		if _, err := tx.Service(cert, smp.RoleNotifier, second); !errors.Is(err, queuestore.ErrDuplicate) {
			s.Errorf("another role: %v", err)
		}
		return nil
	})
}

// testBodies uses the memory of a body again once its message is stored.
func testBodies(_ *testing.T, s *suite) {
	q := s.add(NewQueue(smp.Messaging))
	buf := make([]byte, 0, 16)
	var want []string
	for i := range 3 {
		m := NewMessage("")
		m.Body = fmt.Appendf(buf, "body %d", i)
		want = append(want, string(m.Body))
		s.send(q, m)
		clear(m.Body)
		m.Body = nil
	}
	var got []string
	for m := s.next(q, 0); m != nil; m = s.next(q, m.Seq) {
		got = append(got, string(m.Body))
	}
	s.same("bodies", got, want)
}

func testMessages(_ *testing.T, s *suite) {
	a, b := s.add(NewQueue(smp.Messaging)), s.add(NewQueue(smp.Messaging))
	var want []*queuestore.Message
	for i := range 5 {
		want = append(want, s.send(a, NewMessage(fmt.Sprint("a", i))))
		s.send(b, NewMessage(fmt.Sprint("b", i)))
	}
	empty := NewMessage("")
	empty.Body, empty.Notify = []byte{}, false
	want = append(want, s.send(a, empty))
	var got []*queuestore.Message
	for m := s.next(a, 0); m != nil; m = s.next(a, m.Seq) {
		got = append(got, m)
	}
	s.same("order and content", got, want)
	s.same("size", s.entry(a).Size, 6)
	s.update(func(tx queuestore.Tx) error { return tx.DeleteMessages(a.Num, want[2].Seq) })
	s.update(func(tx queuestore.Tx) error { return tx.DeleteMessages(a.Num, want[1].Seq) })
	s.same("head", s.next(a, 0), want[3])
	s.same("size", []int{s.entry(a).Size, s.entry(b).Size}, []int{3, 5})
	if s.next(a, empty.Seq) != nil {
		s.Error("a message after the last")
	}
}

func testQuota(_ *testing.T, s *suite) {
	q := s.add(NewQueue(smp.Messaging))
	m := s.send(q, NewMessage("x"))
	s.same("not full", s.entry(q).Full, false)
	s.send(q, &queuestore.Message{ID: id[smp.MsgID](), Quota: true, Time: time.Now()})
	s.same("full", s.entry(q).Full, true)
	got := s.next(q, m.Seq)
	s.same("marker", []any{got.Quota, len(got.Body)}, []any{true, 0})
	s.update(func(tx queuestore.Tx) error { return tx.DeleteMessages(q.Num, got.Seq) })
	e := s.entry(q)
	s.same("drained", []any{e.Size, e.Full}, []any{0, false})
}

func testExpiry(_ *testing.T, s *suite) {
	now := time.Now()
	a, b := s.add(NewQueue(smp.Messaging)), s.add(NewQueue(smp.Messaging))
	var old []queuestore.Old
	for i := range 6 {
		q := []*queuestore.Queue{a, b}[i%2]
		m := NewMessage("old")
		m.Time = now.Add(-time.Hour * time.Duration(10-i))
		s.send(q, m)
		old = append(old, queuestore.Old{Seq: m.Seq, RecipientID: q.RecipientID})
	}
	young := s.send(a, NewMessage("young"))
	find := func(limit int) []queuestore.Old {
		out, err := s.OldMessages(context.Background(), now.Add(-time.Hour), limit)
		if err != nil {
			s.Fatalf("old messages: %v", err)
		}
		return out
	}
	s.same("a few", find(4), old[:4])
	s.same("all", find(100), old)
	s.update(func(tx queuestore.Tx) error {
		return errors.Join(tx.DeleteMessages(a.Num, old[4].Seq), tx.DeleteMessages(b.Num, old[5].Seq))
	})
	if left := find(4); len(left) != 0 {
		s.Errorf("after deletion: %v", left)
	}
	s.same("head", s.next(a, 0), young)
	s.same("sizes", []int{s.entry(a).Size, s.entry(b).Size}, []int{1, 0})
}

func testRollback(_ *testing.T, s *suite) {
	q := s.add(NewQueue(smp.Messaging))
	m := s.send(q, NewMessage("kept"))
	before := *s.entry(q)
	boom := errors.New("boom")
	lost := NewQueue(smp.Contact)
	err := s.Update(context.Background(), func(tx queuestore.Tx) error {
		changed := *q
		changed.Status, changed.Notifier = queuestore.Off, &queuestore.Notifier{ID: id[smp.NotifierID](), Key: q.RecipientKeys[0]}
		return errors.Join(tx.AddQueue(lost, smp.LinkData{}), tx.PutQueue(&changed), tx.DeleteMessages(q.Num, m.Seq),
			tx.AddMessage(q.Num, NewMessage("lost")), tx.DeleteQueue(q.Num), boom)
	})
	if !errors.Is(err, boom) {
		s.Errorf("error is %v", err)
	}
	s.same("queue", *s.entry(q), before)
	s.same("message", s.next(q, 0), m)
	if s.next(q, m.Seq) != nil || s.lookup(queuestore.ByRecipient, smp.EntityID(lost.RecipientID)) != nil {
		s.Error("something of the failed update stands")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Update(ctx, func(queuestore.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		s.Errorf("update with an ended context: %v", err)
	}
}

func testConcurrent(_ *testing.T, s *suite) {
	const writers, each = 8, 40
	shared := s.add(NewQueue(smp.Messaging))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			own := NewQueue(smp.Messaging)
			if err := s.Update(context.Background(), func(tx queuestore.Tx) error { return tx.AddQueue(own, smp.LinkData{}) }); err != nil {
				s.Errorf("writer %d: %v", w, err)
				return
			}
			for i := range each {
				err := s.Update(context.Background(), func(tx queuestore.Tx) error {
					return errors.Join(tx.AddMessage(own.Num, NewMessage(fmt.Sprint(i))),
						tx.AddMessage(shared.Num, NewMessage(fmt.Sprint(w, " ", i))))
				})
				if err != nil {
					s.Errorf("writer %d: %v", w, err)
					return
				}
			}
			if _, err := s.Lookup(context.Background(), queuestore.Ref{Kind: queuestore.BySender, ID: smp.EntityID(own.SenderID)}); err != nil {
				s.Errorf("lookup: %v", err)
			}
		})
	}
	wg.Wait()
	next := make([]int, writers)
	for m := s.next(shared, 0); m != nil; m = s.next(shared, m.Seq) {
		var w, i int
		if _, err := fmt.Sscan(string(m.Body), &w, &i); err != nil || i != next[w] {
			s.Fatalf("message %q, want number %d of its writer: %v", m.Body, next[w], err)
		}
		next[w]++
	}
	for w, n := range next {
		s.same(fmt.Sprint("messages of writer ", w), n, each)
	}
}

func testReopen(_ *testing.T, s *suite) {
	if s.reopen == nil {
		s.Skip("the store lives in memory")
	}
	q := s.add(NewQueue(smp.Messaging))
	m := s.send(q, NewMessage("kept"))
	s.Store = s.reopen()
	s.same("queue", s.entry(q), &queuestore.Entry{Queue: q, Size: 1})
	s.same("message", s.next(q, 0), m)
	later := s.send(q, NewMessage("later"))
	if later.Seq <= m.Seq {
		s.Errorf("sequence went back: %d after %d", later.Seq, m.Seq)
	}
	if other := s.add(NewQueue(smp.Messaging)); other.Num == q.Num {
		s.Error("number is used again")
	}
}
