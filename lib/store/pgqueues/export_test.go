package pgqueues

import (
	"context"
	"time"
)

// WaitQueued waits until n updates wait for the turn.
func WaitQueued(s *DB, n int) {
	for {
		s.mu.Lock()
		have := len(s.queue)
		s.mu.Unlock()
		if have >= n {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// Prune deletes all changes up to now.
func Prune(ctx context.Context, s *DB) error { return s.prune(ctx, time.Now().Add(time.Minute)) }
