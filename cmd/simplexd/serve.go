package main

import (
	"context"
	"errors"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/sdnotify"
)

func serveCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "serve",
		Usage: "run the daemon",
		Description: "Holds the profile's connections and serves the API on the socket simplexd.sock\n" +
			"in the home, to the same user's processes. SIGTERM or SIGINT ends it in order,\n" +
			"with code 0. Under systemd use Type=notify.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd serve",
			"simplexd --home ~/bot -v --log-format json serve",
			"simplexd serve --ws 127.0.0.1:5225 --ws-token-file ~/.ws-token",
			"systemd-run --user --unit simplexd -p Type=notify simplexd serve",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.Software, exit.OSErr, exit.IOErr,
			exit.TempFail, exit.NoPerm, exit.Config),
		Flags: append(wsFlags(), networkFlags()...),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "serve takes no arguments")
			}
			network, err := networkOf(c)
			if err != nil {
				return err
			}
			return classify(e, e.serve(c.Context, wsSettingsOf(c), network))
		},
	}
}

func (e *env) serve(ctx context.Context, ws wsSettings, network home.Network) (err error) {
	if _, err := e.home.ReadConfig(); err != nil {
		return err
	}
	running := false
	lock, err := e.home.WaitLock(ctx, home.LockWait, func() bool {
		conn, err := e.dial(ctx)
		if running = err == nil; running {
			conn.Close()
		}
		return running
	})
	if err != nil {
		return err
	}
	if running {
		return exit.Errorf(exit.TempFail, "a daemon for %s runs already", e.home.Dir).
			WithHint("a home has one daemon; --home names another profile")
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	o := e.options()
	o.Network = network
	o.Summary = true
	p, err := profile.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	web, err := e.wsServer(ctx, ws, p)
	if err != nil {
		return err
	}
	l, err := e.home.Listen()
	if err != nil {
		return err
	}
	e.log.Info("serving", "socket", e.home.Socket)
	_, _ = sdnotify.Notify(sdnotify.Ready, sdnotify.Status("serving"))
	watchCtx, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	go sdnotify.RunWatchdog(watchCtx, p.Alive)
	err = p.Serve(ctx, l, web)
	_, _ = sdnotify.Notify(sdnotify.Stopping)
	return err
}
