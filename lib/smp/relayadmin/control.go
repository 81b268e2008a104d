package relayadmin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/localsock"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
	"github.com/simplexkit/simplexkit/lib/smp/smpserver"
)

// fileSocket is the control socket in a home.
const fileSocket = "relay.sock"

// maxLine bounds a request.
const maxLine = 64 << 10

// request is a line of the control socket.
type request struct {
	Method string `json:"method"`
	Queue  string `json:"queue,omitempty"`
	Reason string `json:"reason,omitempty"`
}

type response struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Info is what a relay is.
type Info struct {
	V        int       `json:"v"`
	Version  string    `json:"version"` // of the program
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Listen   string    `json:"listen"`
	Queues   int64     `json:"queues"`
	Messages int64     `json:"messages"`
}

// Admin serves an operator's requests to one relay. Its methods may be called
// at once.
type Admin struct {
	Relay   *relayhome.Relay
	Version string // of the program
	PID     int
	Log     *slog.Logger // nil: none

	started time.Time
	history *history

	mu      sync.Mutex // guards counts
	counts  queuestore.Counts
	counted time.Time
}

// New makes the administration of a relay, with the numbers of the days
// before. It starts nothing.
func New(r *relayhome.Relay, version string, pid int, log *slog.Logger) *Admin {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Admin{Relay: r, Version: version, PID: pid, Log: log, started: time.Now()}
	h, err := readHistory(r.Home.Dir)
	if err != nil {
		log.Warn("numbers of earlier days are lost", "err", err)
	}
	a.history = h
	return a
}

// Run serves the control socket and keeps the numbers of days, until ctx
// ends. It calls ready once the socket is there. The error is that of making
// it.
func (a *Admin) Run(ctx context.Context, ready func()) error {
	l, err := localsock.Listen(filepath.Join(a.Relay.Home.Dir, fileSocket))
	if err != nil {
		return exit.Errorf(exit.OSErr, "relay: control socket: %w", err)
	}
	ready()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { a.keepHistory(ctx) })
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			a.Log.Warn("control socket", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		tasks.Go(func() { a.serve(ctx, c) })
	}
}

// serve answers the requests of one process.
func (a *Admin) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		b, err := json.Marshal(a.answer(ctx, lines.Bytes()))
		if err != nil {
			a.Log.Error("control socket", "err", err)
			return
		}
		if c.SetWriteDeadline(time.Now().Add(10*time.Second)) != nil {
			return
		}
		if _, err := c.Write(append(b, '\n')); err != nil {
			return
		}
	}
}

func (a *Admin) answer(ctx context.Context, line []byte) response {
	var r request
	var result any
	err := json.Unmarshal(line, &r)
	if err != nil {
		err = exit.Errorf(exit.DataErr, "control: not a request: %w", err)
	} else {
		result, err = a.do(ctx, r)
	}
	if err == nil {
		var b []byte
		if b, err = json.Marshal(result); err == nil {
			return response{Result: b}
		}
	}
	return response{Error: &failure{exit.Code(err), err.Error(), exit.Hint(err)}}
}

func (a *Admin) do(ctx context.Context, r request) (any, error) {
	switch r.Method {
	case "info":
		n, err := a.count(ctx)
		return Info{1, a.Version, a.PID, a.started, a.Relay.Addr.String(), n.Queues, n.Messages}, err
	case "stats":
		return a.Stats(ctx)
	case "metrics":
		return a.Metrics(ctx)
	case "reload":
		return nil, a.Relay.Reload()
	case "block", "unblock":
		id, err := relayhome.ParseQueue(r.Queue)
		if err != nil {
			return nil, err
		}
		var why *smp.BlockingInfo
		if r.Method == "block" {
			why = &smp.BlockingInfo{Reason: smp.BlockingReason(r.Reason)}
		}
		return nil, relayhome.SetBlocked(ctx, a.Relay, id, why)
	}
	return nil, exit.Errorf(exit.Usage, "control: no method %q", r.Method)
}

// countEvery is how old the numbers of queues and messages may be: to count
// them takes time as they grow.
const countEvery = 30 * time.Second

func (a *Admin) count(ctx context.Context) (queuestore.Counts, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.counted.IsZero() && time.Since(a.counted) < countEvery {
		return a.counts, nil
	}
	n, err := a.Relay.Store.Counts(ctx)
	if err != nil {
		return n, exit.Errorf(exit.IOErr, "relay: %w", err)
	}
	// The answer may be late: the next one is as far away as this took.
	a.counts, a.counted = n, time.Now()
	return n, nil
}

// Alive is nil if the relay can work: its locks are free and its store
// answers.
func (a *Admin) Alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answered := make(chan error, 1)
	go func() { // a lock that is never freed keeps it; the watchdog then ends the process
		_ = a.Relay.Stats()
		_, err := a.Relay.Store.Lookup(ctx, queuestore.Ref{Kind: queuestore.ByRecipient, ID: "?"})
		answered <- err
	}()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return fmt.Errorf("relay: no sign of life: %w", ctx.Err())
	}
}

var _ relayhome.Blocker = (*smpserver.Server)(nil)
