package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/simplexkit/simplexkit/lib/smp"
)

// openPTY makes a terminal.
func openPTY(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	fd := int(ours.Fd())
	err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	n := 0
	if err == nil {
		n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// TestProgress checks two relays from a terminal: one does not listen, one
// says nothing until the line of progress is there.
func TestProgress(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, l := range []net.Listener{silent, gone} {
		a := smp.ServerAddr{Hosts: []string{"127.0.0.1"}, KeyHash: smp.Fingerprint(make([]byte, 32))}
		_, a.Port, _ = net.SplitHostPort(l.Addr().String())
		addrs = append(addrs, a.String())
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	ours, theirs := openPTY(t)
	program, err := exec.LookPath("relayctl") // by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, append([]string{"smp", "check", "--connect-crit", "60s"}, addrs...)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Stdin = &out, theirs, theirs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	b := make([]byte, 1024)
	if err := ours.SetReadDeadline(time.Now().Add(time.Minute)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		t.Fatal(err)
	}
	for {
		n, err := ours.Read(b)
		shown.Write(b[:n])
		if strings.Contains(shown.String(), "] 1 of 2 relays") {
			_ = silent.Close() // and with it the connection in its queue
		}
		if err != nil {
			break // the program has ended
		}
	}
	err = cmd.Wait()
	var code *exec.ExitError
	if !errors.As(err, &code) || code.ExitCode() != 2 {
		t.Errorf("%v", err)
	}
	if s := shown.String(); !strings.Contains(s, "\r\x1b[K[##########          ] 1 of 2 relays") || !strings.HasSuffix(s, "\r\x1b[K") {
		t.Errorf("terminal has %q", s)
	}
	if !strings.HasPrefix(out.String(), "CRITICAL 0 of 2 relays are OK") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("result is %q", out.String())
	}
}

// TestPercent is the collector's setting by the heap and its use.
func TestPercent(t *testing.T) {
	for _, c := range []struct {
		live, allocated uint64
		want            int
	}{{8 << 20, 0, 100}, {8 << 20, 64 << 20, 100}, {64 << 20, 1 << 20, 50}, {64 << 20, 64 << 20, 100}} {
		if got := percent(c.live, c.allocated); got != c.want {
			t.Errorf("%d live, %d allocated: %d, want %d", c.live, c.allocated, got, c.want)
		}
	}
}
