// Package agenttest runs agents in tests: a [Party] is an agent with a client
// that takes every event down and can wait for one, and that can be stopped
// and started again on the same store.
package agenttest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/agent"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
)

// Timeout is how long tests wait for something that should come at once, or
// for the next thing to happen on the way to it.
const Timeout = 60 * time.Second

// Timing is quick: for relays on the loopback interface.
var Timing = agent.Timing{
	RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond,
	QuotaMin: 50 * time.Millisecond, QuotaMax: 200 * time.Millisecond,
}

// Client is an [agent.Handler] that takes everything down. It outlives the
// agent, as a client's database does, and knows messages that come again.
type Client struct {
	// Handle, if set, is called first; its error is the answer.
	Handle func(ctx context.Context, conn agent.ConnID, ev agent.Event) error

	mu     sync.Mutex // guards what follows
	events map[agent.ConnID][]agent.Event
	seen   map[messageKey]bool
	again  int
	status []agent.Status
	change chan struct{} // closed and replaced when something comes
}

type messageKey struct {
	conn agent.ConnID
	id   int64
}

// NewClient makes a client that accepts everything.
func NewClient() *Client {
	return &Client{
		events: make(map[agent.ConnID][]agent.Event), seen: make(map[messageKey]bool), change: make(chan struct{}),
	}
}

// HandleEvent implements [agent.Handler].
func (c *Client) HandleEvent(ctx context.Context, conn agent.ConnID, ev agent.Event) error {
	if c.Handle != nil {
		if err := c.Handle(ctx, conn, ev); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := ev.(agent.Message); ok {
		k := messageKey{conn, m.ID}
		if c.seen[k] {
			c.again++
			return nil
		}
		c.seen[k] = true
	}
	c.events[conn] = append(c.events[conn], ev)
	c.changedLocked()
	return nil
}

// HandleStatus implements [agent.Handler].
func (c *Client) HandleStatus(_ context.Context, st agent.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = append(c.status, st)
	c.changedLocked()
}

func (c *Client) changedLocked() {
	close(c.change)
	c.change = make(chan struct{})
}

// Events are those of a connection so far.
func (c *Client) Events(conn agent.ConnID) []agent.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]agent.Event(nil), c.events[conn]...)
}

// Statuses are the news of relays so far.
func (c *Client) Statuses() []agent.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]agent.Status(nil), c.status...)
}

// Again is how many messages came that had come before.
func (c *Client) Again() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.again
}

// WaitFor waits until ok returns true; it is called again after every change.
// It gives up when nothing has changed for [Timeout], or after ten times that.
func (c *Client) WaitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	last := time.NewTimer(10 * Timeout)
	defer last.Stop()
	late := time.NewTimer(Timeout)
	defer late.Stop()
	for {
		c.mu.Lock()
		change := c.change
		c.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-change:
			late.Reset(Timeout)
		case <-late.C:
			t.Fatalf("agenttest: no %s in %v", what, Timeout)
		case <-last.C:
			t.Fatalf("agenttest: no %s in %v", what, 10*Timeout)
		}
	}
}

// Forget lets the client forget what it has seen, as a restored database does.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.seen)
}

// All are the connection's events of type E so far.
func All[E agent.Event](c *Client, conn agent.ConnID) (out []E) {
	for _, ev := range c.Events(conn) {
		if e, ok := ev.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

// count is how many there are.
func count[E agent.Event](c *Client, conn agent.ConnID) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range c.events[conn] {
		if _, ok := ev.(E); ok {
			n++
		}
	}
	return n
}

// Wait waits until the connection has n events of type E and returns them.
func Wait[E agent.Event](t testing.TB, c *Client, conn agent.ConnID, n int) (out []E) {
	t.Helper()
	var e E
	defer func() {
		if t.Failed() {
			t.Logf("agenttest: the connection had %d of %d %T", len(All[E](c, conn)), n, e)
			for _, ev := range c.Events(conn) {
				if err, ok := ev.(agent.ConnError); ok {
					t.Logf("agenttest: %v", err.Err)
				}
			}
		}
	}()
	c.WaitFor(t, "event", func() bool { return count[E](c, conn) >= n })
	return All[E](c, conn)
}

// WaitLong waits until the connection has n events of type E, for longer than
// others do.
func WaitLong[E agent.Event](t testing.TB, c *Client, conn agent.ConnID, n int, d time.Duration) {
	t.Helper()
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		c.mu.Lock()
		change := c.change
		c.mu.Unlock()
		have := count[E](c, conn)
		if have >= n {
			return
		}
		select {
		case <-change:
		case <-late.C:
			t.Fatalf("agenttest: %d of %d events in %v", have, n, d)
		}
	}
}

// Config is what a [Party] is made of.
type Config struct {
	// Open opens the party's store, the same one every time, and gives the
	// function that closes it.
	Open    func(t testing.TB) (agent.Store, func() error)
	Servers []string
	// Agent may change the agent's configuration before each start.
	Agent func(*agent.Config)
}

// Party is an agent with its client.
type Party struct {
	*agent.Agent
	Client *Client

	t    testing.TB
	cfg  Config
	stop func()
}

// Start starts a party that ends with the test.
func Start(t testing.TB, cfg Config) *Party {
	t.Helper()
	p := &Party{Client: NewClient(), t: t, cfg: cfg}
	t.Cleanup(p.Stop)
	p.Restart()
	return p
}

// AddServer adds a relay to the configuration of the next start.
func (p *Party) AddServer(s string) { p.cfg.Servers = append(p.cfg.Servers, s) }

// Configure changes the agent's configuration from the next start on.
func (p *Party) Configure(fn func(*agent.Config)) {
	before := p.cfg.Agent
	p.cfg.Agent = func(c *agent.Config) {
		if before != nil {
			before(c)
		}
		fn(c)
	}
}

// Stop ends the agent and closes its store. It may be called again.
func (p *Party) Stop() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

// Restart stops the agent if it runs and starts another on the same store.
func (p *Party) Restart() {
	p.t.Helper()
	p.Stop()
	s, closeStore := p.cfg.Open(p.t)
	cfg := agent.Config{Store: s, Dial: agent.DialSMP(smpclient.Options{}), Servers: p.cfg.Servers, Timing: Timing}
	if p.cfg.Agent != nil {
		p.cfg.Agent(&cfg)
	}
	a, err := agent.New(cfg)
	if err != nil {
		p.t.Fatalf("agenttest: %v", errors.Join(err, closeStore()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, p.Client) }()
	p.Agent = a
	p.stop = func() {
		cancel()
		if err := errors.Join(<-done, closeStore()); err != nil {
			p.t.Errorf("agenttest: %v", err)
		}
	}
}
