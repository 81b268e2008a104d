package chat_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// A short link shows who is behind it, and connects.
func TestShortLink(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	link := alice.exec("/_connect 1", "invitation").ConnLinkInvitation
	if link == nil || link.ConnShortLink == "" {
		t.Fatalf("link %+v", link)
	}
	plan := func(p *person, want string) string {
		t.Helper()
		r := p.exec("/_connect plan 1 "+link.ConnShortLink, "connectionPlan")
		var got struct {
			InvitationLinkPlan struct {
				Type string
				Data struct{ Profile api.Profile } `json:"contactSLinkData_"`
			}
		}
		if err := json.Unmarshal(r.ConnectionPlan, &got); err != nil || got.InvitationLinkPlan.Type != want {
			t.Fatalf("plan %s: %v", r.ConnectionPlan, err)
		}
		// what the relay keeps has a key for the post-quantum ratchet more
		if !strings.HasPrefix(r.ConnLink.ConnFullLink, link.ConnFullLink) || r.ConnLink.ConnShortLink != link.ConnShortLink {
			t.Errorf("link of the plan: %+v", r.ConnLink)
		}
		return got.InvitationLinkPlan.Data.Profile.DisplayName
	}
	if name := plan(bob, "ok"); name != "alice" {
		t.Errorf("profile of %q", name)
	}
	plan(alice, "ownLink")
	var r api.ConnectResult
	bob.call("connect", api.ConnectParams{Link: link.ConnShortLink, Wait: true}, &r)
	if r.State != "connected" {
		t.Errorf("connected: %+v", r)
	}
	var inv api.InviteResult
	alice.call("invite", nil, &inv)
	if inv.ShortLink == "" || inv.Link == "" {
		t.Errorf("invitation %+v", inv)
	}
}
