package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstFD is the first descriptor that the manager passes, see
// sd_listen_fds(3).
const firstFD = 3

// handoverVar names the descriptors that [Handover] passes: PID:NAME=FD,….
const handoverVar = "SIMPLEXKIT_LISTEN_FDS"

// Listeners takes the sockets that the service manager has opened for this
// process, by their names, and those of [Handover]. A socket without a name is
// called "unknown", as in sd_listen_fds_with_names(3). The variables that
// describe them are removed, so that no child takes them too.
func Listeners() (map[string][]net.Listener, error) {
	out := map[string][]net.Listener{}
	fds, names := passed()
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", handoverVar} {
		_ = os.Unsetenv(v) // fails for bad names only
	}
	for i, fd := range fds {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), names[i])
		if f == nil {
			return out, fmt.Errorf("sdnotify: socket %s: no descriptor %d", names[i], fd)
		}
		l, err := net.FileListener(f)
		_ = f.Close() // l has a copy
		if err != nil {
			return out, fmt.Errorf("sdnotify: socket %s: %w", names[i], err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // it is the manager's
		}
		out[names[i]] = append(out[names[i]], l)
	}
	return out, nil
}

// passed lists the descriptors passed to this process.
func passed() (fds []int, names []string) {
	pid := strconv.Itoa(os.Getpid())
	if list, ok := strings.CutPrefix(os.Getenv(handoverVar), pid+":"); ok {
		for _, item := range strings.Split(list, ",") {
			name, text, _ := strings.Cut(item, "=")
			if fd, err := strconv.Atoi(text); err == nil && fd >= firstFD {
				fds, names = append(fds, fd), append(names, name)
			}
		}
	}
	if os.Getenv("LISTEN_PID") != pid {
		return fds, names
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil {
		return fds, names
	}
	given := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for i := range n {
		name := "unknown"
		if i < len(given) && given[i] != "" {
			name = given[i]
		}
		fds, names = append(fds, firstFD+i), append(names, name)
	}
	return fds, names
}

// Kept are copies of listeners that stay open when these are closed, so that
// clients who connect meanwhile wait in place of being refused.
type Kept struct {
	files []*os.File
	names []string
}

// Keep copies a listener, of TCP or a Unix socket.
func (k *Kept) Keep(name string, l net.Listener) error {
	file, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return fmt.Errorf("sdnotify: %T cannot be kept", l)
	}
	f, err := file.File()
	if err != nil {
		return fmt.Errorf("sdnotify: keep %s: %w", name, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	k.files, k.names = append(k.files, f), append(k.names, name)
	return nil
}

// Close closes the copies.
func (k *Kept) Close() {
	for _, f := range k.files {
		_ = f.Close()
	}
	k.files, k.names = nil, nil
}

// Handover makes this process one of another program, or a newer one, which
// finds the kept listeners by [Listeners]. The process keeps its ID, so the
// service manager need not know. It only returns if that fails.
func (k *Kept) Handover(program string, args, env []string) error {
	list := make([]string, len(k.files))
	for i, f := range k.files {
		fd := f.Fd()
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_SETFD, 0); errno != 0 {
			return fmt.Errorf("sdnotify: hand over %s: %w", k.names[i], errno)
		}
		list[i] = k.names[i] + "=" + strconv.Itoa(int(fd))
	}
	env = append(env[:len(env):len(env)], fmt.Sprintf("%s=%d:%s", handoverVar, os.Getpid(), strings.Join(list, ",")))
	return fmt.Errorf("sdnotify: run %s: %w", program, syscall.Exec(program, args, env))
}
