package chat_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

var codeForm = regexp.MustCompile(`^([0-9]{5} )+[0-9]{1,5}$`)

func TestBothSeeOneSecurityCode(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	code := alice.exec("/_get code @2", "contactCode").ConnectionCode
	if theirs := bob.exec("/code @alice", "contactCode").ConnectionCode; theirs != code || !codeForm.MatchString(code) {
		t.Fatalf("%q and %q", code, theirs)
	}
	verified := func(cmd string) bool {
		t.Helper()
		r := alice.exec(cmd, "connectionVerified")
		if r.ExpectedCode != code {
			t.Errorf("%s: expected %q", cmd, r.ExpectedCode)
		}
		return *r.Verified
	}
	kept := func() bool {
		t.Helper()
		c := alice.exec("/_get code @2", "contactCode").Contact.ActiveConn.ConnectionCode
		return c != nil && c.SecurityCode == code && !c.VerifiedAt.IsZero()
	}
	if verified("/_verify code @2 12345 67890") || kept() {
		t.Error("a wrong code")
	}
	if !verified("/_verify code @2 "+code) || !kept() {
		t.Error("the right code")
	}
	if verified("/verify bob 1") || !kept() {
		t.Error("a wrong code after the right one")
	}
	if !verified("/verify bob "+strings.ReplaceAll(code, " ", "")) || !kept() {
		t.Error("without spaces")
	}
	if verified("/_verify code @2") || kept() {
		t.Error("taken back")
	}
	alice.exec("/_verify code @2 five", "chatCmdError")
	alice.exec("/_get code @99", "chatCmdError")
}

func TestANewRatchetIsToBeComparedAgain(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	meet(t, alice, bob)
	before := alice.exec("/_get code @2", "contactCode").ConnectionCode
	bob.exec("/_verify code @2 "+before, "connectionVerified")
	alice.exec("/_sync @2", "chatCmdError") // nothing is wrong
	r := alice.exec("/_sync @2 force=on", "contactRatchetSyncStarted")
	if r.Stats == nil || r.Stats.RatchetSyncState != "started" || r.Contact == nil {
		t.Errorf("%+v", r)
	}
	if c := bob.event("contactVerificationReset").Contact; c.ActiveConn.ConnectionCode != nil {
		t.Errorf("still verified: %+v", c.ActiveConn)
	}
	for _, p := range []*person{alice, bob} {
		for p.event("contactRatchetSync").RatchetSyncProgress.RatchetSyncStatus != "ok" {
		}
	}
	after := alice.exec("/_get code @2", "contactCode").ConnectionCode
	if theirs := bob.exec("/_get code @2", "contactCode").ConnectionCode; theirs != after || after == before {
		t.Errorf("%q, then %q and %q", before, after, theirs)
	}
	alice.exec("@bob still here", "newChatItems")
	for {
		if m := bob.event("newChatItems").ChatItems; len(m) > 0 && m[0].ChatItem.Meta.ItemText == "still here" {
			break
		}
	}
}
