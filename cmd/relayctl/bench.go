package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/smpclient"
	"github.com/simplexkit/simplexkit/lib/smp/smpload"
)

func benchCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "bench",
		Usage:     "put load on a relay and measure it",
		ArgsUsage: "smp://FINGERPRINT[:PASSWORD]@HOST[:PORT]",
		Description: "Works with any relay that speaks SMP, so that two can be compared. The workloads:\n\n" +
			"   send       SEND, MSG and ACK; connections stand in a ring, each sends to the next\n" +
			"   create     NEW and SKEY\n" +
			"   subscribe  SUB of --queues queues, each connection its part in batches, anew each time\n" +
			"   connect    TLS and SMP handshake\n\n" +
			"It ends after --duration or --count operations, or when it is interrupted, and deletes the\n" +
			"queues it made.",
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp bench smp://FINGERPRINT@127.0.0.1:5223",
			"relayctl smp bench --workload send --conns 64 --duration 30s --json smp://FINGERPRINT@127.0.0.1",
			"relayctl smp bench --conns 10 --rate 500 smp://FINGERPRINT@127.0.0.1",
			"relayctl smp bench --workload subscribe --queues 10000 --count 5 smp://FINGERPRINT@127.0.0.1",
		}, exit.Done, exit.Usage, exit.Unavailable, exit.TempFail, exit.Protocol, exit.NoPerm),
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "workload", Value: string(smpload.Send), Usage: "`WORK` to do: send, create, subscribe or connect", EnvVars: []string{"RELAYCTL_WORKLOAD"}},
			&ucli.IntFlag{Name: "conns", Value: 1, Usage: "`NUMBER` of connections", EnvVars: []string{"RELAYCTL_CONNS"}},
			&ucli.IntFlag{Name: "depth", Value: 1, Usage: "`NUMBER` of operations under way on each connection, of send and create", EnvVars: []string{"RELAYCTL_DEPTH"}},
			&ucli.IntFlag{Name: "count", Usage: "`NUMBER` of operations to end after; 0 for no such end", EnvVars: []string{"RELAYCTL_COUNT"}},
			&ucli.DurationFlag{Name: "duration", Value: 10 * time.Second, Usage: "`TIME` to end after", EnvVars: []string{"RELAYCTL_DURATION"}},
			&ucli.IntFlag{Name: "queues", Value: 1000, Usage: "`NUMBER` of queues, of subscribe", EnvVars: []string{"RELAYCTL_QUEUES"}},
			&ucli.IntFlag{Name: "body", Usage: "`BYTES` of a message; 0 for the most that a block holds", EnvVars: []string{"RELAYCTL_BODY"}},
			&ucli.Float64Flag{Name: "rate", Usage: "operations per second to begin, `NUMBER`; 0 for as many as it takes", EnvVars: []string{"RELAYCTL_RATE"}},
			&ucli.StringFlag{Name: "via", Usage: "send through the proxy with this `ADDRESS`", EnvVars: []string{"RELAYCTL_VIA"}},
			// No variable: this is to be said each time.
			&ucli.BoolFlag{Name: "yes-remote", Usage: "the relay is on another machine, and its owner agrees"},
			&ucli.BoolFlag{Name: "json", Usage: "as a JSON object", EnvVars: []string{"RELAYCTL_JSON"}},
		},
		Action: func(c *ucli.Context) error { return runBench(c, e) },
	}
}

func runBench(c *ucli.Context, e *env) error {
	e.json = c.Bool("json")
	if c.NArg() != 1 {
		return exit.Errorf(exit.Usage, "give one relay's address")
	}
	addr, err := smp.ParseAuthServer(c.Args().First())
	if err != nil {
		return exit.Errorf(exit.Usage, "%w", err)
	}
	o := smpload.Options{
		Workload: smpload.Workload(c.String("workload")), Conns: c.Int("conns"), Depth: c.Int("depth"),
		Queues: c.Int("queues"), Body: c.Int("body"), Rate: c.Float64("rate"), Remote: c.Bool("yes-remote"),
	}
	if via := c.String("via"); via != "" {
		a, err := smp.ParseServerAddr(via)
		if err != nil {
			return exit.Errorf(exit.Usage, "--via: %w", err)
		}
		o.Via = &a
	}
	if c.Duration("duration") <= 0 || c.Int("count") < 0 {
		return exit.Errorf(exit.Usage, "--duration must be positive, and --count not negative")
	}
	r, err := bench(c.Context, addr, o, smpload.Bounds{Count: c.Int("count"), Duration: c.Duration("duration")})
	if err != nil {
		return benchError(err)
	}
	if e.json {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return print(e, "%s\n", b)
	}
	return print(e, "%s", describe(r))
}

func bench(ctx context.Context, addr smp.AuthServer, o smpload.Options, b smpload.Bounds) (r smpload.Result, err error) {
	l, err := smpload.Open(ctx, addr, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close(ctx)) }()
	return l.Run(ctx, b)
}

// benchError gives errors their codes.
func benchError(err error) error {
	var refused *smp.Error
	switch {
	case errors.Is(err, smpload.ErrRemote):
		return exit.Errorf(exit.Usage, "%w", err).WithHint("load costs the relay's owner; if you are, or have asked, add --yes-remote")
	case errors.Is(err, smpload.ErrOptions):
		return exit.Errorf(exit.Usage, "%w", err).WithHint("relayctl smp bench --help shows the flags")
	case errors.Is(err, smpclient.ErrFingerprint):
		return exit.Errorf(exit.NoPerm, "%w", err)
	case errors.Is(err, smpclient.ErrConnect):
		return exit.Errorf(exit.Unavailable, "%w", err)
	case errors.Is(err, smpclient.ErrVersion), errors.Is(err, smpclient.ErrHandshake), errors.Is(err, smpclient.ErrUnexpected):
		return exit.Errorf(exit.Protocol, "%w", err)
	case errors.Is(err, smp.ErrAuth):
		return exit.Errorf(exit.NoPerm, "%w", err).WithHint("the relay may want a password: smp://FINGERPRINT:PASSWORD@HOST")
	case errors.As(err, &refused):
		return exit.Errorf(exit.TempFail, "%w", err)
	}
	return exit.Errorf(exit.Unavailable, "%w", err)
}

func describe(r smpload.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "workload:   %s, %d connections, depth %d\n", r.Workload, r.Conns, r.Depth)
	if r.Via != "" {
		fmt.Fprintf(&b, "proxy:      %s\n", r.Via)
	}
	if r.Body > 0 {
		fmt.Fprintf(&b, "body:       %d bytes\n", r.Body)
	}
	fmt.Fprintf(&b, "operations: %d in %.3f s\n", r.Operations, r.Seconds)
	fmt.Fprintf(&b, "rate:       %.1f per second\n", r.PerSecond)
	l := r.Latency
	fmt.Fprintf(&b, "latency:    mean %.3f ms, p50 %.3f, p90 %.3f, p99 %.3f, max %.3f\n", l.Mean, l.P50, l.P90, l.P99, l.Max)
	if r.Interrupted {
		b.WriteString("interrupted\n")
	}
	return b.String()
}
