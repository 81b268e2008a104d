package chat

import "sync"

// bell wakes all who wait for news. Its zero value does not work; see newBell.
type bell struct {
	mu sync.Mutex
	ch chan struct{} // guarded by mu; closed by ring
}

func newBell() *bell { return &bell{ch: make(chan struct{})} }

// wait returns a channel that is closed by the next ring. Take it before
// looking for news, so that none is missed.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
