package wsapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/simplexkit/simplexkit/lib/stdio"
)

// ErrNotLoopback refuses an address that other machines can reach.
var ErrNotLoopback = errors.New("wsapi: not a loopback address")

// Options is how clients are served.
type Options struct {
	// Token, if not empty, is what a client has to show: "Authorization:
	// Bearer TOKEN".
	Token string
	// Origins are those of web pages that may connect, such as
	// "https://bot.example"; all others are refused. Programs send none.
	Origins []string
	// Session is how a client's session is served.
	Session stdio.Options
	// Log may be nil.
	Log *slog.Logger
	// WriteTimeout is how long a client may take to read a frame; 0 is 30 s.
	WriteTimeout time.Duration
}

// Listen opens addr, "127.0.0.1:5225" or "localhost:5225". [ErrNotLoopback]
// for an address that is not this machine's own, unless open.
func Listen(ctx context.Context, addr string, open bool) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("wsapi: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); !open && (!ok || !a.IP.IsLoopback()) {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrNotLoopback, addr), l.Close())
	}
	return l, nil
}

type server struct {
	core core
	o    Options

	ctx      context.Context // of the sessions
	sessions sync.WaitGroup
	// first is the number of the last event before Serve, for the first
	// client; -1 when it has come.
	first atomic.Int64
}

type core = stdio.Core

// Serve serves clients on l until ctx ends, which is no error, and closes l.
// The first client also gets the events since Serve began, so that a bot
// started together with the daemon misses none.
func Serve(ctx context.Context, l net.Listener, c stdio.Core, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	o.Session.DropLagged, o.Session.BareRefusals = true, true
	last, err := c.LastSeq(ctx)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{core: c, o: o, ctx: ctx}
	s.first.Store(last)
	h := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	ended := context.AfterFunc(ctx, func() { _ = h.Close() })
	err = h.Serve(l)
	if ended() {
		err = errors.Join(err, h.Close())
	}
	done := ctx.Err() != nil
	cancel()
	s.sessions.Wait()
	if done {
		return nil
	}
	return fmt.Errorf("wsapi: serving: %w", err)
}

// ServeHTTP takes one client.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.sessions.Add(1)
	defer s.sessions.Done()
	if origin := r.Header.Get("Origin"); origin != "" && !slices.Contains(s.o.Origins, origin) {
		s.o.Log.Warn("wsapi: refused a client", "reason", "origin")
		http.Error(w, "origin not allowed", http.StatusForbidden)
		return
	}
	if !s.knows(r.Header.Get("Authorization")) {
		s.o.Log.Warn("wsapi: refused a client", "reason", "token")
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "token missing or wrong", http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // the origin is checked above
	if err != nil {
		s.o.Log.Debug("wsapi: accepting", "err", err)
		return
	}
	conn.SetReadLimit(stdio.MaxLine)
	s.serve(conn)
}

// knows tells whether a header shows the token. Comparing hashes hides the
// token's length too.
func (s *server) knows(header string) bool {
	if s.o.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(header, " ")
	want, got := sha256.Sum256([]byte(s.o.Token)), sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

func (s *server) serve(conn *websocket.Conn) {
	o := s.o.Session
	if last := s.first.Swap(-1); last >= 0 {
		o.After = &last
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	err := stdio.Serve(ctx, &frames{ctx: ctx, cancel: cancel, conn: conn, timeout: s.o.WriteTimeout}, s.core, o)
	if err != nil && s.ctx.Err() == nil {
		s.o.Log.Debug("wsapi: session ended", "err", err)
	}
	_ = conn.CloseNow()
}

// frames makes lines of frames: a frame read becomes a line, a line written
// becomes a frame.
type frames struct {
	ctx     context.Context
	cancel  context.CancelFunc
	conn    *websocket.Conn
	timeout time.Duration
	rest    []byte // of the line being read
}

// Read gives a frame as a line. Line ends inside it are between the parts of
// its JSON, where they mean as much as spaces.
func (f *frames) Read(b []byte) (int, error) {
	if len(f.rest) == 0 {
		_, msg, err := f.conn.Read(f.ctx)
		if websocket.CloseStatus(err) != -1 {
			err = io.EOF
		}
		if err != nil {
			return 0, err
		}
		for i, c := range msg {
			if c == '\n' || c == '\r' {
				msg[i] = ' '
			}
		}
		f.rest = append(msg, '\n')
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Write sends a line as a frame. A client that does not read in time is
// dropped.
func (f *frames) Write(b []byte) (int, error) {
	ctx, cancel := context.WithTimeout(f.ctx, f.timeout)
	defer cancel()
	if err := f.conn.Write(ctx, websocket.MessageText, b[:len(b)-1]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close ends reads and writes.
func (f *frames) Close() error {
	f.cancel()
	return nil
}
