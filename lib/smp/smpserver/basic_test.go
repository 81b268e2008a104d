package smpserver_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func want(t *testing.T, r smp.Response, text string) {
	t.Helper()
	if got := smptest.Describe(r); got != text {
		t.Fatalf("got %s, want %s", got, text)
	}
}

func send(body string) smp.SEND {
	return smp.SEND{Flags: smp.MsgFlags{Notify: true}, Body: []byte(body)}
}

func TestSendReceive(t *testing.T) {
	relay := smptest.Start(t)
	a, b := smptest.Dial(t, relay.Addr, smptest.ConnOptions{}), smptest.Dial(t, relay.Addr, smptest.ConnOptions{})
	q := a.NewQueue(true, smp.Messaging)
	for _, body := range []string{"one", "two", "three"} {
		want(t, b.Do(q.SndID(), send(body), nil), "OK")
	}
	r := a.Event(q.RcvID())
	for i, body := range []string{"one", "two", "three"} {
		id, m := q.Open(t, r)
		if string(m.Body) != body || !m.Flags.Notify || m.Quota {
			t.Fatalf("message %d: %+v", i, m)
		}
		r = a.Do(q.RcvID(), smp.ACK{ID: id}, q.Key)
	}
	want(t, r, "OK")
	want(t, b.Do(q.SndID(), send("four"), nil), "OK")
	if _, m := q.Open(t, a.Event(q.RcvID())); string(m.Body) != "four" {
		t.Fatalf("after draining: %+v", m)
	}
}
