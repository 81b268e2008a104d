package home

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxSocketPath is the room for a path in sockaddr_un, less its zero byte.
const maxSocketPath = 107

// Listen makes the daemon's socket, for its user alone (0600). A socket left
// by a daemon that was killed is removed: the caller holds the lock, so no
// daemon listens on it.
func (h Home) Listen() (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(h.Socket), 0o700); err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	if err := os.Remove(h.Socket); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("home: remove stale socket: %w", err)
	}
	path, done, err := shortPath(h.Socket)
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	defer done()
	// A socket is born with the rights the umask leaves; no other goroutine
	// of ours makes files at this time.
	mask := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("home: listen on %s: %w", h.Socket, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return &listener{Listener: l, path: h.Socket}, nil
}

// listener removes the socket by its real name when it closes, and lets in
// only processes of the user who runs the daemon (and root).
type listener struct {
	net.Listener
	path string
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := peerUID(c.(*net.UnixConn)); err == nil && (uid == os.Geteuid() || uid == 0) {
			return c, nil
		}
		c.Close()
	}
}

func (l *listener) Close() error {
	_ = os.Remove(l.path)
	return l.Listener.Close()
}

// peerUID is the user of the process at the other end (SO_PEERCRED).
func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Uid), nil
}

// Dial connects to the daemon of this home, if one runs.
func (h Home) Dial(ctx context.Context) (net.Conn, error) {
	path, done, err := shortPath(h.Socket)
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	defer done()
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	return c, nil
}

// shortPath is a name of the socket that fits a socket address: its own, or
// one through an open descriptor of its directory, good until done.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	return short, func() { dir.Close() }, nil
}
