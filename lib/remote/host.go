package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

var (
	// ErrEnded is returned once [Host.Run] or [Desk.Run] has ended.
	ErrEnded = errors.New("remote: the program is ending")
	// ErrBusy is returned where too many sessions are open.
	ErrBusy = errors.New("remote: too many sessions")
	// ErrInactive is returned for a session that is not there, or no longer.
	ErrInactive = errors.New("remote: no such session")
)

// AppVersion is the version of the chat API that we speak, AppRange those of
// hosts that we drive: as SimpleX Chat numbers them.
const AppVersion = "6.4.5.1"

// AppRange is what invitations say.
var AppRange = xrcp.AppVersionRange{Min: "6.4.4.2", Max: AppVersion}

const (
	// maxSessions is how many controllers may be attached at a time, and be
	// on their way to it.
	maxSessions = 16
	// Events that the reference does not have: what a controller has changed,
	// and that this side has ended a session.
	appliedType  = "remoteCtrlApplied"
	detachedType = "remoteCtrlDetached"
)

// HostConfig is what a [Host] is made of. Store and API must be set.
type HostConfig struct {
	Store HostStore
	API   API
	// Emit puts an event into the profile's log, for the host's own clients.
	Emit  func(ctx context.Context, r api.Response) error
	Files Folder
	// Name is the device's.
	Name string
	// Log may be nil.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Host lets controllers use a profile. Safe for concurrent use.
type Host struct {
	cfg HostConfig
	log *slog.Logger
	now func() time.Time
	all sync.WaitGroup // sessions and commands

	started chan struct{} // closed when Run has begun
	mu      sync.Mutex
	runCtx  context.Context       // guarded by mu; of sessions; nil before Run
	ending  bool                  // guarded by mu
	next    int64                 // guarded by mu
	open    map[int64]*attach     // guarded by mu
	slot    *attach               // guarded by mu; the bot API's one session
	listen  string                // guarded by mu; where we can be called
	name    string                // guarded by mu; the device's
	seeking func()                // guarded by mu; ends /find remote ctrl
	flights map[flightKey]*flight // guarded by mu
	seekers map[*seeker]struct{}  // guarded by mu; one for each call of Serve
}

// NewHost makes a host; it starts nothing.
func NewHost(cfg HostConfig) *Host {
	h := &Host{cfg: cfg, log: cfg.Log, now: cfg.Now, open: map[int64]*attach{}, flights: map[flightKey]*flight{},
		seekers: map[*seeker]struct{}{},
		started: make(chan struct{}), name: cfg.Name}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h
}

// Run holds sessions until ctx ends, and waits for them. To be called once.
func (h *Host) Run(ctx context.Context) error {
	h.mu.Lock()
	h.runCtx = ctx
	h.mu.Unlock()
	close(h.started)
	err := h.cfg.Files.Clean()
	if _, xerr := h.ctrls(ctx); err == nil {
		err = xerr
	}
	if err != nil && ctx.Err() == nil {
		h.log.Warn("remote: tidying up", "err", err)
	}
	<-ctx.Done()
	h.mu.Lock()
	h.ending = true
	if h.seeking != nil {
		h.seeking()
	}
	h.mu.Unlock()
	h.all.Wait()
	return nil
}

// running waits for Run to have begun.
func (h *Host) running(ctx context.Context) error {
	select {
	case <-h.started:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ctrls are the controllers paired with; those whose time is over are
// forgotten first.
func (h *Host) ctrls(ctx context.Context) ([]*KnownCtrl, error) {
	all, err := h.cfg.Store.Ctrls(ctx)
	if err != nil {
		return nil, fmt.Errorf("remote: reading pairings: %w", err)
	}
	now := h.now()
	var out []*KnownCtrl
	for _, c := range all {
		// A pairing that has never worked is kept for a day: the controller may
		// have stored it just before the connection ended.
		if c.expired(now) || !c.Pairing.Confirmed && c.LastAt.IsZero() && now.Sub(c.PairedAt) > 24*time.Hour {
			if err := h.forget(ctx, c.ID, "expired"); err != nil && !errors.Is(err, ErrNotFound) {
				return nil, err
			}
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

// ctrl finds a pairing.
func (h *Host) ctrl(ctx context.Context, is func(*KnownCtrl) bool) (*KnownCtrl, error) {
	all, err := h.ctrls(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, is)
	if i < 0 {
		return nil, ErrNotFound
	}
	return all[i], nil
}

// forget deletes a pairing and ends its session.
func (h *Host) forget(ctx context.Context, id api.RemoteCtrlID, why string) error {
	err := h.cfg.Store.DeleteCtrl(ctx, id)
	for _, a := range h.sessions() {
		if a.ctrlID() == id {
			a.stop(why)
		}
	}
	if err != nil {
		return err
	}
	return h.cfg.API.DropCursor(ctx, consumerOf(id))
}

// sessions are the open ones, in the order of their numbers.
func (h *Host) sessions() []*attach {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*attach, 0, len(h.open))
	for _, a := range h.open {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *attach) int { return int(a.id - b.id) })
	return out
}

// session finds an open one by its number or its controller's.
func (h *Host) session(p api.RemoteSessionParams) (*attach, error) {
	for _, a := range h.sessions() {
		if p.Session != 0 && a.id == p.Session || p.Session == 0 && p.Ctrl != 0 && a.ctrlID() == p.Ctrl {
			return a, nil
		}
	}
	return nil, ErrInactive
}

// List is every controller: those attached, and those that may come again.
func (h *Host) List(ctx context.Context) ([]api.Attached, error) {
	all, err := h.ctrls(ctx)
	if err != nil {
		return nil, err
	}
	out := []api.Attached{}
	there := map[api.RemoteCtrlID]bool{}
	for _, a := range h.sessions() {
		l := a.line()
		there[l.Ctrl] = true
		for _, c := range all {
			if c.ID == l.Ctrl {
				l = describe(c, l)
			}
		}
		out = append(out, l)
	}
	for _, c := range all {
		if !there[c.ID] && (c.Pairing.Confirmed || !c.LastAt.IsZero()) {
			out = append(out, describe(c, api.Attached{State: "idle"}))
		}
	}
	return out, nil
}

func describe(c *KnownCtrl, l api.Attached) api.Attached {
	l.Ctrl, l.Name, l.Users = c.ID, c.Label(), c.Users
	l.Identity, l.Own = c.Pairing.Controller.String(), c.Pairing.CA.Fingerprint().String()
	l.PairedAt, l.LastAt, l.ExpiresAt = c.PairedAt, c.LastAt, c.ExpiresAt
	return l
}

// Set changes what a pairing is called, how long it lasts, and which profiles
// it is for; a session that is open goes by it at once.
func (h *Host) Set(ctx context.Context, p api.RemoteSessionParams) error {
	c, err := h.ctrl(ctx, func(c *KnownCtrl) bool { return c.ID == p.Ctrl })
	if err != nil {
		return err
	}
	if p.Name != nil {
		c.Alias = *p.Name
	}
	if p.ExpiresAt != nil {
		c.ExpiresAt = *p.ExpiresAt
	}
	if p.Users != nil {
		c.Users = *p.Users
	}
	if err := h.cfg.Store.PutCtrl(ctx, c); err != nil {
		return fmt.Errorf("remote: storing a pairing: %w", err)
	}
	for _, a := range h.sessions() {
		if a.ctrlID() == c.ID {
			a.renew(c)
		}
	}
	_, err = h.ctrls(ctx)
	return err
}

// emit puts an event into the log; what it is about has happened anyway.
func (h *Host) emit(ctx context.Context, r api.Response) {
	if h.cfg.Emit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := h.cfg.Emit(ctx, r); err != nil {
		h.log.Warn("remote: telling of a session", "err", err)
	}
}

// applied tells the host's own clients, and other controllers, what one of
// them has changed: they are to show it, or to ask anew.
func (h *Host) applied(ctx context.Context, a *attach, cmd string, answer json.RawMessage) {
	if len(answer) > maxApplied {
		answer = nil
	}
	word, _, _ := strings.Cut(cmd, " ")
	h.emit(ctx, api.Response{Type: appliedType, Remote: &api.Remote{RemoteCtrlID: a.ctrlID(), Command: word, Applied: answer}})
}

// userSwitch reads "/_user 2" and "/user NAME"; the id is 0 for a name.
func userSwitch(cmd string) (id api.UserID, ok bool) {
	if rest, found := strings.CutPrefix(cmd, "/_user "); found {
		first, _, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			n = 0
		}
		return api.UserID(n), true
	}
	for _, word := range []string{"/user ", "/u "} {
		if rest, found := strings.CutPrefix(cmd, word); found && strings.TrimSpace(rest) != "" {
			return 0, true
		}
	}
	return 0, false
}
