package smpserver_test

import (
	"context"
	"errors"
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
)

// drain acknowledges until the queue is empty, beginning with a message.
func drain(t *testing.T, c *smptest.Conn, q *smptest.Queue, r smp.Response) (bodies []string, quota bool) {
	t.Helper()
	for {
		if _, ok := r.Message.(smp.MSG); !ok {
			want(t, r, "OK")
			return bodies, quota
		}
		id, b := q.Open(t, r)
		if quota {
			t.Fatal("a message after the quota marker")
		}
		if quota = b.Quota; !quota {
			bodies = append(bodies, string(b.Body))
		}
		r = c.Do(q.RcvID(), smp.ACK{ID: id}, q.Key)
	}
}

func TestQuota(t *testing.T) {
	const quota = 5
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.Quota = quota }))
	a, b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := a.NewQueue(false, smp.Messaging)
	for i := range quota {
		want(t, b.Do(q.SndID(), send(fmt.Sprint(i)), nil), "OK")
	}
	want(t, b.Do(q.SndID(), send("over"), nil), "ERR QUOTA")
	want(t, b.Do(q.SndID(), send("over"), nil), "ERR QUOTA")
	want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	first := a.Event(q.RcvID())
	id, _ := q.Open(t, first)
	second := a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key)
	want(t, b.Do(q.SndID(), send("over"), nil), "ERR QUOTA") // until it is empty
	bodies, full := drain(t, a, q, second)
	if len(bodies) != quota-1 || !full {
		t.Fatalf("%d messages, marker %v", len(bodies), full)
	}
	want(t, b.Do(q.SndID(), send("again"), nil), "OK")
	if _, m := q.Open(t, a.Event(q.RcvID())); string(m.Body) != "again" {
		t.Fatalf("after the quota: %q", m.Body)
	}
}

func TestBasicAuth(t *testing.T) {
	password := smp.BasicAuth("secret")
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.BasicAuth = &password }))
	c := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	k := key.GenerateX25519()
	wrong := smp.BasicAuth("wrong")
	cmd := smp.NEW{AuthKey: k.Public(), DHKey: key.GenerateX25519().Public()}
	want(t, c.Do("", cmd, k), "ERR AUTH")
	cmd.BasicAuth = &wrong
	want(t, c.Do("", cmd, k), "ERR AUTH")
	cmd.BasicAuth = &password
	want(t, c.Do("", cmd, k), "IDS")
}

func TestGet(t *testing.T) {
	relay := smptest.Start(t)
	a, b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := a.NewQueue(false, smp.Messaging)
	get := func() smp.Response { return a.Do(q.RcvID(), smp.GET{}, q.Key) }
	want(t, get(), "OK")
	want(t, b.Do(q.SndID(), send("one"), nil), "OK")
	want(t, b.Do(q.SndID(), send("two"), nil), "OK")
	id, m := q.Open(t, get())
	if again, _ := q.Open(t, get()); again != id || string(m.Body) != "one" {
		t.Fatalf("first message: %q", m.Body)
	}
	want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "ERR CMD PROHIBITED")
	want(t, a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key), "OK")
	if _, m = q.Open(t, get()); string(m.Body) != "two" {
		t.Fatalf("second message: %q", m.Body)
	}
	want(t, b.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	want(t, b.Do(q.RcvID(), smp.GET{}, q.Key), "ERR CMD PROHIBITED")
}

func TestAckWithoutIDDeliversAgain(t *testing.T) {
	relay := smptest.Start(t)
	a := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := a.NewQueue(true, smp.Messaging)
	want(t, a.Do(q.SndID(), send("one"), nil), "OK")
	id, _ := q.Open(t, a.Event(q.RcvID()))
	again, _ := q.Open(t, a.Do(q.RcvID(), smp.ACK{}, q.Key))
	if again != id {
		t.Fatal("another message")
	}
	want(t, a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key), "OK")
}

func TestExpiry(t *testing.T) {
	var shift atomic.Int64
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	}))
	a, b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := a.NewQueue(false, smp.Messaging)
	for range 150 { // over the quota, and over a batch
		b.Do(q.SndID(), send("old"), nil)
	}
	want(t, b.Do(q.SndID(), send("x"), nil), "ERR QUOTA")
	shift.Store(int64(22 * 24 * time.Hour))
	for n := 1; n > 0; {
		var err error
		if n, err = relay.Server().ExpireBatch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want(t, b.Do(q.SndID(), send("young"), nil), "OK")
	want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	if _, m := q.Open(t, a.Event(q.RcvID())); string(m.Body) != "young" {
		t.Fatalf("after expiry: %+v", m)
	}
}

func TestMalformedBlock(t *testing.T) {
	relay := smptest.Start(t)
	a := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	for _, block := range [][]byte{{}, {0}, {1}, {2, 0, 1, 9}, {1, 0, 3, 1, 2, 3}, {1, 0xff, 0xff}} {
		a.SendBlock(block)
		want(t, a.Wait("an error", func(r smp.Response) bool { return r.CorrID == "" }), "ERR BLOCK")
	}
	want(t, a.Do("", smp.PING{}, nil), "PONG")
}

func TestUnknownQueueInTheCacheOfOthers(t *testing.T) {
	// A cache smaller than the queues in use must not lose anything.
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.CachedQueues = 3 }))
	a, b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	var qs []*smptest.Queue
	for range 40 {
		qs = append(qs, a.NewQueue(true, smp.Messaging))
	}
	for round := range 3 {
		for _, q := range qs {
			want(t, b.Do(q.SndID(), send(fmt.Sprint(round)), nil), "OK")
		}
	}
	for _, q := range qs {
		bodies, _ := drain(t, a, q, a.Event(q.RcvID()))
		if fmt.Sprint(bodies) != "[0 1 2]" {
			t.Fatalf("got %q", bodies)
		}
	}
	// Queues with acknowledged messages leave with the deletion of these.
	for limit := time.Now().Add(smptest.Timeout); relay.Server().Stats().QueuesInCache > 3; {
		if time.Now().After(limit) {
			t.Fatalf("%d queues in the cache", relay.Server().Stats().QueuesInCache)
		}
		<-time.After(time.Millisecond)
	}
}

// failing is a store whose updates fail when told to, after they ran.
type failing struct {
	queuestore.Store
	fail atomic.Bool
}

var errDisk = errors.New("disk is full")

func (f *failing) Update(ctx context.Context, fn func(queuestore.Tx) error) error {
	return f.Store.Update(ctx, func(tx queuestore.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if f.fail.Load() {
			return errDisk
		}
		return nil
	})
}

func TestFailedCommit(t *testing.T) {
	st := &failing{Store: queuestore.NewMem()}
	relay := smptest.Start(t, smptest.WithStore(st))
	a, b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := a.NewQueue(true, smp.Messaging)
	snd := key.GenerateX25519()
	st.fail.Store(true)
	want(t, b.Do(q.SndID(), send("lost"), nil), "ERR INTERNAL")
	want(t, b.Do(q.SndID(), smp.SKEY{Key: snd.Public()}, snd), "ERR INTERNAL")
	want(t, a.Do(q.RcvID(), smp.DEL{}, q.Key), "ERR INTERNAL")
	k := key.GenerateX25519()
	want(t, a.Do("", smp.NEW{AuthKey: k.Public(), DHKey: k.Public()}, k), "ERR INTERNAL")
	st.fail.Store(false)
	want(t, b.Do(q.SndID(), send("kept"), nil), "OK") // not secured, not deleted
	if _, m := q.Open(t, a.Event(q.RcvID())); string(m.Body) != "kept" {
		t.Fatalf("got %q", m.Body)
	}
}

func TestForwarded(t *testing.T) {
	relay := smptest.Start(t)
	a := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	proxy := smptest.Dial(t, relay.Addr, smptest.ConnOptions{ProxyServer: true})
	q := a.NewQueue(true, smp.Messaging)

	own := key.GenerateX25519()
	client, err := box.SharedKey(*proxy.Params.PeerKey, own)
	if err != nil {
		t.Fatal(err)
	}
	session, err := box.NewKey(proxy.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for cmd, answer := range map[smp.Command]string{smp.PING{}: "ERR CMD PROHIBITED", smp.SKEY{Key: own.Public()}: "OK"} {
		inner := smptest.NewCorrID()
		entity := q.SndID()
		cred := smp.Credentials{Key: own}
		if _, ping := cmd.(smp.PING); ping {
			entity, cred.Key = "", nil
		}
		p := proxy.Params.At(12)
		item, err := p.EncodeCommand(inner, entity, cmd, cred)
		if err != nil {
			t.Fatal(err)
		}
		body, err := smp.SealProxied(client, inner, item)
		if err != nil {
			t.Fatal(err)
		}
		f := smp.Forwarded{CorrID: inner, Version: 12, Key: own.Public(), Body: body}
		outer := smptest.NewCorrID()
		enc, err := proxy.Params.EncodeCommand(outer, "", smp.RFWD{Body: smp.SealForward(session, outer, f)}, smp.Credentials{})
		if err != nil {
			t.Fatal(err)
		}
		proxy.SendBlock(enc)
		r, ok := proxy.Answer(outer).Message.(smp.RRES)
		if !ok {
			t.Fatalf("answer %v", r)
		}
		res, err := smp.OpenForwardResult(session, outer, r.Body)
		if err != nil || res.CorrID != inner {
			t.Fatalf("result %v %v", res, err)
		}
		block, err := smp.OpenProxiedResult(client, inner, res.Body)
		if err != nil {
			t.Fatal(err)
		}
		want(t, p.ParseResponses(block)[0], answer)
	}
}

func TestStop(t *testing.T) {
	relay := smptest.Start(t)
	a := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := a.NewQueue(true, smp.Messaging)
	want(t, a.Do(q.SndID(), send("kept"), nil), "OK")
	a.Event(q.RcvID())
	relay.Stop()
	a.WaitClosed()
	relay.Restart()
	b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	want(t, b.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	if _, m := q.Open(t, b.Event(q.RcvID())); string(m.Body) != "kept" {
		t.Fatalf("got %q", m.Body)
	}
}

// TestSlowReader has a recipient that never reads: its messages stay in the
// store, and the others go on.
func TestSlowReader(t *testing.T) {
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.WriteTimeout = time.Second }))
	a, b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	slow := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	var qs []*smptest.Queue
	for range 100 {
		qs = append(qs, a.NewQueue(false, smp.Messaging))
	}
	for _, q := range qs {
		want(t, slow.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
	}
	slow.StopReading()
	big := make([]byte, 16000)
	for range 5 {
		for _, q := range qs {
			want(t, b.Do(q.SndID(), send(string(big)), nil), "OK")
		}
	}
	for _, q := range qs {
		want(t, a.Do(q.RcvID(), smp.SUB{}, q.Key), "SOK")
		if bodies, _ := drain(t, a, q, a.Event(q.RcvID())); len(bodies) != 5 {
			t.Fatalf("%d messages", len(bodies))
		}
	}
}

// TestMany has senders and recipients on several connections, with queues
// that change hands, and counts.
func TestMany(t *testing.T) {
	const queues, each = 12, 60
	relay := smptest.Start(t, smptest.WithConfig(func(c *smpserver.Config) { c.CachedQueues = 8 }))
	var wg sync.WaitGroup
	for i := range queues {
		wg.Go(func() {
			rcv := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
			q := rcv.NewQueue(true, smp.Messaging)
			snd := smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
			var ids []smp.CorrID
			for n := range each {
				ids = append(ids, snd.Send(q.SndID(), send(fmt.Sprint(n)), nil))
			}
			r := rcv.Event(q.RcvID())
			for n := range each {
				if n == each/2 && i%2 == 0 { // another connection takes over
					rcv = smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
					rcv.Do(q.RcvID(), smp.SUB{}, q.Key)
					r = rcv.Event(q.RcvID())
				}
				id, m := q.Open(t, r)
				if string(m.Body) != fmt.Sprint(n) {
					t.Errorf("queue %d: got %q, want %d", i, m.Body, n)
					return
				}
				if r = rcv.Do(q.RcvID(), smp.ACK{ID: id}, q.Key); smptest.Describe(r) == "OK" && n < each-1 {
					r = rcv.Event(q.RcvID())
				}
			}
			for _, id := range ids {
				if got := smptest.Describe(snd.Answer(id)); got != "OK" {
					t.Errorf("SEND: %s", got)
				}
			}
		})
	}
	wg.Wait()
	if st := relay.Server().Stats(); st.Sent != queues*each || st.Acked != queues*each {
		t.Errorf("%+v", st)
	}
}
