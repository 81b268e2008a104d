package home

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrLocked says that another process uses the profile.
var ErrLocked = errors.New("profile in use by another process")

// LockWait is how long a command waits for another to finish with the profile.
const LockWait = 4 * time.Second

// Lock is the right to open the profile's database. The kernel gives it back
// when the process ends, however it ends.
type Lock struct{ file *os.File }

// TryLock takes the lock or returns an error that wraps [ErrLocked] and names
// the holder's PID.
func (h Home) TryLock() (*Lock, error) {
	f, err := os.OpenFile(h.lockFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("home: %s: %w%s", h.Dir, ErrLocked, holder(f))
		}
		return nil, fmt.Errorf("home: lock %s: %w", h.lockFile(), err)
	}
	// The PID is for people who ask who holds it; the lock holds without it.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lock{file: f}, nil
}

// holder reads who holds the lock, for the error's words.
func holder(f *os.File) string {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (PID %d)", pid)
}

// WaitLock takes the lock, trying for at most wait. Between two attempts it
// calls instead, when that is not nil, and returns (nil, nil) as soon as that
// reports true: whoever holds the lock may be a daemon that begins to answer.
func (h Home) WaitLock(ctx context.Context, wait time.Duration, instead func() bool) (*Lock, error) {
	deadline := time.Now().Add(wait)
	for {
		if instead != nil && instead() {
			return nil, nil
		}
		lock, err := h.TryLock()
		if err == nil || !errors.Is(err, ErrLocked) || time.Now().After(deadline) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Close gives the lock back. The file stays: removing it would let two
// processes lock two files of one name.
func (l *Lock) Close() error {
	_ = l.file.Truncate(0)
	return l.file.Close()
}
