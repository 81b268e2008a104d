package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpload"
)

// clientRows tell what clients cost that are many, and those that come and go.
func clientRows() []row {
	rows := []row{{
		name: "relay_churn", round: 12 * time.Second,
		unit: "resident memory after each round of clients that connect, pass 100 messages and leave, as a part of that after the first rounds",
		open: openChurn,
	}}
	for _, n := range []int{1000, 10_000} {
		rows = append(rows, row{
			name: "relay_clients_" + strconv.Itoa(n), round: 12 * time.Second,
			unit:    "ms from SEND to MSG, median, at 200 messages a second over that many connections, each with a queue",
			floorIs: "the same over 100 connections",
			open:    func(ctx context.Context, o *options) (*sides, error) { return openClients(ctx, o, n) },
		})
	}
	return rows
}

// spareFiles are for what is not a client's connection.
const spareFiles = 500

// allowed is how many connections a process may have, at most n. The
// programs raise their own soft limit to the hard one.
func allowed(n int) (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	if l.Max < spareFiles+100 {
		return 0, fmt.Errorf("only %d files may be open", l.Max)
	}
	return int(min(uint64(n), l.Max-spareFiles)), nil
}

// crowd is a relay with clients.
type crowd struct {
	relay     *relayProcess
	load      *smpload.Load
	perClient float64 // bytes
	p99       []float64
}

func openCrowd(ctx context.Context, o *options, n int) (*crowd, error) {
	relay, err := startRelay(ctx, o, "N"+strconv.Itoa(int(grownSerial.next()))+"-"+strconv.Itoa(n))
	if err != nil {
		return nil, err
	}
	addr := smp.AuthServer{ServerAddr: relay.addr}
	warm, err := smpload.Open(ctx, addr, smpload.Options{Conns: 10, Body: bodySize})
	if err != nil {
		return nil, err
	}
	_, err = warm.Run(ctx, smpload.Bounds{Duration: time.Second})
	if err = firstError(err, warm.Close(ctx)); err != nil {
		return nil, err
	}
	before, err := settle(ctx, relay.Pid(), time.Second)
	if err != nil {
		return nil, err
	}
	c := &crowd{relay: relay}
	if c.load, err = smpload.Open(ctx, addr, smpload.Options{Conns: n, Rate: 200, Body: bodySize}); err != nil {
		return nil, err
	}
	after, err := settle(ctx, relay.Pid(), 2*time.Second)
	c.perClient = round((after - before) / float64(n))
	return c, err
}

func (c *crowd) run(ctx context.Context, d time.Duration) (float64, error) {
	r, err := c.load.Run(ctx, smpload.Bounds{Duration: d})
	c.p99 = append(c.p99, r.Latency.P99)
	return r.Latency.P50, err
}

func (c *crowd) close(ctx context.Context) error {
	return firstError(c.load.Close(ctx), c.relay.Stop(10*time.Second))
}

func openClients(ctx context.Context, o *options, n int) (*sides, error) {
	if o.short {
		n /= 10
	}
	n, err := allowed(n)
	if err != nil {
		return nil, err
	}
	many, err := openCrowd(ctx, o, n)
	if err != nil {
		return nil, err
	}
	few, err := openCrowd(ctx, o, 100)
	if err != nil {
		return nil, err
	}
	return &sides{
		ours: many.run, floor: few.run,
		more: func() map[string]float64 {
			a, b := quantile(many.p99, 0.5), quantile(few.p99, 0.5)
			return map[string]float64{
				"clients": float64(n), "bytes_per_client": many.perClient, "bytes_per_client_of_100": few.perClient,
				"p99_ms": round(a), "floor_p99_ms": round(b), "p99_ratio": round(a / b),
			}
		},
		close: func() error { return firstError(many.close(ctx), few.close(ctx)) },
	}, nil
}

// churn is one client after another.
type churn struct {
	relay *relayProcess
	mu    sync.Mutex
	left  int // clients
}

func openChurn(ctx context.Context, o *options) (*sides, error) {
	relay, err := startRelay(ctx, o, "CH")
	if err != nil {
		return nil, err
	}
	c := &churn{relay: relay}
	for range 3 {
		if err := c.round(ctx, o.roundTime(12*time.Second)); err != nil {
			return nil, err
		}
	}
	first, err := settle(ctx, relay.Pid(), 2*time.Second)
	if err != nil {
		return nil, err
	}
	last, warm := first, c.left
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			if err := c.round(ctx, d); err != nil {
				return 0, err
			}
			last, err = settle(ctx, relay.Pid(), 2*time.Second)
			return last / first, err
		},
		more: func() map[string]float64 {
			n := c.left - warm
			return map[string]float64{"clients": float64(n), "resident_bytes": last, "bytes_per_client": round((last - first) / float64(n))}
		},
		close: func() error { return relay.Stop(10 * time.Second) },
	}, nil
}

// round has clients come and go for a time, eight pairs at once.
func (c *churn) round(ctx context.Context, d time.Duration) error {
	_, _, err := perCPUSecond(c.relay.Pid(), d, 8, func(int) error { return c.visit(ctx) })
	return err
}

func (c *churn) visit(ctx context.Context) error {
	l, err := openLane(ctx, c.relay.addr)
	if err != nil {
		return err
	}
	defer l.close()
	for range 100 {
		if err := l.roundTrip(ctx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.left += 2
	c.mu.Unlock()
	return l.rcv.DeleteAll(ctx, []smpclient.Queue{l.queue})[0]
}
