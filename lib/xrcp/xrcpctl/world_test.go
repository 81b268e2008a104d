package xrcpctl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// profile is a host's handler: commands are echoed, files lie in a directory.
type profile struct {
	dir     string
	events  chan string
	aborted chan struct{} // files that did not come
}

func newProfile(t *testing.T) *profile {
	return &profile{dir: t.TempDir(), events: make(chan string, 100), aborted: make(chan struct{}, 100)}
}

func quote(s string) json.RawMessage { b, _ := json.Marshal(s); return b }

func (p *profile) Send(_ context.Context, command string, retry int) (xrcp.Result, error) {
	switch command {
	case "error":
		return xrcp.Result{Error: quote("no")}, nil
	case "fail":
		return xrcp.Result{}, errors.New("broken")
	}
	return xrcp.Result{Result: quote(command + strconv.Itoa(retry))}, nil
}

func (p *profile) Recv(ctx context.Context, wait time.Duration) (*xrcp.Result, error) {
	select {
	case e := <-p.events:
		return &xrcp.Result{Result: quote(e)}, nil
	case <-time.After(wait):
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type newFile struct {
	*os.File
	p *profile
}

func (f newFile) Commit() (string, error) { return filepath.Base(f.Name()), f.Close() }

func (f newFile) Abort() error {
	err := errors.Join(f.Close(), os.Remove(f.Name()))
	f.p.aborted <- struct{}{}
	return err
}

func (p *profile) StoreFile(_ context.Context, name string, _ uint32) (xrcphost.NewFile, error) {
	f, err := os.Create(filepath.Join(p.dir, filepath.Base(name)))
	return newFile{f, p}, err
}

func (p *profile) GetFile(_ context.Context, file json.RawMessage) (io.ReadSeekCloser, error) {
	var name string
	if err := json.Unmarshal(file, &name); err != nil {
		return nil, err
	}
	return os.Open(filepath.Join(p.dir, filepath.Base(name)))
}

// device is one side's storage: the latest record of its pairing.
type device[P any] struct {
	mu    sync.Mutex
	saved []P
	fail  error // of the next save, once there is one already
}

func (d *device[P]) save(_ context.Context, p P) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil && len(d.saved) > 0 {
		return d.fail
	}
	d.saved = append(d.saved, p)
	return nil
}

func (d *device[P]) latest() (p P) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.saved) > 0 {
		p = d.saved[len(d.saved)-1]
	}
	return p
}

func ctrlApp(t testing.TB) json.RawMessage {
	app, err := xrcp.CtrlApp{
		AppVersionRange: xrcp.AppVersionRange{Min: "6.0.0.0", Max: "7.0.0.6"}, DeviceName: "100% + desk", Compression: true,
	}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func hostApp(t testing.TB) json.RawMessage {
	app, err := xrcp.HostApp{AppVersion: "7.0.0.6", DeviceName: "phone", Encoding: xrcp.EncodingTagged, Compression: true}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// controller is a controller that accepts a host.
type controller struct {
	*xrcpctl.Controller
	device[*xrcp.HostPairing]
	codes    chan string
	failures chan error
	accepted chan *xrcpctl.Session
	err      error // of Accept, once accepted is closed
}

func newPairing(t testing.TB) *xrcp.HostPairing {
	p, err := xrcp.NewHostPairing(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func listen(t testing.TB) net.Listener {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startController has Accept under way; change may alter its configuration.
func startController(t testing.TB, p *xrcp.HostPairing, change func(*xrcpctl.Config)) *controller {
	t.Helper()
	c := &controller{codes: make(chan string, 100), failures: make(chan error, 1000), accepted: make(chan *xrcpctl.Session, 1)}
	cfg := xrcpctl.Config{
		Pairing: p, App: ctrlApp(t), Listener: listen(t), Host: "127.0.0.1", Save: c.save,
		Confirm:   func(_ context.Context, code string) error { c.codes <- code; return nil },
		OnFailure: func(err error) { c.failures <- err },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if c.Controller, err = xrcpctl.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(c.accepted)
		s, err := c.Accept(ctx)
		if c.err = err; s != nil {
			c.accepted <- s
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func (c *controller) session(t testing.TB) *xrcpctl.Session {
	t.Helper()
	select {
	case s := <-c.accepted:
		if s == nil {
			t.Fatal("no session:", c.err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	case <-time.After(patience):
		t.Fatal("no session")
		return nil
	}
}

func (c *controller) failure(t testing.TB) error {
	t.Helper()
	select {
	case err := <-c.failures:
		return err
	case <-time.After(patience):
		t.Fatal("no failure")
		return nil
	}
}

// host connects; change may alter its configuration.
func host(t testing.TB, d *device[*xrcp.ControllerPairing], inv *xrcp.SignedInvitation, change func(*xrcphost.Config)) (*xrcphost.Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cfg := xrcphost.Config{
		Invitation: inv, Pairing: d.latest(), App: hostApp(t), Save: d.save,
		Confirm: func(context.Context, string) error { return nil },
	}
	if change != nil {
		change(&cfg)
	}
	return xrcphost.Connect(ctx, cfg)
}

// serve runs a host's session until the test ends.
func serve(t testing.TB, s *xrcphost.Session, p *profile) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, p, nil) }()
	t.Cleanup(func() { cancel(); <-done })
}

func call(t testing.TB, s *xrcpctl.Session, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := s.Send(ctx, command, 0)
	if err != nil || !bytes.Equal(r.Result, quote(command+"0")) {
		t.Fatalf("%s: %s, %v", command, r.Result, err)
	}
}
