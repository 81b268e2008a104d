package peer

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/swarm/ident"
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

const (
	// flowBurst is how much a device may ask at once, flowRate how much each
	// second in the long run.
	flowBurst = 200
	flowRate  = 20
	maxFlows  = 4096
)

// flow bounds what one device may ask. The zero value is a full measure.
type flow struct {
	mu   sync.Mutex
	used float64   // guarded by mu
	at   time.Time // guarded by mu
}

// take tells whether n more may be asked now.
func (f *flow) take(n float64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.used = max(0, f.used-flowRate*now.Sub(f.at).Seconds())
	f.at = now
	if f.used+n > flowBurst {
		return false
	}
	f.used += n
	return true
}

func (f *flow) rested(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return now.Sub(f.at) > flowBurst/flowRate*time.Second
}

// flow is the measure of a device.
func (e *Engine) flow(dev ident.DeviceID) *flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.flows[dev]
	if f == nil {
		if len(e.flows) >= maxFlows {
			now := time.Now()
			for d, f := range e.flows {
				if f.rested(now) {
					delete(e.flows, d)
				}
			}
		}
		f = &flow{}
		if len(e.flows) < maxFlows {
			e.flows[dev] = f
		} else {
			f.used, f.at = flowBurst, time.Now() // nothing for strangers now
		}
	}
	return f
}

const (
	// fetchStart is what a fetch may take whatever it brings, and fetchRate the
	// bytes a second that it must bring beyond: who drips holds up a
	// conversation for a minute, not for all of fetchTime.
	fetchStart = time.Minute
	fetchRate  = 1024
)

// paced is a stream whose end moves away as bytes come.
type paced struct {
	Stream
	start time.Time
	last  time.Time // the end at the latest
	bytes int64     // owned by the reader
}

func newPaced(s Stream, now time.Time, limit time.Duration) *paced {
	p := &paced{Stream: s, start: now, last: now.Add(limit)}
	p.move()
	return p
}

func (p *paced) move() {
	end := p.start.Add(fetchStart + time.Duration(p.bytes)*time.Second/fetchRate)
	if end.After(p.last) {
		end = p.last
	}
	p.SetEnd(end)
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Stream.Read(b)
	p.bytes += int64(n)
	p.move()
	return n, err
}
