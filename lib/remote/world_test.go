package remote_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// generous is longer than anything takes.
const generous = 30 * time.Second

// memory is both stores.
type memory struct {
	mu       sync.Mutex
	next     int64
	ctrls    []remote.KnownCtrl
	hosts    []remote.KnownHost
	commands map[string][]byte
}

func (m *memory) Ctrls(context.Context) (out []*remote.KnownCtrl, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.ctrls {
		out = append(out, &c)
	}
	return out, nil
}

func (m *memory) PutCtrl(_ context.Context, c *remote.KnownCtrl) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.ID == 0 {
		m.next++
		c.ID = api.RemoteCtrlID(m.next)
		m.ctrls = append(m.ctrls, *c)
		return nil
	}
	for i := range m.ctrls {
		if m.ctrls[i].ID == c.ID {
			m.ctrls[i] = *c
			return nil
		}
	}
	return remote.ErrNotFound
}

func (m *memory) DeleteCtrl(_ context.Context, id api.RemoteCtrlID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.ctrls)
	if m.ctrls = slices.DeleteFunc(m.ctrls, func(c remote.KnownCtrl) bool { return c.ID == id }); len(m.ctrls) == n {
		return remote.ErrNotFound
	}
	return nil
}

func (m *memory) Begin(_ context.Context, _ api.RemoteCtrlID, command string, _ int) (remote.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.commands == nil {
		m.commands = map[string][]byte{}
	}
	r, known := m.commands[command]
	if !known {
		m.commands[command] = nil
	}
	return remote.Outcome{Known: known, Result: r}, nil
}

func (m *memory) Finish(_ context.Context, _ api.RemoteCtrlID, command string, result []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.commands[command] = result
	return nil
}

func (m *memory) Hosts(context.Context) (out []*remote.KnownHost, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.hosts {
		out = append(out, &h)
	}
	return out, nil
}

func (m *memory) PutHost(_ context.Context, h *remote.KnownHost) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.ID == 0 {
		m.next++
		h.ID = api.RemoteHostID(m.next)
		m.hosts = append(m.hosts, *h)
		return nil
	}
	for i := range m.hosts {
		if m.hosts[i].ID == h.ID {
			h.Seq = max(h.Seq, m.hosts[i].Seq)
			m.hosts[i] = *h
			return nil
		}
	}
	return remote.ErrNotFound
}

func (m *memory) DeleteHost(_ context.Context, id api.RemoteHostID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hosts = slices.DeleteFunc(m.hosts, func(h remote.KnownHost) bool { return h.ID == id })
	return nil
}

func (m *memory) PutSeq(_ context.Context, id api.RemoteHostID, seq int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.hosts {
		if m.hosts[i].ID == id {
			m.hosts[i].Seq = seq
		}
	}
	return nil
}

// profile is a chat API: it counts what is run, and logs events.
type profile struct {
	mu     sync.Mutex
	ran    []string
	events []chat.Event
	news   chan struct{}
	acked  int64
	// dropped are the consumers whose cursors were deleted.
	dropped []string
	user    api.UserID
	// run is what a command does beside being counted; nil is nothing.
	run func(ctx context.Context, cmd string) api.Response
}

func newProfile() *profile { return &profile{news: make(chan struct{}), user: 1} }

func (p *profile) Exec(ctx context.Context, cmd string) api.Response {
	p.mu.Lock()
	p.ran = append(p.ran, cmd)
	run, user := p.run, p.user
	p.mu.Unlock()
	if cmd == "/user" {
		return api.Response{Type: "activeUser", User: &api.User{UserID: user}}
	}
	if run != nil {
		return run(ctx, cmd)
	}
	return api.Response{Type: "cmdOk"}
}

func (p *profile) count(cmd string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.ran {
		if c == cmd {
			n++
		}
	}
	return n
}

func (p *profile) LastSeq(context.Context) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(len(p.events)), nil
}

func (p *profile) Announce(_ context.Context, r api.Response) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, chat.Event{Seq: int64(len(p.events)) + 1, Type: r.Type, Resp: b})
	close(p.news)
	p.news = make(chan struct{})
	return nil
}

func (p *profile) NextEvents(ctx context.Context, after int64, limit int) ([]chat.Event, error) {
	for {
		p.mu.Lock()
		news, n := p.news, int64(len(p.events))
		var out []chat.Event
		if after < n {
			out = slices.Clone(p.events[after:min(n, after+int64(limit))])
		}
		p.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *profile) Ack(_ context.Context, _ string, seq int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq > int64(len(p.events)) {
		return &api.Error{Type: "error", Code: api.CodeUsage, Message: "no such event"}
	}
	p.acked = seq
	return nil
}

func (p *profile) DropCursor(_ context.Context, consumer string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped = append(p.dropped, consumer)
	return nil
}

// world is a host and a desk on loopback.
type world struct {
	t       *testing.T
	ctx     context.Context
	profile *profile
	store   *memory // the host's
	host    *remote.Host
	desk    *remote.Desk
	own     *memory // the desk's
	files   string
	now     func() time.Time
	stop    func()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, profile: newProfile(), store: &memory{}, own: &memory{}, files: t.TempDir()}
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	t.Cleanup(cancel)
	w.ctx = ctx
	w.desk = remote.NewDesk(remote.DeskConfig{Store: w.own, Name: "desk"})
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// start begins a host, as a program that starts does.
func (w *world) start() {
	w.host = remote.NewHost(remote.HostConfig{Store: w.store, API: w.profile, Emit: w.profile.Announce, Name: "host",
		Files: remote.Folder{Dir: w.files}, Now: w.now})
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	host := w.host
	go func() {
		defer close(done)
		_ = host.Run(ctx)
	}()
	w.stop = func() {
		cancel()
		<-done
	}
}

func loopback(o remote.OfferOptions) remote.OfferOptions {
	o.Bind, o.Addr, o.Ports = "127.0.0.1", "127.0.0.1", []uint16{0}
	if o.Via == nil {
		o.Via = []carrier.Name{carrier.TCP} // the other roads have their own test
	}
	return o
}

// offer opens a session for hosts, and waits for one in the background.
func (w *world) offer(o remote.OfferOptions) (*remote.Offer, func() (*remote.Attached, error)) {
	w.t.Helper()
	offer, err := w.desk.Offer(w.ctx, loopback(o))
	if err != nil {
		w.t.Fatal(err)
	}
	type accepted struct {
		a   *remote.Attached
		err error
	}
	got := make(chan accepted, 1)
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, err := offer.Accept(ctx)
		got <- accepted{a, err}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
	return offer, func() (*remote.Attached, error) {
		r := <-got
		if r.a != nil {
			w.t.Cleanup(func() { _ = r.a.Close() })
		}
		return r.a, r.err
	}
}

// call calls a method of the host's that is about one controller.
func (w *world) call(method string, params any) (api.Attached, error) {
	b, err := json.Marshal(params)
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := w.host.Call(w.ctx, method, b)
	if r, ok := v.(api.AttachedResult); ok && len(r.Ctrls) == 1 {
		return r.Ctrls[0], err
	}
	return api.Attached{}, err
}

// pair makes a pairing.
func (w *world) pair(p api.RemoteConnectParams) *remote.Attached {
	w.t.Helper()
	var code string
	offer, accept := w.offer(remote.OfferOptions{Confirm: func(_ context.Context, c string) error { code = c; return nil }})
	p.Link = offer.Invitation().String()
	a, err := w.call("remoteConnect", p)
	if err != nil {
		w.t.Fatal(err)
	}
	if a.State != "pendingConfirmation" || a.Code == "" {
		w.t.Fatalf("%+v", a)
	}
	if _, err := w.call("remoteVerify", api.RemoteSessionParams{Session: a.Session, Code: " " + strings.ReplaceAll(a.Code, " ", "")}); err != nil {
		w.t.Fatal(err)
	}
	s, err := accept()
	if err != nil {
		w.t.Fatal(err)
	}
	if code != a.Code {
		w.t.Errorf("codes %q and %q", code, a.Code)
	}
	return s
}

// serve lets known controllers call, and tells where.
func (w *world) serve() string {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	done, at := make(chan error, 1), make(chan net.Addr, 1)
	go func() {
		done <- w.host.Serve(ctx, api.RemoteServeParams{Listen: "127.0.0.1:0", Announced: "none"}, func(a net.Addr) { at <- a })
	}()
	stopHost := w.stop
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		stopHost()
		w.stop = func() {}
	}
	return (<-at).String()
}

// link is a link to a known host that listens somewhere.
func (w *world) link(h *remote.KnownHost, at func() string, event func(int64, json.RawMessage) error, state func(string)) *remote.Link {
	cfg := remote.LinkConfig{Desk: w.desk, Connect: func(ctx context.Context) (*remote.Attached, error) {
		known, err := w.desk.Host(ctx, h.ID)
		if err != nil {
			return nil, &remote.Final{Err: err}
		}
		offer, err := w.desk.Offer(ctx, loopback(remote.OfferOptions{Host: known, Call: []string{at()}}))
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // the host may be elsewhere by then
		defer cancel()
		return offer.Accept(ctx)
	}}
	if event != nil {
		cfg.Event = func(_ context.Context, seq int64, resp json.RawMessage) error { return event(seq, resp) }
	}
	if state != nil {
		cfg.OnState = func(s string, _ *remote.Attached, _ error) { state(s) }
	}
	l := remote.NewLink(cfg)
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(ctx)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
	return l
}

// kind is the type of an answer.
func kind(t *testing.T, resp json.RawMessage) string {
	t.Helper()
	var r struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(resp, &r); err != nil {
		t.Fatalf("%s: %v", resp, err)
	}
	return r.Type
}

// until waits for something to become true.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.t.Fatalf("not in time: %s", what)
		}
	}
}

func code(err error) api.ErrorCode {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// send runs a command in a session.
func send(t *testing.T, a *remote.Attached, cmd string) xrcp.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	r, err := a.Send(ctx, cmd, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
