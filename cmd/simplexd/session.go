package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/stdio"
)

// session is the profile as a command uses it: a client of the API, whose
// other end is the daemon or, in this process, the profile itself.
type session struct {
	*stdio.Client
	// daemon tells that another process has the profile open.
	daemon bool
	// local is the profile when this process has it open, else nil.
	local *profile.Profile

	closing sync.Once
	close   func() error
	err     error
	done    chan struct{} // closed when the client's Run has ended
}

// Close ends the session and, if it is ours, closes the profile.
func (s *session) Close() error {
	s.closing.Do(func() { s.err = s.close() })
	return s.err
}

// open connects to the daemon, or opens the profile when none runs. It waits
// for at most [home.LockWait] while another command has it.
func (e *env) open(ctx context.Context) (*session, error) {
	d, lock, err := e.acquire(ctx)
	if err != nil {
		return nil, err
	}
	if d != nil {
		return newSession(ctx, d), nil
	}
	return e.openLocal(ctx, lock)
}

// acquire gets a connection to the daemon, or else the profile's lock.
func (e *env) acquire(ctx context.Context) (d *daemonConn, lock *home.Lock, err error) {
	if _, err := e.home.ReadConfig(); err != nil {
		return nil, nil, err
	}
	lock, err = e.home.WaitLock(ctx, home.LockWait, func() bool {
		d, _ = e.dial(ctx)
		return d != nil
	})
	return d, lock, err
}

// daemonConn is a connection to the daemon after its hello line.
type daemonConn struct {
	net.Conn
	hello api.Hello
}

// dial connects to the daemon and reads its hello line.
func (e *env) dial(ctx context.Context) (*daemonConn, error) {
	conn, err := e.home.Dial(ctx)
	if err != nil {
		return nil, err
	}
	// The limit is for a daemon that is stopped or stuck: the lock's wait
	// ends, with its error, instead of hanging here.
	hello, err := readHello(conn, 2*time.Second)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &daemonConn{conn, hello}, nil
}

// readHello takes the first line off conn, and nothing of what follows it.
func readHello(conn net.Conn, limit time.Duration) (hello api.Hello, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return hello, err
	}
	var line []byte
	for b := make([]byte, 1); b[0] != '\n'; line = append(line, b[0]) {
		if len(line) > 64<<10 {
			return hello, errors.New("the daemon's first line is too long")
		}
		if _, err := conn.Read(b); err != nil {
			return hello, fmt.Errorf("read the daemon's first line: %w", err)
		}
	}
	if err := json.Unmarshal(line, &hello); err != nil || hello.Type != "hello" {
		return hello, errors.New("the socket is not that of a daemon")
	}
	return hello, conn.SetReadDeadline(time.Time{})
}

// newSession runs a client on conn.
func newSession(ctx context.Context, conn net.Conn) *session {
	client := stdio.NewClient(conn)
	s := &session{Client: client, daemon: true, done: make(chan struct{})}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(s.done)
		_ = client.Run(runCtx) // its calls return what went wrong
	}()
	s.close = func() error {
		cancel()
		err := errors.Join(ignoreClosed(client.Close()), ignoreClosed(conn.Close()))
		<-s.done
		return err
	}
	return s
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// openLocal opens the profile in this process and serves it to ourselves.
func (e *env) openLocal(ctx context.Context, lock *home.Lock) (*session, error) {
	p, err := profile.Open(ctx, e.options())
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ours, theirs := net.Pipe()
	var running sync.WaitGroup
	var runErr error
	running.Go(func() {
		runErr = p.Run(runCtx)
		theirs.Close()
	})
	running.Go(func() { p.ServeConn(runCtx, theirs, false) })
	s := newSession(ctx, ours)
	s.daemon, s.local = false, p
	closeClient := s.close
	s.close = func() error {
		err := closeClient()
		cancel()
		running.Wait()
		return errors.Join(err, runErr, p.Close(), lock.Close())
	}
	return s, nil
}

// with runs fn with a session and closes it. limit is the command's own time
// limit, used when --timeout was not given; 0 is none.
func (e *env) with(ctx context.Context, limit time.Duration, fn func(context.Context, *session) error) error {
	ctx, cancel := e.limit(ctx, limit)
	defer cancel()
	s, err := e.open(ctx)
	if err != nil {
		return classify(e, err)
	}
	err = fn(ctx, s)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return classify(e, err)
}

// limit bounds a command's time.
func (e *env) limit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if e.timeout > 0 {
		limit = e.timeout
	}
	if limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// isLost reports whether err is that the session's other end has gone.
func isLost(err error) bool {
	if isOutput(err) {
		return false // it is our own standard output that is closed
	}
	for _, end := range []error{stdio.ErrClosed, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
