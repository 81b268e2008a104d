package chat_test

import (
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

func TestProgramsAreToldOfRelays(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	alice.exec("/_connect 1", "invitation") // one that nobody has used
	alice.exec("/_address 1", "userContactLinkCreated")
	alice.halt()
	alice.told = true
	alice.start()
	subs := alice.event("contactSubSummary")
	if s := subs.ContactSubscriptions; len(s) != 1 || s[0].Contact.LocalDisplayName != "bob" || s[0].ContactError != nil || subs.User == nil {
		t.Errorf("contacts: %+v", subs)
	}
	addrs := alice.event("userContactSubSummary").UserContactSubscriptions
	if len(addrs) != 1 || addrs[0].UserContact.ConnReqContact == "" {
		t.Errorf("addresses: %+v", addrs)
	}
	for _, want := range []string{"memberSubSummary", "pendingSubSummary"} {
		var data struct {
			Type                 string `json:"type"`
			PendingSubscriptions []any  `json:"pendingSubscriptions"`
		}
		if err := json.Unmarshal(alice.event("terminalEvent").Data, &data); err != nil || data.Type != want {
			t.Errorf("%+v, %v", data, err)
		}
		if want == "pendingSubSummary" && len(data.PendingSubscriptions) != 1 {
			t.Errorf("pending: %+v", data)
		}
	}
	relay.Stop()
	for _, typ := range []string{"contactsDisconnected", "contactsSubscribed"} {
		e := alice.event(typ)
		if len(e.ContactRefs) != 1 || e.ContactRefs[0].LocalDisplayName != "bob" || e.Server == "" {
			t.Errorf("%s: %+v", typ, e)
		}
		relay.Restart()
	}
}
