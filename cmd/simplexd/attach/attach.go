// Package attach opens a simplexd profile for another program of the suite:
// through the daemon's socket if one runs, or else by opening the profile in
// this process. Either way the program is a client of the API.
package attach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/secret"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/stdio"
	"github.com/simplexkit/simplexkit/lib/store"
)

// Secret is where a passphrase or key comes from.
type Secret = secret.Source

// Errors of a profile that cannot be opened.
var (
	ErrNoProfile = home.ErrNoProfile
	ErrLocked    = home.ErrLocked
)

// Options name a profile.
type Options struct {
	// Home is the profile's directory; empty is that of the profile named
	// default.
	Home string
	// Key is where the secret of an encrypted profile comes from.
	Key *Secret
	// Log may be nil.
	Log *slog.Logger
}

// Session is the profile as a client sees it.
type Session struct {
	*stdio.Client
	// Daemon tells that another process has the profile open.
	Daemon bool
	// Dir is the profile's directory.
	Dir string

	once  sync.Once
	close func() error
	err   error
}

// Close ends the session and, if it is ours, closes the profile.
func (s *Session) Close() error {
	s.once.Do(func() { s.err = s.close() })
	return s.err
}

// Open connects to the profile's daemon, or opens the profile when none runs.
// It waits a few seconds while another command has it.
func Open(ctx context.Context, o Options) (*Session, error) {
	h := home.In(o.Home)
	if o.Home == "" {
		var err error
		if h, err = home.Default(os.Getenv); err != nil {
			return nil, err
		}
	}
	if _, err := h.ReadConfig(); err != nil {
		return nil, err
	}
	var conn net.Conn
	lock, err := h.WaitLock(ctx, home.LockWait, func() bool {
		conn = dial(ctx, h)
		return conn != nil
	})
	if err != nil {
		return nil, err
	}
	if conn != nil {
		s := client(ctx, conn)
		s.Daemon, s.Dir = true, h.Dir
		return s, nil
	}
	return local(ctx, h, lock, o)
}

// dial connects to the daemon; nil if none answers.
func dial(ctx context.Context, h home.Home) net.Conn {
	conn, err := h.Dial(ctx)
	if err != nil {
		return nil
	}
	if err := greeted(conn); err != nil {
		_ = conn.Close()
		return nil
	}
	return conn
}

// greeted takes the daemon's first line off conn, and nothing of what follows.
func greeted(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	var line []byte
	for b := make([]byte, 1); b[0] != '\n'; line = append(line, b[0]) {
		if _, err := conn.Read(b); err != nil || len(line) > 64<<10 {
			return fmt.Errorf("attach: reading the daemon's first line: %w", errors.Join(err, stdio.ErrLineTooLong))
		}
	}
	var hello api.Hello
	if err := json.Unmarshal(line, &hello); err != nil || hello.Type != "hello" {
		return errors.New("attach: the socket is not that of a daemon")
	}
	return conn.SetReadDeadline(time.Time{})
}

// client runs a client on conn.
func client(ctx context.Context, conn net.Conn) *Session {
	c := stdio.NewClient(conn)
	s := &Session{Client: c}
	done := make(chan struct{})
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(done)
		_ = c.Run(runCtx) // its calls return what went wrong
	}()
	s.close = func() error {
		cancel()
		err := c.Close()
		<-done
		if errors.Is(err, net.ErrClosed) {
			err = nil
		}
		return err
	}
	return s
}

// local opens the profile in this process and serves it to ourselves.
func local(ctx context.Context, h home.Home, lock *home.Lock, o Options) (*Session, error) {
	po := profile.Options{Home: h, Log: o.Log}
	if o.Key != nil {
		po.Key = func(ctx context.Context) (*store.Secret, error) { return o.Key.Read(ctx, false) }
		po.KeyGiven = o.Key.Given()
	}
	p, err := profile.Open(ctx, po)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ours, theirs := net.Pipe()
	var running sync.WaitGroup
	var runErr error
	running.Go(func() {
		runErr = p.Run(runCtx)
		_ = theirs.Close()
	})
	running.Go(func() { p.ServeConn(runCtx, theirs, false) })
	s := client(ctx, ours)
	s.Dir = h.Dir
	closeClient := s.close
	s.close = func() error {
		err := closeClient()
		cancel()
		running.Wait()
		return errors.Join(err, runErr, p.Close(), lock.Close())
	}
	return s, nil
}
