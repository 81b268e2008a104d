package smproad

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/simplexkit/simplexkit/lib/crypto/box"
)

// Flow control.
const (
	window     = 32              // D under way, in each direction
	ackEvery   = window / 4      // D taken before an A is sent for itself
	maxUnsent  = 256 << 10       // bytes that Write takes ahead of the relay
	closeAfter = 5 * time.Second // at most, for the rest to be sent
	lastWords  = 5 * time.Second // at most, for the rest to come of one whose queue is gone
)

// conn is a stream in two queues.
type conn struct {
	id       streamID
	key      *box.Key
	send     direction
	recv     direction
	post     *post // owned by run
	peer     net.Addr
	deadline [2]deadline // of reads and of writes

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when anything below changes; guarded by mu
	next     uint64        // number that comes next
	in       [][]byte      // of D that were not read
	taken    uint32        // D read completely
	told     uint32        // of them, said to the other end
	unsent   []byte
	sent     uint32 // D sent
	released uint32 // of them, taken by the other end
	number   uint64 // of the next message
	peerEnds bool   // F came
	closing  bool   // Close was called
	sendErr  error  // nothing more can be sent
	err      error  // the stream is broken

	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended
}

func newConn(id streamID, k *box.Key, send, recv direction, p *post, peer net.Addr) *conn {
	c := &conn{
		id: id, key: k, send: send, recv: recv, post: p, peer: peer,
		changed: make(chan struct{}), done: make(chan struct{}),
	}
	c.deadline[0].init()
	c.deadline[1].init()
	return c
}

func (c *conn) changeLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// fail ends the stream with an error.
func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		c.changeLocked()
	}
}

// receive takes a message; it does not wait.
func (c *conn) receive(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || m.number < c.next {
		return // it came before
	}
	text, err := m.open(c.key, c.recv)
	if err != nil {
		return // a stranger's
	}
	f, err := parseFrame(text)
	if err != nil || m.number > c.next || f.kind == 'D' && len(c.in) >= window || f.kind != 'F' && f.taken-c.released > c.sent-c.released {
		c.err = errMessage
		c.changeLocked()
		return
	}
	c.next++
	switch f.kind {
	case 'F':
		c.peerEnds = true
	case 'D':
		c.in = append(c.in, f.data)
		fallthrough
	case 'A':
		c.released = f.taken
	}
	c.changeLocked()
}

// Read reads.
func (c *conn) Read(b []byte) (int, error) {
	for {
		c.mu.Lock()
		n, err, changed := c.readLocked(b), c.err, c.changed
		if err == nil && c.peerEnds {
			err = io.EOF
		}
		if err == nil && c.closing {
			err = net.ErrClosed
		}
		c.mu.Unlock()
		if n > 0 || len(b) == 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if err := c.deadline[0].wait(changed); err != nil {
			return 0, err
		}
	}
}

func (c *conn) readLocked(b []byte) (n int) {
	for n < len(b) && len(c.in) > 0 {
		m := copy(b[n:], c.in[0])
		n += m
		if c.in[0] = c.in[0][m:]; len(c.in[0]) == 0 {
			c.in[0] = nil
			c.in = c.in[1:]
			if c.taken++; c.taken-c.told >= ackEvery {
				c.changeLocked()
			}
		}
	}
	return n
}

// Write writes; it waits while the relay or the other end is slow.
func (c *conn) Write(b []byte) (n int, err error) {
	for {
		c.mu.Lock()
		err, changed := c.err, c.changed
		switch {
		case err == nil && c.closing:
			err = net.ErrClosed
		case err == nil && c.peerEnds:
			err = io.ErrClosedPipe
		case err == nil:
			err = c.sendErr
		}
		if m := min(len(b), maxUnsent-len(c.unsent)); err == nil && m > 0 {
			c.unsent = append(c.unsent, b[:m]...)
			b, n = b[m:], n+m
			c.changeLocked()
		}
		c.mu.Unlock()
		if err != nil || len(b) == 0 {
			return n, err
		}
		if err := c.deadline[1].wait(changed); err != nil {
			return n, err
		}
	}
}

// nextFrame is what is to be sent now; ok is false if there is nothing.
func (c *conn) nextFrame() (f frame, number uint64, ok, last bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return f, 0, false, true, c.changed
	case len(c.unsent) > 0 && c.sent-c.released < window && !c.peerEnds:
		n := min(len(c.unsent), maxData)
		f = frame{kind: 'D', data: append([]byte(nil), c.unsent[:n]...)}
		c.unsent = append(c.unsent[:0], c.unsent[n:]...)
		c.sent++
		c.changeLocked()
	case c.closing && (len(c.unsent) == 0 || c.peerEnds):
		f, last = frame{kind: 'F'}, true
	case c.taken-c.told >= ackEvery && !c.peerEnds:
		f = frame{kind: 'A'}
	default:
		return f, 0, false, false, c.changed
	}
	if f.kind != 'F' {
		c.told, f.taken = c.taken, c.taken
	}
	number = c.number
	c.number++
	return f, number, true, last, c.changed
}

// run sends until the stream has ended, in either way.
func (c *conn) run(ctx context.Context) {
	defer close(c.done)
	defer c.post.close()
	for {
		f, number, ok, last, changed := c.nextFrame()
		if ok {
			body, err := sealNext(c.key, c.id, c.send, number, f.append(nil))
			if err == nil {
				err = c.post.send(ctx, body)
			}
			if err != nil {
				c.lost(ctx, err)
				return
			}
		}
		if last {
			return
		}
		if ok {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			c.fail(net.ErrClosed)
			return
		}
	}
}

// lost is for an end that cannot be written to any more: its queue is gone. What
// it had sent before may still be on its way, for a moment.
func (c *conn) lost(ctx context.Context, err error) {
	c.mu.Lock()
	c.sendErr = err
	c.changeLocked()
	c.mu.Unlock()
	wait := time.NewTimer(lastWords)
	defer wait.Stop()
	for {
		c.mu.Lock()
		ended, changed := c.peerEnds || c.closing || c.err != nil, c.changed
		c.mu.Unlock()
		if ended {
			return
		}
		select {
		case <-changed:
		case <-wait.C:
			c.fail(err)
			return
		case <-ctx.Done():
			c.fail(net.ErrClosed)
			return
		}
	}
}

// Close sends what is not sent yet, for a while, and ends the stream.
func (c *conn) Close() error {
	c.mu.Lock()
	if !c.closing {
		c.closing = true
		c.changeLocked()
	}
	c.mu.Unlock()
	t := time.NewTimer(closeAfter)
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
	}
	c.cancel()
	<-c.done
	return nil
}

// LocalAddr is the same as the other end's: the relay's.
func (c *conn) LocalAddr() net.Addr { return c.peer }

// RemoteAddr is the relay's.
func (c *conn) RemoteAddr() net.Addr { return c.peer }

// SetDeadline bounds reads and writes.
func (c *conn) SetDeadline(t time.Time) error {
	c.deadline[0].set(t)
	c.deadline[1].set(t)
	return nil
}

// SetReadDeadline bounds reads.
func (c *conn) SetReadDeadline(t time.Time) error { c.deadline[0].set(t); return nil }

// SetWriteDeadline bounds writes.
func (c *conn) SetWriteDeadline(t time.Time) error { c.deadline[1].set(t); return nil }

// deadline closes a channel at a time that can be moved.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	ch    chan struct{}
}

func (d *deadline) init() { d.ch = make(chan struct{}) }

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.ch // the timer is about to close it
	}
	d.timer = nil
	passed := isClosed(d.ch)
	switch {
	case t.IsZero() && passed, !t.IsZero() && passed && time.Until(t) > 0:
		d.ch = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	if left := time.Until(t); left > 0 {
		ch := d.ch
		d.timer = time.AfterFunc(left, func() { close(ch) })
	} else if !isClosed(d.ch) {
		close(d.ch)
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func (d *deadline) over() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ch
}

// wait waits for a change. A deadline that is moved counts from the next wait
// on, unless it is over at once.
func (d *deadline) wait(changed <-chan struct{}) error {
	over := d.over()
	if isClosed(over) {
		return os.ErrDeadlineExceeded
	}
	select {
	case <-changed:
		return nil
	case <-over:
		return os.ErrDeadlineExceeded
	}
}
