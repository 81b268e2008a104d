package roads_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
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

const patience = time.Minute

// profile is a host's handler in memory.
type profile struct {
	mu     sync.Mutex
	files  map[string][]byte
	events chan string
}

func quoted(s string) json.RawMessage { b, _ := json.Marshal(s); return b }

func (p *profile) Send(_ context.Context, command string, _ int) (xrcp.Result, error) {
	if command == "long" {
		return xrcp.Result{Result: quoted(strings.Repeat("chats ", 50_000))}, nil
	}
	return xrcp.Result{Result: quoted("done " + command)}, nil
}

func (p *profile) Recv(ctx context.Context, wait time.Duration) (*xrcp.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case e := <-p.events:
		return &xrcp.Result{Result: quoted(e)}, nil
	case <-ctx.Done():
		return nil, nil
	}
}

type newFile struct {
	bytes.Buffer
	p    *profile
	name string
}

func (f *newFile) Commit() (string, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.p.files[f.name] = f.Bytes()
	return f.name, nil
}

func (f *newFile) Abort() error { return nil }

func (p *profile) StoreFile(_ context.Context, name string, _ uint32) (xrcphost.NewFile, error) {
	return &newFile{p: p, name: name}, nil
}

type openFile struct{ *bytes.Reader }

func (openFile) Close() error { return nil }

func (p *profile) GetFile(_ context.Context, file json.RawMessage) (io.ReadSeekCloser, error) {
	var name string
	if err := json.Unmarshal(file, &name); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return openFile{bytes.NewReader(p.files[name])}, nil
}

func newProfile() *profile {
	return &profile{files: map[string][]byte{}, events: make(chan string, 10)}
}

// sides are what both devices keep.
type sides struct {
	ctl  *xrcp.HostPairing
	host *xrcp.ControllerPairing
}

func newSides(t testing.TB) *sides {
	t.Helper()
	p, err := xrcp.NewHostPairing(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &sides{ctl: p}
}

// link is a session, with both its ends.
type link struct {
	ctl   *xrcpctl.Session
	host  *xrcphost.Session
	codes [2]string
}

func app(t testing.TB) json.RawMessage {
	a, err := xrcp.CtrlApp{AppVersionRange: xrcp.AppVersionRange{Min: "6.0.0.0", Max: "7.0.0.6"}, DeviceName: "desk"}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// connect has a host come to a station; the invitation goes through its text.
func connect(t *testing.T, s *roads.Station, both *sides, host roads.Config) (l link) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	failed := make(chan error, 100)
	c, err := xrcpctl.New(xrcpctl.Config{
		Pairing: both.ctl, App: app(t), Listener: s.Session(), Host: "127.0.0.1", Port: s.Port(), Hints: s.Hints(),
		Confirm:   func(_ context.Context, code string) error { l.codes[0] = code; return nil },
		Save:      func(_ context.Context, p *xrcp.HostPairing) error { both.ctl = p; return nil },
		OnFailure: func(err error) { failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := xrcp.ParseInvitation(c.Invitation().String())
	if err != nil || inv.Verify() != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		l.ctl, err = c.Accept(ctx)
		done <- err
	}()
	to, err := roads.To(host, inv)
	if err != nil {
		t.Fatal(err)
	}
	l.host, err = xrcphost.Connect(ctx, xrcphost.Config{
		Invitation: inv, Pairing: both.host, App: []byte(`{}`), Roads: to, ConnectTimeout: patience,
		Confirm: func(_ context.Context, code string) error { l.codes[1] = code; return nil },
		Save:    func(_ context.Context, p *xrcp.ControllerPairing) error { both.host = p; return nil },
	})
	if err != nil {
		cancel()
		<-done
		close(failed)
		for err := range failed {
			t.Log("controller:", err)
		}
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return l
}

// transcript is what is said in a session, which must be the same whatever it
// goes over.
func transcript(t *testing.T, l link) (out []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p := newProfile()
	served := make(chan error, 1)
	go func() { served <- l.host.Serve(ctx, p, nil) }()
	say := func(what string, v any, err error) { out = append(out, fmt.Sprint(what, ": ", v, " ", err)) }
	say("codes", l.codes[0] == l.codes[1] && l.codes[0] == l.ctl.Code(), nil)
	say("road", l.ctl.Road() == l.host.Road(), nil)
	r, err := l.ctl.Send(ctx, "/_get chats 1", 0)
	say("command", string(r.Result), err)
	r, err = l.ctl.Send(ctx, "long", 0)
	say("long", fmt.Sprintf("%d %x", len(r.Result), sha256.Sum256(r.Result)), err)
	p.events <- "newChatItems"
	e, err := l.ctl.Recv(ctx, patience)
	say("event", string(e.Result), err)
	content := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{1}).Read(content)
	name, err := l.ctl.StoreFile(ctx, "photo.jpg", bytes.NewReader(content))
	say("store", name, err)
	var got bytes.Buffer
	err = l.ctl.GetFile(ctx, quoted(name), &got)
	say("get", bytes.Equal(got.Bytes(), content), err)
	_ = l.ctl.Close()
	say("served", "", <-served)
	return out
}

func open(t *testing.T, cfg roads.Config) *roads.Station {
	t.Helper()
	s, err := roads.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, err := range s.Failed() {
		t.Error(err)
	}
	return s
}

// TestTranscript has the same said over every road, twice: the second session
// is between devices that know each other.
func TestTranscript(t *testing.T) {
	relay := smptest.Start(t)
	server := smp.AuthServer{ServerAddr: relay.Addr}
	var want []string
	for _, n := range carrier.Names {
		t.Run(string(n), func(t *testing.T) {
			s := open(t, roads.Config{Via: []carrier.Name{n}, Relay: &server, Addr: addrFor(n)})
			if !slices.Equal(s.Roads(), []carrier.Name{n}) {
				t.Errorf("open are %v", s.Roads())
			}
			both := newSides(t)
			for range 2 {
				l := connect(t, s, both, roads.Config{})
				if want := n; l.host.Road() != want && n != carrier.Multicast {
					t.Errorf("went by %s", l.host.Road())
				}
				got := transcript(t, l)
				if want == nil {
					want = got
					t.Log(strings.Join(want, "\n"))
				}
				if !slices.Equal(got, want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		})
	}
}

func addrFor(n carrier.Name) string {
	if n == carrier.FlipSMP {
		return ""
	}
	return "127.0.0.1"
}

// TestAllRoads has all tried side by side; one wins, and the session works.
func TestAllRoads(t *testing.T) {
	relay := smptest.Start(t)
	server := smp.AuthServer{ServerAddr: relay.Addr}
	s := open(t, roads.Config{Via: carrier.Names, Relay: &server, Addr: "127.0.0.1"})
	both := newSides(t)
	for range 2 {
		l := connect(t, s, both, roads.Config{})
		if l.host.Road() != l.ctl.Road() || !slices.Contains(carrier.Names, l.host.Road()) {
			t.Errorf("the host went by %q, the controller saw %q", l.host.Road(), l.ctl.Road())
		}
		transcript(t, l)
	}
}

// TestForced takes the road that is asked for, though others are open.
func TestForced(t *testing.T) {
	s := open(t, roads.Config{Addr: "127.0.0.1"})
	both := newSides(t)
	for _, n := range []carrier.Name{carrier.FlipUDP, carrier.DTLS} {
		l := connect(t, s, both, roads.Config{Via: []carrier.Name{n}})
		if l.host.Road() != n {
			t.Errorf("went by %s, not %s", l.host.Road(), n)
		}
		transcript(t, l)
	}
}

func TestNothingOpens(t *testing.T) {
	if _, err := roads.Open(t.Context(), roads.Config{Via: []carrier.Name{carrier.SMP}}); !errors.Is(err, roads.ErrNoRoad) {
		t.Error(err)
	}
	if _, err := roads.Open(t.Context(), roads.Config{Addr: "192.0.2.1"}); !errors.Is(err, roads.ErrNoRoad) {
		t.Error(err)
	}
}

// TestReferenceInvitation has one road, and no hints that a reference's host
// would have to carry about.
func TestReferenceInvitation(t *testing.T) {
	s := open(t, roads.Config{Via: []carrier.Name{carrier.TCP, carrier.Multicast}, Addr: "127.0.0.1"})
	if len(s.Hints()) != 0 {
		t.Error(s.Hints())
	}
	inv := &xrcp.SignedInvitation{Invitation: xrcp.Invitation{Host: netip.MustParseAddr("127.0.0.1").String(), Port: s.Port()}}
	to, err := roads.To(roads.Config{}, inv)
	if err != nil || len(to) != 1 || to[0].Name() != carrier.TCP {
		t.Error(to, err)
	}
	if _, err := roads.To(roads.Config{Via: []carrier.Name{carrier.SMP}}, inv); !errors.Is(err, carrier.ErrNoRoad) {
		t.Error(err)
	}
}
