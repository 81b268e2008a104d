package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build makes the programs that run as processes of their own.
var build = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-tags", os.Getenv("TAGS"), "-o", bin+"/", ".", "../simplexd").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
})

// place is a folder with a profile and a list of hosts.
type place struct {
	t   *testing.T
	dir string
	ctx context.Context
}

func newPlace(t *testing.T) *place {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	p := &place{t, t.TempDir(), ctx}
	p.run("simplexd", "--home", p.path("A"), "init", "alice")
	return p
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// run runs a program to its end.
func (p *place) run(args ...string) string {
	p.t.Helper()
	out, code := p.try(args...)
	if code != 0 {
		p.t.Fatalf("%v ends with %d: %s", args, code, out)
	}
	return out
}

func (p *place) try(args ...string) (string, int) {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := p.command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		p.t.Fatalf("%v: %v", args, err)
	}
	if err != nil {
		return stdout.String() + stderr.String(), ended.ExitCode()
	}
	return stdout.String(), 0
}

func (p *place) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.ctx, filepath.Join(bin, args[0]), args[1:]...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "PAIR_DIR="+p.path("C"), "PAIR_ADDR=127.0.0.1", "PAIR_PORT=0", "PAIR_NO_MULTICAST=1")
	return cmd
}

// process is a program that runs.
type process struct {
	p     *place
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	err   *bytes.Buffer
	done  chan struct{}
}

func (p *place) start(args ...string) *process {
	p.t.Helper()
	r := &process{p: p, cmd: p.command(args...), lines: make(chan string, 10000), err: new(bytes.Buffer), done: make(chan struct{})}
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		r.in, err = r.cmd.StdinPipe()
	}
	r.cmd.Stderr = r.err
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		in := bufio.NewScanner(out)
		in.Buffer(nil, 8<<20)
		for in.Scan() {
			r.lines <- in.Text()
		}
		close(r.lines)
		_ = r.cmd.Wait() // its code is in ProcessState
	}()
	p.t.Cleanup(r.kill)
	return r
}

// kill ends a program as kill -9 does.
func (r *process) kill() {
	_ = r.cmd.Process.Kill() // it may have ended
	<-r.done
}

// end asks a program to end, and returns its code.
func (r *process) end() int {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-r.done
	return r.cmd.ProcessState.ExitCode()
}

// next waits for a line that has all of want, and passes over others.
func (r *process) next(want ...string) string {
	r.p.t.Helper()
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				<-r.done
				r.p.t.Fatalf("%v has ended without %q: %s", r.cmd.Args, want, r.err)
			}
			fits := true
			for _, w := range want {
				fits = fits && strings.Contains(line, w)
			}
			if fits {
				return line
			}
		case <-r.p.ctx.Done():
			r.p.t.Fatalf("%v: %q does not come", r.cmd.Args, want)
		}
	}
}

// ask sends a command and waits for its answer.
func (r *process) ask(id, cmd string) string {
	r.p.t.Helper()
	b, err := json.Marshal(map[string]string{"corrId": id, "cmd": cmd})
	if err != nil {
		r.p.t.Fatal(err)
	}
	if _, err := r.in.Write(append(b, '\n')); err != nil {
		r.p.t.Fatalf("%v: %s", err, r.err)
	}
	return r.next(`"corrId":"` + id + `"`)
}

func field(t *testing.T, line, name string) string {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	s, _ := o[name].(string)
	return s
}

// pair pairs with the profile and returns the controller, which speaks the
// API, and the host.
func (p *place) pair(more ...string) (ctrl, host *process) {
	p.t.Helper()
	ctrl = p.start("pair", "--json", "invite", "--name", "alice")
	link := field(p.t, ctrl.next(`"invitation"`), "link")
	host = p.start(append([]string{"pair", "--json", "connect", link, "--home", p.path("A"), "--expect", "-", "--announced", "none"}, more...)...)
	code := field(p.t, ctrl.next(`"session_code"`), "code")
	if _, err := io.WriteString(host.in, code+"\n"); err != nil {
		p.t.Fatal(err)
	}
	ctrl.next(`"paired"`)
	host.next(`"connected"`)
	return ctrl, host
}
