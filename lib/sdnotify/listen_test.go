package sdnotify_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/simplexkit/simplexkit/lib/sdnotify"
)

// child plays a program that is started with sockets: it hands them over to
// itself once, answers on the one called smp, and ends.
func child(generation string) error {
	ls, err := sdnotify.Listeners()
	if err != nil {
		return err
	}
	if len(ls["smp"]) != 2 || len(ls["metrics"]) != 1 || os.Getenv("LISTEN_FDS") != "" {
		return fmt.Errorf("got %v", ls)
	}
	if generation == "1" {
		var k sdnotify.Kept
		for name, list := range ls {
			for _, l := range list {
				if err := k.Keep(name, l); err != nil {
					return err
				}
				_ = l.Close()
			}
		}
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		if err := os.Setenv("SDNOTIFY_TEST", "2"); err != nil {
			return err
		}
		return k.Handover(exe, os.Args, os.Environ())
	}
	for _, l := range ls["smp"] {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c, "generation %s", generation); err != nil {
			return err
		}
		_ = c.Close()
	}
	return nil
}

func TestMain(m *testing.M) {
	if g := os.Getenv("SDNOTIFY_TEST"); g != "" {
		if err := child(g); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestListeners(t *testing.T) {
	var files []*os.File
	var addrs []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, l.Addr().String())
		files = append(files, f)
		_ = l.Close()
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID must be the child's own: a shell sets it before it becomes it.
	cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ exec "+strconv.Quote(exe))
	cmd.Env = append(os.Environ(), "SDNOTIFY_TEST=1", "LISTEN_FDS=3", "LISTEN_FDNAMES=smp:metrics:smp")
	cmd.ExtraFiles, cmd.Stderr = files, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		_ = f.Close()
	}
	for _, i := range []int{0, 2} {
		c, err := net.Dial("tcp", addrs[i])
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil || string(b) != "generation 2" {
			t.Errorf("read %q: %v", b, err)
		}
		_ = c.Close()
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if ls, err := sdnotify.Listeners(); len(ls) != 0 || err != nil {
		t.Errorf("here there are none: %v, %v", ls, err)
	}
}
