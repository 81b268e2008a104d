package work

import (
	"context"
	"sync"
)

// Locks are one lock for each key. The zero value is fit for use.
type Locks struct {
	mu sync.Mutex // guards m
	m  map[string]*lock
}

type lock struct {
	held  chan struct{} // has a value while it is held
	users int           // holding or waiting; guarded by Locks.mu
}

// Lock waits for the key's lock until ctx ends.
func (l *Locks) Lock(ctx context.Context, key string) (unlock func(), err error) {
	l.mu.Lock()
	if l.m == nil {
		l.m = make(map[string]*lock)
	}
	c := l.m[key]
	if c == nil {
		c = &lock{held: make(chan struct{}, 1)}
		l.m[key] = c
	}
	c.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.users--; c.users == 0 {
			delete(l.m, key)
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
