package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/testworld"
	"github.com/simplexkit/simplexkit/lib/transport"
)

func latencyRows() []row {
	return []row{{
		name: "daemon_send_to_received", unit: "ms, median, one text from daemon to daemon through a relay", round: 6 * time.Second,
		floorIs: "4 durable writes and 4 round trips of a 16 KiB block, each measured alone",
		open:    openLatency,
	}}
}

// openLatency connects two daemons and measures from the call of send to the
// line that recv prints.
func openLatency(ctx context.Context, o *options) (*sides, error) {
	w, err := testworld.New(ctx, o.bin, filepath.Join(o.dir, "w"))
	if err != nil {
		return nil, err
	}
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	if err := w.Connect(ctx); err != nil {
		return nil, err
	}
	alice, err := w.Dial(ctx, "A")
	if err != nil {
		return nil, err
	}
	bob, err := w.Dial(ctx, "B")
	if err != nil {
		return nil, err
	}
	floor, err := startEcho()
	if err != nil {
		return nil, err
	}
	conn, err := floor.dial(ctx)
	if err != nil {
		return nil, err
	}
	lines := make(chan api.RecvLine, 64)
	followCtx, stop := context.WithCancel(ctx)
	followed := make(chan error, 1)
	go func() {
		followed <- bob.Recv(followCtx, api.RecvParams{Follow: true}, func(l api.RecvLine) error {
			lines <- l
			return nil
		})
	}()
	var all []float64
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			took, err := oneByOne(ctx, d, alice, lines)
			all = append(all, took...)
			return quantile(took, 0.5), err
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			return latencyFloor(o.dir, conn, d/4)
		},
		more: func() map[string]float64 {
			return map[string]float64{"p50_ms": round(quantile(all, 0.5)), "p99_ms": round(quantile(all, 0.99)), "messages": float64(len(all))}
		},
		close: func() error {
			stop()
			alice.Close()
			bob.Close()
			<-followed
			conn.Close()
			_ = floor.close()
			return w.Close()
		},
	}, nil
}

// oneByOne sends texts for d, each after the one before has arrived, and
// returns how many milliseconds each took.
func oneByOne(ctx context.Context, d time.Duration, alice *testworld.Session, lines <-chan api.RecvLine) ([]float64, error) {
	var took []float64
	for end := time.Now().Add(d); time.Now().Before(end); {
		text := rand.Text()
		start := time.Now()
		p := api.SendParams{To: api.ChatTo{Name: "bob"}, Text: text, Wait: "queued"}
		if err := alice.Call(ctx, "send", p, nil); err != nil {
			return nil, err
		}
		select {
		case l := <-lines:
			if l.Text != text {
				return nil, fmt.Errorf("sent %q, received %q", text, l.Text)
			}
		case <-time.After(time.Minute):
			return nil, fmt.Errorf("a message did not arrive")
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
	}
	return took, nil
}

// latencyFloor is the time of four durable writes and four round trips.
func latencyFloor(dir string, conn *transport.Conn, d time.Duration) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page, block := make([]byte, 4096), make([]byte, bodySize)
	block[0] = 1
	var writes, trips []float64
	for end := time.Now().Add(d); time.Now().Before(end); {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		written := time.Now()
		if err := conn.WriteBlock(block); err != nil {
			return 0, err
		}
		b, err := conn.ReadBlock()
		if err != nil {
			return 0, err
		}
		b.Release()
		writes = append(writes, float64(written.Sub(start).Microseconds())/1000)
		trips = append(trips, float64(time.Since(written).Microseconds())/1000)
	}
	return 4 * (quantile(writes, 0.5) + quantile(trips, 0.5)), nil
}
