package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Free space below which a profile is in danger, in bytes: a commit needs room
// for its log, and a backup as much as the profile.
const (
	littleSpace = 1 << 30
	noSpace     = 64 << 20
)

// Disk looks at the room where dir lies.
func Disk(dir string) Finding {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return Found("disk", Unknown, "%s: %v", dir, err)
	}
	free, total := uint64(st.Bavail)*uint64(st.Bsize), uint64(st.Blocks)*uint64(st.Bsize)
	f := Found("disk", OK, "%s free of %s", size(free), size(total))
	switch {
	case st.Flags&syscall.MS_RDONLY != 0:
		return Found("disk", Critical, "%s is mounted read-only", dir)
	case free < noSpace:
		f.State = Critical
	case free < littleSpace && free < total/10:
		f.State = Warning
	case st.Files > 0 && st.Ffree < 1000:
		f.State, f.Text = Warning, fmt.Sprintf("%d inodes free", st.Ffree)
	}
	if f.State != OK {
		return f.WithHint("make room on the disk; nothing that was accepted is lost, and nothing more is accepted")
	}
	return f
}

func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// Offsets of the clock that are told, and that break things: invitations for
// remote control are good for minutes.
const (
	someOffset = 5 * time.Second
	bigOffset  = 2 * time.Minute
)

// Clock asks the time server, if one is given, and otherwise the kernel whether
// anybody sets its clock.
func Clock(ctx context.Context, server string) Finding {
	if server == "" {
		return kernelClock()
	}
	off, err := Offset(ctx, server)
	if err != nil {
		return Found("clock", Unknown, "ask %s: %v", server, err).WithHint("name another server with --ntp, or none")
	}
	f := Found("clock", OK, "differs by %s from that of %s", off.Round(time.Millisecond), server)
	switch abs := off.Abs(); {
	case abs >= bigOffset:
		f.State = Critical
	case abs >= someOffset:
		f.State = Warning
	}
	if f.State != OK {
		return f.WithHint("set the clock: timedatectl set-ntp true")
	}
	return f
}

// Offset is how much a time server is ahead of this machine's clock.
//
// Spec: RFC 4330, sections 4 and 5.
func Offset(ctx context.Context, server string) (time.Duration, error) {
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "123")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", server)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	req := make([]byte, 48)
	req[0] = 4<<3 | 3 // version 4, client
	sent := time.Now()
	binary.BigEndian.PutUint64(req[40:], toNTP(sent))
	if _, err := conn.Write(req); err != nil {
		return 0, err
	}
	for buf := make([]byte, 512); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return 0, err
		}
		got := time.Now()
		off, err := answered(buf[:n], req, sent, got)
		if !errors.Is(err, errNotAnswer) {
			return off, err
		}
	}
}

var errNotAnswer = errors.New("not an answer to the question")

// answered reads an answer that came at got to what was asked at sent.
func answered(b, req []byte, sent, got time.Time) (time.Duration, error) {
	if len(b) < 48 || b[0]&7 != 4 || string(b[24:32]) != string(req[40:48]) {
		return 0, errNotAnswer
	}
	if stratum := b[1]; stratum == 0 || stratum > 15 || b[0]>>6 == 3 {
		return 0, errors.New("the server does not know the time")
	}
	received, replied := fromNTP(binary.BigEndian.Uint64(b[32:])), fromNTP(binary.BigEndian.Uint64(b[40:]))
	return (received.Sub(sent) + replied.Sub(got)) / 2, nil
}

// ntpEpoch is 1900 in Unix time.
const ntpEpoch = -2208988800

func toNTP(t time.Time) uint64 {
	return uint64(t.Unix()-ntpEpoch)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func fromNTP(v uint64) time.Time {
	sec := int64(v >> 32)
	if sec < 1<<31 {
		sec += 1 << 32 // the era that begins in 2036
	}
	return time.Unix(sec+ntpEpoch, int64(v&0xffffffff)*1e9>>32)
}

// Linger looks whether a user's services go on after the user has logged out.
// unit is the name of the user's unit; where there is none it does not apply.
func Linger(unit string, getenv func(string) string) Finding {
	config := getenv("XDG_CONFIG_HOME")
	if config == "" {
		config = filepath.Join(getenv("HOME"), ".config")
	}
	if _, err := os.Stat(filepath.Join(config, "systemd/user", unit)); err != nil {
		return Found("linger", Skipped, "no %s among the user's units", unit)
	}
	u, err := user.Current()
	if err != nil {
		return Found("linger", Unknown, "%v", err)
	}
	return lingers("/var/lib/systemd/linger", u.Username)
}

func lingers(dir, name string) Finding {
	_, err := os.Stat(filepath.Join(dir, name))
	switch {
	case err == nil:
		return Found("linger", OK, "services of %s go on after logging out", name)
	case errors.Is(err, fs.ErrNotExist):
		return Found("linger", Warning, "systemd ends services of %s with the last session", name).
			WithHint("loginctl enable-linger %s", name)
	}
	return Found("linger", Unknown, "%v", err)
}

// Private looks at a file that only its owner may read; missing ones are the
// caller's to tell. It gives "" if all is well.
func Private(path string) string {
	st, err := os.Lstat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return ""
		}
		return err.Error()
	}
	var bad []string
	if perm := st.Mode().Perm(); perm&0o077 != 0 {
		bad = append(bad, fmt.Sprintf("mode %04o lets others in", perm))
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Geteuid() {
		bad = append(bad, fmt.Sprintf("belongs to user %d", sys.Uid))
	}
	if len(bad) == 0 {
		return ""
	}
	return path + ": " + strings.Join(bad, ", ")
}
