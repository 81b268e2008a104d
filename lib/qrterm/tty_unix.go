//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package qrterm

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errNothing is a read that ended because nothing came.
var errNothing = errors.New("qrterm: no answer yet")

// rawTTY reads a terminal that hands over each byte at once and gives up a read
// after a tenth of a second. It goes round the runtime's poller, which not all
// systems let in on terminals.
type rawTTY struct{ fd int }

func (t rawTTY) Read(b []byte) (int, error) {
	n, err := unix.Read(t.fd, b)
	if err == unix.EINTR || err == unix.EAGAIN || err == nil && n == 0 {
		return 0, errNothing
	}
	return n, err
}

func (t rawTTY) Write(b []byte) (int, error) {
	total := 0
	for total < len(b) {
		n, err := unix.Write(t.fd, b[total:])
		if err != nil && err != unix.EINTR && err != unix.EAGAIN {
			return total, err
		}
		total += max(n, 0)
	}
	return total, nil
}

// openRaw makes a terminal ready to be asked, until closeTTY.
func openRaw(out *os.File) (t rawTTY, closeTTY func(), err error) {
	t.fd = int(out.Fd())
	release := func() {}
	if flags, err := unix.FcntlInt(uintptr(t.fd), unix.F_GETFL, 0); err != nil || flags&unix.O_ACCMODE != unix.O_RDWR {
		f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return t, nil, err
		}
		t.fd, release = int(f.Fd()), func() { f.Close() }
	}
	if front, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err == nil && front != unix.Getpgrp() {
		release()
		return t, nil, errors.New("qrterm: not in the foreground")
	}
	old, err := unix.IoctlGetTermios(t.fd, getTermios)
	if err != nil {
		release()
		return t, nil, err
	}
	raw := *old
	raw.Lflag &^= unix.ECHO | unix.ICANON
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 0, 1
	if err := unix.IoctlSetTermios(t.fd, setTermios, &raw); err != nil {
		release()
		return t, nil, err
	}
	return t, func() {
		_ = unix.IoctlSetTermios(t.fd, setTermios, old)
		release()
	}, nil
}
