// Package sdnotify tells the service manager how the process is, as
// sd_notify(3) describes: datagrams of NAME=value lines to the Unix socket
// named in $NOTIFY_SOCKET. Without that variable all calls do nothing, so a
// program needs no test for running under systemd.
package sdnotify

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// States for [Notify].
const (
	Ready     = "READY=1"
	Stopping  = "STOPPING=1"
	Reloading = "RELOADING=1"
	Watchdog  = "WATCHDOG=1"
)

// Status is the state that shows text in the service's status line.
func Status(format string, args ...any) string {
	return "STATUS=" + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
}

// Notify sends states to the service manager, in one datagram. It reports
// whether there was one to tell. With [Reloading] goes the time, which a
// service of Type=notify-reload has to give.
func Notify(states ...string) (sent bool, err error) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return false, nil
	}
	// A leading '@' is the abstract namespace, which package net spells the
	// same way.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return false, fmt.Errorf("sdnotify: reach the service manager: %w", err)
	}
	defer c.Close()
	if slices.Contains(states, Reloading) {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
			return false, fmt.Errorf("sdnotify: clock: %w", err)
		}
		states = append(slices.Clone(states), fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	}
	if _, err := c.Write([]byte(strings.Join(states, "\n") + "\n")); err != nil {
		return false, fmt.Errorf("sdnotify: write: %w", err)
	}
	return true, nil
}

// WatchdogInterval is how often the manager wants to hear [Watchdog], already
// halved as sd_watchdog_enabled(3) advises; zero if it does not.
func WatchdogInterval() time.Duration {
	if p := os.Getenv("WATCHDOG_PID"); p != "" && p != strconv.Itoa(os.Getpid()) {
		return 0
	}
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || us <= 0 {
		return 0
	}
	return time.Duration(us) * time.Microsecond / 2
}

// RunWatchdog sends [Watchdog] at the interval asked for, as long as alive
// returns nil, and returns when ctx ends or no watchdog is wanted.
func RunWatchdog(ctx context.Context, alive func(context.Context) error) {
	every := WatchdogInterval()
	if every == 0 {
		return
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if alive == nil || alive(ctx) == nil {
			_, _ = Notify(Watchdog) // the manager acts on the absence of it
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
