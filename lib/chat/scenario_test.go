package chat_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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

// faulty is an agent whose Send and Join fail while broken, before or after
// they have taken the message or the link.
type faulty struct {
	chat.Agent
	fault atomic.Value // of string: "before", "after" or ""
}

func (f *faulty) mode() string { s, _ := f.fault.Load().(string); return s }

func (f *faulty) Join(ctx context.Context, id agent.ConnID, link string, info []byte, o agent.JoinOptions) error {
	var err error
	if f.mode() != "before" {
		err = f.Agent.Join(ctx, id, link, info, o)
	}
	if f.mode() != "" {
		panic(errFault) // the test's stand-in for the end of the program
	}
	return err
}

var errFault = errors.New("fault")

func (f *faulty) Send(ctx context.Context, id agent.ConnID, m agent.Outgoing) (int64, error) {
	if f.mode() == "before" {
		return 0, errFault
	}
	n, err := f.Agent.Send(ctx, id, m)
	if f.mode() == "after" {
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
		f.fault.Store(mode)
		text := fmt.Sprintf("%d %s", i, mode)
		want = append(want, text)
		alice.call("send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: text, Wait: "queued"}, nil)
		if mode == "after" || mode == "before" {
			alice.halt() // as after a crash: the message is stored, its number is not
			f.fault.Store("")
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

func TestUsedLinkFails(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob, carol := newPerson(t, relay, "alice"), newPerson(t, relay, "bob"), newPerson(t, relay, "carol")
	link := alice.exec("/_connect 1", "invitation").ConnLinkInvitation.ConnFullLink
	bob.call("connect", api.ConnectParams{Link: link, Wait: true}, nil)
	err := carol.tryCall("connect", api.ConnectParams{Link: link, Wait: true}, nil)
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeNotFound {
		t.Errorf("%v", err)
	}
	if r := carol.event("chatError"); r.ChatError.Type != "errorAgent" {
		t.Errorf("%+v", r.ChatError)
	}
}

func TestContactIsDeleted(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	alice.exec("/d bob", "contactDeleted")
	if c := bob.event("contactDeletedByContact").Contact; c.ContactStatus != "deleted" {
		t.Errorf("%+v", c)
	}
	bob.exec("@alice still there?", "chatCmdError")
	bob.exec("/_delete @2", "contactDeleted")
	if l := bob.exec("/_contacts 1", "contactsList").Contacts; len(l) != 0 {
		t.Errorf("%+v", l)
	}
	meet(t, alice, bob) // the name is free again
	if l := bob.exec("/contacts", "contactsList").Contacts; len(l) != 1 || l[0].LocalDisplayName != "alice" {
		t.Errorf("%+v", l)
	}
}

func TestProfileChangeReachesContacts(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	r := alice.exec(`/_profile 1 {"displayName":"alicia","fullName":"Alicia"}`, "userProfileUpdated")
	if r.UpdateSummary.UpdateSuccesses != 1 {
		t.Errorf("%+v", r.UpdateSummary)
	}
	up := bob.event("contactUpdated")
	if up.FromContact.LocalDisplayName != "alice" || up.ToContact.LocalDisplayName != "alicia" || up.ToContact.Profile.FullName != "Alicia" {
		t.Errorf("%+v", up.ToContact)
	}
	bob.exec("@alicia hi", "newChatItems")
}

func TestSameNames(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob, other := newPerson(t, relay, "alice"), newPerson(t, relay, "bob"), newPerson(t, relay, "alice")
	meet(t, bob, alice)
	meet(t, bob, other)
	var list api.ContactsResult
	bob.call("contacts", nil, &list)
	if len(list.Contacts) != 2 || list.Contacts[0].Name != "alice" || list.Contacts[1].Name != "alice_1" {
		t.Errorf("%+v", list)
	}
	bob.call("send", api.SendParams{To: api.ChatTo{Name: "alice_1"}, Text: "to the other"}, nil)
	if r := other.recv(nil, true); r.Messages[0].Text != "to the other" {
		t.Errorf("%+v", r)
	}
}

// TestOddMessages lets a peer send what is no good chat message: none stops
// the connection.
func TestOddMessages(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	var raw chat.Agent
	alice.halt()
	alice.wrap = func(a chat.Agent) chat.Agent { raw = a; return a }
	alice.start()
	var seen atomic.Value
	alice.mu.Lock()
	alice.hook = func(id agent.ConnID, _ agent.Event) error { seen.Store(id); return nil }
	alice.mu.Unlock()
	meet(t, alice, bob)
	conn := seen.Load().(agent.ConnID)
	for _, body := range []string{
		"", "x", "{", "[]", "X\x01\x31\x00\x00", "F\x00\x00\x00\x01abc", `{"event":"x.msg.new","params":{}}`,
		`{"event":"x.msg.new","params":{"content":{"type":"text"}}}`, `{"event":"x.msg.update","params":{}}`,
		`{"event":"x.info","params":{"profile":{"displayName":""}}}`, `{"event":"x.later","params":{"a":[]}}`,
		`{"v":"90-99","event":"x.ok","params":{}}`, `{"event":"x.grp.inv","params":{}}`,
		`[{"event":"x.msg.new","msgId":"MQ==","params":{"content":{"type":"text","text":"first"}}},{},{"event":"x.msg.new","msgId":"Mg==","params":{"content":{"type":"poll","text":"second","more":1}}}]`,
		`{"event":"x.msg.new","msgId":"MQ==","params":{"content":{"type":"text","text":"first again"}}}`,
		`{"event":"x.msg.del","params":{"msgId":"Mw=="}}`,
		`{"event":"x.msg.update","msgId":"NA==","params":{"msgId":"NQ==","content":{"type":"text","text":"third"}}}`,
	} {
		if _, err := raw.Send(ctxFor(t), conn, agent.Outgoing{Body: []byte(body)}); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	}
	alice.call("send", api.SendParams{To: api.ChatTo{Name: "bob"}, Text: "end", Wait: "delivered"}, nil)
	var got []string
	for _, m := range bob.recv(nil, false).Messages {
		got = append(got, m.Text+" "+m.MsgType)
	}
	if want := "first ,second poll,third ,end "; strings.Join(got, ",") != want {
		t.Errorf("got %q", got)
	}
}

func TestConsumers(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	last, err := alice.LastSeq(ctxFor(t))
	if err != nil || last == 0 {
		t.Fatalf("%d, %v", last, err)
	}
	alice.call("ack", api.AckParams{Consumer: "c", Seq: 2}, nil)
	alice.call("ack", api.AckParams{Consumer: "c", Seq: 1}, nil)
	if seq, err := alice.Cursor(ctxFor(t), "c"); err != nil || seq != 2 {
		t.Errorf("cursor %d, %v", seq, err)
	}
	for range 2 { // every consumer sees everything
		events, err := alice.NextEvents(ctxFor(t), 0, 1000)
		if err != nil || len(events) < 3 || events[0].Seq != 1 {
			t.Errorf("%d events, %v", len(events), err)
		}
	}
}

// TestConnectGoesOnAfterCrash ends the program inside Join, before and after
// the agent has taken the link.
func TestConnectGoesOnAfterCrash(t *testing.T) {
	for _, mode := range []string{"before", "after"} {
		t.Run(mode, func(t *testing.T) {
			relay := smptest.Start(t)
			alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
			link := alice.exec("/c", "invitation").ConnLinkInvitation.ConnFullLink
			bob.halt()
			f := &faulty{}
			f.fault.Store(mode)
			bob.wrap = func(a chat.Agent) chat.Agent { f.Agent = a; return f }
			bob.start()
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no crash")
					}
				}()
				bob.exec("/c "+link, "sentConfirmation")
			}()
			bob.halt()
			f.fault.Store("")
			bob.start()
			bob.event("contactConnected")
			alice.event("contactConnected")
		})
	}
}
