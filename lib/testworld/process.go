package testworld

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build compiles the named programs of cmd/ into the directory bin, with the
// build tags of the environment variable TAGS, as make does.
func Build(ctx context.Context, bin string, programs ...string) error {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return errors.New("testworld: the module's directory is not known")
	}
	args := []string{"build", "-tags", os.Getenv("TAGS"), "-o", bin + string(filepath.Separator)}
	for _, p := range programs {
		args = append(args, "./cmd/"+p)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("testworld: build %s: %w\n%s", strings.Join(programs, " "), err, out)
	}
	return nil
}

// Process is a program that can be killed and started again. Its methods are
// safe for concurrent use.
type Process struct {
	// Name is for people.
	Name string
	// Args is the program's path and its arguments.
	Args []string
	// Ready reports nil once the program does its work. Start waits for it.
	Ready func(context.Context) error
	// Stderr takes what the program says; nil keeps the last of it for errors.
	Stderr io.Writer

	mu    sync.Mutex
	cmd   *exec.Cmd     // nil: not started
	ended chan struct{} // closed when cmd has ended
	tail  tail
}

// Start starts the program, if it does not run, and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	p.mu.Lock()
	if p.cmd == nil {
		cmd := exec.Command(p.Args[0], p.Args[1:]...)
		cmd.Stderr = io.MultiWriter(&p.tail, orDiscard(p.Stderr))
		// A test that is killed takes what it started with it.
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			p.mu.Unlock()
			return fmt.Errorf("testworld: start %s: %w", p.Name, err)
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait() // Kill and Stop read cmd.ProcessState
			close(ended)
		}()
		p.cmd, p.ended = cmd, ended
	}
	ended := p.ended
	p.mu.Unlock()
	return p.wait(ctx, ended)
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// wait waits until the program is ready.
func (p *Process) wait(ctx context.Context, ended <-chan struct{}) error {
	if p.Ready == nil {
		return nil
	}
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("testworld: %s ended before it was ready:\n%s", p.Name, p.tail.String())
		case <-ctx.Done():
			return fmt.Errorf("testworld: %s is not ready: %w\n%s", p.Name, err, p.tail.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Pid is the process's number, 0 when it does not run.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Kill kills the process with SIGKILL and waits for its end. It does nothing
// when none runs.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL, 10*time.Second, nil) }

// Stop asks the process with SIGTERM to end and returns an error unless it
// does so with code 0 in time.
func (p *Process) Stop(limit time.Duration) error {
	return p.end(syscall.SIGTERM, limit, func(s *os.ProcessState) error {
		if !s.Success() {
			return fmt.Errorf("testworld: %s stopped with %s:\n%s", p.Name, s, p.tail.String())
		}
		return nil
	})
}

func (p *Process) end(sig syscall.Signal, limit time.Duration, judge func(*os.ProcessState) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	cmd := p.cmd
	select {
	case <-p.ended:
		// It has ended by itself, which only Kill forgives.
	default:
		if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("testworld: end %s: %w", p.Name, err)
		}
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		_ = cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("testworld: %s did not end within %s:\n%s", p.Name, limit, p.tail.String())
	}
	p.cmd = nil
	if judge == nil {
		return nil
	}
	return judge(cmd.ProcessState)
}

// Said is the last of what the program wrote to standard error.
func (p *Process) Said() string { return p.tail.String() }

// tail keeps the last of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 8 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if extra := len(t.b) - tailSize; extra > 0 {
		t.b = append(t.b[:0], t.b[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
