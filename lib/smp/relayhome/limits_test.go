package relayhome

import (
	"net/netip"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
)

func TestUnlimitedAddresses(t *testing.T) {
	s := defaults()
	s.Unlimited = []string{"192.0.2.7", "2001:db8::/32"}
	if w := s.checkLimits(); w != nil {
		t.Fatal(w)
	}
	var c smpserver.Config
	s.limit(&c)
	for text, want := range map[string]bool{"127.0.0.1": true, "::1": true, "192.0.2.7": true, "192.0.2.8": false, "2001:db8:1::2": true} {
		if got := c.Unlimited(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{"", "example.org", "192.0.2.0/33"} {
		s.Unlimited = []string{text}
		if s.checkLimits() == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestPrivateRelays(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "10.0.0.1": true, "smp.example.org": false, "192.0.2.1": false} {
		if got := (Settings{Hosts: []string{"127.0.0.1", host}}).isPrivate(); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}
