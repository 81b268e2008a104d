package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/api"
)

// Agent is what chat needs of an agent; [agent.Agent] has it.
type Agent interface {
	CreateInvitation(ctx context.Context, id agent.ConnID, o agent.InviteOptions) (agent.Link, error)
	Join(ctx context.Context, id agent.ConnID, link string, info []byte, o agent.JoinOptions) error
	Allow(ctx context.Context, id agent.ConnID, conf agent.ConfirmationID, info []byte) error
	Send(ctx context.Context, id agent.ConnID, m agent.Outgoing) (msgID int64, err error)
	SendReceipt(ctx context.Context, id agent.ConnID, msgID int64) error
	CreateAddress(ctx context.Context, id agent.ConnID, o agent.InviteOptions) (agent.Link, error)
	Accept(ctx context.Context, id, addr agent.ConnID, req agent.RequestID, info []byte, o agent.JoinOptions) error
	Reject(ctx context.Context, addr agent.ConnID, req agent.RequestID) error
	Delete(ctx context.Context, id agent.ConnID) error
	ParseLink(link string) (agent.LinkInfo, error)
	SecurityDigest(ctx context.Context, id agent.ConnID) ([32]byte, error)
	SetLinkLater(ctx context.Context, id agent.ConnID, d agent.LinkData) error
	ResolveLink(ctx context.Context, short string, u agent.UserID) (agent.Resolved, error)
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
	// PQ asks for post-quantum keys in connections.
	PQ bool
	// Cards are contacts that every new user finds in its list, with a link
	// in the profile to connect with.
	Cards []api.Profile
	// Summary has Run tell programs of relays, by events: once which
	// connections are subscribed, then which contacts are lost and found.
	Summary bool
	// KeepEvents is how many events of the log are kept at least, and ten
	// times as many while a named consumer has not acknowledged them; 0 is
	// 10000.
	KeepEvents int64
}

// Core executes commands and takes the agent's events ([agent.Handler]). It is
// safe for concurrent use.
type Core struct {
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	bell   *bell
	timers *bell // rings when an item gets a time to disappear at
	links  *bell // rings when there is news of a relay

	// sending has a *sync.Mutex for each connection (api.ConnID) that was sent
	// on. It is held while stored messages are given to the agent, so that
	// they go in order and their numbers are stored before anybody asks. No
	// other lock is taken under it.
	sending sync.Map

	// made has the agent.ConnID of every connection made by this Core: what is
	// unfinished of them is under way, not left by an earlier run.
	made sync.Map

	// linking is held while the agent is given what our address's link tells,
	// so that the last change is the last to be given.
	linking sync.Mutex

	mu      sync.Mutex
	connUp  map[agent.ConnID]bool // guarded by mu; whether its relay is up
	news    []relayNews           // guarded by mu; to be told
	stopped chan struct{}         // guarded by mu; set while the chat is stopped, closed when it starts
}

var _ agent.Handler = (*Core)(nil)

// New makes a core. It starts nothing and reads nothing.
func New(cfg Config) *Core {
	c := &Core{cfg: cfg, log: cfg.Log, now: cfg.Now, bell: newBell(), timers: newBell(), links: newBell(), connUp: map[agent.ConnID]bool{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.cfg.KeepEvents == 0 {
		c.cfg.KeepEvents = 10000
	}
	return c
}

// Run gives to the agent what an earlier run stored and did not hand over,
// shortens the event log, then blocks until ctx ends. It must run while the
// agent runs.
func (c *Core) Run(ctx context.Context) error {
	if err := c.resume(ctx); err != nil {
		return fmt.Errorf("chat: resuming: %w", err)
	}
	var telling sync.WaitGroup
	defer telling.Wait()
	if c.cfg.Summary {
		telling.Go(func() { c.tell(ctx) })
	}
	return c.tend(ctx)
}

// tendEvery is how often old events and items are looked for.
const tendEvery = 10 * time.Minute

// tend deletes what is old, and messages when they are to disappear.
func (c *Core) tend(ctx context.Context) error {
	var tended time.Time
	for {
		if c.now().Sub(tended) >= tendEvery {
			tended = c.now()
			if err := errors.Join(c.trimLog(ctx), c.forgetOld(ctx)); err != nil && ctx.Err() == nil {
				c.log.Warn("chat: deleting what is old", "err", err)
			}
		}
		news := c.timers.wait()
		next, err := c.disappear(ctx)
		if err != nil && ctx.Err() == nil {
			c.log.Warn("chat: deleting messages that disappear", "err", err)
			next = c.now().Add(time.Minute)
		}
		pause := tendEvery
		if !next.IsZero() {
			pause = min(pause, max(0, next.Sub(c.now())))
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-news:
		case <-t.C:
		}
		t.Stop()
	}
}

func (c *Core) resume(ctx context.Context) error {
	conns := map[api.ConnID]bool{}
	err := c.cfg.Store.View(ctx, func(tx Tx) error {
		outs, err := tx.Outs(0)
		for _, o := range outs {
			conns[o.ConnID] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{c.resumeConns, c.resumeRequests, c.resumeAddresses} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for id := range conns {
		if err := c.flush(ctx, id); err != nil && ctx.Err() == nil {
			c.log.Warn("chat: giving stored messages to the agent", "conn", id, "err", err)
		}
	}
	return nil
}

// work is a writing transaction with the time it happens at and the log.
type work struct {
	Tx
	c     *Core
	now   time.Time
	line  line // for messages that go with this transaction; zero: none do
	timed bool // a timer was set
}

// update runs fn in a transaction and rings when it is on disk.
func (c *Core) update(ctx context.Context, fn func(*work) error) error {
	w := &work{c: c}
	err := c.cfg.Store.Update(ctx, func(tx Tx) error {
		w.Tx, w.now = tx, c.now().UTC()
		return fn(w)
	})
	if err == nil && !c.joined(ctx) { // else it is not on disk yet
		c.bell.ring()
	}
	if err == nil && w.timed {
		c.timers.ring()
	}
	return err
}

func (c *Core) view(ctx context.Context, fn func(Tx) error) error { return c.cfg.Store.View(ctx, fn) }

// emit writes an event to the log and returns its number.
func (w *work) emit(r api.Response) (int64, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("chat: writing event %s: %w", r.Type, err)
	}
	e := Event{TS: w.now, Type: r.Type, Resp: b}
	err = w.AppendEvent(&e)
	return e.Seq, err
}

// activeUser is the user that commands without a number are about.
func activeUser(tx Tx) (*User, error) {
	users, err := tx.Users()
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Active {
			return u, nil
		}
	}
	return nil, coreError(api.ErrorType{Type: "noActiveUser"})
}

// sameUser is the active user if that is id.
func sameUser(tx Tx, id api.UserID) (*User, error) {
	u, err := activeUser(tx)
	if err == nil && u.ID != id {
		err = coreError(api.ErrorType{Type: "differentActiveUser", CommandUserID: id, ActiveUserID: u.ID})
	}
	return u, err
}

// contactOf is a contact of u by number.
func contactOf(tx Tx, u *User, id api.ContactID) (*Contact, error) {
	ct, err := tx.Contact(id)
	if errors.Is(err, ErrNotFound) || err == nil && ct.UserID != u.ID {
		return nil, noContact(id)
	}
	return ct, err
}

func contactNamed(tx Tx, u *User, name string) (*Contact, error) {
	ct, err := tx.ContactByName(u.ID, name)
	if errors.Is(err, ErrNotFound) || err == nil && ct.IsUser {
		return nil, noContactName(name)
	}
	return ct, err
}

// Exec executes a bot API command, such as "/_contacts 1". Errors are answers
// of type chatCmdError.
func (c *Core) Exec(ctx context.Context, cmd string) api.Response {
	run, ok := parseCommand(cmd)
	if !ok {
		return api.Response{Type: "chatCmdError", ChatError: commandError(cmdFail)}
	}
	var r api.Response
	err := c.refuseStopped(cmd)
	if err == nil {
		r, err = run(ctx, c)
	}
	if err != nil {
		return api.Response{Type: "chatCmdError", ChatError: chatError(err)}
	}
	return r
}
