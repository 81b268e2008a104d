package xrcpctl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// pair is a session after a first pairing.
func pair(t *testing.T, c *controller, d *device[*xrcp.ControllerPairing], p *profile, change func(*xrcphost.Config)) *xrcpctl.Session {
	t.Helper()
	inv, err := xrcp.ParseInvitation(c.Invitation().String())
	if err != nil {
		t.Fatal(err)
	}
	hs, err := host(t, d, inv, change)
	if err != nil {
		t.Fatal(err)
	}
	cs := c.session(t)
	if !xrcp.SameCode(hs.Code(), cs.Code()) || hs.Code() == "" {
		t.Errorf("codes %q and %q", hs.Code(), cs.Code())
	}
	if code := <-c.codes; code != cs.Code() {
		t.Errorf("code shown %q", code)
	}
	serve(t, hs, p)
	return cs
}

func TestPairAndTalk(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprint("compressed=", compressed), func(t *testing.T) {
			var phases []string
			var d device[*xrcp.ControllerPairing]
			p := newProfile(t)
			codec := func(json.RawMessage) xrcp.Codec { return xrcp.NewZstd() }
			if !compressed {
				codec = nil
			}
			c := startController(t, newPairing(t), func(cfg *xrcpctl.Config) {
				cfg.Codec = codec
				cfg.OnPhase = func(ph xrcp.Phase) { phases = append(phases, ph.String()) }
			})
			var hostPhases []string
			s := pair(t, c, &d, p, func(cfg *xrcphost.Config) {
				cfg.Codec = codec
				cfg.OnPhase = func(ph xrcp.Phase) { hostPhases = append(hostPhases, ph.String()) }
			})
			want := []string{"tcp", "session_code", "hello", "connected"}
			if !slices.Equal(phases, want) || !slices.Equal(hostPhases, want) {
				t.Errorf("phases %v and %v", phases, hostPhases)
			}
			app, err := xrcp.ParseHostApp(s.HostApp())
			if err != nil || app.DeviceName != "phone" {
				t.Error(app, err)
			}
			talk(t, s)
			events(t, s, p)
			files(t, s, p)
			if k := c.latest().Host; k == nil || k.DH != d.latest().DH.Public() || !d.latest().Confirmed {
				t.Error("both sides keep different keys")
			}
		})
	}
}

func talk(t *testing.T, s *xrcpctl.Session) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			r, err := s.Send(t.Context(), "/users <&>", i)
			if err != nil || string(r.Result) != fmt.Sprintf(`"/users \u003c\u0026\u003e%d"`, i) {
				t.Errorf("%s, %v", r.Result, err)
			}
		})
	}
	wg.Wait()
	if r, err := s.Send(t.Context(), "error", 0); err != nil || string(r.Error) != `"no"` {
		t.Errorf("%s, %v", r.Error, err)
	}
	var pe *xrcp.ProtocolError
	if _, err := s.Send(t.Context(), "fail", 0); !errors.As(err, &pe) || pe.Type != "exception" || pe.Text != "broken" {
		t.Error(err)
	}
	long := strings.Repeat("x", 3<<20)
	call(t, s, long)
}

func events(t *testing.T, s *xrcpctl.Session, p *profile) {
	t.Helper()
	if e, err := s.Recv(t.Context(), time.Millisecond); e != nil || err != nil {
		t.Error(e, err)
	}
	for i := range 10 {
		p.events <- fmt.Sprint(i)
	}
	enough := errors.New("enough")
	var got []string
	err := s.Run(t.Context(), func(r xrcp.Result) error {
		if got = append(got, string(r.Result)); len(got) == 10 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || got[0] != `"0"` || got[9] != `"9"` {
		t.Error(got, err)
	}
	// An event may come while commands do.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next := make(chan *xrcp.Result, 1)
	go func() { r, _ := s.Recv(ctx, patience); next <- r }()
	call(t, s, "beside")
	p.events <- "late"
	if r := <-next; r == nil || string(r.Result) != `"late"` {
		t.Error(r)
	}
}

func files(t *testing.T, s *xrcpctl.Session, p *profile) {
	t.Helper()
	for _, size := range []int{0, 1, 65535, 65536, 5 << 20} {
		content := vectors.Seeded([]byte("file"), size)
		name, err := s.StoreFile(t.Context(), "../../a b.jpg", bytes.NewReader(content))
		if err != nil || name != "a b.jpg" {
			t.Fatalf("%d bytes: %q, %v", size, name, err)
		}
		if got, err := os.ReadFile(filepath.Join(p.dir, name)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes are stored as %d: %v", size, len(got), err)
		}
		var back bytes.Buffer
		if err := s.GetFile(t.Context(), quote(name), &back); err != nil || !bytes.Equal(back.Bytes(), content) {
			t.Errorf("%d bytes came back as %d: %v", size, back.Len(), err)
		}
	}
	var pe *xrcp.ProtocolError
	if err := s.GetFile(t.Context(), quote("none"), nil); !errors.As(err, &pe) {
		t.Error(err)
	}
	cmd := xrcp.Command{StoreFile: &xrcp.StoreFile{FileName: "bad", FileSize: 3}}
	if _, err := s.Do(t.Context(), cmd, strings.NewReader("abc")); !errors.As(err, &pe) || pe.Type != "fileDigest" {
		t.Error(err)
	}
	if _, err := s.Do(t.Context(), cmd, nil); !errors.As(err, &pe) || pe.Type != "noFile" {
		t.Error(err)
	}
	if _, err := s.Do(t.Context(), cmd, strings.NewReader("a")); err == nil {
		t.Error("a file that is too short")
	}
	for range 3 {
		<-p.aborted
	}
	if _, err := os.Stat(filepath.Join(p.dir, "bad")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a bad file stays:", err)
	}
	call(t, s, "after all")
}

// TestReconnect finds the controller again by its announcement, without a QR
// code, in the group on loopback where that works, else without a group.
func TestReconnect(t *testing.T) {
	var d device[*xrcp.ControllerPairing]
	p := newProfile(t)
	c := startController(t, newPairing(t), nil)
	s := pair(t, c, &d, p, nil)
	_ = s.Close()
	r, to := receiver(t)
	defer func() { _ = r.Close() }()
	for range 3 {
		before := d.latest()
		c = startController(t, c.latest(), func(cfg *xrcpctl.Config) {
			cfg.Announcer = &discovery.Announcer{From: netip.MustParseAddr("127.0.0.1"), To: to, Every: 20 * time.Millisecond}
		})
		s = reconnect(t, c, r, &d, p)
		call(t, s, "again")
		if after := d.latest(); after.DH == before.DH || after.PrevDH != before.DH || after.CA != before.CA {
			t.Error("the keys are not the next ones")
		}
		_ = s.Close()
	}
}

func reconnect(t *testing.T, c *controller, r *discovery.Receiver, d *device[*xrcp.ControllerPairing], p *profile) *xrcpctl.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// Announcements of earlier sessions may still lie there.
	for {
		found, inv, err := r.Find(ctx, []*xrcp.ControllerPairing{d.latest()}, time.Now, xrcp.DefaultWindow, nil)
		if err != nil || found != d.latest() {
			t.Fatal(err)
		}
		if !inv.Same(c.Invitation()) {
			continue
		}
		hs, err := host(t, d, inv, nil)
		if err != nil {
			t.Fatal(err)
		}
		serve(t, hs, p)
		return c.session(t)
	}
}

func receiver(t *testing.T) (*discovery.Receiver, netip.AddrPort) {
	t.Helper()
	probe, err := discovery.Receive(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	group := netip.AddrPortFrom(discovery.Group.Addr(), probe.Addr().Port())
	if r, err := discovery.Receive(group); err == nil && slices.Contains(r.Joined, "lo") {
		_ = probe.Close()
		return r, group
	}
	return probe, probe.Addr()
}

// TestReconnectAfterLostAnswer has the host lose what it should store at the
// end: both sides still know a common key.
func TestReconnectAfterLostAnswer(t *testing.T) {
	var d device[*xrcp.ControllerPairing]
	p := newProfile(t)
	c := startController(t, newPairing(t), nil)
	d.fail = errors.New("disk full")
	if _, err := host(t, &d, c.Invitation(), nil); !errors.Is(err, d.fail) {
		t.Fatal(err)
	}
	_ = c.session(t).Close()
	d.fail = nil
	if d.latest().Confirmed {
		t.Error("confirmed")
	}
	r, to := receiver(t)
	defer func() { _ = r.Close() }()
	c = startController(t, c.latest(), func(cfg *xrcpctl.Config) {
		cfg.Announcer = &discovery.Announcer{From: netip.MustParseAddr("127.0.0.1"), To: to, Every: 20 * time.Millisecond}
	})
	call(t, reconnect(t, c, r, &d, p), "at last")
}

func TestSessionEnds(t *testing.T) {
	var d device[*xrcp.ControllerPairing]
	p := newProfile(t)
	c := startController(t, newPairing(t), nil)
	hs, err := host(t, &d, c.Invitation(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := c.session(t)
	served := make(chan error, 1)
	go func() { served <- hs.Serve(t.Context(), p, nil) }()
	waiting := make(chan error, 1)
	go func() { _, err := s.Recv(context.Background(), time.Hour); waiting <- err }()
	call(t, s, "one")
	_ = hs.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, xrcpctl.ErrLost) {
		t.Error(err)
	}
	<-s.Done()
	if _, err := s.Send(t.Context(), "two", 0); !errors.Is(err, xrcpctl.ErrLost) || c.Phase() != xrcp.Lost {
		t.Error(err, c.Phase())
	}
}
