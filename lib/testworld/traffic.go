package testworld

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/stdio"
)

// Session is a client on a daemon's socket.
type Session struct {
	*stdio.Client
	cancel context.CancelFunc
	ended  chan struct{}
}

// Dial connects to the daemon of a messenger, which may answer with errors or
// die at any time.
func (w *World) Dial(ctx context.Context, home string) (*Session, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", w.Socket(home))
	if err != nil {
		return nil, fmt.Errorf("testworld: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Session{Client: stdio.NewClient(conn), cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		_ = s.Client.Run(ctx) // its calls return what went wrong
	}()
	return s, nil
}

// Close ends the session and waits for it.
func (s *Session) Close() {
	s.cancel()
	_ = s.Client.Close() // the daemon may be dead
	<-s.ended
}

// Send sends a message as often as it takes to have it accepted (queued by a
// daemon), whatever dies meanwhile, and records it in h.
func (w *World) Send(ctx context.Context, h *History, s Stream, home, to, text string) error {
	h.Attempt(s, text)
	p := api.SendParams{To: api.ChatTo{Name: to}, Text: text, Idem: string(s) + " " + text, Wait: "queued"}
	for {
		err := w.call(ctx, home, "send", p)
		if err == nil {
			h.Accept(s, text)
			return nil
		}
		var refused *api.Error
		if errors.As(err, &refused) && refused.Code != api.CodeInternal {
			return fmt.Errorf("testworld: send: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("testworld: send: %w; last error: %w", ctx.Err(), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (w *World) call(ctx context.Context, home, method string, params any) error {
	s, err := w.Dial(ctx, home)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return s.Call(ctx, method, params, nil)
}

// Follow runs simplexd recv --follow on a home and records what it prints in h,
// until ctx ends. The command itself must outlive the daemons.
func (w *World) Follow(ctx context.Context, h *History, s Stream, home string) error {
	cmd := exec.CommandContext(ctx, w.program("simplexd"), "--home", w.Home(home), "recv", "--follow")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said tail
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("testworld: recv: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("testworld: recv: %w", err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, stdio.MaxLine)
	for lines.Scan() {
		var l api.RecvLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return errors.Join(fmt.Errorf("testworld: recv printed %q: %w", lines.Text(), err), cmd.Cancel(), cmd.Wait())
		}
		h.Show(s, l.Seq, l.Text)
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil && ctx.Err() == nil {
		return fmt.Errorf("testworld: recv: %w\n%s", err, said.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("testworld: recv --follow ended with code %d after SIGTERM:\n%s", code, said.String())
	}
	return nil
}
