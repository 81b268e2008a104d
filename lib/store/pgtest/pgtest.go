// Package pgtest starts a PostgreSQL server for tests: the installed one, with
// a directory of its own, reachable on a Unix socket only. It runs as the
// user postgres or nobody when the test runs as root, which PostgreSQL
// refuses to. Tests are skipped where it is not installed.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a server; the zero value is quick, and forgets with the machine.
type Options struct {
	// Durable waits for the disk at each commit, as servers are set up to.
	Durable bool
}

// Server is a running server.
type Server struct {
	dir  string
	next atomic.Int64
	log  string
	cmd  *exec.Cmd
}

const startTimeout = 60 * time.Second

// Start starts a server, which stops when the test ends.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	bin := binaries()
	if bin == "" {
		tb.Skip("PostgreSQL is not installed: no postgres and initdb in /usr/lib/postgresql/*/bin or the path (Debian's package is postgresql)")
	}
	// Not tb.TempDir, whose parent another user may not enter; and short, for
	// paths of sockets are.
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{dir: dir, log: filepath.Join(dir, "log")}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	attr := otherUser(tb, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
	durable := "off"
	if o.Durable {
		durable = "on"
	}
	s.run(tb, exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir,
		"-c", "listen_addresses=", "-c", "unix_socket_permissions=0777",
		"-c", "fsync="+durable, "-c", "max_connections=200"), attr)
	return s
}

// Installed tells whether Start can start a server.
func Installed() bool { return binaries() != "" }

// binaries is the directory of the newest server installed.
func binaries() string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is good
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, d := range dirs {
		if _, err := exec.LookPath(filepath.Join(d, "initdb")); err == nil {
			if _, err := exec.LookPath(filepath.Join(d, "postgres")); err == nil {
				return d
			}
		}
	}
	return ""
}

func version(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

// otherUser gives dir to a user who may run a server, if root may not.
func otherUser(tb testing.TB, dir string) *syscall.SysProcAttr {
	tb.Helper()
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() != 0 {
		return attr
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		tb.Skipf("PostgreSQL does not run as root, and there is no user postgres or nobody: %v", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(dir, uid, gid)); err != nil {
		tb.Fatal(err)
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr
}

func (s *Server) run(tb testing.TB, cmd *exec.Cmd, attr *syscall.SysProcAttr) {
	tb.Helper()
	log, err := os.Create(s.log)
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = attr, s.dir, log, log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	s.cmd = cmd
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		<-ended
		if tb.Failed() {
			tb.Logf("PostgreSQL's log:\n%s", s.Log())
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.dsn("postgres"))
		if err == nil {
			if err := c.Close(ctx); err != nil {
				tb.Fatal(err)
			}
			return
		}
		select {
		case e := <-ended:
			ended <- e
			tb.Fatalf("PostgreSQL does not start: %v\n%s", e, s.Log())
		case <-ctx.Done():
			tb.Fatalf("PostgreSQL does not answer: %v\n%s", err, s.Log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Server) dsn(database string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=%s", s.dir, database)
}

// Log is what the server has logged up to now.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// NewDatabase makes an empty database and gives its connection string.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprint("test", s.next.Add(1))
	s.Exec(tb, s.dsn("postgres"), `CREATE DATABASE `+name)
	return s.dsn(name)
}

// Exec runs statements in a database.
func (s *Server) Exec(tb testing.TB, dsn, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = c.Exec(ctx, sql)
	if err = errors.Join(err, c.Close(ctx)); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}
