package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/storetest"
	"github.com/simplexkit/simplexkit/lib/store/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"relayctl": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "xdg"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "conf"))
			// This machine may be busy: only scripts about limits have small ones.
			for _, name := range []string{"WARN", "CRITICAL", "CONNECT_WARN", "CONNECT_CRITICAL", "PROXY_WARN", "PROXY_CRITICAL"} {
				env.Setenv("RELAYCTL_"+name, "60s")
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Setenv("PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
			return l.Close()
		},
		Condition: func(name string) (bool, error) {
			if name == "postgres" {
				return pgtest.Installed(), nil
			}
			return false, fmt.Errorf("no condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    cmdExits,
			"await":    cmdAwait,
			"relay":    cmdRelay,
			"notify":   cmdNotify,
			"hear":     cmdHear,
			"firstof":  cmdFirstOf,
			"occupy":   cmdOccupy,
			"knock":    cmdKnock,
			"knocked":  cmdKnocked,
			"activate": cmdActivate,
			"port":     cmdPort,
			"dump":     cmdDump,
			"asked":    cmdAsked,
			"database": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], pgtest.Start(t, pgtest.Options{}).NewDatabase(t))
			},
		},
	})
}

// dump FILE writes an export of a relay with one queue and two messages.
func cmdDump(ts *testscript.TestScript, neg bool, args []string) {
	s := queuestore.NewMem()
	q := storetest.NewQueue(smp.Messaging)
	ctx := context.Background()
	ts.Check(s.Update(ctx, func(tx queuestore.Tx) error {
		return errors.Join(tx.AddQueue(q, smp.LinkData{}), tx.AddMessage(q.Num, storetest.NewMessage("one")),
			tx.AddMessage(q.Num, storetest.NewMessage("two")))
	}))
	var b bytes.Buffer
	_, err := queuedump.Write(ctx, &b, s)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// asked FILE NUMBERS... sees that each relay_ name in FILE is one of NUMBERS,
// and that JSON is JSON.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if strings.HasPrefix(text, "{") && !json.Valid([]byte(text)) {
		ts.Fatalf("%s is not JSON", args[0])
	}
	there := ""
	for _, name := range args[1:] {
		there += "\n" + ts.ReadFile(name)
	}
	names := regexp.MustCompile(`\brelay_[a-z_]+`).FindAllString(text, -1)
	if len(names) == 0 {
		ts.Fatalf("%s asks for nothing", args[0])
	}
	for _, n := range names {
		if !strings.Contains(there, "\n"+n+" ") && !strings.Contains(there, "\n"+n+"{") {
			ts.Fatalf("%s asks for %s, which there is not", args[0], n)
		}
	}
}

// exits CODE PROGRAM ARGS... runs a program that must end with CODE.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err = ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await ADDR waits until something listens there.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	var err error
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); <-time.After(10 * time.Millisecond) {
		var c net.Conn
		if c, err = net.Dial("tcp", args[0]); err == nil {
			_ = c.Close()
			return
		}
	}
	ts.Fatalf("nothing listens on %s: %v", args[0], err)
}

// relay PORT waits until something listens on PORT of 127.0.0.1.
func cmdRelay(ts *testscript.TestScript, neg bool, args []string) {
	cmdAwait(ts, neg, []string{"127.0.0.1:" + args[0]})
}

// occupy PORT listens on the port for the rest of the script.
func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
}

var services = map[string]*net.UnixConn{}

// notify starts to play the service manager.
func cmdNotify(ts *testscript.TestScript, neg bool, args []string) {
	name := ts.MkAbs("notify.sock")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	ts.Check(err)
	services[name] = c
	ts.Setenv("NOTIFY_SOCKET", name)
	ts.Defer(func() { _ = c.Close() })
}

// hear WORD waits until a program has told it to the service manager.
func cmdHear(ts *testscript.TestScript, neg bool, args []string) {
	c := services[ts.MkAbs("notify.sock")]
	ts.Check(c.SetReadDeadline(time.Now().Add(30 * time.Second)))
	b := make([]byte, 1024)
	for {
		n, err := c.Read(b)
		if err != nil {
			ts.Fatalf("waiting for %s: %v", args[0], err)
		}
		if strings.Contains(string(b[:n]), args[0]) {
			return
		}
	}
}

// firstof VAR sets a variable to the first line of the last standard output.
func cmdFirstOf(ts *testscript.TestScript, neg bool, args []string) {
	line, _, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	ts.Setenv(args[0], line)
}
