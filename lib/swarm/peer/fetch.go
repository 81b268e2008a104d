package peer

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/commit"
	"github.com/simplexkit/simplexkit/lib/swarm/drt"
	"github.com/simplexkit/simplexkit/lib/swarm/ident"
)

const (
	// mergeStep is the part of a second that each member adds to the time in
	// which merges of the same heads are spread.
	mergeStep = 100 * time.Millisecond
	mergeMax  = time.Minute
	// giveUp is how often a device is asked for a commit in vain.
	giveUp = 8
)

// noticed is an input: a device says that a commit is its head. What it said
// before is below that, so one commit of each device is wanted at most.
func (c *conv) noticed(ctx context.Context, from ident.DeviceID, id commit.ObjectID) {
	c.recent.add(id, from)
	c.peer(from).head = id
	if c.refused[id] {
		return
	}
	has, err := c.e.cfg.Store.Has(ctx, c.id, id)
	if err != nil {
		return
	}
	c.drop(from)
	if !has && len(c.wants[id]) < maxSources {
		c.wants[id] = append(c.wants[id], from)
	}
}

// pump starts the next fetch or merge, if none runs.
func (c *conv) pump(ctx context.Context) {
	if c.busy || ctx.Err() != nil {
		return
	}
	now := time.Now()
	for _, devs := range c.wants {
		for _, dev := range devs {
			if !now.Before(c.peer(dev).retry) {
				c.busy = c.e.spawn(func(ctx context.Context) {
					got, err := c.e.fetch(ctx, c.id, dev)
					c.tell(func(ctx context.Context) { c.fetched(ctx, dev, got, err) })
				})
				return
			}
		}
	}
	if !c.mergeAt.IsZero() && !now.Before(c.mergeAt) {
		c.mergeAt = time.Time{}
		c.busy = c.e.spawn(func(ctx context.Context) {
			id, err := c.e.cfg.Store.Merge(ctx, c.id)
			c.tell(func(ctx context.Context) { c.merged(ctx, id, err) })
		})
	}
}

// fetch runs git-upload-pack's client with a device.
func (e *Engine) fetch(ctx context.Context, id commit.ObjectID, dev ident.DeviceID) (got Fetched, err error) {
	err = e.Clone(ctx, id, dev, func(ctx context.Context, s Stream) error {
		got, err = e.cfg.Store.Fetch(ctx, id, dev, s)
		return err
	})
	return got, err
}

// Clone opens git-upload-pack of a conversation at a device and has fn use it.
// It is for conversations that are not here yet.
func (e *Engine) Clone(ctx context.Context, id commit.ObjectID, dev ident.DeviceID, fn func(ctx context.Context, s Stream) error) error {
	s, done, err := e.open(ctx, dev, protoGit, fetchTime)
	if err != nil {
		return err
	}
	defer done()
	if err := writeJSON(s, header{ID: id}); err != nil {
		return err
	}
	if _, err := readAnswer(s); err != nil {
		return err
	}
	return fn(ctx, newPaced(s, time.Now(), fetchTime))
}

// fetched is an input: a fetch ended.
func (c *conv) fetched(ctx context.Context, dev ident.DeviceID, got Fetched, err error) {
	c.busy = false
	now, p := time.Now(), c.peer(dev)
	switch {
	case err == nil:
		c.arrived(ctx, dev, got)
	case errors.Is(err, ErrRefused):
		// What is invalid stays so: it is shown, and not fetched again.
		for id, devs := range c.wants {
			if slices.Contains(devs, dev) {
				if len(c.refused) < maxRecent {
					c.refused[id] = true
				}
				delete(c.wants, id)
			}
		}
		p.failed(now, "refused: "+err.Error())
	default:
		p.failed(now, err.Error())
		if p.fails >= giveUp || errors.Is(err, ErrUnknown) || errors.Is(err, ErrBanned) || errors.Is(err, ErrIgnored) {
			c.drop(dev)
		}
	}
}

// drop forgets that a device has what we want.
func (c *conv) drop(dev ident.DeviceID) {
	for id, devs := range c.wants {
		devs = slices.DeleteFunc(devs, func(d ident.DeviceID) bool { return d == dev })
		if c.wants[id] = devs; len(devs) == 0 {
			delete(c.wants, id)
		}
	}
}

// arrived sees what a fetch brought of what was wanted, and forwards it.
func (c *conv) arrived(ctx context.Context, dev ident.DeviceID, got Fetched) {
	now, p := time.Now(), c.peer(dev)
	came, lied := false, false
	for id, devs := range c.wants {
		has, err := c.e.cfg.Store.Has(ctx, c.id, id)
		switch {
		case err != nil:
		case has:
			came = true
			delete(c.wants, id)
		case slices.Contains(devs, dev):
			lied = true
		}
	}
	if lied {
		// It told of a commit that it does not give.
		p.failed(now, "announced a commit that it has not got")
		c.drop(dev)
	} else {
		p.fails, p.retry, p.reason, p.synced = 0, time.Time{}, "", now
	}
	if came {
		c.members(ctx) // the commits may have changed them
	}
	switch {
	case got.Diverged: // others cannot fetch it from us before it is merged
		c.due(now)
	case came:
		c.announce(ctx, got.Head, []ident.DeviceID{dev})
	}
}

// due has heads merged when no more of them have come for a while. Chance gives
// each device another time, of a range that is wider the more members there are
// and the more it has merged lately: mostly one merges, and the others move on
// to that.
func (c *conv) due(now time.Time) {
	if now.After(c.quiet) {
		c.merges = 0
	}
	c.quiet = now.Add(2 * mergeMax)
	if c.mergeAt.IsZero() {
		c.mergeBy = now.Add(mergeMax)
	}
	spread := min(mergeStep*time.Duration(len(c.allowed)+1)<<min(c.merges, 8), mergeMax)
	c.mergeAt = now.Add(spread/2 + rand.N(spread))
	if c.mergeAt.After(c.mergeBy) {
		c.mergeAt = c.mergeBy
	}
}

// merged is an input: a merge ended.
func (c *conv) merged(ctx context.Context, id commit.ObjectID, err error) {
	c.busy = false
	if err != nil {
		c.e.log.Warn("swarm: merge", "err", err)
		return
	}
	if !id.IsZero() {
		c.merges++
		c.announce(ctx, id, []ident.DeviceID{})
	}
}

// greet tells a device of our head.
func (c *conv) greet(ctx context.Context, dev ident.DeviceID) {
	head, err := c.e.cfg.Store.Head(ctx, c.id)
	if err != nil || head.IsZero() || c.recent.has(head, dev) {
		return
	}
	c.recent.add(head, dev)
	c.e.notify(dev, c.id, head)
}

// header opens streams that are about a conversation.
type header struct {
	ID commit.ObjectID `json:"id"`
}

func (e *Engine) serveGit(ctx context.Context, from ident.DeviceID, s Stream) error {
	s.SetEnd(time.Now().Add(fetchTime))
	var h header
	if err := readJSON(s, maxHeader, &h); err != nil {
		return err
	}
	err := e.cfg.Store.Allow(ctx, h.ID, from)
	if err == nil && !e.flow(from).take(5) {
		err = errBusy
	}
	if err != nil {
		return refuse(s, err)
	}
	if err := writeJSON(s, answer{}); err != nil {
		return err
	}
	return e.cfg.Store.Serve(ctx, h.ID, from, s)
}

// nodeID is a device in the table's words.
func nodeID(dev ident.DeviceID) drt.ID { return drt.ID(dev) }
