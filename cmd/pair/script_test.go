package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// bin is where TestMain puts the programs.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pair-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bin = dir
	testscript.Main(cleanup{m, dir}, map[string]func(){"pair": main})
}

type cleanup struct {
	m   *testing.M
	dir string
}

func (c cleanup) Run() int {
	defer func() { _ = os.RemoveAll(c.dir) }()
	return c.m.Run()
}

func TestScripts(t *testing.T) {
	if err := build(); err != nil {
		t.Fatal(err)
	}
	cmds := map[string]func(*testscript.TestScript, bool, []string){
		"exits": cmdExits,
		"await": cmdAwait,
	}
	maps.Copy(cmds, doctorCmds)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", env.Getenv("PATH")+string(os.PathListSeparator)+bin) // pair is testscript's
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "xdg", "data"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "xdg", "config"))
			env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "xdg", "run"))
			port, err := freePort()
			env.Setenv("PORT", port)
			return err
		},
		Cmds: cmds,
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
