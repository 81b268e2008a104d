package chat

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Agent is what chat needs of an agent; [agent.Agent] has it.
type Agent interface {
	CreateInvitation(ctx context.Context, id agent.ConnID, o agent.InviteOptions) (link string, err error)
	Join(ctx context.Context, id agent.ConnID, link string, info []byte, o agent.JoinOptions) error
	Allow(ctx context.Context, id agent.ConnID, conf agent.ConfirmationID, info []byte) error
	Send(ctx context.Context, id agent.ConnID, m agent.Outgoing) (msgID int64, err error)
	SendReceipt(ctx context.Context, id agent.ConnID, msgID int64) error
	Delete(ctx context.Context, id agent.ConnID) error
	ParseLink(link string) (agent.LinkInfo, error)
}

// Config is what a [Core] is made of. Store and Agent must be set.
type Config struct {
	Store Store
	Agent Agent
	// Log may be nil.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Version is the program's version, for "/version".
	Version string
	// PQ asks for post-quantum keys in invitations.
	PQ bool
}

// Core executes commands and takes the agent's events ([agent.Handler]). It is
// safe for concurrent use.
type Core struct {
	cfg  Config
	log  *slog.Logger
	now  func() time.Time
	bell *bell
}

// New makes a core. It starts nothing and reads nothing.
func New(cfg Config) *Core {
	c := &Core{cfg: cfg, log: cfg.Log, now: cfg.Now, bell: newBell()}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

// Run gives to the agent what an earlier run stored and did not hand over,
// then blocks until ctx ends. It must run while the agent runs.
func (c *Core) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Exec executes a bot API command, such as "/_contacts 1". Errors are answers
// of type chatCmdError.
func (c *Core) Exec(ctx context.Context, cmd string) api.Response {
	return api.Response{Type: "chatCmdError"}
}

// Call executes a structured method and returns a value of package api to be
// written as JSON, or an [*api.Error]. For "recv", see [Core.Recv] to have each
// line as it comes; "subscribe" is the line protocol's own.
func (c *Core) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	return nil, &api.Error{Type: "error", Code: api.CodeUsage, Message: "chat: unknown method " + method}
}

// Recv calls line for every message that p asks for, in the order of their
// numbers, until there are no more or, with p.Follow, until ctx ends. It
// returns the first error of line. Lines are not marked as read by it.
func (c *Core) Recv(ctx context.Context, p api.RecvParams, line func(api.RecvLine) error) (lastSeq int64, err error) {
	return 0, nil
}

// HandleEvent implements [agent.Handler].
func (c *Core) HandleEvent(ctx context.Context, conn agent.ConnID, ev agent.Event) error {
	return nil
}

// HandleStatus implements [agent.Handler].
func (c *Core) HandleStatus(ctx context.Context, st agent.Status) {}

// LastSeq is the number of the last event logged, 0 if none.
func (c *Core) LastSeq(ctx context.Context) (int64, error) { return 0, nil }

// NextEvents returns up to limit events after seq, waiting for the first of
// them until ctx ends. Callers may be as slow as they like: events wait in the
// store. ErrLagged says that events after seq are gone from the log.
func (c *Core) NextEvents(ctx context.Context, after int64, limit int) ([]Event, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Event is an entry of the event log.
type Event struct {
	Seq  int64
	TS   time.Time
	Type string
	// Resp is the event's JSON, an api.Response.
	Resp json.RawMessage
}
