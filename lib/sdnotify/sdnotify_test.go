package sdnotify_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/sdnotify"
)

func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", name)
	return c
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 1024)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if sent, err := sdnotify.Notify(sdnotify.Ready); sent || err != nil {
		t.Fatalf("without a manager: %v %v", sent, err)
	}
	c := listen(t)
	if sent, err := sdnotify.Notify(sdnotify.Ready, sdnotify.Status("a\nb %d", 1)); !sent || err != nil {
		t.Fatalf("Notify: %v %v", sent, err)
	}
	if got, want := receive(t, c), "READY=1\nSTATUS=a b 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if _, err := sdnotify.Notify(sdnotify.Ready); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent socket: %v", err)
	}
}

func TestWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "1")
	if d := sdnotify.WatchdogInterval(); d != 0 {
		t.Errorf("another process's watchdog: %v", d)
	}
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	if d := sdnotify.WatchdogInterval(); d != 10*time.Millisecond {
		t.Errorf("interval: %v", d)
	}
	c := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); sdnotify.RunWatchdog(ctx, func(context.Context) error { return nil }) }()
	for range 2 {
		if got := receive(t, c); got != "WATCHDOG=1\n" {
			t.Errorf("got %q", got)
		}
	}
	cancel()
	<-done
	t.Setenv("WATCHDOG_USEC", "x")
	sdnotify.RunWatchdog(t.Context(), nil) // returns at once
}
