package relays

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/smp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func servers(t *testing.T, hosts ...string) (out []smp.AuthServer) {
	t.Helper()
	for _, h := range hosts {
		a, err := smp.ParseAuthServer("smp://0YuTwO05YJWS8rkjn9eLJDjQhFKvIYd8d4xG8X1blIU=@" + h)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

// Another operator comes first, then another relay, then the rest.
func TestChoose(t *testing.T) {
	all := servers(t, "smp1.simplex.im", "smp2.simplex.im", "smp1.simplexonflux.com", "ours.example")
	p := New(Config{Servers: all})
	at := func(i int) string { return all[i].ServerAddr.String() }
	first := map[string]int{}
	for range 40 {
		got, err := p.Choose("")
		if err != nil || len(got) != 4 {
			t.Fatalf("%d relays: %v", len(got), err)
		}
		first[got[0].Hosts[0]]++
	}
	for range 4 {
		got, err := p.Choose("", at(0))
		if err != nil || got[2].Hosts[0] != "smp2.simplex.im" || got[3].Hosts[0] != "smp1.simplex.im" {
			t.Fatalf("away from the first: %v: %v", got, err)
		}
		got, err = p.Choose("", at(3), at(2))
		if err != nil || got[3].Hosts[0] != "ours.example" || got[2].Hosts[0] != "smp1.simplexonflux.com" {
			t.Fatalf("away from two: %v: %v", got, err)
		}
		// A relay of others says nothing of ours.
		got, err = p.Choose("", servers(t, "theirs.example")[0].ServerAddr.String())
		if err != nil || len(got) != 4 {
			t.Fatal(err)
		}
	}
	for h, n := range first {
		if n != 10 {
			t.Errorf("%s was first %d times of 40", h, n)
		}
	}
	if got, err := p.Choose(at(1)); err != nil || len(got) != 1 || !got[0].ServerAddr.Equal(all[1].ServerAddr) {
		t.Errorf("asked for one: %v, %v", got, err)
	}
	if _, err := p.Choose("no address"); err == nil {
		t.Error("bad address chosen")
	}
	if _, err := New(Config{}).Choose(""); err != ErrNoServers {
		t.Errorf("none: %v", err)
	}
}

func TestTarget(t *testing.T) {
	const onion = "beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion"
	a := smp.ServerAddr{Hosts: []string{"relay.example", onion}}
	for _, c := range []struct {
		n    Network
		want []string
	}{
		{Network{}, []string{"relay.example"}},
		{Network{SOCKS: "x:1"}, []string{onion, "relay.example"}},
		{Network{SOCKS: "x:1", Onion: OnionRequire}, []string{onion}},
		{Network{SOCKS: "x:1", Onion: OnionNever}, []string{"relay.example"}},
	} {
		got, err := c.n.target(a, "scope", "salt")
		if err != nil || len(got.Addr.Hosts) != len(c.want) {
			t.Fatalf("%+v: %v, %v", c.n, got.Addr.Hosts, err)
		}
		for i, h := range c.want {
			if got.Addr.Hosts[i] != h {
				t.Errorf("%+v: %v", c.n, got.Addr.Hosts)
			}
		}
		if (got.Socket != nil) != (c.n.SOCKS != "") {
			t.Errorf("%+v: wrong socket", c.n)
		}
	}
	if _, err := (Network{SOCKS: "x:1", Onion: OnionRequire}).target(smp.ServerAddr{Hosts: []string{"relay.example"}}, "", ""); err == nil {
		t.Error("reached without an onion host")
	}
}

func TestTemporary(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{ErrHost, false}, {ErrAddress, false}, {ErrNoServers, false}, {ErrClosed, true}, {errSessionEnded, true},
		{smp.ErrAuth, false}, {smp.ErrQuota, true}, {smp.ErrProxyBasicAuth, false}, {smp.ErrProxyNoSession, true},
		{smp.ProxyProtocolError(smp.ErrAuth), false}, {smp.ProxyProtocolError(smp.ErrQuota), true},
		{smp.ProxyBrokerError(smp.BrokerError{Type: smp.BrokerTimeout}), true},
		{smp.ProxyBrokerError(smp.BrokerError{Type: smp.BrokerHost}), true},
	} {
		if got := Temporary(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
