package chat_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

// dying is an agent in a program that ends during a call, before or after the
// agent has done what was asked.
type dying struct {
	chat.Agent
	after   bool
	entered chan struct{}
	dead    atomic.Bool
}

func (d *dying) end(ctx context.Context) error {
	if d.dead.CompareAndSwap(false, true) {
		close(d.entered)
	}
	<-ctx.Done()
	return ctx.Err()
}

func (d *dying) Accept(ctx context.Context, id, addr agent.ConnID, req agent.RequestID, info []byte, o agent.JoinOptions) error {
	if d.after {
		if err := d.Agent.Accept(ctx, id, addr, req, info, o); err != nil {
			return err
		}
	}
	return d.end(ctx)
}

func (d *dying) SetLinkLater(context.Context, agent.ConnID, agent.LinkData) error {
	if d.dead.CompareAndSwap(false, true) {
		close(d.entered)
	}
	return context.Canceled
}

// restartDying starts a person whose agent does not come back from a call.
func restartDying(p *person, after bool) *dying {
	p.halt()
	d := &dying{after: after, entered: make(chan struct{})}
	p.wrap = func(a chat.Agent) chat.Agent { d.Agent = a; return d }
	p.start()
	return d
}

// TestAcceptGoesOnAfterCrash ends the program while it accepts a request,
// before and after the agent has taken it, asked and unasked.
func TestAcceptGoesOnAfterCrash(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, auto := range []bool{false, true} {
			relay := smptest.Start(t)
			alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
			link := alice.exec("/ad", "userContactLinkCreated").ConnLinkContact.ConnFullLink
			if auto {
				alice.exec("/auto_accept on text welcome", "userContactLinkUpdated")
			}
			d := restartDying(alice, after)
			bob.exec("/c "+link, "sentInvitation")
			if !auto {
				alice.event("receivedContactRequest")
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					alice.Exec(ctx, "/ac bob")
				}()
				<-d.entered
				cancel()
				<-done
			}
			<-d.entered
			alice.halt()
			alice.wrap = nil
			alice.start()
			alice.event("contactConnected")
			bob.event("contactConnected")
			if auto {
				var since int64
				if got := bob.recv(&since, true).Messages; len(got) != 1 || got[0].Text != "welcome" {
					t.Errorf("welcome %+v", got)
				}
			}
		}
	}
}

// The link of an address tells what the profile has become, with an image
// that only fits when it is compressed, and also if the program ends before the
// agent has heard of the change.
func TestProfileChangeReachesAddressLink(t *testing.T) {
	relay := smptest.Start(t)
	alice, bob := newPerson(t, relay, "alice"), newPerson(t, relay, "bob")
	set := make(chan agent.LinkSet, 10)
	alice.mu.Lock()
	alice.hook = func(_ agent.ConnID, ev agent.Event) error {
		if s, ok := ev.(agent.LinkSet); ok {
			set <- s
		}
		return nil
	}
	alice.mu.Unlock()
	link := alice.exec("/ad", "userContactLinkCreated").ConnLinkContact.ConnShortLink
	profile := func() api.Profile {
		t.Helper()
		if s := <-set; s.Err != nil || s.Short != link {
			t.Fatalf("link %+v", s)
		}
		var plan struct {
			ContactAddressPlan struct {
				Data struct{ Profile api.Profile } `json:"contactSLinkData_"`
			}
		}
		r := bob.exec("/_connect plan 1 "+link, "connectionPlan")
		if err := json.Unmarshal(r.ConnectionPlan, &plan); err != nil {
			t.Fatal(err)
		}
		return plan.ContactAddressPlan.Data.Profile
	}
	alice.exec("/p alicia", "userProfileUpdated")
	if p := profile(); p.DisplayName != "alicia" {
		t.Errorf("profile %+v", p)
	}
	image := "data:image/jpg;base64," + strings.Repeat("/9j/4AAQSkZJRgABAQAASABIAAD", 500)
	b, err := json.Marshal(api.Profile{DisplayName: "alicia", Image: image})
	if err != nil {
		t.Fatal(err)
	}
	alice.exec("/_profile 1 "+string(b), "userProfileUpdated")
	if p := profile(); p.Image != image {
		t.Errorf("image of %d bytes", len(p.Image))
	}
	d := restartDying(alice, false)
	alice.exec("/p alison", "userProfileUpdated")
	<-d.entered
	alice.halt()
	alice.wrap = nil
	alice.start()
	if p := profile(); p.DisplayName != "alison" {
		t.Errorf("profile %+v after the crash", p)
	}
}
