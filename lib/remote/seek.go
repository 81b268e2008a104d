package remote

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/carrier/roads"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

// Times and places of asking a controller that is gone where it was.
const (
	firstAsk   = time.Second      // before the first question: the announcement may come sooner
	lastAsk    = 5 * time.Minute  // the longest pause between two questions
	askTimeout = 30 * time.Second // of one question, by all roads
	askFor     = 24 * time.Hour   // then only announcements and calls are waited for
	maxAsking  = 4                // questions at a time
)

// seeker looks for the controllers that have gone, beside the announcements
// and calls of one [Host.Serve].
type seeker struct {
	h      *Host
	ctx    context.Context // of Serve
	all    *sync.WaitGroup
	via    []carrier.Name
	places chan struct{} // held while a controller is asked

	mu     sync.Mutex
	active map[api.RemoteCtrlID]bool // guarded by mu; true: lost anew meanwhile
}

// lookOut looks for all controllers that are not here, and from now on for each
// that goes. What it starts ends with ctx and is counted in all.
func (h *Host) lookOut(ctx context.Context, all *sync.WaitGroup, via []string) {
	s := &seeker{h: h, ctx: ctx, all: all, places: make(chan struct{}, maxAsking), active: map[api.RemoteCtrlID]bool{}}
	for _, name := range via { // those that are none fail where a session is begun
		if names, err := carrier.ParseNames(name); err == nil {
			s.via = append(s.via, names...)
		}
	}
	h.mu.Lock()
	h.seekers[s] = struct{}{}
	h.mu.Unlock()
	all.Go(func() {
		<-ctx.Done()
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.seekers, s)
	})
	known, err := h.ctrls(ctx)
	if err != nil {
		h.log.Warn("remote: looking for controllers", "err", err)
	}
	for _, c := range known {
		s.begin(c.ID)
	}
}

// over is told that a session has ended.
func (h *Host) over(ctx context.Context, id api.RemoteCtrlID, err error) {
	if id == 0 {
		return
	}
	var by *stopped
	if errors.As(err, &by) { // by ourselves; what it said last may have come after its end
		ctx = context.WithoutCancel(ctx)
		_, err := h.ctrl(ctx, func(c *KnownCtrl) bool { return c.ID == id })
		if errors.Is(err, ErrNotFound) {
			err = h.cfg.API.DropCursor(ctx, consumerOf(id))
		}
		if err != nil {
			h.log.Warn("remote: forgetting a controller", "err", err)
		}
		return
	}
	if ctx.Err() != nil { // by the program's end
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.seekers { // each is in its Serve, which waits for what is begun
		s.begin(id)
	}
}

// begin looks for a controller, once at a time.
func (s *seeker) begin(id api.RemoteCtrlID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	if _, there := s.active[id]; there {
		s.active[id] = true
		return
	}
	s.active[id] = false
	s.all.Go(func() {
		for again := true; again; {
			s.look(id)
			s.mu.Lock()
			again = s.active[id] && s.ctx.Err() == nil
			if s.active[id] = false; !again {
				delete(s.active, id)
			}
			s.mu.Unlock()
		}
	})
}

// look asks for a controller's next session until it is here, or forgotten, or
// has been away for too long.
func (s *seeker) look(id api.RemoteCtrlID) {
	pause := firstAsk
	for since := time.Now(); time.Since(since) < askFor; pause = min(2*pause, lastAsk) {
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-t.C:
		case <-s.ctx.Done():
			t.Stop()
			return
		}
		c, err := s.h.ctrl(s.ctx, func(c *KnownCtrl) bool { return c.ID == id })
		if err != nil || s.h.isHere(id) { // gone, or its end is told
			return
		}
		inv := reachable(c)
		if inv == nil {
			return
		}
		select {
		case s.places <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		a, err := s.ask(inv)
		<-s.places
		if err != nil {
			s.h.log.Debug("remote: a controller was asked for its next session", "err", err)
			continue
		}
		if s.attach(id, a) {
			return
		}
	}
}

// reachable is the last invitation of a controller that understands questions:
// one that told of other roads than the reference has.
func reachable(c *KnownCtrl) *xrcp.SignedInvitation {
	inv, err := xrcp.ParseInvitation(c.Invitation)
	if err != nil || inv.Hint(xrcp.HintVia) == "" {
		return nil
	}
	return inv
}

// remembered is the text of an invitation to keep, with the roads of the last
// one where it tells of none: an announcement has no room for all.
func remembered(inv *xrcp.SignedInvitation, last string) string {
	if before, err := xrcp.ParseInvitation(last); err == nil && len(inv.Hints) == 0 {
		if more, err := inv.WithHints(before.Hints...); err == nil {
			inv = more
		}
	}
	return inv.String()
}

func (s *seeker) ask(inv *xrcp.SignedInvitation) (roads.Answer, error) {
	ctx, cancel := context.WithTimeout(s.ctx, askTimeout)
	defer cancel()
	known, err := s.h.ctrls(ctx)
	if err != nil {
		return roads.Answer{}, err
	}
	var pairings []*xrcp.ControllerPairing
	for _, c := range known {
		if c.Pairing.Controller == inv.CA {
			pairings = append(pairings, c.Pairing)
		}
	}
	return roads.Ask(ctx, roads.Config{Via: s.via, Log: s.h.log}, inv, pairings, s.h.now, xrcp.DefaultWindow)
}

// attach begins the session of an answer; it tells whether the controller is
// here.
func (s *seeker) attach(id api.RemoteCtrlID, answer roads.Answer) bool {
	if s.h.attached(id, answer.Invitation) {
		return s.h.isHere(id)
	}
	c, err := s.h.ctrl(s.ctx, func(c *KnownCtrl) bool { return c.ID == id })
	if err != nil {
		return false
	}
	var via []string
	for _, n := range s.via {
		via = append(via, string(n))
	}
	a, err := s.h.start(s.ctx, answer.Invitation, c, true, nil, askOptions{via: via})
	if err != nil {
		s.h.log.Debug("remote: a controller has answered", "err", err)
		return false
	}
	select {
	case <-a.greeted:
		return a.failed() == nil
	case <-s.ctx.Done():
		return true
	}
}

// isHere tells whether a session of a controller is open.
func (h *Host) isHere(id api.RemoteCtrlID) bool {
	for _, a := range h.sessions() {
		if a.ctrlID() == id && a.line().State == "connected" {
			return true
		}
	}
	return false
}
