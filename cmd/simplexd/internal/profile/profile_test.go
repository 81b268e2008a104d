package profile

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/stdio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// embedded makes a profile with a relay of its own.
func embedded(t *testing.T) home.Home {
	t.Helper()
	h := home.In(t.TempDir())
	cfg := &home.Config{Name: "alice", Relay: &home.Relay{Host: "127.0.0.1"}}
	if err := Create(t.Context(), Options{Home: h, Config: cfg}, api.InitParams{DisplayName: "alice"}); err != nil {
		t.Fatal(err)
	}
	if err := h.WriteConfig(cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestServeAnswersAndEndsWithItsContext(t *testing.T) {
	h := embedded(t)
	p, err := Open(t.Context(), Options{Home: h})
	if err != nil {
		t.Fatal(err)
	}
	l, err := h.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, l) }()
	conn, err := h.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client := stdio.NewClient(conn)
	ended := make(chan error, 1)
	go func() { ended <- client.Run(context.Background()) }()
	var inv api.InviteResult
	if err := client.Call(ctx, "invite", nil, &inv); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(inv.Link, "simplex:/invitation#") {
		t.Errorf("link %q", inv.Link)
	}
	if err := client.Call(ctx, "fetch", nil, nil); err != nil {
		t.Error(err)
	}
	if err := p.Alive(ctx); err != nil {
		t.Error(err)
	}
	cancel() // with the client still there
	if err := <-served; err != nil {
		t.Errorf("served: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	client.Close()
}

func TestRelayKeepsItsAddress(t *testing.T) {
	h := embedded(t)
	var addresses []string
	for range 2 {
		p, err := Open(t.Context(), Options{Home: h})
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, p.relay.address)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if addresses[0] != addresses[1] || !strings.Contains(addresses[0], "@127.0.0.1:") {
		t.Errorf("addresses %q", addresses)
	}
}

func TestRelayTakesTheNextFreePort(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:5223")
	if err == nil {
		defer first.Close()
	} // else somebody else has it, which does as well
	p, err := Open(t.Context(), Options{Home: embedded(t)})
	if err != nil {
		t.Fatal(err)
	}
	if port := p.relay.listener.Addr().(*net.TCPAddr).Port; port <= firstPort || port >= firstPort+portTries {
		t.Errorf("port %d", port)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// deaf is a handler that takes everything.
type deaf struct{ err error }

func (d deaf) HandleEvent(context.Context, agent.ConnID, agent.Event) error {
	<-time.After(quiet) // simulated: an event takes its time
	return d.err
}
func (deaf) HandleStatus(context.Context, agent.Status) {}

func TestWatchKnowsWhenItIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch()
		failed := errors.New("not now")
		w.next = deaf{failed}
		<-time.After(quiet)
		if !w.isQuiet() {
			t.Error("not quiet at first")
		}
		done := make(chan error, 1)
		go func() { done <- w.HandleEvent(t.Context(), "c", agent.Connected{}) }()
		<-time.After(quiet / 2)
		if w.isQuiet() {
			t.Error("quiet during an event")
		}
		if err := <-done; !errors.Is(err, failed) {
			t.Errorf("error %v", err)
		}
		if w.isQuiet() {
			t.Error("quiet right after an event")
		}
		down := errors.New("refused")
		w.HandleStatus(t.Context(), agent.Status{Server: "a", Err: down})
		if is, why := w.isDown([]string{"a"}); !is || !errors.Is(why, down) {
			t.Errorf("down %v, %v", is, why)
		}
		if is, _ := w.isDown([]string{"a", "b"}); is {
			t.Error("down with one relay of two")
		}
		w.HandleStatus(t.Context(), agent.Status{Server: "a", Up: true})
		if is, _ := w.isDown([]string{"a"}); is {
			t.Error("down after it came up")
		}
	})
}
