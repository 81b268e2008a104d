package profile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
)

// quiet is how long nothing must have happened for the relays to be said to
// hold nothing more. A relay on the same continent answers an acknowledgement,
// with the next message, in a fifth of it.
const quiet = 500 * time.Millisecond

// grace is how long a relay that is down may take to come back before it is
// taken to be down: a restart, and the agent's first retry, take less.
const grace = 2 * time.Second

// watch stands between the agent and the core and knows when it became quiet.
type watch struct {
	next agent.Handler

	mu     sync.Mutex
	last   time.Time        // guarded by mu: when the last event ended
	active int              // guarded by mu: events being handled
	down   map[string]error // guarded by mu: relays that cannot be reached
}

var (
	_ agent.Handler = (*watch)(nil)
	_ agent.Storer  = (*watch)(nil)
)

func newWatch() *watch {
	return &watch{last: time.Now(), down: map[string]error{}}
}

func (w *watch) note(change int) {
	w.mu.Lock()
	w.last = time.Now()
	w.active += change
	w.mu.Unlock()
}

// HandleEvent implements [agent.Handler].
func (w *watch) HandleEvent(ctx context.Context, conn agent.ConnID, ev agent.Event) error {
	w.note(+1)
	defer w.note(-1)
	return w.next.HandleEvent(ctx, conn, ev)
}

// StoreEvent implements [agent.Storer].
func (w *watch) StoreEvent(ctx context.Context, conn agent.ConnID, ev agent.Event) (agent.Stored, error) {
	s, ok := w.next.(agent.Storer)
	if !ok {
		return agent.Stored{}, agent.ErrLater
	}
	w.note(+1)
	defer w.note(-1)
	return s.StoreEvent(ctx, conn, ev)
}

// HandleStatus implements [agent.Handler].
func (w *watch) HandleStatus(ctx context.Context, st agent.Status) {
	w.mu.Lock()
	w.last = time.Now()
	if delete(w.down, st.Server); !st.Up {
		w.down[st.Server] = st.Err
	}
	w.mu.Unlock()
	w.next.HandleStatus(ctx, st)
}

// isQuiet reports whether nothing has happened for a while.
func (w *watch) isQuiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.active == 0 && time.Since(w.last) >= quiet
}

// isDown reports why all of servers cannot be reached, if that is so.
func (w *watch) isDown(servers []string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last error
	for _, s := range servers {
		err, down := w.down[s]
		if !down {
			return false, nil
		}
		last = err
	}
	return len(servers) > 0, last
}

// Fetch waits until every connection has been subscribed and what the relays
// held for it has been handled, or its relays are found to be down, which is
// the error. [Profile.Run] must run.
func (p *Profile) Fetch(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; {
		waiting, down, err := p.unsubscribed(ctx)
		if err != nil {
			return err
		}
		if waiting == 0 && p.watch.isQuiet() && (down == nil || time.Since(start) >= grace) {
			return down
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// unsubscribed counts the connections that wait for their relay, and says why
// a relay is down.
func (p *Profile) unsubscribed(ctx context.Context) (waiting int, down, err error) {
	var ids []agent.ConnID
	err = p.conns.View(ctx, func(tx agent.Tx) (err error) {
		ids, err = tx.Conns()
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	for _, id := range ids {
		c, err := p.agent.Connection(ctx, id)
		if errors.Is(err, agent.ErrNotFound) {
			continue // deleted since
		}
		if err != nil {
			return 0, nil, err
		}
		if c.Subscribed || len(c.RcvServers) == 0 {
			continue
		}
		if is, why := p.watch.isDown(c.RcvServers); is {
			down = fmt.Errorf("profile: relay down: %w", why)
			continue
		}
		waiting++
	}
	return waiting, down, nil
}
