package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpload"
	"github.com/simplexkit/simplexkit/lib/transport"
)

// loadRows measure a relay with the load generator of relayctl smp bench.
func loadRows() []row {
	rows := []row{{
		name: "relay_create_64", round: 10 * time.Second,
		unit:    "queues made and secured (NEW, SKEY) per second of the server's processor time; durable",
		floorIs: "a bare TLS echo of the same blocks (2 in, 2 out)",
		open: func(ctx context.Context, o *options) (*sides, error) {
			return openLoad(ctx, o, smpload.Options{Workload: smpload.Create, Conns: 64}, echoing(64, 1, 1))
		},
	}}
	for _, n := range []int{1, 10, 1000} {
		rows = append(rows, row{
			name: "relay_load_" + strconv.Itoa(n), round: 10 * time.Second,
			unit:    "messages (SEND, MSG, ACK) per second of the server's processor time, connections in a ring; durable",
			floorIs: "a bare TLS echo of the same blocks (2 in, 3 out)",
			open: func(ctx context.Context, o *options) (*sides, error) {
				return openLoad(ctx, o, smpload.Options{Workload: smpload.Send, Conns: n, Body: bodySize}, echoing(n, 2, 1))
			},
		})
	}
	return append(rows, row{
		name: "relay_subscribe", round: 10 * time.Second,
		unit:    "queues subscribed to, in batches, per second of the server's processor time",
		floorIs: "Ed25519 signatures verified, one for each",
		open: func(ctx context.Context, o *options) (*sides, error) {
			n := 10_000
			if o.short {
				n = 1000
			}
			return openLoad(ctx, o, smpload.Options{Workload: smpload.Subscribe, Queues: n}, verifying)
		},
	}, row{
		name: "relay_connect", round: 10 * time.Second,
		unit:    "connections (TLS, SMP) per second of the server's processor time, 32 at once",
		floorIs: "bare TLS connections with the same certificates",
		open: func(ctx context.Context, o *options) (*sides, error) {
			return openLoad(ctx, o, smpload.Options{Workload: smpload.Connect, Conns: 32}, connecting(32))
		},
	}, row{
		name: "relay_latency", round: 10 * time.Second,
		unit:    "ms from SEND to MSG, median, 10 connections, 200 messages per second",
		floorIs: "one durable write and one round trip of a 16 KiB block, measured alone",
		open:    openRelayLatency,
	})
}

// floorSide makes the floor of a row: how much a second of the processor does,
// and what closes it.
type floorSide func(ctx context.Context) (func(ctx context.Context, d time.Duration) (float64, error), func(), error)

// openLoad compares a load on a relay with a floor.
func openLoad(ctx context.Context, o *options, lo smpload.Options, floor floorSide) (*sides, error) {
	relay, err := startRelay(ctx, o, "L"+string(lo.Workload)+strconv.Itoa(lo.Conns))
	if err != nil {
		return nil, err
	}
	load, err := smpload.Open(ctx, smp.AuthServer{ServerAddr: relay.addr}, lo)
	if err != nil {
		return nil, err
	}
	other, closeFloor, err := floor(ctx)
	if err != nil {
		return nil, err
	}
	var perClock, p99, withCrypto []float64
	var perCPU float64
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			r, used, err := loadFor(ctx, relay.Pid(), load, d)
			perClock, p99 = append(perClock, r.PerSecond), append(p99, r.Latency.P99)
			perCPU = float64(r.Operations) / used.Seconds()
			return perCPU, err
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			f, err := other(ctx, d)
			if err == nil && lo.Workload == smpload.Send {
				var crypto float64
				crypto, err = messageCrypto()
				withCrypto = append(withCrypto, perCPU*(1/f+crypto))
			}
			return f, err
		},
		more: func() map[string]float64 {
			m := map[string]float64{"per_second": round(quantile(perClock, 0.5)), "p99_ms": round(quantile(p99, 0.5))}
			if len(withCrypto) > 0 {
				m["ratio_with_cryptography"] = round(quantile(withCrypto, 0.5))
			}
			return m
		},
		close: func() error {
			closeFloor()
			return firstError(load.Close(ctx), relay.Stop(10*time.Second))
		},
	}, nil
}

// loadFor runs a load and tells the processor time that the relay used.
func loadFor(ctx context.Context, pid int, load *smpload.Load, d time.Duration) (smpload.Result, time.Duration, error) {
	before, err := cpuTime(pid)
	if err != nil {
		return smpload.Result{}, 0, err
	}
	r, err := load.Run(ctx, smpload.Bounds{Duration: d})
	if err != nil {
		return r, 0, err
	}
	after, err := cpuTime(pid)
	return r, max(after-before, 10*time.Millisecond), err
}

// echoing is an echo over n connections; each exchange is one block in and
// that many out, for each of answers.
func echoing(n int, answers ...byte) floorSide {
	return func(ctx context.Context) (func(context.Context, time.Duration) (float64, error), func(), error) {
		srv, err := startEcho()
		if err != nil {
			return nil, nil, err
		}
		conns, blocks := make([]*transport.Conn, n), make([][]byte, n)
		for i := range conns {
			if conns[i], err = srv.dial(ctx); err != nil {
				return nil, nil, err
			}
			blocks[i] = make([]byte, bodySize)
		}
		run := func(_ context.Context, d time.Duration) (float64, error) {
			cpu, _, err := perCPUSecond(srv.cmd.Process.Pid, d, n, func(w int) error { return exchangeAs(conns[w], blocks[w], answers) })
			return cpu, err
		}
		return run, func() {
			for _, c := range conns {
				_ = c.Close()
			}
			_ = srv.close()
		}, nil
	}
}

// connecting makes TLS connections, n at once.
func connecting(n int) floorSide {
	return func(ctx context.Context) (func(context.Context, time.Duration) (float64, error), func(), error) {
		srv, err := startEcho()
		if err != nil {
			return nil, nil, err
		}
		run := func(ctx context.Context, d time.Duration) (float64, error) {
			cpu, _, err := perCPUSecond(srv.cmd.Process.Pid, d, n, func(int) error {
				c, err := srv.dial(ctx)
				if err != nil {
					return err
				}
				return c.Close()
			})
			return cpu, err
		}
		return run, func() { _ = srv.close() }, nil
	}
}

// verifying verifies signatures of texts as long as a SUB's.
func verifying(context.Context) (func(context.Context, time.Duration) (float64, error), func(), error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	text := make([]byte, 90)
	sig := ed25519.Sign(priv, text)
	run := func(_ context.Context, d time.Duration) (float64, error) {
		cpu, _, err := perCPUSecond(os.Getpid(), d, 1, func(int) error {
			if !ed25519.Verify(pub, text, sig) {
				return fmt.Errorf("a good signature was refused")
			}
			return nil
		})
		return cpu, err
	}
	return run, func() {}, nil
}

// openRelayLatency measures at a rate far below what the relay can do.
func openRelayLatency(ctx context.Context, o *options) (*sides, error) {
	relay, err := startRelay(ctx, o, "LL")
	if err != nil {
		return nil, err
	}
	load, err := smpload.Open(ctx, smp.AuthServer{ServerAddr: relay.addr}, smpload.Options{Conns: 10, Rate: 200, Body: bodySize})
	if err != nil {
		return nil, err
	}
	srv, err := startEcho()
	if err != nil {
		return nil, err
	}
	conn, err := srv.dial(ctx)
	if err != nil {
		return nil, err
	}
	var p99 []float64
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			r, err := load.Run(ctx, smpload.Bounds{Duration: d})
			p99 = append(p99, r.Latency.P99)
			return r.Latency.P50, err
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			four, err := latencyFloor(o.dir, conn, d/2)
			return four / 4, err
		},
		more: func() map[string]float64 {
			return map[string]float64{"p99_ms": round(quantile(p99, 0.5))}
		},
		close: func() error {
			_ = conn.Close()
			_ = srv.close()
			return firstError(load.Close(ctx), relay.Stop(10*time.Second))
		},
	}, nil
}
