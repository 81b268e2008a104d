package peer

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/p2p"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/drt"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

const (
	maxInputs  = 256
	maxRecent  = 256 // commits of which it is remembered who has them
	maxSources = 8
	// randomMembers are notified beside the neighbours.
	randomMembers = 2
	// idleTick is how long the loop sleeps at most.
	idleTick = drt.Refresh
)

// conv is one conversation. Its loop takes one input after the other; what
// takes time runs beside and comes back as an input.
type conv struct {
	e  *Engine
	id commit.ObjectID
	in chan func(ctx context.Context)
	// done is closed when the loop ended.
	done chan struct{}
	seen atomic.Pointer[Status]

	started bool   // guarded by e.mu
	stop    func() // guarded by e.mu

	// The rest is owned by the loop.
	table   *drt.Machine
	allowed map[drt.ID]bool
	chans   map[ident.DeviceID][]*channel
	peers   map[ident.DeviceID]*peerState
	wants   map[commit.ObjectID][]ident.DeviceID // who has it
	recent  recent
	refused map[commit.ObjectID]bool
	busy    bool      // a fetch or a merge runs
	mergeAt time.Time // zero if none is due
	mergeBy time.Time // when it is not put off any more
	merges  int       // of ours since it was last quiet
	quiet   time.Time // when merges is forgotten
}

// peerState is what is remembered of a device that was asked.
type peerState struct {
	fails  int
	retry  time.Time // not to be asked before
	synced time.Time
	head   commit.ObjectID // the last that it told
	reason string          // of the last failure
}

func (p *peerState) failed(now time.Time, reason string) {
	p.fails++
	p.retry, p.reason = now.Add(Backoff(p.fails)), reason
}

func newConv(e *Engine, id commit.ObjectID) *conv {
	c := &conv{e: e, id: id, in: make(chan func(context.Context), maxInputs), done: make(chan struct{}),
		allowed: map[drt.ID]bool{}, chans: map[ident.DeviceID][]*channel{}, peers: map[ident.DeviceID]*peerState{},
		wants: map[commit.ObjectID][]ident.DeviceID{}, refused: map[commit.ObjectID]bool{},
		recent: recent{by: map[commit.ObjectID]map[ident.DeviceID]bool{}}}
	cfg := drt.Config{Self: drt.ID(e.cfg.Net.Self()), Conversation: id.String(), Backoff: Backoff,
		Allowed: func(id drt.ID) bool { return c.allowed[id] }, CheckLease: e.cfg.CheckLease,
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	if e.cfg.Lease != nil {
		cfg.Lease = e.cfg.Lease(id)
	}
	c.table = drt.NewMachine(cfg)
	return c
}

// tell hands the loop an input; it is dropped if the loop does not run.
func (c *conv) tell(fn func(ctx context.Context)) {
	c.e.mu.Lock()
	started := c.started
	c.e.mu.Unlock()
	if !started {
		return
	}
	select {
	case c.in <- fn:
	case <-c.done:
	}
}

func (c *conv) run(ctx context.Context) {
	defer close(c.done)
	defer c.closeAll()
	c.members(ctx)
	c.act(c.table.Tick(time.Now()))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case fn := <-c.in:
			fn(ctx)
		case <-timer.C:
			c.act(c.table.Tick(time.Now()))
		}
		c.pump(ctx)
		timer.Reset(c.wait())
		c.show()
	}
}

// wait is how long nothing is to be done.
func (c *conv) wait() time.Duration {
	now := time.Now()
	next := now.Add(idleTick)
	at := []time.Time{c.table.Next(now)}
	if !c.busy {
		at = append(at, c.mergeAt)
		for _, devs := range c.wants {
			for _, dev := range devs {
				at = append(at, c.peer(dev).retry)
			}
		}
	}
	for _, t := range at {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return max(next.Sub(now), 10*time.Millisecond)
}

func (c *conv) peer(dev ident.DeviceID) *peerState {
	p := c.peers[dev]
	if p == nil {
		p = &peerState{}
		c.peers[dev] = p
	}
	return p
}

// members reads anew who takes part.
func (c *conv) members(ctx context.Context) {
	devs, err := c.e.cfg.Store.Members(ctx, c.id)
	if err != nil {
		c.e.log.Warn("swarm: members", "err", err)
		return
	}
	now, allowed := time.Now(), map[drt.ID]bool{}
	ids := make([]drt.ID, len(devs))
	for i, dev := range devs {
		ids[i] = drt.ID(dev)
		allowed[ids[i]] = true
	}
	old := c.allowed
	for id := range old {
		// A device that is not in the history yet may be one of a member.
		if !allowed[id] && c.e.cfg.Store.Allow(ctx, c.id, ident.DeviceID(id)) == nil {
			allowed[id] = true
		}
	}
	c.allowed = allowed
	for id := range old {
		if !allowed[id] {
			delete(c.peers, ident.DeviceID(id))
			c.act(c.table.Forget(now, id))
		}
	}
	c.act(c.table.Learn(now, ids...))
}

func (c *conv) reachable(_ context.Context, devs []ident.DeviceID) {
	var ids []drt.ID
	for _, dev := range devs {
		if c.allowed[drt.ID(dev)] {
			ids = append(ids, drt.ID(dev))
		}
		if p := c.peers[dev]; p != nil {
			p.fails, p.retry = 0, time.Time{}
		}
	}
	if len(devs) == 0 {
		for _, p := range c.peers {
			p.fails, p.retry = 0, time.Time{}
		}
	}
	if len(ids) > 0 || len(devs) == 0 {
		c.act(c.table.Reachable(time.Now(), ids...))
	}
}

// announce notifies the neighbours of a commit, and, if it is our own,
// the account's other devices and two random members.
func (c *conv) announce(ctx context.Context, id commit.ObjectID, from []ident.DeviceID) {
	for _, dev := range from {
		c.recent.add(id, dev)
	}
	var to []ident.DeviceID
	for _, n := range c.table.Table().Nodes() {
		to = append(to, ident.DeviceID(n))
	}
	for _, n := range c.table.ToWake(time.Now()) {
		to = append(to, ident.DeviceID(n))
	}
	if from == nil {
		to = append(to, c.beside(ctx, to)...)
	}
	for _, dev := range to {
		if !c.recent.has(id, dev) {
			c.recent.add(id, dev)
			c.e.notify(dev, c.id, id)
		}
	}
}

// beside are the account's other devices, and random members' devices, that
// are not among connected.
func (c *conv) beside(ctx context.Context, connected []ident.DeviceID) (out []ident.DeviceID) {
	devs, err := c.e.cfg.Store.Members(ctx, c.id)
	if err != nil {
		return nil
	}
	now := time.Now()
	rand.Shuffle(len(devs), func(i, j int) { devs[i], devs[j] = devs[j], devs[i] })
	others := 0
	for _, dev := range devs {
		if slices.Contains(connected, dev) || now.Before(c.peer(dev).retry) {
			continue
		}
		if c.e.cfg.Sync != nil && c.e.cfg.Sync.Same(dev) {
			out = append(out, dev)
		} else if others < randomMembers {
			others++
			out = append(out, dev)
		}
	}
	return out
}

// recent remembers which devices are known to have which commits.
type recent struct {
	by    map[commit.ObjectID]map[ident.DeviceID]bool
	order []commit.ObjectID
}

func (r *recent) add(id commit.ObjectID, dev ident.DeviceID) {
	if r.by[id] == nil {
		if len(r.order) >= maxRecent {
			delete(r.by, r.order[0])
			r.order = r.order[1:]
		}
		r.by[id] = map[ident.DeviceID]bool{}
		r.order = append(r.order, id)
	}
	r.by[id][dev] = true
}

func (r *recent) has(id commit.ObjectID, dev ident.DeviceID) bool { return r.by[id][dev] }

// Status is how a conversation is connected.
type Status struct {
	Neighbours int            `json:"neighbours"`
	Members    int            `json:"devices"`
	Wanted     int            `json:"wanted"`      // commits heard of and not here
	Refused    int            `json:"quarantined"` // heads that are not asked for any more
	Merging    time.Time      `json:"merging,omitzero"`
	Devices    []DeviceStatus `json:"peers"`
}

// DeviceStatus is a device of a conversation.
type DeviceStatus struct {
	Device    ident.DeviceID  `json:"device"`
	Road      p2p.Road        `json:"road"`
	Neighbour bool            `json:"neighbour"`
	Head      commit.ObjectID `json:"head,omitzero"` // the last that it told us of
	Synced    time.Time       `json:"synced,omitzero"`
	Retry     time.Time       `json:"retry,omitzero"`
	Fails     int             `json:"fails,omitempty"`
	Reason    string          `json:"reason,omitempty"` // of the last failure
}

// show makes what Status returns.
func (c *conv) show() {
	st := &Status{Neighbours: len(c.chans), Members: len(c.allowed), Wanted: len(c.wants), Refused: len(c.refused), Merging: c.mergeAt}
	now := time.Now()
	for id := range c.allowed {
		dev := ident.DeviceID(id)
		d := DeviceStatus{Device: dev, Neighbour: len(c.chans[dev]) > 0}
		if p := c.peers[dev]; p != nil {
			d.Head, d.Synced, d.Fails, d.Reason = p.head, p.synced, p.fails, p.reason
			if p.retry.After(now) {
				d.Retry = p.retry
			}
		}
		if at := c.table.Retry(id); at.After(now) && d.Retry.IsZero() {
			d.Retry = at
		}
		st.Devices = append(st.Devices, d)
	}
	slices.SortFunc(st.Devices, func(a, b DeviceStatus) int { return slices.Compare(a.Device[:], b.Device[:]) })
	c.seen.Store(st)
}

// Status is the state of a conversation as of its last change; nil if it is not
// joined.
func (e *Engine) Status(id commit.ObjectID) *Status {
	c := e.conv(id)
	if c == nil {
		return nil
	}
	st := &Status{}
	if seen := c.seen.Load(); seen != nil {
		*st = *seen
	}
	st.Devices = slices.Clone(st.Devices)
	for i := range st.Devices {
		st.Devices[i].Road = e.cfg.Net.Road(st.Devices[i].Device)
	}
	return st
}
