package smpserver

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
)

// acks are acknowledged messages that are still in the store. Their queues
// are pinned. Guarded by table.mu.
type acks struct {
	pending map[*queue]queuestore.Seq
	table   *table
	wake    chan struct{}
}

// acked is a part of them that an update deletes.
type acked []struct {
	q   *queue
	num queuestore.Num
	seq queuestore.Seq
}

// maxAcksInUpdate keeps updates short.
const maxAcksInUpdate = 256

func (a *acks) init(t *table) {
	a.pending, a.table, a.wake = map[*queue]queuestore.Seq{}, t, make(chan struct{}, 1)
}

func (a *acks) addLocked(q *queue, seq queuestore.Seq) {
	if _, ok := a.pending[q]; !ok {
		a.table.pinLocked(q)
	}
	a.pending[q] = max(a.pending[q], seq)
	signal(a.wake)
}

func (a *acks) take(n int) (out acked) {
	a.table.mu.Lock()
	defer a.table.mu.Unlock()
	for q, seq := range a.pending {
		if len(out) == n {
			break
		}
		out = append(out, struct {
			q   *queue
			num queuestore.Num
			seq queuestore.Seq
		}{q, q.rec.Num, seq})
		delete(a.pending, q)
	}
	return out
}

func (a acked) apply(tx queuestore.Tx) error {
	for _, d := range a {
		if err := tx.DeleteMessages(d.num, d.seq); err != nil {
			return err
		}
	}
	return nil
}

// done ends what take has begun: the messages are deleted, or wait again.
func (a *acks) done(batch acked, err error) {
	a.table.mu.Lock()
	defer a.table.mu.Unlock()
	for _, d := range batch {
		if err != nil {
			a.addLocked(d.q, d.seq)
		}
		a.table.unpinLocked(d.q)
	}
	a.table.evictLocked()
}

// flush deletes what was acknowledged, and tells whether there was anything.
func (s *Server) flush() (bool, error) {
	batch := s.acks.take(maxAcksInUpdate)
	if len(batch) == 0 {
		return false, nil
	}
	err := s.cfg.Store.Update(s.work, batch.apply)
	s.acks.done(batch, err)
	return true, err
}

// flushAcks deletes acknowledged messages some time after the first, unless
// an update does so before. At the end it deletes all.
func (s *Server) flushAcks(ctx context.Context) {
	for {
		select {
		case <-s.acks.wake:
			wait(ctx, s.cfg.FlushInterval)
		case <-ctx.Done():
		}
		for more := true; more; {
			var err error
			if more, err = s.flush(); err != nil {
				s.cfg.Logger.Error("deleting acknowledged messages", "err", err)
				wait(ctx, time.Second)
				more = false
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// wait is false if ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// expireMessages deletes old messages, in small batches.
func (s *Server) expireMessages(ctx context.Context) {
	for {
		for {
			n, err := s.ExpireBatch(ctx)
			if err != nil && ctx.Err() == nil {
				s.cfg.Logger.Error("deleting old messages", "err", err)
			}
			if n == 0 || !wait(ctx, 10*time.Millisecond) {
				break
			}
		}
		s.expireNtfs()
		if !wait(ctx, s.cfg.ExpiryInterval) {
			return
		}
	}
}

// expiryBatch is how many messages are looked at together.
const expiryBatch = 100

// ExpireBatch deletes some messages that are older than the configuration
// allows, and tells how many; 0 is all. Serve calls it at times.
func (s *Server) ExpireBatch(ctx context.Context) (int, error) {
	old, err := s.cfg.Store.OldMessages(ctx, s.cfg.Now().Add(-s.cfg.MessageTTL), expiryBatch)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	refs := make([]queuestore.Ref, 0, len(old))
	for _, o := range old {
		refs = append(refs, recipientRef(o.RecipientID))
	}
	found, err := s.table.find(ctx, refs)
	if err != nil {
		return 0, err
	}
	defer s.table.unpin(found...)
	err = s.cfg.Store.Update(ctx, func(tx queuestore.Tx) error {
		for i, q := range found {
			if q == nil {
				continue
			}
			if err := tx.DeleteMessages(s.table.record(q).Num, old[i].Seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for i, q := range found {
		if q != nil && !q.dead && old[i].Seq > q.gone {
			q.removeLocked(old[i].Seq)
			s.stats.expired.Add(1)
		}
	}
	return len(old), nil
}

// closeIdle closes connections that are silent and have no subscriptions.
func (s *Server) closeIdle(ctx context.Context) {
	for wait(ctx, min(time.Minute, s.cfg.IdleTTL)) {
		before := s.cfg.Now().Add(-s.cfg.IdleTTL).Unix()
		s.mu.Lock()
		var idle []*conn
		for c := range s.conns {
			if c.active.Load() < before {
				idle = append(idle, c)
			}
		}
		s.mu.Unlock()
		for _, c := range idle {
			s.table.mu.Lock()
			subscribed := c.nsubs > 0 || c.served > 0 || c.servesAll
			s.table.mu.Unlock()
			if !subscribed {
				_ = c.t.Abort()
			}
		}
	}
}

// closeSlow closes connections that do not complete a block: a peer that
// sends one byte after another would hold the memory of a block as long as it
// likes. It looks at all of them, now and then, which costs less than a
// deadline for each block.
func (s *Server) closeSlow(ctx context.Context) {
	for wait(ctx, max(s.cfg.BlockTimeout/8, time.Millisecond)) {
		var slow []*conn
		before := time.Now().Add(-s.cfg.BlockTimeout)
		s.mu.Lock()
		for c := range s.conns {
			if at := c.t.PartSince(); !at.IsZero() && at.Before(before) {
				slow = append(slow, c)
			}
		}
		s.mu.Unlock()
		for _, c := range slow {
			s.cfg.Logger.Debug("a block takes too long")
			_ = c.t.Abort()
		}
	}
}
