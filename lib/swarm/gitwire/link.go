package gitwire

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// ErrIdle: the other side moved no byte for too long.
var ErrIdle = errors.New("gitwire: nothing came in time")

// Link is a stream whose reads and writes end: each when nothing moves for a
// while, all when a context ends. It uses the deadlines of the stream; one that
// has none is closed, and one that cannot be closed is left as it is.
type Link struct {
	ctx  context.Context
	rw   io.ReadWriter
	idle time.Duration
	stop func() bool

	mu    sync.Mutex
	timer *time.Timer // for streams without deadlines; guarded by mu
	late  bool        // guarded by mu
}

type deadlines interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// NewLink watches over rw until Close, which leaves rw open.
func NewLink(ctx context.Context, rw io.ReadWriter, idle time.Duration) *Link {
	l := &Link{ctx: ctx, rw: rw, idle: idle}
	l.stop = context.AfterFunc(ctx, l.cut)
	return l
}

// cut ends reads and writes under way and to come.
func (l *Link) cut() {
	if d, ok := l.rw.(deadlines); ok {
		now := time.Unix(1, 0)
		if errors.Join(d.SetReadDeadline(now), d.SetWriteDeadline(now)) == nil {
			return
		}
	}
	if c, ok := l.rw.(io.Closer); ok {
		_ = c.Close()
	}
}

// Close ends the watch and takes deadlines back.
func (l *Link) Close() {
	if !l.stop() {
		return // the stream was cut and stays so
	}
	if d, ok := l.rw.(deadlines); ok {
		_, _ = d.SetReadDeadline(time.Time{}), d.SetWriteDeadline(time.Time{})
	}
}

// guard runs one read or write.
func (l *Link) guard(set func(deadlines, time.Time) error, do func() (int, error)) (int, error) {
	if l.ctx.Err() != nil {
		return 0, context.Cause(l.ctx)
	}
	d, ok := l.rw.(deadlines)
	ok = ok && set(d, time.Now().Add(l.idle)) == nil
	if ok && l.ctx.Err() != nil {
		l.cut() // which may have come before the deadline was set
	}
	if !ok {
		l.arm()
		defer l.disarm()
	}
	n, err := do()
	if err == nil || n > 0 && err == io.EOF {
		return n, err
	}
	if l.ctx.Err() != nil {
		return n, context.Cause(l.ctx)
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() || l.wasLate() {
		return n, ErrIdle
	}
	return n, err
}

func (l *Link) arm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(l.idle, func() {
		l.mu.Lock()
		l.late = true
		l.mu.Unlock()
		l.cut()
	})
}

func (l *Link) disarm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
}

func (l *Link) wasLate() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.late
}

// Read reads from the stream. The error is ErrIdle or the context's cause when
// it took too long.
func (l *Link) Read(p []byte) (int, error) {
	return l.guard(deadlines.SetReadDeadline, func() (int, error) { return l.rw.Read(p) })
}

// Write writes to the stream; errors as Read's.
func (l *Link) Write(p []byte) (int, error) {
	return l.guard(deadlines.SetWriteDeadline, func() (int, error) { return l.rw.Write(p) })
}
