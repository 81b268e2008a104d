package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/simplexkit/simplexkit/cmd/internal/doctor/doctortest"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
)

// tools is where TestMain puts the binaries that scripts run beside simplexd.
var tools string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "simplexd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	tools = dir
	testscript.Main(cleanup{m, dir}, map[string]func(){"simplexd": main})
}

type cleanup struct {
	m   *testing.M
	dir string
}

func (c cleanup) Run() int {
	defer os.RemoveAll(c.dir)
	return c.m.Run()
}

func TestScripts(t *testing.T) {
	build := exec.Command("go", "build", "-tags", os.Getenv("TAGS"), "-o", tools+"/", "../relayctl")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build relayctl: %v\n%s", err, out)
	}
	mounts := canMount(t)
	testscript.Run(t, testscript.Params{
		Condition: func(cond string) (bool, error) {
			if cond == "tmpfs" {
				return mounts, nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", tools+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "xdg", "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "xdg", "config"))
			env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "xdg", "run"))
			for _, name := range []string{"PORT", "PORT2"} {
				port, err := freePort()
				if err != nil {
					return err
				}
				env.Setenv(name, port)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    cmdExits,
			"until":    cmdUntil,
			"ready":    cmdReady,
			"holdlock": cmdHoldLock,
			"within":   cmdWithin,
			"await":    cmdAwait,
			"tmpfs":    cmdTmpfs,
			"firstof":  cmdFirstOf,
			"relay":    cmdRelay,
			"leaks":    cmdLeaks,
			"nowhere":  cmdNowhere,
			"timehost": doctortest.TimeHost,
		},
	})
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// exits CODE PROGRAM ARGS... runs a program that must end with CODE.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// ready HOME waits until the daemon of HOME answers.
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	h := home.In(ts.MkAbs(args[0]))
	poll(ts, "daemon of "+args[0], func() error {
		e := &env{home: h}
		c, err := e.dial(context.Background())
		if err == nil {
			c.Close()
		}
		return err
	})
}

// relay PORT waits until something listens on PORT of 127.0.0.1.
func cmdRelay(ts *testscript.TestScript, neg bool, args []string) {
	poll(ts, "relay on "+args[0], func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+args[0])
		if err == nil {
			c.Close()
		}
		return err
	})
}

func poll(ts *testscript.TestScript, what string, fn func() error) {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if err = fn(); err == nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("%s: %v", what, err)
}

// holdlock HOME takes the home's lock for the rest of the script.
func cmdHoldLock(ts *testscript.TestScript, neg bool, args []string) {
	lock, err := home.In(ts.MkAbs(args[0])).TryLock()
	ts.Check(err)
	ts.Defer(func() { lock.Close() })
}

// within TIME COMMAND ARGS... runs exits with ARGS, which must not take longer.
func cmdWithin(ts *testscript.TestScript, neg bool, args []string) {
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	start := time.Now()
	cmdExits(ts, neg, args[2:])
	if took := time.Since(start); took > limit {
		ts.Fatalf("took %s, limit %s", took, limit)
	}
}

// await FILE TEXT waits until the file contains the text.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	poll(ts, fmt.Sprintf("%q in %s", args[1], args[0]), func() error {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !strings.Contains(string(b), args[1]) {
			err = fmt.Errorf("not yet in:\n%s", b)
		}
		return err
	})
}

// until REGEXP COMMAND… runs the command until its standard output matches: a
// peer's news may come a little after our own.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	poll(ts, args[0], func() error {
		err := ts.Exec(args[1], args[2:]...)
		if out := ts.ReadFile("stdout"); err == nil && !want.MatchString(out) {
			err = fmt.Errorf("not yet in:\n%s", out)
		}
		return err
	})
}

// tmpfs DIR SIZE mounts a small file system of its own. Scripts ask [tmpfs]
// first whether that is possible.
func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// canMount reports whether this process may mount file systems.
func canMount(t *testing.T) bool {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Logf("no file system can be mounted here (%v): scripts with a full disk are skipped", err)
		return false
	}
	return syscall.Unmount(dir, 0) == nil
}

// firstof VAR sets a variable to the first line of the last standard output.
func cmdFirstOf(ts *testscript.TestScript, neg bool, args []string) {
	line, _, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	ts.Setenv(args[0], line)
}
