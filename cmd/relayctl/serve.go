package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/sdnotify"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

func serveCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "serve",
		Usage: "run the relay until SIGTERM or SIGINT",
		Description: "SIGHUP makes it read the certificate again. Under systemd it tells when it is\n" +
			"ready, reloading and stopping (Type=notify), and answers the watchdog.",
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp serve",
			"relayctl smp serve --home ./R --listen 127.0.0.1:5223 --log-format json",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.OSErr, exit.IOErr, exit.TempFail, exit.NoPerm, exit.Config),
		Flags: append([]ucli.Flag{
			homeFlag,
			&ucli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to listen on instead of the settings'", EnvVars: []string{"RELAYCTL_LISTEN"}},
		}, logFlags...),
		Action: func(c *ucli.Context) error { return runServe(c, e) },
	}
}

func runServe(c *ucli.Context, e *env) error {
	dir, err := home(c)
	if err != nil {
		return err
	}
	log, err := logger(c, e)
	if err != nil {
		return err
	}
	h, err := relayhome.Load(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	return h.Serve(ctx, relayhome.ServeOptions{
		Listen: c.String("listen"),
		Logger: log,
		Ready: func(r *relayhome.Relay) {
			tell(log, sdnotify.Ready, sdnotify.Status("serving on %s", r.Addr))
			log.Info("serving", "listen", r.Addr.String())
			beside.Go(func() { sdnotify.RunWatchdog(ctx, nil) })
			beside.Go(func() { reloads(ctx, r, log) })
			beside.Go(func() {
				<-ctx.Done()
				tell(log, sdnotify.Stopping)
				log.Info("stopping")
			})
		},
	})
}

func tell(log *slog.Logger, states ...string) {
	if _, err := sdnotify.Notify(states...); err != nil {
		log.Warn("service manager", "err", err)
	}
}

// reloads reads the certificate again at each SIGHUP.
func reloads(ctx context.Context, r *relayhome.Relay, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		tell(log, sdnotify.Reloading)
		if err := r.Reload(); err != nil {
			log.Error("certificate stays as it was", "err", err)
		} else {
			log.Info("certificate read again")
		}
		tell(log, sdnotify.Ready)
	}
}
