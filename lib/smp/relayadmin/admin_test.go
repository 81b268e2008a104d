package relayadmin_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/simplexkit/simplexkit/lib/crypto/key"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs is a buffer for many goroutines.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a relay with its administration.
func start(t *testing.T, log *slog.Logger) (*relayadmin.Admin, smp.ServerAddr, func()) {
	t.Helper()
	h, err := relayhome.Init(filepath.Join(t.TempDir(), "R"), relayhome.Options{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := h.Address().ServerAddr
	if _, addr.Port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	up, done := make(chan *relayadmin.Admin, 1), make(chan error, 1)
	var beside sync.WaitGroup
	go func() {
		done <- h.Serve(ctx, relayhome.ServeOptions{Listener: l, Logger: log, Ready: func(r *relayhome.Relay) {
			a := relayadmin.New(r, "1.2.3", os.Getpid(), log)
			beside.Go(func() {
				if err := a.Run(ctx, func() { up <- a }); err != nil {
					t.Error(err)
				}
			})
		}})
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		beside.Wait()
	})
	t.Cleanup(stop)
	return <-up, addr, stop
}

// talk makes a queue, sends and receives.
func talk(t *testing.T, addr smp.ServerAddr) smp.IDS {
	t.Helper()
	msgs := make(chan smp.MSG, 4)
	c, err := smpclient.Dial(t.Context(), addr, smpclient.Options{OnMessage: func(_ smp.EntityID, m smp.Message) {
		if msg, ok := m.(smp.MSG); ok {
			msgs <- msg
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	k, dh := key.GenerateX25519(), key.GenerateX25519()
	ids, err := c.Create(t.Context(), k, smp.NEW{AuthKey: k.PublicKey(), DHKey: dh.Public(), Queue: &smp.QueueReq{Mode: smp.Messaging}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), ids.SenderID, nil, smp.SEND{Body: []byte("a secret body")}); err != nil {
		t.Fatal(err)
	}
	m := <-msgs
	q := smpclient.Queue{ID: ids.RecipientID, Key: k}
	if err := c.Ack(t.Context(), q, m.ID); err != nil {
		t.Fatal(err)
	}
	// And what goes wrong.
	_ = c.Send(t.Context(), "nobody", nil, smp.SEND{Body: []byte("x")})
	_ = c.Ack(t.Context(), q, m.ID)
	return ids
}

// TestLogs has a relay live through a lot, and looks for what must not be in
// its logs: IDs, addresses, content.
func TestLogs(t *testing.T) {
	var out logs
	a, addr, stop := start(t, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	ids := talk(t, addr)
	if c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", addr.Port)); err == nil {
		_, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n")) // no TLS
		_ = c.Close()
	}
	home := a.Relay.Home.Dir
	queue := base64.RawURLEncoding.EncodeToString([]byte(ids.SenderID))
	for _, call := range [][3]string{{"block", queue, "spam"}, {"unblock", queue, ""}, {"reload"}, {"stats"}, {"block", "nonsense!", ""}, {"odd"}} {
		_ = relayadmin.Call(t.Context(), home, call[0], call[1], call[2], nil)
	}
	stop()
	text := out.String()
	for _, id := range []string{string(ids.RecipientID), string(ids.SenderID)} {
		for _, form := range []string{id, base64.URLEncoding.EncodeToString([]byte(id)), base64.StdEncoding.EncodeToString([]byte(id)),
			hex.EncodeToString([]byte(id)), fmt.Sprintf("%q", id)} {
			if strings.Contains(text, strings.Trim(form, `"=`)) {
				t.Errorf("the log has an ID:\n%s", text)
			}
		}
	}
	for _, word := range []string{"secret body", "127.0.0.1:", "nobody"} {
		if strings.Contains(text, word) {
			t.Errorf("the log has %q:\n%s", word, text)
		}
	}
}

// TestControl asks a relay that runs, and blocks a queue.
func TestControl(t *testing.T) {
	a, addr, stop := start(t, nil)
	home := a.Relay.Home.Dir
	ids := talk(t, addr)
	var i relayadmin.Info
	if err := relayadmin.Call(t.Context(), home, "info", "", "", &i); err != nil || i.PID != os.Getpid() || i.Queues != 1 || i.Version != "1.2.3" {
		t.Errorf("info is %+v: %v", i, err)
	}
	var s relayadmin.Stats
	if err := relayadmin.Call(t.Context(), home, "stats", "", "", &s); err != nil || s.Totals["queuesCreated"] != 1 ||
		s.Totals["messagesSent"] != 1 || len(s.Days) != 1 || s.Days[0].Totals["messagesSent"] != 1 {
		t.Errorf("stats are %+v: %v", s, err)
	}
	queue := base64.RawURLEncoding.EncodeToString([]byte(ids.SenderID))
	if err := relayadmin.Call(t.Context(), home, "block", queue, "content", nil); err != nil {
		t.Fatal(err)
	}
	c, err := smpclient.Dial(t.Context(), addr, smpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func() error { return c.Send(t.Context(), ids.SenderID, nil, smp.SEND{Body: []byte("x")}) }
	var refused *smp.Error
	if err := send(); !errors.As(err, &refused) || refused.Blocked == nil || refused.Blocked.Reason != smp.BlockedContent {
		t.Errorf("a blocked queue: %v", err)
	}
	if err := relayadmin.Call(t.Context(), home, "unblock", queue, "", nil); err != nil {
		t.Fatal(err)
	}
	if err := send(); err != nil {
		t.Errorf("an unblocked queue: %v", err)
	}
	for code, call := range map[int][2]string{exit.Usage: {"odd", ""}, exit.NoUser: {"block", "AAAA"}} {
		if err := relayadmin.Call(t.Context(), home, call[0], call[1], "spam", nil); exit.Code(err) != code {
			t.Errorf("%v: %v", call, err)
		}
	}
	stop()
	if err := relayadmin.Call(t.Context(), home, "info", "", "", nil); !errors.Is(err, relayadmin.ErrNotRunning) || exit.Code(err) != exit.Unavailable {
		t.Errorf("a relay that has ended: %v", err)
	}
	if err := a.Relay.Home.SetBlocked(t.Context(), smp.EntityID(ids.SenderID), &smp.BlockingInfo{Reason: smp.BlockedSpam}); err != nil {
		t.Errorf("block without a relay: %v", err)
	}
	if days, err := relayadmin.ReadDays(home); err != nil || len(days) != 1 || days[0].Totals["messagesSent"] < 1 {
		t.Errorf("days are %v: %v", days, err)
	}
}

// TestMetrics reads what Prometheus reads.
func TestMetrics(t *testing.T) {
	a, addr, _ := start(t, nil)
	talk(t, addr)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if w := get(path); w.Code != http.StatusOK || w.Body.String() != "{\"status\":\"ok\"}\n" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	line := regexp.MustCompile(`^[a-z_][a-z0-9_]*(\{version="[^"]*"\})? -?[0-9.e+]+$`)
	seen := map[string]bool{}
	for _, l := range strings.Split(strings.TrimSuffix(get("/metrics").Body.String(), "\n"), "\n") {
		if rest, ok := strings.CutPrefix(l, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if seen[name] || strings.HasSuffix(name, "_total") != (kind == "counter") && strings.HasPrefix(name, "relay_") {
				t.Errorf("%s: again, or a name that does not fit", l)
			}
			seen[name] = true
		} else if !strings.HasPrefix(l, "# HELP ") && !line.MatchString(l) {
			t.Errorf("not a sample: %s", l)
		}
	}
	for _, name := range []string{"relay_messages_sent_total", "simplex_smp_messages_sent", "relay_queues", "relay_certificate_expiry_time_seconds"} {
		if !seen[name] {
			t.Errorf("no %s", name)
		}
	}
}

// TestAlive looks at a relay whose store is gone.
func TestAlive(t *testing.T) {
	a, _, stop := start(t, nil)
	if err := a.Alive(t.Context()); err != nil {
		t.Error(err)
	}
	stop()
	if a.Alive(t.Context()) == nil {
		t.Error("alive without a store")
	}
}
