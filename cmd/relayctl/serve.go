package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	numbers "runtime/metrics"
	"slices"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/sdnotify"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

func serveCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "serve",
		Usage: "run the relay until SIGTERM or SIGINT",
		Description: "SIGHUP makes it read certificate, users, block_list and log_level again; connections\n" +
			"stay. For other settings restart it, or send SIGUSR2.\n\n" +
			"SIGUSR2 makes it the program that now lies at its path, such as a newer one, with\n" +
			"settings read again: it finishes what is under way and closes connections; clients\n" +
			"that connect meanwhile wait, none is refused. It stays as it is if that program or\n" +
			"the settings are no good.\n\n" +
			"Under systemd it tells when it is ready, reloading and stopping (Type=notify\n" +
			"or notify-reload),\n" +
			"answers the watchdog while its store answers, and takes sockets named smp and\n" +
			"metrics. relayctl smp config print-unit prints a unit.",
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp serve",
			"relayctl smp serve --home ./R --listen 127.0.0.1:5223 --log-format json",
			"relayctl smp serve --metrics-listen 127.0.0.1:9223",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.OSErr, exit.IOErr, exit.TempFail, exit.NoPerm, exit.Config),
		Flags:  serveFlags(),
		Action: func(c *ucli.Context) error { return runServe(c, e) },
	}
}

func serveFlags() []ucli.Flag {
	return slices.Concat([]ucli.Flag{homeFlag, configFlag}, settingFlags(), logFlags)
}

// serving is a relay that runs.
type serving struct {
	log     *slog.Logger
	home    *relayhome.Home
	program string                          // to become at SIGUSR2
	again   func() (*relayhome.Home, error) // reads settings, and sets the level of logs
	smp     []net.Listener
	metrics []net.Listener
	stop    context.CancelFunc
	kept    *sdnotify.Kept // set before stop, if it is to go on as another program

	beside sync.WaitGroup
}

func runServe(c *ucli.Context, e *env) error {
	var level slog.LevelVar
	log, err := levelLogger(c, e, &level)
	if err != nil {
		return err
	}
	h, err := load(c)
	if err != nil {
		return err
	}
	setLevel(c, h, &level)
	sockets, err := sdnotify.Listeners()
	if err != nil {
		return exit.Errorf(exit.OSErr, "relay: %w", err)
	}
	s := &serving{log: log, home: h, smp: append(sockets["smp"], sockets["unknown"]...), metrics: sockets["metrics"]}
	s.again = func() (*relayhome.Home, error) {
		h, err := load(c)
		if err == nil {
			setLevel(c, h, &level)
		}
		return h, err
	}
	if s.program, err = os.Executable(); err != nil {
		log.Warn("SIGUSR2 will not work", "err", err)
	}
	if err := s.run(c.Context); err != nil || s.kept == nil {
		return err
	}
	return exit.Wrap(exit.OSErr, s.kept.Handover(s.program, os.Args, os.Environ()))
}

// run serves until ctx ends, or until kept is set.
func (s *serving) run(ctx context.Context) error {
	ctx, s.stop = context.WithCancel(ctx)
	defer s.beside.Wait()
	defer s.stop()
	if s.metrics == nil && s.home.Settings.Metrics != "" {
		l, err := relayadmin.ListenMetrics(ctx, s.home.Settings.Metrics)
		if err != nil {
			return err
		}
		s.metrics = []net.Listener{l}
	}
	defer func() {
		for _, l := range s.metrics {
			_ = l.Close()
		}
	}()
	return s.home.Serve(ctx, relayhome.ServeOptions{
		Logger: s.log,
		Open: func(ctx context.Context) (l net.Listener, err error) {
			if len(s.smp) == 0 {
				s.smp, err = relayhome.ListenEach(ctx, s.home.Settings.ListenAddr())
			}
			if err != nil {
				return nil, err
			}
			return relayhome.Join(s.smp...), nil
		},
		Ready: func(r *relayhome.Relay) { s.ready(ctx, r) },
	})
}

// ready starts what runs beside the relay.
func (s *serving) ready(ctx context.Context, r *relayhome.Relay) {
	a := relayadmin.New(r, cli.Version(), os.Getpid(), s.log)
	up := make(chan struct{})
	s.beside.Go(func() {
		if err := a.Run(ctx, func() { close(up) }); err != nil {
			s.log.Error("relayctl cannot reach this relay", "err", err)
			close(up)
		}
	})
	<-up
	for _, l := range s.metrics {
		s.beside.Go(func() { a.ServeHTTP(ctx, l) })
	}
	s.beside.Go(func() {
		s.block(ctx, r, s.home)
		s.signals(ctx, r)
	})
	tell(s.log, sdnotify.Ready, sdnotify.Status("serving on %s", r.Addr))
	s.log.Info("serving", "listen", r.Addr.String())
	s.beside.Go(func() { sdnotify.RunWatchdog(ctx, a.Alive) })
	s.beside.Go(func() { collect(ctx) })
	s.beside.Go(func() {
		<-ctx.Done()
		if s.kept == nil {
			tell(s.log, sdnotify.Stopping)
			s.log.Info("stopping")
		}
	})
}

func tell(log *slog.Logger, states ...string) {
	if _, err := sdnotify.Notify(states...); err != nil {
		log.Warn("service manager", "err", err)
	}
}

// A relay with thousands of clients holds much memory and, when they are idle,
// makes little garbage. So while its heap is large and quiet the collector runs
// at half the growth that is its default, and what a rush has left, such as all
// clients connecting at once, goes back to the system when it is over.
const (
	largeHeap    = 32 << 20
	quietRate    = 16 << 20 // bytes allocated in a second
	quietPercent = 50
	usualPercent = 100
	returnPause  = 30 * time.Second
)

// collect keeps the collector's setting right until ctx ends, unless the
// operator has set GOGC.
func collect(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	now, returned := usualPercent, time.Time{}
	_, before := heapNumbers()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		live, all := heapNumbers()
		want := percent(live, all-before)
		before = all
		if want == now {
			continue
		}
		now = want
		debug.SetGCPercent(now)
		if now == quietPercent && time.Since(returned) > returnPause {
			debug.FreeOSMemory()
			returned = time.Now()
		}
	}
}

// percent is the setting for a heap of live bytes, with so many allocated in
// the last second.
func percent(live, allocated uint64) int {
	if live > largeHeap && allocated < quietRate {
		return quietPercent
	}
	return usualPercent
}

// heapNumbers are the bytes that the last collection has left, and all that
// were ever allocated.
func heapNumbers() (live, all uint64) {
	sample := []numbers.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	numbers.Read(sample)
	for i, v := range []*uint64{&live, &all} {
		if sample[i].Value.Kind() == numbers.KindUint64 {
			*v = sample[i].Value.Uint64()
		}
	}
	return live, all
}
