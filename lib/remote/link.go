package remote

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/wire"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
)

// ErrUnknownOutcome is returned for a command that was under way when the
// connection to a host ended that cannot say whether it ran it.
var ErrUnknownOutcome = errors.New("remote: the connection ended before the answer; the command may have been done")

// LinkConfig is what a [Link] is made of.
type LinkConfig struct {
	Desk *Desk
	// First is the session that there is already, or nil.
	First *Attached
	// Connect makes the next session; it is called again, after a pause, when
	// it fails, unless the error is [Final]. Nil: there is only the first one.
	Connect func(ctx context.Context) (*Attached, error)
	// Event is given each event, one at a time. When it returns nil the event
	// is not given again; an error ends Run. Nil: events are not asked for.
	Event func(ctx context.Context, seq int64, resp json.RawMessage) error
	// OnState is told "connected", "lost" and "reconnecting".
	OnState func(state string, a *Attached, err error)
}

// Final marks an error of Connect after which another try is of no use.
type Final struct{ Err error }

func (e *Final) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Final) Unwrap() error { return e.Err }

// Link is one host as its user sees it: commands that are answered once, and
// events that come once, over one session after another. Safe for concurrent
// use.
type Link struct {
	cfg LinkConfig

	mu    sync.Mutex
	now   *Attached     // guarded by mu; nil between sessions
	news  chan struct{} // guarded by mu; closed when now or ended changes
	ended error         // guarded by mu; why there will be no other session
}

// NewLink makes a link; it starts nothing.
func NewLink(cfg LinkConfig) *Link { return &Link{cfg: cfg, news: make(chan struct{})} }

func (l *Link) set(a *Attached, ended error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = a
	if ended != nil {
		l.ended = ended
	}
	close(l.news)
	l.news = make(chan struct{})
}

// session waits for one that is not old.
func (l *Link) session(ctx context.Context, old *Attached) (*Attached, error) {
	for {
		l.mu.Lock()
		a, news, ended := l.now, l.news, l.ended
		l.mu.Unlock()
		if a != nil && a != old {
			return a, nil
		}
		if ended != nil {
			return nil, ended
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Session waits until the host is there.
func (l *Link) Session(ctx context.Context) (*Attached, error) { return l.session(ctx, nil) }

// Pauses between two tries to connect.
const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 15 * time.Second
)

func (l *Link) state(state string, a *Attached, err error) {
	if l.cfg.OnState != nil {
		l.cfg.OnState(state, a, err)
	}
}

// Run holds sessions until ctx ends, Event or Connect says that it is enough,
// or there is no way to connect again. It closes them.
func (l *Link) Run(ctx context.Context) (err error) {
	defer func() {
		ended := err
		if ended == nil {
			ended = ErrEnded
		}
		l.set(nil, ended)
	}()
	a := l.cfg.First
	for pause := firstRetry; ; {
		if a == nil {
			if a, err = l.cfg.Connect(ctx); err != nil {
				var final *Final
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if errors.As(err, &final) {
					return final.Err
				}
				l.state("reconnecting", nil, err)
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					return ctx.Err()
				}
				pause = min(2*pause, lastRetry)
				continue
			}
		}
		pause = firstRetry
		l.set(a, nil)
		l.state("connected", a, nil)
		err = l.hold(ctx, a)
		l.set(nil, nil)
		cerr := a.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var stop *eventError
		if errors.As(err, &stop) {
			return stop.error
		}
		l.state("lost", a, errors.Join(err, cerr))
		if l.cfg.Connect == nil {
			return fmt.Errorf("%w: %w", xrcpctl.ErrLost, err)
		}
		a = nil
	}
}

// eventError is why Event ends Run.
type eventError struct{ error }

// Unwrap gives the cause.
func (e *eventError) Unwrap() error { return e.error }

// hold asks for events until the session ends.
func (l *Link) hold(ctx context.Context, a *Attached) error {
	if l.cfg.Event == nil {
		select {
		case <-a.Done():
			return xrcpctl.ErrLost
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	seq := int64(-1)
	if a.App.Resume {
		h, err := l.cfg.Desk.Host(ctx, a.Host.ID)
		if err != nil {
			return &eventError{err}
		}
		seq = h.Seq
	}
	for {
		cmd := xrcp.Recv{Wait: xrcp.Micros(xrcpctl.PollWait.Microseconds())}
		if a.App.Resume {
			cmd.After = &seq
		}
		e, err := a.RecvAfter(ctx, cmd)
		if err != nil {
			return err
		}
		if e.Event != nil {
			if err := l.cfg.Event(ctx, e.Seq, eventOf(*e.Event)); err != nil {
				return &eventError{err}
			}
		}
		if a.App.Resume && (e.Event != nil || seq < 0) {
			if err := l.cfg.Desk.cfg.Store.PutSeq(ctx, a.Host.ID, e.Seq); err != nil {
				return &eventError{err}
			}
		}
		seq = e.Seq
	}
}

// eventOf is an event, or an error in the place of one, as the API shows it.
func eventOf(r xrcp.Result) json.RawMessage {
	if r.Result != nil {
		return r.Result
	}
	return errorResp(r.Error)
}

func errorResp(chatError json.RawMessage) json.RawMessage {
	b, err := json.Marshal(struct {
		Type  string          `json:"type"`
		Error json.RawMessage `json:"chatError"`
	}{"chatCmdError", chatError})
	if err != nil {
		return json.RawMessage(`{"type":"chatCmdError"}`) // unreachable: it was JSON
	}
	return b
}

// Exec runs a command on the host and returns what the API answers. A command
// that was under way when the connection ended comes to the host again, by the
// same name, if the host runs each name once; else it fails, with
// [ErrUnknownOutcome].
func (l *Link) Exec(ctx context.Context, cmd string) (json.RawMessage, error) {
	if why := refused(cmd); why != "" {
		b, err := json.Marshal(commandError("not allowed from a remote controller: " + why))
		return errorResp(b), err
	}
	name := make([]byte, 18)
	_, _ = rand.Read(name) // never fails
	send := xrcp.Send{Command: cmd}
	var old *Attached
	for {
		a, err := l.session(ctx, old)
		if err != nil {
			if old != nil && !errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
			}
			return nil, err
		}
		if a.App.Resume {
			send.ID = wire.Base64(name)
		} else if old != nil {
			return nil, ErrUnknownOutcome
		}
		r, err := a.SendOnce(ctx, send)
		if err == nil && r.Error != nil {
			return errorResp(r.Error), nil
		}
		if err == nil {
			return r.Result, nil
		}
		var refusal *xrcp.ProtocolError
		if errors.As(err, &refusal) || ctx.Err() != nil {
			return nil, err
		}
		if send.ID == "" {
			return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		_ = a.Close() // whatever it was, keys may differ now
		old = a
		send.RetryNumber++
	}
}

// Put brings a file to the host and returns its name there.
func (l *Link) Put(ctx context.Context, name string, file io.ReadSeeker) (string, error) {
	a, err := l.session(ctx, nil)
	if err != nil {
		return "", err
	}
	return a.StoreFile(ctx, name, file)
}

// Get takes a file from the host: whole and with the right digest, or not at
// all.
func (l *Link) Get(ctx context.Context, file RemoteFile, into Folder) (string, error) {
	a, err := l.session(ctx, nil)
	if err != nil {
		return "", err
	}
	return a.Fetch(ctx, file, into)
}

// Fetch is [Link.Get] in one session.
func (a *Attached) Fetch(ctx context.Context, file RemoteFile, into Folder) (string, error) {
	b, err := json.Marshal(file)
	if err != nil {
		return "", err
	}
	n, err := into.Create(file.FileSource.FilePath, 0)
	if err != nil {
		return "", err
	}
	if err := a.GetFile(ctx, b, n); err != nil {
		return "", errors.Join(err, n.Abort())
	}
	return n.Commit()
}
