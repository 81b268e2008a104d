package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/cmd/internal/doctor"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/qrterm"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/transport"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
)

// errExamined turns a host away that has come as far as it can be seen.
var errExamined = errors.New("this was an examination: pair with the link of pair invite")

// A stage is how far a host has come.
type stage int

const (
	waiting stage = iota
	connected
	speaking
	comparing
)

var stageNames = [...]string{"waiting", "tcp", "tls", "session_code"}

// liveStatus is a line in JSON about the examination.
type liveStatus struct {
	Type  string `json:"type"`  // "status"
	State string `json:"state"` // of CLI's pairing states, or "refused"
	From  string `json:"from,omitempty"`
	Link  string `json:"link,omitempty"`
	Code  string `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// examination follows hosts from the first packet on.
type examination struct {
	e  *env
	mu sync.Mutex // guards what follows, and the order of lines
	// furthest is how far any host came, and refused why the last did not get
	// further.
	furthest stage
	refused  error
}

func (x *examination) tell(s liveStatus, format string, args ...any) {
	s.Type = "status"
	if x.e.json {
		_ = x.e.printJSON(s) // the report follows, and its error is told
		return
	}
	x.e.note(format, args...)
}

func (x *examination) reach(to stage, s liveStatus, format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.furthest = max(x.furthest, to)
	s.State = stageNames[to]
	x.tell(s, format, args...)
}

func (x *examination) fail(err error) {
	if errors.Is(err, errExamined) {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.refused = err
	x.tell(liveStatus{State: "refused", Error: err.Error()}, "refused: %v", err)
}

// live shows an invitation of its own and follows what comes, until a host has
// come to the session code or time is up.
func (e *env) live(ctx context.Context, how string, at discovery.Address, port uint16) (doctor.Finding, error) {
	screen := qrterm.On(e.stderr)
	var err error
	if screen.Mode, screen.File, err = qrterm.ParseMode(how); err != nil {
		return doctor.Finding{}, exit.Errorf(exit.Usage, "--qr %s: %w", how, err)
	}
	if e.json && screen.File == "" {
		screen.Mode = qrterm.None
	}
	l, err := discovery.Listen(ctx, "", port, 0)
	if err != nil {
		return doctor.Finding{}, doctor.Broken(err)
	}
	x := &examination{e: e}
	ctx, done := context.WithCancel(ctx)
	defer done()
	ctl, err := x.controller(l, at, done)
	if err != nil {
		l.Close()
		return doctor.Finding{}, doctor.Broken(err)
	}
	link := ctl.Invitation().String()
	x.reach(waiting, liveStatus{Link: link}, "waiting for a host at %s, port %d; scan this, or paste the link:\n%s", at.IP, discovery.PortOf(l), link)
	if _, err := screen.Show(link); err != nil {
		l.Close()
		return doctor.Finding{}, doctor.Broken(err)
	}
	_, err = ctl.Accept(ctx) // nobody is let in
	if err != nil && ctx.Err() == nil {
		return doctor.Finding{}, doctor.Broken(err)
	}
	return x.finding(), nil
}

// controller is one that turns away whoever gets through.
func (x *examination) controller(l net.Listener, at discovery.Address, done func()) (*xrcpctl.Controller, error) {
	pairing, err := xrcp.NewHostPairing(time.Now())
	if err != nil {
		return nil, err
	}
	app, err := xrcp.CtrlApp{AppVersionRange: remote.AppRange, DeviceName: "pair doctor"}.JSON()
	if err != nil {
		return nil, err
	}
	return xrcpctl.New(xrcpctl.Config{
		Pairing: pairing, App: app, Listener: tap{l, x}, Host: at.IP.String(), Port: discovery.PortOf(l),
		Confirm: func(_ context.Context, code string) error {
			x.reach(comparing, liveStatus{Code: code}, "code waiting: %s; the host shows the same, and is turned away now", code)
			done()
			return errExamined
		},
		OnFailure: x.fail,
	})
}

// finding is what the examination has shown.
func (x *examination) finding() doctor.Finding {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.furthest == comparing:
		return doctor.Found("live", doctor.OK, "a host came as far as the session code: pairing works")
	case x.furthest == speaking && errors.Is(x.refused, transport.ErrFingerprint):
		return doctor.Found("live", doctor.Critical, "a host refused the certificate: it had another invitation").WithHint("scan the code that is on the screen now")
	case x.furthest == speaking:
		return doctor.Found("live", doctor.Critical, "a host began TLS and did not finish: %v", x.refused).WithHint("update the app; or something in between changes what it sends")
	case x.furthest == connected:
		return doctor.Found("live", doctor.Critical, "a connection came, and no TLS over it").WithHint("it may have been another program; or a proxy in between holds it back")
	}
	return doctor.Found("live", doctor.Critical, "no connection came").
		WithHint("are both in one network? Guest networks and many access points keep their clients apart (AP or client isolation), and VPNs on the phone do too; then see the firewall")
}

// tap tells of connections, and of the first byte of each.
type tap struct {
	net.Listener
	x *examination
}

func (t tap) Accept() (net.Conn, error) {
	c, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	from := c.RemoteAddr().String()
	t.x.reach(connected, liveStatus{From: from}, "SYN seen: %s is connected", from)
	return &tapped{Conn: c, x: t.x, from: from}, nil
}

type tapped struct {
	net.Conn
	x     *examination
	from  string
	first sync.Once
}

// handshake is TLS's record type of a handshake.
const handshake = 0x16

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.first.Do(func() {
			if b[0] == handshake {
				c.x.reach(speaking, liveStatus{From: c.from}, "TLS started by %s", c.from)
			} else {
				c.x.fail(fmt.Errorf("%s speaks no TLS", c.from))
			}
		})
	}
	return n, err
}
