package pgqueues

import "time"

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
