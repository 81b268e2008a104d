package work

import (
	"context"
	"sync"
	"time"
)

// Job does all there is to do. If again is true it is called again after the
// pause, or as soon as it is kicked.
type Job func(ctx context.Context) (p Pause, again bool)

// Pause is a wait between two calls of a job.
type Pause struct {
	After time.Duration
	Until string // what ends the pause when it wakes, or empty
}

// Group runs jobs. A job has a goroutine only while it has something to do.
// The zero value is a group that was not started. Safe for concurrent use.
type Group struct {
	wg sync.WaitGroup

	mu      sync.Mutex // guards what follows
	ctx     context.Context
	m       map[string]*worker
	running int           // calls of jobs
	quiet   chan struct{} // closed when running becomes 0, or nil
}

type worker struct {
	kick  chan struct{} // holds one kick; never closed
	until string        // guarded by Group.mu
}

// Start lets jobs run until ctx ends. After [Group.Wait] a group may be
// started again.
func (g *Group) Start(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ctx, g.m = ctx, make(map[string]*worker)
}

// Wait returns when all jobs have ended; the context of [Group.Start] must
// have.
func (g *Group) Wait() {
	g.mu.Lock()
	g.m = nil
	g.mu.Unlock()
	g.wg.Wait()
}

// Kick runs the job now, or once more if it is running. Before the start and
// after the end it does nothing.
func (g *Group) Kick(key string, j Job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.m == nil || g.ctx.Err() != nil {
		return
	}
	if have, ok := g.m[key]; ok {
		have.wake()
		return
	}
	n := &worker{kick: make(chan struct{}, 1)}
	g.m[key] = n
	g.running++
	g.wg.Go(func() { g.run(g.ctx, key, n, j) })
}

// Wake ends the pauses that wait for something.
func (g *Group) Wake(until string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.m {
		if n.until == until {
			n.wake()
		}
	}
}

// Quiet waits until no job runs: all have ended or pause. The error is of ctx.
func (g *Group) Quiet(ctx context.Context) error {
	g.mu.Lock()
	if g.running == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.quiet == nil {
		g.quiet = make(chan struct{})
	}
	quiet := g.quiet
	g.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *worker) wake() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

func (g *Group) run(ctx context.Context, key string, n *worker, j Job) {
	for ctx.Err() == nil {
		select {
		case <-n.kick:
		default:
		}
		p, again := j(ctx)
		if again {
			g.pause(ctx, n, p)
		} else if g.ended(key, n) {
			return
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.restsLocked()
}

// ended takes the worker away unless it was kicked in the meantime.
func (g *Group) ended(key string, n *worker) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(n.kick) > 0 {
		return false
	}
	delete(g.m, key)
	g.restsLocked()
	return true
}

func (g *Group) restsLocked() {
	g.running--
	if g.running == 0 && g.quiet != nil {
		close(g.quiet)
		g.quiet = nil
	}
}

func (g *Group) pause(ctx context.Context, n *worker, p Pause) {
	g.mu.Lock()
	n.until = p.Until
	g.restsLocked()
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		n.until = ""
		g.running++
	}()
	t := time.NewTimer(p.After)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-n.kick:
	case <-t.C:
	}
}
