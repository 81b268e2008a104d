package smpserver

import (
	"sync"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// outItem is what the writer has to send: a message of the protocol, or,
// with a nil msg, what waits first in a queue, if anything.
type outItem struct {
	corr   smp.CorrID // empty in events
	entity smp.EntityID
	msg    smp.Message
	pull   pullKind // with a nil msg
}

// pullKind says for what the first message of a queue is taken.
type pullKind uint8

const (
	pullEvent  pullKind = iota
	pullAnswer          // to ACK; OK if there is none
	pullGet             // to GET; OK if there is none
	pullNtf             // a notification, as an event
)

// out is the queue between whoever has something for a connection and its
// writer. Adding never blocks: runners wait on their own queue's length
// before they take more commands, and subscriptions are in it once.
type out struct {
	mu     sync.Mutex
	items  []outItem
	held   int           // while positive the writer waits for more
	wake   chan struct{} // of the writer
	room   chan struct{} // of the runner
	closed bool
}

// maxOut is how many items a runner lets its connection's queue hold before
// it waits.
const maxOut = 1024

func newOut() *out { return &out{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)} }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (o *out) add(i outItem) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.items = append(o.items, i)
	if o.held == 0 {
		signal(o.wake)
	}
}

// hold keeps the writer waiting, so that what is added next shares blocks.
func (o *out) hold() {
	o.mu.Lock()
	o.held++
	o.mu.Unlock()
}

func (o *out) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held--
	if o.held == 0 && len(o.items) > 0 {
		signal(o.wake)
	}
}

// take gives the items that wait, at most n, and whether that was all and no
// more will come. It gives none while held.
func (o *out) take(buf []outItem, n int) (items []outItem, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held > 0 && !o.closed {
		return buf, false
	}
	k := min(n, len(o.items))
	buf = append(buf, o.items[:k]...)
	rest := copy(o.items, o.items[k:])
	clear(o.items[rest:])
	o.items = o.items[:rest]
	if rest == 0 {
		o.items = nil // an idle connection holds none
	}
	if rest < maxOut {
		signal(o.room)
	}
	return buf, o.closed && rest == 0
}

// full tells whether the runner should wait for room.
func (o *out) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items) >= maxOut && !o.closed
}

// close ends the queue; what is in it is still taken.
func (o *out) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	signal(o.wake)
	signal(o.room)
}
