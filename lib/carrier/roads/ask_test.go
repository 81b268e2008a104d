package roads_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/roads"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// TestAskAgain has a host that knows its controller get the next session
// without a link, by a road that the last link told of.
func TestAskAgain(t *testing.T) {
	relay := smptest.Start(t)
	server := smp.AuthServer{ServerAddr: relay.Addr}
	for _, n := range []carrier.Name{carrier.TCP, carrier.DTLS, carrier.Libp2p, carrier.SMP} {
		t.Run(string(n), func(t *testing.T) {
			s := open(t, roads.Config{Via: []carrier.Name{n}, Relay: &server, Addr: addrFor(n)})
			both := newSides(t)
			first := connect(t, s, both, roads.Config{})
			transcript(t, first)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()

			c, inv := invite(t, s, both)
			pairings := []*xrcp.ControllerPairing{both.host}
			s.Offer(c.Announcement)
			a, err := roads.Ask(ctx, roads.Config{}, inv, pairings, time.Now, xrcp.DefaultWindow)
			if err != nil {
				t.Fatal(err)
			}
			if a.Pairing != both.host || !slices.Equal(a.Invitation.Hints, inv.Hints) {
				t.Errorf("got %v", a.Invitation.Hints)
			}
			accept(t, c, both, a)
		})
	}
}

// invite is a controller of a known host, and its invitation as it came in a
// link before.
func invite(t *testing.T, s *roads.Station, both *sides) (*xrcpctl.Controller, *xrcp.SignedInvitation) {
	t.Helper()
	c, err := xrcpctl.New(xrcpctl.Config{
		Pairing: both.ctl, App: app(t), Listener: s.Session(), Host: "127.0.0.1", Port: s.Port(), Hints: s.Hints(),
		Save: func(_ context.Context, p *xrcp.HostPairing) error { both.ctl = p; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, c.Invitation()
}

func accept(t *testing.T, c *xrcpctl.Controller, both *sides, a roads.Answer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	to, err := roads.To(roads.Config{}, a.Invitation)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		s, err := xrcphost.Connect(ctx, xrcphost.Config{
			Invitation: a.Invitation, Pairing: a.Pairing, App: []byte(`{}`), Roads: to, ConnectTimeout: patience,
			Confirm: func(context.Context, string) error { return nil },
			Save:    func(_ context.Context, p *xrcp.ControllerPairing) error { both.host = p; return nil },
		})
		if err == nil {
			err = s.Serve(ctx, newProfile(), nil)
		}
		done <- err
	}()
	session, err := c.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := session.Send(ctx, "again", 0); err != nil || string(r.Result) != `"done again"` {
		t.Error(string(r.Result), err)
	}
	_ = session.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAskInVain asks where nothing is offered, as somebody unknown, and with a
// clock that is wrong.
func TestAskInVain(t *testing.T) {
	s := open(t, roads.Config{Via: []carrier.Name{carrier.TCP}, Addr: "127.0.0.1"})
	both, stranger := newSides(t), newSides(t)
	transcript(t, connect(t, s, both, roads.Config{}))
	transcript(t, connect(t, s, stranger, roads.Config{}))
	c, inv := invite(t, s, both)
	ask := func(p *xrcp.ControllerPairing, ahead time.Duration) error {
		now := func() time.Time { return time.Now().Add(ahead) }
		_, err := roads.Ask(t.Context(), roads.Config{}, inv, []*xrcp.ControllerPairing{p}, now, xrcp.DefaultWindow)
		return err
	}
	if err := ask(both.host, 0); !errors.Is(err, roads.ErrNothingOffered) {
		t.Error(err)
	}
	s.Offer(c.Announcement)
	if err := ask(stranger.host, 0); !errors.Is(err, xrcp.ErrUnknownController) {
		t.Error(err)
	}
	if err := ask(both.host, time.Hour); !errors.Is(err, xrcp.ErrStale) {
		t.Error(err)
	}
	if err := ask(both.host, 0); err != nil {
		t.Error(err)
	}
	s.Offer(nil)
	if err := ask(both.host, 0); !errors.Is(err, roads.ErrNothingOffered) {
		t.Error(err)
	}
}
