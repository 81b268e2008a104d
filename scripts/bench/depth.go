package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/store/queuedb"
)

// depthRows tell what messages cost that stay in the store.
func depthRows() []row {
	var rows []row
	for _, n := range [][2]int{{16, 1}, {127, 16}} {
		rows = append(rows, row{
			name: "queue_depth_" + strconv.Itoa(n[0]), round: 6 * time.Second,
			unit:    "us of the server's processor time to send a message to a queue that holds as many and acknowledge the first (SEND, ACK, next MSG)",
			floorIs: fmt.Sprintf("the same in a queue that holds %d", n[1]),
			open:    func(ctx context.Context, o *options) (*sides, error) { return openDepth(ctx, o, n[0], n[1]) },
		})
	}
	return append(rows, row{
		name: "relay_expiry_pause", round: 9 * time.Second,
		unit:    "ms from SEND to OK, 99th percentile, while the relay deletes 15,000 old messages",
		floorIs: "the same without old messages",
		open:    openExpiry,
	})
}

// openDepth keeps queues of two depths on one relay, eight of each.
func openDepth(ctx context.Context, o *options, deep, shallow int) (*sides, error) {
	relay, err := startRelay(ctx, o, "D"+strconv.Itoa(deep))
	if err != nil {
		return nil, err
	}
	var all []*lane
	side := func(depth int) (func(context.Context, time.Duration) (float64, error), error) {
		lanes := make([]*lane, 8)
		for i := range lanes {
			l, err := openLane(ctx, relay.addr)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
			l.body = l.body[:1000]
			for range depth - 1 {
				if err := l.snd.Send(ctx, l.sender, l.key, smp.SEND{Body: l.body}); err != nil {
					return nil, err
				}
			}
			lanes[i] = l
		}
		return func(ctx context.Context, d time.Duration) (float64, error) {
			cpu, _, err := perCPUSecond(relay.Pid(), d, len(lanes), func(w int) error { return lanes[w].roundTrip(ctx) })
			return 1e6 / cpu, err
		}, nil
	}
	ours, err := side(deep)
	if err != nil {
		return nil, err
	}
	floor, err := side(shallow)
	if err != nil {
		return nil, err
	}
	return &sides{ours: ours, floor: floor, close: func() error {
		for _, l := range all {
			l.close()
		}
		return relay.Stop(10 * time.Second)
	}}, nil
}

const (
	agingQueues = 1000
	agingEach   = 15 // old messages in each
)

// openExpiry stops a relay, gives it old messages and starts it again, so that
// it deletes them while others send.
func openExpiry(ctx context.Context, o *options) (*sides, error) {
	g, err := grow(ctx, o, agingQueues)
	if err != nil {
		return nil, err
	}
	worst := 0.0
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			took, err := g.sendsAfter(ctx, d, agingEach)
			worst = max(worst, quantile(took, 1))
			return quantile(took, 0.99), err
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			took, err := g.sendsAfter(ctx, d, 0)
			return quantile(took, 0.99), err
		},
		more:  func() map[string]float64 { return map[string]float64{"worst_ms": round(worst)} },
		close: g.close,
	}, nil
}

// sendsAfter starts the relay with old messages in each queue and nothing
// else, and tells how many milliseconds each SEND of the time after takes.
func (g *grown) sendsAfter(ctx context.Context, d time.Duration, old int) ([]float64, error) {
	_ = g.rcv.Close()
	_ = g.snd.Close()
	if err := g.Stop(10 * time.Second); err != nil {
		return nil, err
	}
	if err := age(ctx, g.path, g.n, old); err != nil {
		return nil, err
	}
	if err := g.Start(ctx); err != nil {
		return nil, err
	}
	if err := g.dial(ctx); err != nil {
		return nil, err
	}
	var took []float64
	for end := time.Now().Add(d); time.Now().Before(end); {
		id := smp.SenderID(grownID('s', rand.IntN(g.n)))
		start := time.Now()
		if err := g.snd.Send(ctx, id, grownSender, smp.SEND{Body: make([]byte, 1000)}); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
	}
	return took, nil
}

// age makes old messages all that the store holds.
func age(ctx context.Context, path string, queues, old int) error {
	db, err := queuedb.Open(ctx, path, store.Options{Synchronous: store.Normal})
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx queuestore.Tx) error {
		for n := range queuestore.Num(queues) {
			if err := tx.DeleteMessages(n+1, math.MaxInt64); err != nil {
				return err
			}
			for range old {
				m := &queuestore.Message{ID: smp.MsgID(crand.Text()), Time: time.Now().Add(-60 * 24 * time.Hour), Body: make([]byte, 1000)}
				if err := tx.AddMessage(n+1, m); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}
