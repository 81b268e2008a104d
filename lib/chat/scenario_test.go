package chat_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func TestTwoPeopleChat(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	if c := alice.event("contactConnected").Contact; c.LocalDisplayName != "bob" || c.ActiveConn.ConnStatus != "ready" {
		t.Errorf("alice's contact: %+v", c)
	}
	var sent api.SendResult
	alice.call("send", api.SendParams{To: api.ChatTo{Name: "@bob"}, Text: "hello <you> & \"me\"", Wait: "delivered"}, &sent)
	if sent.State != "delivered" || sent.MessageID == "" {
		t.Errorf("sent: %+v", sent)
	}
	r := bob.recv(nil, true)
	if len(r.Messages) != 1 {
		t.Fatalf("bob has %+v", r)
	}
	m := r.Messages[0]
	if m.Text != "hello <you> & \"me\"" || m.Contact != "alice" || m.MsgID != sent.MessageID || m.Integrity != nil || m.SentAt.IsZero() {
		t.Errorf("message: %+v", m)
	}
	if again := bob.recv(nil, false); len(again.Messages) != 1 {
		t.Errorf("not read, but %+v", again)
	}
	bob.call("markRead", api.MarkReadParams{Seq: m.Seq}, nil)
	if left := bob.recv(nil, false); len(left.Messages) != 0 {
		t.Errorf("read, but %+v", left)
	}
	zero := int64(0)
	if all := bob.recv(&zero, false); len(all.Messages) != 1 || all.Messages[0].Seq != m.Seq {
		t.Errorf("replay: %+v", all)
	}
	chatOf := bob.exec("/_get chat @2 count=20", "apiChat").Chat
	last := chatOf.ChatItems[len(chatOf.ChatItems)-1]
	if last.Meta.ItemStatus.Type != "rcvRead" || last.Content.Type != "rcvMsgContent" {
		t.Errorf("last item: %+v", last)
	}
}

func TestSendIsIdempotent(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	p := api.SendParams{To: api.ChatTo{ContactID: 2}, Text: "once", Idem: "k1"}
	var first, second api.SendResult
	alice.call("send", p, &first)
	alice.call("send", p, &second)
	if first.ItemID != second.ItemID || first.MessageID != second.MessageID {
		t.Errorf("%+v, %+v", first, second)
	}
	alice.call("send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: "end"}, nil)
	var texts []string
	var since int64
	for len(texts) == 0 || texts[len(texts)-1] != "end" {
		r := bob.recv(&since, true)
		since = r.LastSeq
		for _, m := range r.Messages {
			texts = append(texts, m.Text)
		}
	}
	if len(texts) != 2 {
		t.Errorf("bob has %q", texts)
	}
}

// faulty is an agent whose Send fails while broken, before or after it has
// taken the message.
type faulty struct {
	chat.Agent
	mode string
}

var errFault = errors.New("fault")

func (f *faulty) Send(ctx context.Context, id agent.ConnID, m agent.Outgoing) (int64, error) {
	if f.mode == "before" {
		return 0, errFault
	}
	n, err := f.Agent.Send(ctx, id, m)
	if f.mode == "after" {
		return 0, errFault
	}
	return n, err
}

func TestStoredMessagesGoAfterRestart(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	alice.halt()
	f := &faulty{}
	alice.wrap = func(a chat.Agent) chat.Agent { f.Agent = a; return f }
	alice.start()
	want := []string{}
	for i, mode := range []string{"", "after", "before", "before", "after", ""} {
		f.mode = mode
		text := fmt.Sprintf("%d %s", i, mode)
		want = append(want, text)
		alice.call("send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: text, Wait: "queued"}, nil)
		if mode == "after" || mode == "before" {
			alice.halt() // as after a crash: the message is stored, its number is not
			f.mode = ""
			alice.start()
		}
	}
	var since int64
	var got []string
	for len(got) < len(want) {
		r := bob.recv(&since, true)
		since = r.LastSeq
		for _, m := range r.Messages {
			got = append(got, m.Text)
			if m.Integrity != nil {
				t.Errorf("%s: %+v", m.Text, m.Integrity)
			}
		}
	}
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("got %q, want %q", got, want)
	}
	for id := api.ChatItemID(8); id < 8+api.ChatItemID(len(want)); id++ {
		alice.call("wait", api.WaitParams{ItemID: id, State: "delivered"}, nil)
	}
}

func TestEventsComeAgain(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	// Every event reaches the core, and then the agent is told that it did not.
	failed := map[string]int{}
	bob.hook = func(id agent.ConnID, ev agent.Event) error {
		k := fmt.Sprintf("%T %+v", ev, ev)
		if failed[k]++; failed[k] > 1 {
			return nil
		}
		if err := bob.Core.HandleEvent(context.Background(), id, ev); err != nil {
			return err
		}
		return errFault
	}
	meet(t, alice, bob)
	for i := range 5 {
		alice.call("send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: fmt.Sprint(i)}, nil)
		bob.call("send", api.SendParams{To: api.ChatTo{Name: "alice"}, Text: fmt.Sprint(i)}, nil)
	}
	for _, p := range []*person{alice, bob} {
		var since int64
		var got []string
		for len(got) == 0 || got[len(got)-1] != "4" {
			r := p.recv(&since, true)
			since = r.LastSeq
			for _, m := range r.Messages {
				got = append(got, m.Text)
			}
		}
		if strings.Join(got, "") != "01234" {
			t.Errorf("got %q", got)
		}
	}
	list := bob.exec("/_contacts 1", "contactsList").Contacts
	if len(list) != 1 {
		t.Errorf("%d contacts", len(list))
	}
}

func TestBadCalls(t *testing.T) {
	relay := smptest.Start(t)
	p := newPerson(t, relay, "")
	for _, c := range []struct {
		method string
		params any
		code   api.ErrorCode
	}{
		{"nosuch", nil, api.CodeUsage},
		{"contacts", nil, api.CodeUsage}, // no profile
		{"init", api.InitParams{DisplayName: "@x"}, api.CodeUsage},
		{"init", api.InitParams{DisplayName: "x"}, ""},
		{"init", api.InitParams{DisplayName: "x"}, api.CodeExists},
		{"connect", api.ConnectParams{Link: "nonsense"}, api.CodeData},
		{"send", api.SendParams{To: api.ChatTo{Name: "nobody"}, Text: "x"}, api.CodeNotFound},
		{"send", api.SendParams{To: api.ChatTo{ContactID: 99}, Text: "x"}, api.CodeNotFound},
		{"send", api.SendParams{Text: "x"}, api.CodeUsage},
		{"send", api.SendParams{To: api.ChatTo{Name: "x"}}, api.CodeUsage},
		{"send", api.SendParams{To: api.ChatTo{Name: "x"}, Text: "x", Wait: "forever"}, api.CodeUsage},
		{"markRead", api.MarkReadParams{}, api.CodeUsage},
		{"wait", api.WaitParams{}, api.CodeUsage},
		{"wait", api.WaitParams{ConnID: 77}, api.CodeNotFound},
		{"ack", api.AckParams{Consumer: "c", Seq: 1 << 40}, api.CodeUsage},
		{"recv", api.RecvParams{From: api.ChatTo{Name: "nobody"}}, api.CodeNotFound},
		{"recv", 7, api.CodeUsage},
	} {
		err := p.tryCall(c.method, c.params, nil)
		var e *api.Error
		if c.code == "" && err == nil {
			continue
		}
		if !errors.As(err, &e) || e.Code != c.code || e.Message == "" {
			t.Errorf("%s %+v: %v, want %s", c.method, c.params, err, c.code)
		}
	}
}

func TestLongMessages(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	long := strings.Repeat("long ", 3000)
	alice.call("send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: long}, nil)
	if r := bob.recv(nil, true); r.Messages[0].Text != long {
		t.Errorf("%d bytes", len(r.Messages[0].Text))
	}
	err := alice.tryCall("send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: long + long}, nil)
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeData {
		t.Errorf("%v", err)
	}
}
