package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcphost"
)

// API is the profile's side of a session; chat.Core has it.
type API interface {
	Exec(ctx context.Context, cmd string) api.Response
	LastSeq(ctx context.Context) (int64, error)
	NextEvents(ctx context.Context, after int64, limit int) ([]chat.Event, error)
	Ack(ctx context.Context, consumer string, seq int64) error
	DropCursor(ctx context.Context, consumer string) error
}

// Limits of a session.
const (
	maxCommand   = 4 << 20         // bytes of a command, as on the other roads to the API
	maxCommandID = 64              // bytes of its name
	keepCommands = 512             // answers kept for a controller that asks again
	commandTime  = 2 * time.Minute // of one command, once it has begun
)

// handler is what one session asks of the profile.
type handler struct {
	h    *Host
	a    *attach
	turn chan struct{} // held by the command that runs: they run one after another
	pos  int64         // of the last event given to a controller that keeps no numbers; owned by Recv's turn
	recv chan struct{} // held by the one call of Recv
}

var _ xrcphost.Resuming = (*handler)(nil)

func newHandler(ctx context.Context, h *Host, a *attach) (*handler, error) {
	last, err := h.cfg.API.LastSeq(ctx)
	return &handler{h: h, a: a, turn: make(chan struct{}, 1), recv: make(chan struct{}, 1), pos: last}, err
}

// Send implements xrcphost.Handler.
func (s *handler) Send(ctx context.Context, command string, retry int) (xrcp.Result, error) {
	return s.SendOnce(ctx, xrcp.Send{Command: command, RetryNumber: retry})
}

// SendOnce implements xrcphost.Resuming.
func (s *handler) SendOnce(ctx context.Context, cmd xrcp.Send) (xrcp.Result, error) {
	if len(cmd.Command) > maxCommand || len(cmd.ID) > maxCommandID {
		return xrcp.Result{}, fmt.Errorf("%w: command too long", xrcp.ErrMessage)
	}
	if why := refused(cmd.Command); why != "" {
		return errorResult(commandError("not allowed from a remote controller: " + why))
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return xrcp.Result{}, ctx.Err()
	}
	defer func() { <-s.turn }()
	if cmd.ID == "" {
		return s.run(ctx, cmd.Command)
	}
	return s.h.once(ctx, s.a.ctrlID(), cmd.ID, func(ctx context.Context) (xrcp.Result, error) {
		return s.run(ctx, cmd.Command)
	})
}

func errorResult(e *api.ChatError) (xrcp.Result, error) {
	b, err := json.Marshal(e)
	return xrcp.Result{Error: b}, err
}

// run executes a command and tells the host's own clients of what it changed.
func (s *handler) run(ctx context.Context, cmd string) (xrcp.Result, error) {
	users := s.a.users()
	if e := s.allowed(ctx, cmd, users); e != nil {
		return errorResult(e)
	}
	r := s.h.cfg.API.Exec(ctx, cmd)
	if r.Type == "chatCmdError" && r.ChatError != nil {
		return errorResult(r.ChatError)
	}
	if len(users) > 0 {
		r.Users = slices.DeleteFunc(r.Users, func(u api.UserInfo) bool { return !slices.Contains(users, u.User.UserID) })
		if r.User != nil && !slices.Contains(users, r.User.UserID) {
			return errorResult(otherProfile)
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return xrcp.Result{}, fmt.Errorf("remote: writing an answer: %w", err)
	}
	if !readOnly[r.Type] {
		s.h.applied(ctx, s.a, cmd, b)
	}
	return xrcp.Result{Result: b}, nil
}

var otherProfile = commandError("not allowed from a remote controller: it is of a profile that was not attached")

// allowed checks a command of a controller that may see some profiles only:
// one of them must be the active one, which commands are about.
func (s *handler) allowed(ctx context.Context, cmd string, users []api.UserID) *api.ChatError {
	if len(users) == 0 {
		return nil
	}
	if begins(cmd, userCommands) {
		return commandError("not allowed from a remote controller: profiles are made and deleted on the host")
	}
	if begins(cmd, []string{"/users", "/version", "/v"}) {
		return nil
	}
	if id, ok := userSwitch(cmd); ok {
		if id == 0 || !slices.Contains(users, id) {
			return otherProfile
		}
		return nil
	}
	r := s.h.cfg.API.Exec(ctx, "/user")
	if r.User == nil || !slices.Contains(users, r.User.UserID) {
		return otherProfile
	}
	return nil
}

// Recv implements xrcphost.Handler.
func (s *handler) Recv(ctx context.Context, wait time.Duration) (*xrcp.Result, error) {
	e, err := s.RecvAfter(ctx, xrcp.Recv{Wait: xrcp.Micros(wait.Microseconds())})
	return e.Event, err
}

// RecvAfter implements xrcphost.Resuming.
func (s *handler) RecvAfter(ctx context.Context, cmd xrcp.Recv) (xrcp.Event, error) {
	select {
	case s.recv <- struct{}{}:
	default:
		return xrcp.Event{}, fmt.Errorf("%w: another one waits for events", xrcp.ErrMessage)
	}
	defer func() { <-s.recv }()
	after, numbers := s.pos, cmd.After != nil
	if numbers && *cmd.After < 0 {
		return xrcp.Event{Seq: s.pos}, nil // where to begin, at once
	}
	if numbers {
		after = *cmd.After
		if err := s.h.cfg.API.Ack(ctx, s.a.consumer(), after); err != nil {
			return s.astray(ctx, err)
		}
	}
	waitCtx, cancel := context.WithTimeout(ctx, cmd.Wait.Duration())
	defer cancel()
	for {
		events, err := s.h.cfg.API.NextEvents(waitCtx, after, 16)
		if errors.Is(err, chat.ErrLagged) {
			return s.lagged(ctx, after, numbers)
		}
		if waitCtx.Err() != nil && ctx.Err() == nil && len(events) == 0 {
			s.pos = after
			return xrcp.Event{Seq: after}, nil
		}
		if err != nil {
			return xrcp.Event{}, err
		}
		for _, e := range events {
			after = e.Seq
			if s.passes(e, numbers) {
				s.pos = after
				return xrcp.Event{Event: &xrcp.Result{Result: e.Resp}, Seq: e.Seq}, nil
			}
		}
	}
}

// passes tells whether an event is for this session.
func (s *handler) passes(e chat.Event, numbers bool) bool {
	if e.Type == appliedType {
		return numbers && !s.own(e)
	}
	if localEvent(e.Type) {
		return false
	}
	users := s.a.users()
	if len(users) == 0 {
		return true
	}
	var about struct {
		User, User_ *struct {
			UserID api.UserID `json:"userId"`
		}
	}
	if json.Unmarshal(e.Resp, &about) != nil {
		return false
	}
	if about.User == nil {
		about.User = about.User_
	}
	return about.User != nil && slices.Contains(users, about.User.UserID)
}

// own tells whether an event is about this controller's own command.
func (s *handler) own(e chat.Event) bool {
	var about struct {
		ID api.RemoteCtrlID `json:"remoteCtrlId"`
	}
	return json.Unmarshal(e.Resp, &about) != nil || about.ID == s.a.ctrlID() || len(s.a.users()) > 0
}

// lagged tells a controller that events are gone, and goes on after them.
func (s *handler) lagged(ctx context.Context, after int64, numbers bool) (xrcp.Event, error) {
	last, err := s.h.cfg.API.LastSeq(ctx)
	if err != nil {
		return xrcp.Event{}, err
	}
	s.pos = last
	if !numbers {
		return xrcp.Event{Seq: last}, nil
	}
	b, err := json.Marshal(api.Lagged{Type: "lagged", After: after, LastSeq: last})
	return xrcp.Event{Event: &xrcp.Result{Result: b}, Seq: last}, err
}

// astray is for a number that this log has never given: the controller's is of
// another profile, or of one restored from a backup.
func (s *handler) astray(ctx context.Context, err error) (xrcp.Event, error) {
	var refused *api.Error
	if !errors.As(err, &refused) {
		return xrcp.Event{}, err
	}
	return s.lagged(ctx, 0, true)
}

// StoreFile implements xrcphost.Handler.
func (s *handler) StoreFile(_ context.Context, name string, size uint32) (xrcphost.NewFile, error) {
	return s.h.cfg.Files.Create(name, int64(size))
}

// GetFile implements xrcphost.Handler.
func (s *handler) GetFile(_ context.Context, file json.RawMessage) (io.ReadSeekCloser, error) {
	f, err := ParseRemoteFile(file)
	if err != nil {
		return nil, err
	}
	if users := s.a.users(); len(users) > 0 && !slices.Contains(users, f.UserID) {
		return nil, fmt.Errorf("%w: of an attached profile", xrcp.ErrNoFile)
	}
	return s.h.cfg.Files.Open(f.FileSource.FilePath)
}
