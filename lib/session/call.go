package session

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// NewCorrID makes a correlation ID: 24 random bytes, also the nonce of the
// command's authenticator, so it is never used twice.
func NewCorrID() smp.CorrID {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // crypto/rand.Read never returns an error
	return smp.CorrID(b)
}

// Request is an encoded command.
type Request struct {
	CorrID smp.CorrID
	Entity smp.EntityID // that the answer must name
	Item   smp.Item
	// Quiet keeps the answer from OnReceive: only the caller sees it.
	Quiet bool
}

// Result is the answer to a command.
type Result[M any] struct {
	Message M
	Err     error
}

// call is a command on its way.
type call[M any] struct {
	req       Request
	answer    chan Result[M] // holds one
	abandoned atomic.Bool    // nobody waits; the writer need not send it
}

// finish is called at most once: by whoever took the call off the waiting map.
func (c *call[M]) finish(r Result[M]) { c.answer <- r }

// Do sends a command and waits for its answer. The errors are [ErrTimeout],
// [ErrClosed], [ErrEntity], [ErrAnswer], [ErrDuplicate], the context's, and
// smp.ErrTransportLargeMsg for a command that fits no block.
func (s *Session[M]) Do(ctx context.Context, req Request) (M, error) {
	r := s.DoAll(ctx, []Request{req})[0]
	return r.Message, r.Err
}

// DoAll sends commands together and waits for all answers, which come in the
// order of the requests. The errors are those of [Session.Do], each for one
// command.
func (s *Session[M]) DoAll(ctx context.Context, reqs []Request) []Result[M] {
	out := make([]Result[M], len(reqs))
	calls := make([]*call[M], len(reqs))
	for i, req := range reqs {
		if len(req.Item)-1 > smp.MaxBatch {
			out[i].Err = smp.ErrTransportLargeMsg
			continue
		}
		calls[i] = &call[M]{req: req, answer: make(chan Result[M], 1)}
		if !s.enter(calls[i]) {
			calls[i], out[i].Err = nil, ErrDuplicate
		}
	}
	w := s.newWait()
	defer w.timer.Stop()
	for from := 0; from < len(calls); from += groupSize {
		if s.enqueue(ctx, w, calls[from:min(from+groupSize, len(calls))]) != nil {
			break // the waits below end at once, for the same reason
		}
	}
	for i, c := range calls {
		if c != nil {
			out[i] = s.await(ctx, w, c)
		}
	}
	return out
}

// enter puts the call where the reader finds it; false if its ID is there.
func (s *Session[M]) enter(c *call[M]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.waiting[c.req.CorrID]; ok {
		return false
	}
	s.waiting[c.req.CorrID] = c
	return true
}

// leave takes the call back; false if the reader has it, which then finishes
// it at once.
func (s *Session[M]) leave(c *call[M]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[c.req.CorrID] != c {
		return false
	}
	delete(s.waiting, c.req.CorrID)
	return true
}

// wait is the time that the calls of one DoAll have.
type wait struct {
	start time.Time
	timer *time.Timer
	over  error // why it ended early
}

func (s *Session[M]) newWait() *wait {
	return &wait{start: time.Now(), timer: time.NewTimer(s.cfg.Timeout)}
}

// expired is called when the timer has fired: whether there is no more time,
// else the timer is set again.
func (s *Session[M]) expired(w *wait) bool {
	now := time.Now()
	silent := now.Sub(time.Unix(0, s.received.Load()))
	if now.Sub(w.start) < patience*s.cfg.Timeout && silent < s.cfg.Timeout {
		w.timer.Reset(s.cfg.Timeout - silent)
		return false
	}
	select {
	case s.probe <- struct{}{}:
	default:
	}
	return true
}

func (s *Session[M]) enqueue(ctx context.Context, w *wait, group []*call[M]) error {
	for w.over == nil {
		if s.ctx.Err() != nil {
			w.over = s.Err()
			break
		}
		select {
		case s.queue <- group:
			return nil
		case <-ctx.Done():
			w.over = ctx.Err()
		case <-s.ctx.Done():
			w.over = s.Err()
		case <-w.timer.C:
			if s.expired(w) {
				w.over = ErrTimeout
			}
		}
	}
	return w.over
}

func (s *Session[M]) await(ctx context.Context, w *wait, c *call[M]) Result[M] {
	for w.over == nil {
		select {
		case r := <-c.answer:
			return r
		case <-ctx.Done():
			w.over = ctx.Err()
		case <-s.ctx.Done():
			w.over = s.Err()
		case <-w.timer.C:
			if s.expired(w) {
				w.over = ErrTimeout
			}
		}
	}
	c.abandoned.Store(true)
	if s.leave(c) {
		return Result[M]{Err: w.over}
	}
	return <-c.answer // it came in the last moment
}
