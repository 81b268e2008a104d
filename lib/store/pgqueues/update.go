package pgqueues

import (
	"context"
	"fmt"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// job is an update in the queue.
type job struct {
	ctx   context.Context
	fn    func(queuestore.Tx) error
	state jobState // guarded by DB.mu
	err   error    // read after done
	lead  chan struct{}
	done  chan struct{}
}

type jobState uint8

const (
	waiting jobState = iota
	taken            // into a group
	leading          // its goroutine runs the next group
	gone             // its context ended before
)

// Update implements [queuestore.Store]. One of the callers runs the functions
// of all that wait, itself the first of them.
func (s *DB) Update(ctx context.Context, fn func(queuestore.Tx) error) error {
	if err := s.enter(); err != nil {
		return fmt.Errorf("pgqueues: update: %w", err)
	}
	defer s.leave()
	j := &job{ctx: ctx, fn: fn, lead: make(chan struct{}), done: make(chan struct{})}
	if err := s.wait(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	default:
	}
	// It leads, and is the first in the queue.
	group := s.take()
	s.runGroup(group)
	s.passLead()
	return j.err
}

// wait returns nil when j is done, or is to lead.
func (s *DB) wait(j *job) error {
	s.mu.Lock()
	s.queue = append(s.queue, j)
	if !s.busy {
		s.busy, j.state = true, leading
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	select {
	case <-j.done:
		return nil
	case <-j.lead:
		return nil
	case <-j.ctx.Done():
	}
	s.mu.Lock()
	st := j.state
	if st == waiting {
		j.state = gone
	}
	s.mu.Unlock()
	switch st {
	case waiting:
		return fmt.Errorf("pgqueues: waiting to write: %w", j.ctx.Err())
	case taken:
		<-j.done
	}
	return nil
}

// take takes the jobs of the next group.
func (s *DB) take() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.queue), s.opts.GroupLimit)
	group := make([]*job, 0, n)
	for i, j := range s.queue[:n] {
		s.queue[i] = nil
		if j.state != gone {
			j.state = taken
			group = append(group, j)
		}
	}
	s.queue = s.queue[n:]
	return group
}

// passLead makes the first job that waits the leader.
func (s *DB) passLead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && s.queue[0].state == gone {
		s.queue = s.queue[1:]
	}
	if len(s.queue) == 0 {
		s.queue, s.busy = nil, false
		return
	}
	s.queue[0].state = leading
	close(s.queue[0].lead)
}

// runGroup runs jobs in one transaction and ends them.
func (s *DB) runGroup(jobs []*job) {
	ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
	defer cancel()
	g, err := s.begin(ctx)
	kept := uint64(0)
	if err == nil {
		for _, j := range jobs {
			// A function whose caller does not wait for it any more does not run.
			if j.err = j.ctx.Err(); j.err != nil {
				continue
			}
			if j.err = g.run(j.fn); j.err == nil {
				kept++
			}
			if g.err != nil {
				break
			}
		}
		err = g.commit()
	}
	if err != nil {
		err = fmt.Errorf("pgqueues: update: %w", kindOf(err))
		for _, j := range jobs {
			if j.err == nil {
				j.err = err
			}
		}
		if s.w != nil {
			_ = hangUp(s.w) // the server rolls back
			s.w = nil
		}
	} else if kept > 0 {
		s.mu.Lock()
		s.stats.Updates += kept
		s.stats.Commits++
		s.mu.Unlock()
	}
	for _, j := range jobs {
		close(j.done)
	}
}
