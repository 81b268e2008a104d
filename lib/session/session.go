package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/transport"
)

var (
	// ErrTimeout is returned for a command that was not answered in time, and
	// wrapped by the error of a session that ended because its peer is silent.
	ErrTimeout = errors.New("session: no answer in time")
	// ErrClosed is returned by commands of a session that has ended; the cause
	// is wrapped along with it.
	ErrClosed = errors.New("session: closed")
	// ErrEntity is returned for a command whose answer names another entity.
	ErrEntity = errors.New("session: answer for another entity")
	// ErrAnswer is returned for a command whose answer does not parse.
	ErrAnswer = errors.New("session: malformed answer")
	// ErrDuplicate is returned for a correlation ID that is already waiting.
	ErrDuplicate = errors.New("session: correlation ID in use")
)

// Received is what a peer has sent: an event if CorrID is empty, else an
// answer. Err is set if it does not parse.
type Received[M any] struct {
	CorrID   smp.CorrID
	EntityID smp.EntityID
	Message  M
	Err      error
}

// Config is what a session is made of. Conn and Parse must be set.
type Config[M any] struct {
	Conn *transport.Conn
	// Parse parses the content of a block. What it returns may alias the
	// block, which belongs to it.
	Parse func(block []byte) []Received[M]
	// OnReceive is called by the reader for all that parses, in order. It must
	// return soon, and must not wait for commands of this session.
	OnReceive func(Received[M])
	// Ping makes the command that a silent peer is asked with; nil never asks.
	Ping func(smp.CorrID) (smp.Item, error)

	Timeout      time.Duration // for an answer, counted from the last block received; 0 is 15 s
	WriteTimeout time.Duration // for the peer to take a write; 0 is 30 s
	PingInterval time.Duration // of silence before a ping; 0 is 10 min
	PingCount    int           // unanswered pings before the session ends; 0 is 3
	Log          *slog.Logger  // nil: none
}

func (c *Config[M]) setDefaults() {
	for _, d := range []struct {
		have *time.Duration
		def  time.Duration
	}{
		{&c.Timeout, 15 * time.Second}, {&c.WriteTimeout, 30 * time.Second}, {&c.PingInterval, 10 * time.Minute},
	} {
		if *d.have == 0 {
			*d.have = d.def
		}
	}
	if c.PingCount == 0 {
		c.PingCount = 3
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// patience is how many times its timeout a command waits at most, if the peer
// goes on answering others meanwhile.
const patience = 4

// Queue sizes: commands come in groups, of which the writer gathers some.
const (
	queueGroups = 64
	groupSize   = 256
)

// Session runs commands. Its methods are safe for concurrent use.
type Session[M any] struct {
	cfg    Config[M]
	ctx    context.Context // ends with the session; the cause is its error
	cancel context.CancelCauseFunc

	queue chan []*call[M] // never closed
	probe chan struct{}   // holds one wish for a ping
	done  chan struct{}   // closed when Run returns
	ran   atomic.Bool

	received atomic.Int64 // time of the last block, Unix nanoseconds

	mu      sync.Mutex // guards what follows
	waiting map[smp.CorrID]*call[M]
}

// New makes a session; it does nothing until [Session.Run].
func New[M any](cfg Config[M]) *Session[M] {
	cfg.setDefaults()
	s := &Session[M]{
		cfg:     cfg,
		queue:   make(chan []*call[M], queueGroups),
		probe:   make(chan struct{}, 1),
		done:    make(chan struct{}),
		waiting: make(map[smp.CorrID]*call[M]),
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.received.Store(time.Now().UnixNano())
	return s
}

// Run reads and writes until ctx ends, [Session.Close] is called or the
// connection fails, and closes the connection. It returns the reason, never
// nil, after all goroutines of the session have ended. It may be called once.
func (s *Session[M]) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return errors.New("session: run twice") // misuse
	}
	unlink := context.AfterFunc(ctx, func() { s.cancel(ctx.Err()) })
	defer unlink()
	wake := context.AfterFunc(s.ctx, func() { _ = s.cfg.Conn.SetDeadline(time.Unix(1, 0)) })
	defer wake()
	var writer sync.WaitGroup
	var writeErr error
	writer.Go(func() {
		writeErr = s.write()
		if writeErr != nil {
			s.end(writeErr)
		}
	})
	s.end(s.read())
	writer.Wait()
	if writeErr != nil {
		_ = s.cfg.Conn.Abort()
	} else {
		_ = s.cfg.Conn.Close()
	}
	close(s.done)
	return s.Err()
}

// end ends the session for a reason; the first one counts.
func (s *Session[M]) end(err error) { s.cancel(err) }

// Close ends the session and, if Run has begun, waits for it. Always nil.
func (s *Session[M]) Close() error {
	s.end(ErrClosed)
	if s.ran.Load() {
		<-s.done
	}
	return nil
}

// Done is closed when [Session.Run] has returned.
func (s *Session[M]) Done() <-chan struct{} { return s.done }

// Err is nil until the session ends, then the reason: [ErrClosed], and with it
// [ErrTimeout], io.EOF or an error of the network.
func (s *Session[M]) Err() error {
	cause := context.Cause(s.ctx)
	if cause == nil || errors.Is(cause, ErrClosed) {
		return cause
	}
	return fmt.Errorf("%w: %w", ErrClosed, cause)
}

// read is the reader.
func (s *Session[M]) read() error {
	for {
		b, err := s.cfg.Conn.ReadBlock()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("the peer has closed the connection: %w", err)
			}
			return err
		}
		s.received.Store(time.Now().UnixNano())
		for _, r := range s.cfg.Parse(b.Payload()) {
			s.dispatch(r)
		}
	}
}

func (s *Session[M]) dispatch(r Received[M]) {
	var c *call[M]
	if r.CorrID != "" {
		s.mu.Lock()
		c = s.waiting[r.CorrID]
		delete(s.waiting, r.CorrID)
		s.mu.Unlock()
	}
	if r.Err != nil {
		s.cfg.Log.Debug("received", "err", r.Err, "answer", c != nil)
		if c != nil {
			c.finish(Result[M]{Err: fmt.Errorf("%w: %w", ErrAnswer, r.Err)})
		}
		return
	}
	if c != nil && c.req.Entity != r.EntityID {
		c.finish(Result[M]{Err: ErrEntity})
		return
	}
	if s.cfg.OnReceive != nil && (c == nil || !c.req.Quiet) {
		s.cfg.OnReceive(r)
	}
	if c != nil {
		c.finish(Result[M]{Message: r.Message})
	}
}
