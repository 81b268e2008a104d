package wsapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/stdio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echoCore answers commands with their text, and has a log in memory.
type echoCore struct {
	mu     sync.Mutex
	events []chat.Event
	lost   bool // the log has lost what anybody asks for
	news   chan struct{}
}

func newEcho() *echoCore { return &echoCore{news: make(chan struct{})} }

func (f *echoCore) Exec(_ context.Context, cmd string) api.Response {
	return api.Response{Type: "echo", HelpSection: cmd}
}

func (f *echoCore) Call(context.Context, string, json.RawMessage) (any, error) {
	return api.OK{Type: "ok"}, nil
}

func (f *echoCore) Cursor(context.Context, string) (int64, error) { return 0, nil }

func (f *echoCore) LastSeq(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.events)), nil
}

func (f *echoCore) NextEvents(ctx context.Context, after int64, limit int) ([]chat.Event, error) {
	for {
		f.mu.Lock()
		news, n, lost := f.news, int64(len(f.events)), f.lost
		var page []chat.Event
		if after < n {
			page = append(page, f.events[after:min(n, after+int64(limit))]...)
		}
		f.mu.Unlock()
		if lost {
			return nil, chat.ErrLagged
		}
		if len(page) > 0 {
			return page, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *echoCore) change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
	close(f.news)
	f.news = make(chan struct{})
}

func (f *echoCore) emit(resp string) {
	f.change(func() {
		f.events = append(f.events, chat.Event{Seq: int64(len(f.events) + 1), Type: "x", Resp: json.RawMessage(resp)})
	})
}

// start serves until the test ends.
func start(t *testing.T, f *echoCore, o Options) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l, err := Listen(ctx, "127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, f, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "ws://" + l.Addr().String()
}

const timeout = 20 * time.Second

func dial(t *testing.T, url string, header http.Header) (*websocket.Conn, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	c, r, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header, HTTPClient: client})
	if err != nil {
		if r == nil {
			t.Fatal(err)
		}
		return nil, r.StatusCode
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c, r.StatusCode
}

func ask(t *testing.T, c *websocket.Conn, typ websocket.MessageType, frame string) {
	t.Helper()
	if err := c.Write(t.Context(), typ, []byte(frame)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	typ, b, err := c.Read(ctx)
	if err != nil || typ != websocket.MessageText {
		t.Fatalf("%v %v", typ, err)
	}
	return string(b)
}

func TestFramesAreMessages(t *testing.T) {
	c, _ := dial(t, start(t, newEcho(), Options{}), nil)
	const refused = `{"resp":{"type":"chatCmdError","chatError":{"type":"error","errorType":{"type":"commandError","message":"invalid request"}}}}`
	for _, x := range []struct {
		typ      websocket.MessageType
		in, want string
	}{
		{websocket.MessageText, `{"corrId":"1","cmd":"/user"}`, `{"corrId":"1","resp":{"type":"echo","helpSection":"/user"}}`},
		{websocket.MessageText, "{\"corrId\":\"\",\r\n\"cmd\":\"/u\\n\"}", `{"corrId":"","resp":{"type":"echo","helpSection":"/u\n"}}`},
		{websocket.MessageBinary, `{"corrId":"2","cmd":"b","extra":1}`, `{"corrId":"2","resp":{"type":"echo","helpSection":"b"}}`},
		{websocket.MessageText, ``, refused},
		{websocket.MessageText, `[]`, refused},
		{websocket.MessageText, `{"corrId":3,"cmd":"/user"}`, refused},
		{websocket.MessageText, `{"corrId":null,"cmd":"/user"}`, refused},
		{websocket.MessageText, `{"corrId":"x2"}`, refused},
	} {
		ask(t, c, x.typ, x.in)
		if got := read(t, c); got != x.want {
			t.Errorf("%q: %s, want %s", x.in, got, x.want)
		}
	}
}

func TestEveryClientGetsEveryEvent(t *testing.T) {
	f := newEcho()
	f.emit(`{"type":"before"}`)
	url := start(t, f, Options{})
	a, _ := dial(t, url, nil)
	b, _ := dial(t, url, nil)
	for _, c := range []*websocket.Conn{a, b} { // its events have begun when it is answered
		ask(t, c, websocket.MessageText, `{"corrId":"1","cmd":"x"}`)
		read(t, c)
	}
	f.emit(`{"type":"late"}`)
	for _, c := range []*websocket.Conn{a, b} {
		if got := read(t, c); !strings.HasPrefix(got, `{"resp":{"type":"late"}`) {
			t.Errorf("got %s", got)
		}
	}
}

func TestFirstClientMissesNothing(t *testing.T) {
	f := newEcho()
	f.emit(`{"type":"before"}`)
	url := start(t, f, Options{})
	if _, status := dial(t, url, http.Header{"Origin": {"https://evil.example"}}); status != http.StatusForbidden {
		t.Errorf("status %d", status) // and Serve has begun
	}
	f.emit(`{"type":"early"}`)
	c, _ := dial(t, url, nil)
	if got := read(t, c); !strings.HasPrefix(got, `{"resp":{"type":"early"}`) {
		t.Errorf("got %s", got)
	}
}

func TestWhoMayConnect(t *testing.T) {
	url := start(t, newEcho(), Options{Token: "s3cret", Origins: []string{"https://ok.example"}})
	bearer := "Bearer s3cret"
	for _, x := range []struct {
		origin, auth string
		want         int
	}{
		{"", bearer, http.StatusSwitchingProtocols},
		{"https://ok.example", bearer, http.StatusSwitchingProtocols},
		{"https://evil.example", bearer, http.StatusForbidden},
		{"null", bearer, http.StatusForbidden},
		{"", "", http.StatusUnauthorized},
		{"", "Bearer s3cre", http.StatusUnauthorized},
		{"", "Basic s3cret", http.StatusUnauthorized},
	} {
		h := http.Header{}
		if x.origin != "" {
			h.Set("Origin", x.origin)
		}
		if x.auth != "" {
			h.Set("Authorization", x.auth)
		}
		if _, got := dial(t, url, h); got != x.want {
			t.Errorf("origin %q, %q: %d, want %d", x.origin, x.auth, got, x.want)
		}
	}
}

func TestListenOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0"} {
		if _, err := Listen(t.Context(), addr, false); !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	l, err := Listen(t.Context(), "0.0.0.0:0", true)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestLaggedClientIsDropped(t *testing.T) {
	f := newEcho()
	c, _ := dial(t, start(t, f, Options{Session: stdio.Options{MaxLag: 1}}), nil)
	ask(t, c, websocket.MessageText, `{"corrId":"1","cmd":"x"}`)
	read(t, c)
	f.change(func() { f.lost = true })
	if got := read(t, c); !strings.Contains(got, `"type":"lagged"`) {
		t.Errorf("got %s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("not dropped: %v", err)
	}
}
