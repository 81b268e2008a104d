package stdio

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
)

// Core is what is served; [chat.Core] has it.
type Core interface {
	Exec(ctx context.Context, cmd string) api.Response
	Call(ctx context.Context, method string, params json.RawMessage) (any, error)
	LastSeq(ctx context.Context) (int64, error)
	NextEvents(ctx context.Context, after int64, limit int) ([]chat.Event, error)
	Cursor(ctx context.Context, consumer string) (int64, error)
}

var _ Core = (*chat.Core)(nil)

// Options is how a session is served.
type Options struct {
	// Hello writes the hello line first, as simplexd does on its socket.
	Hello bool
	// Version and Profile are said in the hello line.
	Version, Profile string
	// NoEvents writes no events until the client subscribes. Otherwise those
	// that happen from now on are written, as the bot API does.
	NoEvents bool
	// KeepRunning goes on writing events after the end of input.
	KeepRunning bool
	// Linger is how long requests may go on after the end of input; 0 is a
	// minute.
	Linger time.Duration
	// MaxLag is how far, in events, a subscriber may fall behind before it is
	// told that it lagged and gets no more; 0 is 100000.
	MaxLag int64
	// DropLagged ends the session of a subscriber that lagged, with
	// [ErrLagged], once it has been told.
	DropLagged bool
	// BareRefusals leaves "corrId":null out of the answer to a line that is no
	// request, as the bot API does.
	BareRefusals bool
	// After is the number of the event after which events are written; nil is
	// the last one.
	After *int64
	// Log may be nil.
	Log *slog.Logger
}

// ErrLagged is why a session ended whose client fell too far behind.
var ErrLagged = errors.New("stdio: client fell too far behind the events")

const (
	maxOutstanding = 1024 // requests of a session that wait at once
	eventPage      = 64   // events read from the log at once
)

type session struct {
	core Core
	o    Options
	out  chan []byte // to the writer; never closed

	ctx  context.Context // of requests and of the pump; ends with the session
	stop context.CancelCauseFunc
	slot chan struct{} // one for each outstanding request

	dropped  atomic.Bool // the client lagged and is to go
	requests sync.WaitGroup
	pumps    sync.WaitGroup

	// stopPump ends the pump that runs; owned by the dispatcher.
	stopPump context.CancelFunc
}

var errEnded = errors.New("stdio: session ended")

// Serve serves one session and returns when it is over: at the end of input
// once outstanding requests are answered (nil), when reading or writing fails,
// or when ctx ends. A rw that is an io.Closer is closed then, so that no read
// or write of it goes on; with another, Serve returns after its reads do.
//
// Commands are executed one after another, in the order of their lines, so
// that messages are sent in that order; what waits for something ("connect",
// "send" and "recv" that wait, "wait") is answered when it has happened, other
// requests are not held up by it.
func Serve(ctx context.Context, rw io.ReadWriter, core Core, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Linger == 0 {
		o.Linger = time.Minute
	}
	if o.MaxLag == 0 {
		o.MaxLag = 100000
	}
	s := &session{core: core, o: o, out: make(chan []byte, 16), slot: make(chan struct{}, maxOutstanding)}
	s.ctx, s.stop = context.WithCancelCause(ctx)
	defer s.stop(errEnded)
	closed := context.AfterFunc(s.ctx, func() {
		if c, ok := rw.(io.Closer); ok {
			_ = c.Close() // to end reads and writes; the session's error is another
		}
	})
	defer closed()
	last, err := core.LastSeq(ctx)
	if err != nil {
		return err
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		s.write(rw)
	}()
	s.begin(last)
	err = s.read(newLineReader(rw))
	s.end(err)
	<-wrote
	return s.result(ctx, err)
}

// begin writes the hello line and starts the events.
func (s *session) begin(last int64) {
	if s.o.Hello {
		s.sendJSON(api.Hello{Type: "hello", V: api.Version, Version: s.o.Version, Profile: s.o.Profile, LastSeq: last})
	}
	s.stopPump = func() {}
	if s.o.After != nil {
		last = *s.o.After
	}
	if !s.o.NoEvents {
		s.startPump(last, nil)
	}
}

// end lets outstanding requests finish and ends all goroutines.
func (s *session) end(err error) {
	if err == io.EOF {
		t := time.AfterFunc(s.o.Linger, func() { s.stop(errEnded) })
		s.requests.Wait()
		t.Stop()
		if s.o.KeepRunning {
			<-s.ctx.Done()
		}
		s.stopPump()
		s.pumps.Wait()
		select { // the writer takes it after all that was sent before
		case s.out <- nil:
			return
		case <-s.ctx.Done():
		}
	}
	s.stop(errEnded)
	s.requests.Wait()
	s.pumps.Wait()
}

// result is what Serve returns: nil at the end of input, else why it ended.
func (s *session) result(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if cause := context.Cause(s.ctx); cause != nil && cause != errEnded {
		return cause
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// write is the only writer of the session. A nil line ends it.
func (s *session) write(w io.Writer) {
	for {
		select {
		case <-s.ctx.Done():
			return
		case line := <-s.out:
			if line == nil {
				if s.dropped.Load() {
					s.stop(ErrLagged)
				}
				return
			}
			if _, err := w.Write(line); err != nil {
				s.stop(err)
				return
			}
		}
	}
}

// send gives a line to the writer; false if the session has ended.
func (s *session) send(line []byte) bool {
	select {
	case s.out <- append(line, '\n'):
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (s *session) sendJSON(v any) bool {
	b, err := json.Marshal(v)
	if err != nil {
		s.o.Log.Error("stdio: writing an answer", "err", err)
		return false
	}
	return s.send(b)
}

// reply answers a request.
func (s *session) reply(corrID string, resp any) {
	b, err := json.Marshal(resp)
	if err != nil {
		s.o.Log.Error("stdio: writing an answer", "err", err)
		b, _ = json.Marshal(api.Error{Type: "error", Code: api.CodeInternal, Message: "stdio: the answer has no JSON form"})
	}
	s.sendJSON(api.Reply{CorrID: &corrID, Resp: b})
}

// refuse answers a line that is no request.
func (s *session) refuse(what string) {
	resp := api.Response{Type: "chatCmdError", ChatError: &api.ChatError{Type: "error",
		ErrorType: &api.ErrorType{Type: "commandError", Message: &what}}}
	if s.o.BareRefusals {
		s.sendJSON(struct {
			Resp api.Response `json:"resp"`
		}{resp})
		return
	}
	s.sendJSON(struct {
		CorrID *string      `json:"corrId"`
		Resp   api.Response `json:"resp"`
	}{Resp: resp})
}
