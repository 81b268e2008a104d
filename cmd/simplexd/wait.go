package main

import (
	"context"
	"errors"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func waitCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "wait",
		Usage: "wait for the daemon",
		Description: "With --for ready wait ends when the daemon answers on its socket; with --for\n" +
			"connected, when the daemon also has subscribed to all its connections at their\n" +
			"relays and what they held has arrived. When the time (--timeout, 1 minute) is\n" +
			"over the code is 75.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd serve & simplexd wait",
			"simplexd --timeout 5m wait --for connected && simplexd send @ops 'I am back'",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.TempFail, exit.SIGINT, exit.SIGTERM),
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "for", Value: "ready", Usage: "`STATE` to wait for: ready or connected", EnvVars: []string{"SIMPLEXD_FOR"}},
		},
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "wait takes no arguments").WithHint("--for names the state to wait for")
			}
			state := c.String("for")
			if state != "ready" && state != "connected" {
				return exit.Errorf(exit.Usage, "--for %s: no such state", state).WithHint("states are ready and connected")
			}
			ctx, cancel := e.limit(c.Context, time.Minute)
			defer cancel()
			return classify(e, e.wait(ctx, state == "connected"))
		},
	}
}

// wait asks until the answer is yes. What it last heard is told when the time
// is over.
func (e *env) wait(ctx context.Context, connected bool) error {
	if _, err := e.home.ReadConfig(); err != nil {
		return err
	}
	for {
		err := e.daemonIs(ctx, connected)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return exit.Errorf(exit.TempFail, "the daemon is not there in time: %w", err).WithHint("simplexd serve starts it")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// daemonIs tells why the daemon does not answer or is not connected.
func (e *env) daemonIs(ctx context.Context, connected bool) error {
	conn, err := e.dial(ctx)
	if err != nil {
		return err
	}
	s := newSession(ctx, conn)
	defer func() { _ = s.Close() }()
	if connected {
		return s.Call(ctx, "fetch", nil, nil)
	}
	var r api.InfoResult
	return s.Call(ctx, "info", nil, &r)
}
