// Package localsock has Unix sockets in a program's home, for other processes
// of the same user: of mode 0600, open to that user and root alone
// (SO_PEERCRED), with paths of any length.
package localsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// maxPath is what fits a socket address, with the final zero.
const maxPath = 107

// Listen makes a socket, in place of one that a process which has ended left.
// The caller sees to it that only one process does so. Closing the listener
// removes the socket.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("localsock: remove the old socket: %w", err)
	}
	short, done, err := shortPath(path)
	if err != nil {
		return nil, fmt.Errorf("localsock: %w", err)
	}
	defer done()
	// A socket is born with the rights that the umask leaves.
	mask := syscall.Umask(0o177)
	l, err := net.Listen("unix", short)
	syscall.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("localsock: listen on %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return &listener{l, path}, nil
}

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
		_ = c.Close()
	}
}

func (l *listener) Close() error {
	_ = os.Remove(l.path) // somebody may have
	return l.Listener.Close()
}

// peerUID is the user of the process at the other end.
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

// Dial connects to a socket.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	short, done, err := shortPath(path)
	if err != nil {
		return nil, fmt.Errorf("localsock: %w", err)
	}
	defer done()
	c, err := new(net.Dialer).DialContext(ctx, "unix", short)
	if err != nil {
		return nil, fmt.Errorf("localsock: %w", err)
	}
	return c, nil
}

// shortPath is a name of the socket that fits a socket address: its own, or
// one through an open descriptor of its directory, good until done.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	short = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	return short, func() { _ = dir.Close() }, nil
}
