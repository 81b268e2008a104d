package peer

import (
	"math/rand/v2"
	"time"
)

const (
	firstWait = 5 * time.Second
	lastWait  = 12 * time.Hour
)

// Backoff is how long to wait after so many failures in a row: 5 seconds,
// doubling up to 12 hours, a quarter more or less by chance. Everything that is
// tried again waits by it.
func Backoff(fails int) time.Duration {
	if fails <= 0 {
		return 0
	}
	d := lastWait
	if fails < 15 {
		d = min(firstWait<<(fails-1), lastWait)
	}
	return d*3/4 + rand.N(d/2)
}
