package relayadmin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/localsock"
)

// ErrNotRunning is returned if no relay runs on the home.
var ErrNotRunning = errors.New("relay: not running")

// Call asks the relay that runs on a home. The errors are [ErrNotRunning],
// and those of the relay with their exit codes.
func Call(ctx context.Context, home string, method, queue, reason string, result any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := localsock.Dial(ctx, filepath.Join(home, fileSocket))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return exit.Wrap(exit.Unavailable, ErrNotRunning)
	}
	if errors.Is(err, fs.ErrPermission) {
		return exit.Errorf(exit.NoPerm, "relay: %w", err).WithHint("be the user who runs the relay, or root")
	}
	if err != nil {
		return exit.Errorf(exit.Unavailable, "relay: %w", err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	line, err := json.Marshal(request{method, queue, reason})
	if err != nil {
		return err
	}
	if _, err := c.Write(append(line, '\n')); err != nil {
		return exit.Errorf(exit.Unavailable, "relay: control socket: %w", err)
	}
	// The answer may be long: it has all metrics.
	text, err := bufio.NewReader(c).ReadBytes('\n')
	if err != nil {
		return exit.Errorf(exit.Unavailable, "relay: control socket closed: %w", err)
	}
	var r response
	if err := json.Unmarshal(text, &r); err != nil {
		return exit.Errorf(exit.Protocol, "relay: control socket: %w", err)
	}
	if r.Error != nil {
		return (&exit.Error{Code: r.Error.Code, Err: errors.New(r.Error.Message)}).WithHint("%s", r.Error.Hint)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(r.Result, result); err != nil {
		return exit.Errorf(exit.Protocol, "relay: control socket: %w", err)
	}
	return nil
}
