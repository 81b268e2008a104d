package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// port VAR sets a variable to a port that nobody uses.
func cmdPort(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}

// knocking connects to a port again and again.
type knocking struct {
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	n       int
	refused int
	err     error // another one
}

var knockers sync.Map // by script

// knock PORT begins to connect to the port of 127.0.0.1, without end.
func cmdKnock(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	k := &knocking{stop: cancel}
	k.tasks.Go(func() {
		for ctx.Err() == nil {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+args[0])
			switch {
			case err == nil:
				k.n++
				_ = c.Close()
			case errors.Is(err, syscall.ECONNREFUSED):
				k.refused++
			case ctx.Err() == nil:
				k.err = err
			}
			<-time.After(time.Millisecond)
		}
	})
	knockers.Store(ts.MkAbs("."), k)
	ts.Defer(func() { cancel(); k.tasks.Wait() })
}

// knocked ends knocking; no connection may have been refused.
func cmdKnocked(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := knockers.Load(ts.MkAbs("."))
	k := v.(*knocking)
	k.stop()
	k.tasks.Wait()
	ts.Logf("connected %d times", k.n)
	if k.refused > 0 || k.n < 10 || k.err != nil {
		ts.Fatalf("connected %d times, refused %d times: %v", k.n, k.refused, k.err)
	}
}

// activate NAME=PORT,... PROGRAM ARGS... plays systemd with socket units: it
// opens the ports, which stay open until the script ends, and starts the
// program with them. The file pid has its process.
func cmdActivate(ts *testscript.TestScript, neg bool, args []string) {
	var names []string
	var files []*os.File
	for _, item := range strings.Split(args[0], ",") {
		name, port, _ := strings.Cut(item, "=")
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		ts.Check(err)
		f, err := l.(*net.TCPListener).File()
		ts.Check(err)
		ts.Check(l.Close()) // f keeps it open
		names, files = append(names, name), append(files, f)
	}
	var program string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, args[1])); err == nil {
			program = filepath.Join(dir, args[1])
			break
		}
	}
	cmd := exec.Command("sh", append([]string{"-c", `echo $$ > pid; LISTEN_PID=$$ exec "$0" "$@"`, program}, args[2:]...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"),
		"NOTIFY_SOCKET="+ts.Getenv("NOTIFY_SOCKET"))
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // its code is of no interest here
		for _, f := range files {
			_ = f.Close()
		}
	})
}
