package session

import (
	"fmt"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// gatherSize is how many bytes of commands are gathered for one write.
const gatherSize = 8 * smp.MaxBatch

// write is the writer. It returns nil when the session ends for another
// reason.
func (s *Session[M]) write() error {
	alive := keepAlive{interval: s.cfg.PingInterval, timeout: s.cfg.Timeout, count: s.cfg.PingCount}
	timer := time.NewTimer(alive.interval)
	defer timer.Stop()
	if s.cfg.Ping == nil {
		timer.Stop()
	}
	for {
		var items []smp.Item
		probe := false
		select {
		case <-s.ctx.Done():
			return nil
		case group := <-s.queue:
			if err := s.send(s.gather(group)); err != nil {
				return err
			}
			continue
		case <-s.probe:
			probe = true
		case <-timer.C:
		}
		if s.cfg.Ping == nil {
			continue
		}
		now := time.Now()
		act, next := alive.step(now, time.Unix(0, s.received.Load()), probe)
		switch act {
		case pingDead:
			return fmt.Errorf("%w: %d pings", ErrTimeout, alive.count)
		case pingSend:
			item, err := s.cfg.Ping(NewCorrID())
			if err != nil {
				return fmt.Errorf("session: PING: %w", err)
			}
			items = append(items, item)
		}
		timer.Reset(next)
		if err := s.send(items); err != nil {
			return err
		}
	}
}

// gather adds what else is waiting, up to the size of one write. Commands that
// nobody waits for any more are dropped.
func (s *Session[M]) gather(group []*call[M]) []smp.Item {
	items := make([]smp.Item, 0, len(group))
	size := 0
	for {
		for _, c := range group {
			if c != nil && !c.abandoned.Load() {
				items = append(items, c.req.Item)
				size += len(c.req.Item)
			}
		}
		if size >= gatherSize {
			return items
		}
		select {
		case group = <-s.queue:
		default:
			return items
		}
	}
}

func (s *Session[M]) send(items []smp.Item) error {
	if len(items) == 0 {
		return nil
	}
	batches := smp.Pack(items)
	blocks := make([][]byte, 0, len(batches))
	for _, b := range batches {
		if b.Err == nil {
			blocks = append(blocks, b.Block)
		}
	}
	if s.ctx.Err() != nil {
		return nil
	}
	if err := s.cfg.Conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)); err != nil {
		return err
	}
	if s.ctx.Err() != nil {
		return nil // or the deadline of the end would be lost
	}
	return s.cfg.Conn.WriteBlocks(blocks...)
}

type pingAction uint8

const (
	pingNone pingAction = iota
	pingSend
	pingDead
)

// keepAlive decides when to ask a silent peer, as a value: anything received
// counts as an answer.
//
//	quiet --silence for interval, or probe--> asked (PING)
//	asked --something received--------------> quiet
//	asked --timeout, fewer than count-------> asked (PING)
//	asked --timeout, count reached----------> dead
type keepAlive struct {
	interval, timeout time.Duration
	count             int

	sent   time.Time // of the last PING; zero while quiet
	missed int
}

// step is the next action and how long to wait until the next step.
func (k *keepAlive) step(now, received time.Time, probe bool) (pingAction, time.Duration) {
	if !k.sent.IsZero() && !received.Before(k.sent) {
		k.sent, k.missed = time.Time{}, 0
	}
	if k.sent.IsZero() {
		idle := now.Sub(received)
		if idle < k.interval && !probe {
			return pingNone, k.interval - idle
		}
		k.sent = now
		return pingSend, k.timeout
	}
	if left := k.timeout - now.Sub(k.sent); left > 0 {
		return pingNone, left
	}
	if k.missed++; k.missed >= k.count {
		return pingDead, k.timeout
	}
	k.sent = now
	return pingSend, k.timeout
}
