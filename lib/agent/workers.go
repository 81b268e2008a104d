package agent

import (
	"context"
	"sync"
	"time"
)

// job does all there is to do. If again is true it is called again after the
// pause, or as soon as it is kicked.
type job func(ctx context.Context) (p pause, again bool)

// pause is a wait between two calls of a job.
type pause struct {
	after time.Duration
	until string // the relay whose return ends the pause, or empty
}

// workers run jobs, at most one at a time under each key. A worker is there
// only while it has something to do.
type workers struct {
	wg sync.WaitGroup

	mu  sync.Mutex // guards what follows
	ctx context.Context
	m   map[string]*worker
}

type worker struct {
	kick  chan struct{} // holds one kick; never closed
	until string        // guarded by workers.mu
}

// start lets jobs run until ctx ends.
func (w *workers) start(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx, w.m = ctx, make(map[string]*worker)
}

// wait returns when all jobs have ended; ctx must have.
func (w *workers) wait() {
	w.mu.Lock()
	w.m = nil
	w.mu.Unlock()
	w.wg.Wait()
}

// kick runs the job now, or once more if it is running. Before start and
// after the end it does nothing: what is to be done is found at the start.
func (w *workers) kick(key string, j job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil || w.ctx.Err() != nil {
		return
	}
	if have, ok := w.m[key]; ok {
		have.wake()
		return
	}
	n := &worker{kick: make(chan struct{}, 1)}
	w.m[key] = n
	w.wg.Go(func() { w.run(w.ctx, key, n, j) })
}

// wake ends the pauses of jobs that wait for a relay.
func (w *workers) wake(until string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.m {
		if n.until == until {
			n.wake()
		}
	}
}

func (n *worker) wake() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

func (w *workers) run(ctx context.Context, key string, n *worker, j job) {
	for ctx.Err() == nil {
		select {
		case <-n.kick:
		default:
		}
		p, again := j(ctx)
		if again {
			w.pause(ctx, n, p)
		} else if w.ended(key, n) {
			return
		}
	}
}

// ended takes the worker away unless it was kicked in the meantime.
func (w *workers) ended(key string, n *worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(n.kick) > 0 {
		return false
	}
	delete(w.m, key)
	return true
}

func (w *workers) pause(ctx context.Context, n *worker, p pause) {
	w.setUntil(n, p.until)
	defer w.setUntil(n, "")
	t := time.NewTimer(p.after)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-n.kick:
	case <-t.C:
	}
}

func (w *workers) setUntil(n *worker, until string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n.until = until
}

// locks are one lock for each connection.
type locks struct {
	mu sync.Mutex // guards m
	m  map[ConnID]*connLock
}

type connLock struct {
	held  chan struct{} // has a value while it is held
	users int           // holding or waiting; guarded by locks.mu
}

// lock waits for the connection's lock until ctx ends.
func (l *locks) lock(ctx context.Context, id ConnID) (unlock func(), err error) {
	l.mu.Lock()
	if l.m == nil {
		l.m = make(map[ConnID]*connLock)
	}
	c := l.m[id]
	if c == nil {
		c = &connLock{held: make(chan struct{}, 1)}
		l.m[id] = c
	}
	c.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.users--; c.users == 0 {
			delete(l.m, id)
		}
	}
	select {
	case c.held <- struct{}{}:
		return func() { <-c.held; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
