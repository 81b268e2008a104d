package home

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// strangerSocket names the socket that this test binary, as another user, is
// to connect to.
const strangerSocket = "HOME_TEST_STRANGER_SOCKET"

// nobody is a user that is neither us nor root.
const nobody = 65534

// TestSocketTurnsOtherUsersAway connects as another user to a socket whose mode
// lets everybody in: the daemon itself must look.
func TestSocketTurnsOtherUsersAway(t *testing.T) {
	if path := os.Getenv(strangerSocket); path != "" {
		stranger(t, path)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "peer")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	h := In(dir)
	l, err := h.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(h.Socket, 0o666)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "stranger")
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(program, self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run", "^TestSocketTurnsOtherUsersAway$")
	cmd.Env = append(os.Environ(), strangerSocket+"="+h.Socket)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// We ourselves are let in, as the only one.
	c, err := h.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := <-accepted
	s.Close()
	if n := len(accepted); n != 0 {
		t.Errorf("%d strangers were let in", n)
	}
}

// stranger connects and must be turned away.
func stranger(t *testing.T, path string) {
	if os.Geteuid() != nobody {
		t.Fatal("still the same user")
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("not turned away: %v", err)
	}
}
