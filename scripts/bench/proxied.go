package main

import (
	"context"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpload"
)

func proxiedRows() []row {
	return []row{{
		name: "relay_proxied_10", round: 10 * time.Second,
		unit:    "messages sent through another relay (PFWD, RFWD) per second of both relays' processor time, 10 connections",
		floorIs: "the same sent directly",
		open:    openProxied,
	}}
}

func openProxied(ctx context.Context, o *options) (*sides, error) {
	relay, err := startRelay(ctx, o, "PD")
	if err != nil {
		return nil, err
	}
	proxy, err := startRelay(ctx, o, "PP")
	if err != nil {
		return nil, err
	}
	open := func(via *smp.ServerAddr) (*smpload.Load, error) {
		lo := smpload.Options{Workload: smpload.Send, Conns: 10, Body: bodySize, Via: via}
		return smpload.Open(ctx, smp.AuthServer{ServerAddr: relay.addr}, lo)
	}
	proxied, err := open(&proxy.addr)
	if err != nil {
		return nil, err
	}
	direct, err := open(nil)
	if err != nil {
		return nil, err
	}
	var p99 []float64
	return &sides{
		ours: func(ctx context.Context, d time.Duration) (float64, error) {
			before, err := cpuTime(proxy.Pid())
			if err != nil {
				return 0, err
			}
			r, used, err := loadFor(ctx, relay.Pid(), proxied, d)
			if err != nil {
				return 0, err
			}
			after, err := cpuTime(proxy.Pid())
			p99 = append(p99, r.Latency.P99)
			return float64(r.Operations) / (used + after - before).Seconds(), err
		},
		floor: func(ctx context.Context, d time.Duration) (float64, error) {
			r, used, err := loadFor(ctx, relay.Pid(), direct, d)
			return float64(r.Operations) / used.Seconds(), err
		},
		more: func() map[string]float64 { return map[string]float64{"p99_ms": round(quantile(p99, 0.5))} },
		close: func() error {
			err := firstError(proxied.Close(ctx), direct.Close(ctx))
			return firstError(err, firstError(relay.Stop(10*time.Second), proxy.Stop(10*time.Second)))
		},
	}, nil
}
