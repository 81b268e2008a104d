package remote_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// phone is a host that knows no numbers and names, like the reference.
type phone struct {
	end    func()
	events chan string
}

func (p *phone) Send(_ context.Context, cmd string, _ int) (xrcp.Result, error) {
	if cmd == "/end" {
		p.end()
	}
	return xrcp.Result{Result: json.RawMessage(`{"type":"cmdOk","unknown":[1,{"to":"us"}]}`)}, nil
}

func (p *phone) Recv(ctx context.Context, wait time.Duration) (*xrcp.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case e := <-p.events:
		return &xrcp.Result{Result: json.RawMessage(e)}, nil
	case <-ctx.Done():
		return nil, nil
	}
}

func (p *phone) StoreFile(context.Context, string, uint32) (xrcphost.NewFile, error) {
	return nil, errors.New("no files")
}

func (p *phone) GetFile(context.Context, json.RawMessage) (io.ReadSeekCloser, error) {
	return nil, errors.New("no files")
}

// TestPhone: what a host says passes through unchanged, and a command that was
// under way when it went is not sent again.
func TestPhone(t *testing.T) {
	w := newWorld(t)
	offer, accept := w.offer(remote.OfferOptions{})
	app, err := xrcp.HostApp{AppVersion: remote.AppVersion, DeviceName: "phone", Encoding: xrcp.EncodingTagged}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	s, err := xrcphost.Connect(w.ctx, xrcphost.Config{Invitation: offer.Invitation(), App: app,
		Confirm: func(context.Context, string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{events: make(chan string, 1), end: func() { _ = s.Close() }}
	served := make(chan error, 1)
	go func() { served <- s.Serve(w.ctx, p, nil) }()
	defer func() { <-served }()
	a, err := accept()
	if err != nil || a.App.Resume {
		t.Fatal(err, a)
	}
	got := make(chan string, 1)
	l := remote.NewLink(remote.LinkConfig{Desk: w.desk, First: a, Event: func(_ context.Context, _ int64, resp json.RawMessage) error {
		got <- string(resp)
		return nil
	}})
	ran := make(chan error, 1)
	go func() { ran <- l.Run(w.ctx) }()
	resp, err := l.Exec(w.ctx, "/x")
	if err != nil || string(resp) != `{"type":"cmdOk","unknown":[1,{"to":"us"}]}` {
		t.Errorf("%v %s", err, resp)
	}
	const event = `{"type":"somethingNew","a":"<b>&"}`
	p.events <- event
	if e := <-got; e != event {
		t.Error(e)
	}
	if _, err := l.Exec(w.ctx, "/end"); !errors.Is(err, remote.ErrUnknownOutcome) {
		t.Error(err)
	}
	if err := <-ran; err == nil {
		t.Error("the link goes on without its host")
	}
}

// TestFlood: a controller that sends a great many commands, and too large ones,
// gets its answers, and others get theirs.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	a, b := w.pair(api.RemoteConnectParams{}), w.pair(api.RemoteConnectParams{})
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if _, err := a.Send(w.ctx, fmt.Sprint("/x ", i), 0); err != nil {
				t.Error(err)
			}
		})
	}
	if r := send(t, b, "/y"); r.Error != nil {
		t.Errorf("%s", r.Error)
	}
	all.Wait()
	var refusal *xrcp.ProtocolError
	if _, err := a.Send(w.ctx, strings.Repeat("x", 5<<20), 0); !errors.As(err, &refusal) {
		t.Errorf("a command of 5 MiB: %v", err)
	}
	if r := send(t, a, "/z"); r.Error != nil {
		t.Errorf("%s", r.Error)
	}
	if n := len(w.profile.ran); n != 102 {
		t.Errorf("%d commands were run", n)
	}
}
