package chat_test

import (
	"testing"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// noticed waits for a notice and tells whether it is an event of the sending
// side.
func noticed(p *person, text string) (sent bool) {
	p.t.Helper()
	for {
		for _, it := range p.event("newChatItems").ChatItems {
			if it.ChatItem.Meta.ItemText == text {
				return it.ChatItem.Content.Type == "sndConnEvent"
			}
		}
	}
}

func TestQueuesMove(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	alice.exec("/_abort switch @2", "chatCmdError")
	r := alice.exec("/_switch @2", "contactSwitchStarted")
	if r.Contact.LocalDisplayName != "bob" || r.Stats == nil || len(r.Stats.RcvQueuesInfo) == 0 {
		t.Errorf("%+v", r)
	}
	last := func(p *person) (dir, phase string) {
		for phase != "completed" {
			s := p.event("contactSwitch").SwitchProgress
			dir, phase = s.QueueDirection, s.SwitchPhase
		}
		return dir, phase
	}
	if dir, _ := last(alice); dir != "rcv" {
		t.Errorf("alice: %s", dir)
	}
	if dir, _ := last(bob); dir != "snd" {
		t.Errorf("bob: %s", dir)
	}
	alice.exec("/tail 1", "chatItems")
	items := alice.exec("/_get chat @2 count=2", "apiChat").Chat.ChatItems
	if len(items) != 2 || items[0].Meta.ItemText != "started changing address..." || items[1].Meta.ItemText != "you changed address" {
		t.Errorf("alice's notices: %+v", items)
	}
	items = bob.exec("/_get chat @2 count=2", "apiChat").Chat.ChatItems
	if len(items) != 2 || items[1].Meta.ItemText != "changed address for you" || items[1].Content.Type != "rcvConnEvent" {
		t.Errorf("bob's notices: %+v", items)
	}
	bob.exec("/switch @nobody", "chatCmdError")
}

func TestSyncIsNoticed(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	alice.exec("/sync @bob force=on", "contactRatchetSyncStarted")
	if !noticed(alice, "connection synchronization started") || noticed(bob, "connection synchronized") {
		t.Error("notices of the wrong side")
	}
}

func TestFeedGoesToAll(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob, carol := newPerson(t, relay, "alice"), newPerson(t, relay, "bob"), newPerson(t, relay, "carol")
	if r := alice.exec("/feed nobody there", "broadcastSent"); *r.Successes != 0 || *r.Failures != 0 {
		t.Errorf("%+v", r)
	}
	meet(t, alice, bob)
	meet(t, alice, carol)
	if r := alice.exec("/feed news", "broadcastSent"); *r.Successes != 2 || *r.Failures != 0 || r.Timestamp == "" || string(r.MsgContent) != `{"type":"text","text":"news"}` {
		t.Errorf("%+v", r)
	}
	for _, p := range []*person{bob, carol} {
		if r := p.recv(nil, true); len(r.Messages) != 1 || r.Messages[0].Text != "news" {
			t.Errorf("%+v", r)
		}
	}
}

func TestSubscriptionsAreCounted(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	r := alice.exec("/get subs", "agentSubs")
	if len(r.ActiveSubs) != 1 || len(r.PendingSubs) != 0 || r.RemovedSubs == nil {
		t.Errorf("%+v", r)
	}
	total := alice.exec("/get subs total 1", "agentSubsTotal")
	if *total.SubsTotal != (api.SubsTotal{Active: 1}) || !*total.HasSession || total.User == nil {
		t.Errorf("%+v", total)
	}
	alice.exec("/get subs total 7", "chatCmdError")
}

func TestDisappearingTakesATimeAlone(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	p := alice.exec("/set disappear @bob 30s", "contactPrefsUpdated").ToContact.UserPreferences.TimedMessages
	if p == nil || p.Allow != "yes" || p.TTL == nil || *p.TTL != 30 {
		t.Errorf("%+v", p)
	}
}
