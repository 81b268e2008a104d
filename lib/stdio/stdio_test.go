package stdio

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const timeout = 20 * time.Second

// fakeCore answers commands with their text, and has a log in memory.
type fakeCore struct {
	mu     sync.Mutex
	order  []string
	events []chat.Event
	first  int64
	news   chan struct{}
	hold   chan struct{} // "wait" answers when it is closed
	read   map[int64]bool
}

func newFakeCore() *fakeCore {
	return &fakeCore{first: 1, news: make(chan struct{}), hold: make(chan struct{}), read: map[int64]bool{}}
}

func (f *fakeCore) Exec(_ context.Context, cmd string) api.Response {
	f.mu.Lock()
	f.order = append(f.order, cmd)
	f.mu.Unlock()
	return api.Response{Type: "echo", HelpSection: cmd}
}

func (f *fakeCore) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	f.mu.Lock()
	f.order = append(f.order, method)
	f.mu.Unlock()
	switch method {
	case "wait":
		select {
		case <-f.hold:
			return &api.SendResult{Type: "sent", ItemID: 7, State: "sent"}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "send":
		return &api.SendResult{Type: "sent", ItemID: 7, MessageID: "m7", State: "queued"}, nil
	case "recv":
		var p api.RecvParams
		_ = json.Unmarshal(params, &p)
		return f.page(ctx, p)
	case "markRead":
		var p api.MarkReadParams
		_ = json.Unmarshal(params, &p)
		f.mu.Lock()
		f.read[p.Seq] = true
		f.mu.Unlock()
		return api.OK{Type: "ok"}, nil
	}
	return nil, &api.Error{Type: "error", Code: api.CodeUsage, Message: "no " + method}
}

// page gives messages 1 to 3, one at a time.
func (f *fakeCore) page(ctx context.Context, p api.RecvParams) (any, error) {
	var since int64
	if p.Since != nil {
		since = *p.Since
	}
	if since >= 3 {
		if p.Follow {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return &api.RecvResult{Type: "messages", LastSeq: since}, nil
	}
	return &api.RecvResult{Type: "messages", LastSeq: since + 1, Messages: []api.RecvLine{{Seq: since + 1}}}, nil
}

func (f *fakeCore) emit(typ string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, chat.Event{Seq: int64(len(f.events) + 1), Type: typ, Resp: json.RawMessage(`{"type":"` + typ + `"}`)})
	close(f.news)
	f.news = make(chan struct{})
}

func (f *fakeCore) LastSeq(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.events)), nil
}

func (f *fakeCore) Cursor(context.Context, string) (int64, error) { return 1, nil }

func (f *fakeCore) NextEvents(ctx context.Context, after int64, limit int) ([]chat.Event, error) {
	for {
		f.mu.Lock()
		news, events, first := f.news, f.events, f.first
		f.mu.Unlock()
		if after+1 < first {
			return nil, chat.ErrLagged
		}
		if after < int64(len(events)) {
			return events[after:min(int(after)+limit, len(events))], nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serving is a session with the test on its other side.
type serving struct {
	t    *testing.T
	core *fakeCore
	conn net.Conn
	in   *bufio.Reader
	done chan error
	stop context.CancelFunc
}

func serve(t *testing.T, o Options) *serving {
	a, b := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	s := &serving{t: t, core: newFakeCore(), conn: b, in: bufio.NewReaderSize(b, 1<<16), done: make(chan error, 1), stop: cancel}
	go func() { s.done <- Serve(ctx, a, s.core, o); _ = a.Close() }()
	t.Cleanup(func() { cancel(); _ = b.Close(); <-s.done })
	if err := b.SetDeadline(time.Now().Add(timeout)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *serving) write(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.conn, line); err != nil {
		s.t.Fatal(err)
	}
}

func (s *serving) line() string {
	s.t.Helper()
	line, err := s.in.ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (s *serving) expect(want string) {
	s.t.Helper()
	if got := s.line(); got != want {
		s.t.Errorf("got  %s\nwant %s", got, want)
	}
}

const invalid = `{"corrId":null,"resp":{"type":"chatCmdError","chatError":{"type":"error","errorType":{"type":"commandError","message":"invalid request%s"}}}}`

func TestLines(t *testing.T) {
	s := serve(t, Options{Hello: true, Version: "1.0", Profile: "p"})
	s.expect(`{"type":"hello","v":1,"version":"1.0","profile":"p","lastSeq":0}`)
	s.write(`{"corrId":"1","cmd":"/user"}` + "\r\n")
	s.expect(`{"corrId":"1","resp":{"type":"echo","helpSection":"/user"}}`)
	for _, bad := range []string{"not json", "[]", "", `{"cmd":"/user"}`, `{"corrId":"1"}`, `{"corrId":3,"cmd":"x"}`,
		`{"corrId":null,"cmd":"x"}`, `{"corrId":"1","cmd":"x","method":"y"}`} {
		s.write(bad + "\n")
		s.expect(fmt.Sprintf(invalid, ""))
	}
	s.write("{\"corrId\":\"1\",\"cmd\":\"\xff\"}\n")
	s.expect(fmt.Sprintf(invalid, ": stdio: line is not UTF-8"))
	s.write(`{"corrId":"","cmd":"a","extra":1}` + "\n")
	s.expect(`{"corrId":"","resp":{"type":"echo","helpSection":"a"}}`)
	s.write(`{"corrId":"2","method":"nosuch"}` + "\n")
	s.expect(`{"corrId":"2","resp":{"type":"error","code":"usage","message":"no nosuch"}}`)
}

func TestLongLineIsSkipped(t *testing.T) {
	s := serve(t, Options{})
	go func() { // the pipe has no room: the answer comes while it is written
		_, _ = io.WriteString(s.conn, strings.Repeat("x", MaxLine+100)+"\n"+`{"corrId":"1","cmd":"a"}`+"\n")
	}()
	s.expect(fmt.Sprintf(invalid, fmt.Sprintf(": stdio: line is longer than %d bytes", MaxLine)))
	s.expect(`{"corrId":"1","resp":{"type":"echo","helpSection":"a"}}`)
}

func TestWaitingHoldsUpNothing(t *testing.T) {
	s := serve(t, Options{})
	s.write(`{"corrId":"1","method":"wait","params":{"itemId":7}}` + "\n")
	s.write(`{"corrId":"2","method":"send","params":{"to":"@b","text":"x"}}` + "\n")
	s.write(`{"corrId":"3","cmd":"a"}` + "\n")
	s.expect(`{"corrId":"3","resp":{"type":"echo","helpSection":"a"}}`)
	close(s.core.hold)
	got := map[string]bool{s.line(): true, s.line(): true}
	for _, want := range []string{`{"corrId":"1","resp":{"type":"sent","itemId":7,"messageId":"","state":"sent","elapsed":0}}`,
		`{"corrId":"2","resp":{"type":"sent","itemId":7,"messageId":"m7","state":"sent","elapsed":0}}`} {
		if !got[want] {
			t.Errorf("no %s in %v", want, got)
		}
	}
}

func TestEvents(t *testing.T) {
	s := serve(t, Options{NoEvents: true})
	for range 3 {
		s.core.emit("one")
	}
	s.core.emit("two")
	s.write(`{"corrId":"1","method":"subscribe","params":{"after":1,"types":["two"]}}` + "\n")
	s.expect(`{"corrId":"1","resp":{"type":"ok","seq":1}}`)
	s.expect(`{"resp":{"type":"two"},"seq":4}`)
	s.write(`{"corrId":"2","method":"subscribe","params":{"consumer":"c"}}` + "\n")
	s.expect(`{"corrId":"2","resp":{"type":"ok","seq":1}}`)
	for _, want := range []string{`{"resp":{"type":"one"},"seq":2}`, `{"resp":{"type":"one"},"seq":3}`, `{"resp":{"type":"two"},"seq":4}`} {
		s.expect(want)
	}
	s.core.emit("three")
	s.expect(`{"resp":{"type":"three"},"seq":5}`)
	s.core.mu.Lock()
	s.core.first = 3
	s.core.mu.Unlock()
	s.write(`{"corrId":"3","method":"subscribe","params":{"after":0}}` + "\n")
	s.expect(`{"corrId":"3","resp":{"type":"ok"}}`)
	s.expect(`{"resp":{"type":"lagged","after":0,"lastSeq":5},"v":1}`)
}

func TestSlowReaderLags(t *testing.T) {
	s := serve(t, Options{MaxLag: 10, NoEvents: true})
	for range 5 {
		s.core.emit("e")
	}
	s.write(`{"corrId":"1","method":"subscribe","params":{"after":0}}` + "\n")
	s.expect(`{"corrId":"1","resp":{"type":"ok"}}`)
	for range 300 { // nothing is read: the core is not held up
		s.core.emit("e")
	}
	last := ""
	for !strings.Contains(last, "lagged") {
		last = s.line()
	}
	s.write(`{"corrId":"2","cmd":"a"}` + "\n")
	s.expect(`{"corrId":"2","resp":{"type":"echo","helpSection":"a"}}`)
}

func TestEndOfInput(t *testing.T) {
	r, w := io.Pipe()
	var out strings.Builder
	core := newFakeCore()
	done := make(chan error, 1)
	go func() {
		done <- Serve(context.Background(), struct {
			io.Reader
			io.Writer
		}{r, &out}, core, Options{})
	}()
	_, _ = io.WriteString(w, `{"corrId":"1","method":"wait","params":{}}`+"\n"+`{"corrId":"2","cmd":"last"}`)
	_ = w.Close()
	close(core.hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"corrId":"1"`, `"helpSection":"last"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
}

func TestContextEndsSession(t *testing.T) {
	s := serve(t, Options{})
	s.write(`{"corrId":"1","method":"wait","params":{}}` + "\n")
	s.stop()
	err := <-s.done
	s.done <- err
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWriteErrorEndsSession(t *testing.T) {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), a, newFakeCore(), Options{Hello: true}) }()
	_ = b.Close()
	if err := <-done; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}

// client is a client of a session with a fake core.
func client(t *testing.T) (*Client, *fakeCore, context.Context) {
	a, b := net.Pipe()
	core := newFakeCore()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	c := NewClient(b)
	var wg sync.WaitGroup
	wg.Go(func() { _ = Serve(ctx, a, core, Options{Hello: true, NoEvents: true}); _ = a.Close() })
	wg.Go(func() {
		if err := c.Run(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c, core, ctx
}

func TestClient(t *testing.T) {
	c, core, ctx := client(t)
	if r, err := c.Exec(ctx, "/user"); err != nil || r.HelpSection != "/user" {
		t.Errorf("%+v, %v", r, err)
	}
	if h, ok := c.Hello(); !ok || h.V != api.Version {
		t.Errorf("hello: %+v", h)
	}
	var e *api.Error
	if err := c.Call(ctx, "nosuch", nil, nil); !errors.As(err, &e) || e.Code != api.CodeUsage {
		t.Errorf("%v", err)
	}
	var seqs []int64
	err := c.Recv(ctx, api.RecvParams{}, func(l api.RecvLine) error {
		seqs = append(seqs, l.Seq)
		return c.Call(ctx, "markRead", api.MarkReadParams{Seq: l.Seq}, nil)
	})
	if err != nil || len(seqs) != 3 || len(core.read) != 3 {
		t.Errorf("%v, %v, read %v", seqs, err, core.read)
	}
	seqs = nil
	err = c.Recv(ctx, api.RecvParams{Limit: 2, Follow: true}, func(l api.RecvLine) error { seqs = append(seqs, l.Seq); return nil })
	if err != nil || len(seqs) != 2 {
		t.Errorf("limit: %v, %v", seqs, err)
	}
	follow, stop := context.WithCancel(ctx)
	err = c.Recv(follow, api.RecvParams{Follow: true}, func(l api.RecvLine) error {
		if l.Seq == 3 {
			stop()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("follow: %v", err)
	}
}

func TestClientSubscribes(t *testing.T) {
	c, core, ctx := client(t)
	for range 100 {
		core.emit("e")
	}
	n := 0
	enough := errors.New("enough")
	after := int64(0)
	err := c.Subscribe(ctx, api.SubscribeParams{After: &after}, func(r api.Reply) error {
		if n++; r.Seq != int64(n) {
			t.Errorf("event %d is %d", n, r.Seq)
		}
		if _, err := c.Exec(ctx, "in the callback"); err != nil {
			return err
		}
		if n == 100 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v after %d", err, n)
	}
}

func TestClientClosed(t *testing.T) {
	c, _, ctx := client(t)
	if _, err := c.Exec(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- c.Call(ctx, "wait", nil, nil) }()
	_ = c.Close()
	if err := <-failed; err == nil {
		t.Error("no error after Close")
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"corrId":"1","cmd":"/user"}`))
	f.Add([]byte(`{"corrId":"1","method":"send","params":{"to":2}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRequest(b)
		if err == nil && r.Method != "" && r.Cmd != "" {
			t.Fatalf("%q: both", b)
		}
	})
}

func FuzzLineReader(f *testing.F) {
	f.Add("a\r\n\nb", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		l := newLineReader(&chunks{s: s, n: n})
		for {
			line, err := l.next()
			if errors.Is(err, ErrNotUTF8) {
				continue
			}
			if err != nil {
				return
			}
			if strings.ContainsRune(string(line), '\n') || len(line) > MaxLine {
				t.Fatalf("line %q", line)
			}
		}
	})
}

// chunks gives a string in pieces.
type chunks struct {
	s string
	n int
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.s == "" {
		return 0, io.EOF
	}
	n := copy(p, c.s[:min(len(c.s), max(1, c.n))])
	c.s = c.s[n:]
	return n, nil
}
