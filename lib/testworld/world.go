package testworld

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// World is a relay and two messengers, alice and bob, as processes.
type World struct {
	// Bin has the programs, see [Build]; Dir is for all that they write.
	Bin, Dir string
	// Address is the relay's smp:// address.
	Address string
	// Relay serves Dir/R; Alice and Bob are the daemons of Dir/A and Dir/B.
	Relay, Alice, Bob *Process
}

// New makes the homes of a relay, of alice and of bob in dir, which should have
// a short name: sockets lie below it. Nothing runs yet but what made them.
func New(ctx context.Context, bin, dir string) (*World, error) {
	w, err := NewRelay(ctx, bin, dir, "R")
	if err != nil {
		return nil, err
	}
	if w.Alice, err = w.messenger(ctx, "A", "alice"); err != nil {
		return nil, err
	}
	if w.Bob, err = w.messenger(ctx, "B", "bob"); err != nil {
		return nil, err
	}
	return w, nil
}

// NewRelay makes the home of a relay in dir, a world without messengers.
func NewRelay(ctx context.Context, bin, dir, home string) (*World, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	w := &World{Bin: bin, Dir: dir}
	out, err := w.Run(ctx, "", "relayctl", "smp", "init", "--home", w.Home(home), "--host", "127.0.0.1", "--port", strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	w.Address = strings.TrimSpace(out)
	w.Relay = &Process{
		Name: "relay",
		Args: []string{w.program("relayctl"), "smp", "serve", "--home", w.Home(home)},
		Ready: func(ctx context.Context) error {
			return canDial(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		},
	}
	return w, nil
}

func (w *World) messenger(ctx context.Context, home, name string) (*Process, error) {
	dir := w.Home(home)
	if _, err := w.Run(ctx, "", "simplexd", "--home", dir, "init", name, "--smp-server", w.Address); err != nil {
		return nil, err
	}
	return &Process{
		Name:  name,
		Args:  []string{w.program("simplexd"), "--home", dir, "serve"},
		Ready: func(ctx context.Context) error { return canDial(ctx, "unix", w.Socket(home)) },
	}, nil
}

func canDial(ctx context.Context, network, address string) error {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return c.Close()
}

// FreePort is a TCP port of 127.0.0.1 that nobody listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("testworld: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Home is the directory of a home: "R", "A" or "B".
func (w *World) Home(name string) string { return filepath.Join(w.Dir, name) }

// Socket is the socket of a messenger: "A" or "B".
func (w *World) Socket(name string) string { return filepath.Join(w.Dir, name, "simplexd.sock") }

func (w *World) program(name string) string { return filepath.Join(w.Bin, name) }

// Run runs a program to its end and returns its standard output. The error has
// what it wrote to standard error.
func (w *World) Run(ctx context.Context, stdin string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.program(program), args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("testworld: %s %s: %w\n%s", program, strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.String(), nil
}

// Start starts all three and waits until they are ready.
func (w *World) Start(ctx context.Context) error {
	for _, p := range w.Processes() {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Processes are the relay, alice and bob.
func (w *World) Processes() []*Process { return []*Process{w.Relay, w.Alice, w.Bob} }

// Connect makes alice and bob contacts of each other. All three must run.
func (w *World) Connect(ctx context.Context) error {
	link, err := w.Run(ctx, "", "simplexd", "--home", w.Home("A"), "invite")
	if err != nil {
		return err
	}
	_, err = w.Run(ctx, link, "simplexd", "--home", w.Home("B"), "connect", "-")
	return err
}

// Close kills what runs and removes what it wrote.
func (w *World) Close() error {
	var errs []error
	for _, p := range w.Processes() {
		if p != nil {
			errs = append(errs, p.Kill())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(w.Dir))...)
}
