package home

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/simplexkit/simplexkit/lib/localsock"
)

// Listen makes the daemon's socket, for its user alone. A socket left by a
// daemon that was killed is removed: the caller holds the lock, so no daemon
// listens on it.
func (h Home) Listen() (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(h.Socket), 0o700); err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	l, err := localsock.Listen(h.Socket)
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	return l, nil
}

// Dial connects to the daemon of this home, if one runs.
func (h Home) Dial(ctx context.Context) (net.Conn, error) {
	c, err := localsock.Dial(ctx, h.Socket)
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	return c, nil
}
