// Package secret gets a profile's passphrase or key from where the user keeps
// it: a file, a descriptor, a command, a systemd credential or a terminal. It
// is never an argument and never a variable, which other processes see.
//
// A line "SIMPLEXKIT-KEY-1 " and the base64url of 32 random bytes is a key; it
// is used as it is. Everything else, less one newline at the end, is a
// passphrase.
package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/store"
)

// Source is where a secret comes from; at most one of the first three is set.
type Source struct {
	File    string
	FD      int // -1: none
	Command string

	// Credential is a file's name in $CREDENTIALS_DIRECTORY, used when none of
	// the above is set; empty: not looked for.
	Credential string
	// Flag is the first flag's name, for advice.
	Flag string
	// Stdin and Stderr are for the prompt, which needs both to be terminals.
	Stdin, Stderr *os.File
	// What is being asked for, such as "passphrase of the profile".
	What string
}

// maxSecret is more than any secret has; a larger file is a mistake.
const maxSecret = 64 << 10

const keyMark = "SIMPLEXKIT-KEY-1 "

// Check returns a usage error when several places are named.
func (s *Source) Check() error {
	n := 0
	for _, set := range []bool{s.File != "", s.FD >= 0, s.Command != ""} {
		if set {
			n++
		}
	}
	if n > 1 {
		return exit.Errorf(exit.Usage, "--%[1]s-file, --%[1]s-fd and --%[1]s-command: only one of them", s.Flag)
	}
	return nil
}

// Given tells whether a secret is there without asking a person.
func (s *Source) Given() bool {
	return s.File != "" || s.FD >= 0 || s.Command != "" || s.credential() != ""
}

func (s *Source) credential() string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if s.Credential == "" || dir == "" {
		return ""
	}
	path := filepath.Join(dir, s.Credential)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// Read gets the secret. With twice set a person has to type it twice. Errors
// carry their exit code; no error has a part of the secret in it.
func (s *Source) Read(ctx context.Context, twice bool) (*store.Secret, error) {
	b, err := s.read(ctx, twice)
	defer clear(b)
	if err != nil {
		return nil, err
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(line) == 0 {
		return nil, exit.Errorf(exit.DataErr, "the %s is empty", s.What)
	}
	if encoded, ok := bytes.CutPrefix(line, []byte(keyMark)); ok {
		var key [32]byte
		defer clear(key[:])
		if n, err := base64.RawURLEncoding.Decode(key[:], bytes.TrimRight(encoded, "=")); err != nil || n != len(key) {
			return nil, exit.Errorf(exit.DataErr, "the %s is a damaged key", s.What)
		}
		return store.RawKey(key), nil
	}
	return store.Passphrase(line, store.KDF{}), nil
}

func (s *Source) read(ctx context.Context, twice bool) ([]byte, error) {
	switch {
	case s.File != "":
		return fromFile(s.File, true)
	case s.FD >= 0:
		return s.fromFD()
	case s.Command != "":
		return s.fromCommand(ctx)
	}
	if path := s.credential(); path != "" {
		// systemd guards its directory; an access list shows as rights of the
		// group there.
		return fromFile(path, false)
	}
	return s.prompt(ctx, twice)
}

func fromFile(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, exit.Errorf(exit.NoPerm, "key file: %w", err)
	}
	if err != nil {
		return nil, exit.Errorf(exit.NoInput, "key file: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, exit.Errorf(exit.IOErr, "key file: %w", err)
	}
	if private && st.Mode().Perm()&0o077 != 0 {
		return nil, exit.Errorf(exit.NoPerm, "key file %s: others may read it (mode %04o)", path, st.Mode().Perm()).
			WithHint("chmod 600 %s", path)
	}
	return readAll(f, "key file "+path)
}

func (s *Source) fromFD() ([]byte, error) {
	if s.FD == 1 || s.FD == 2 {
		return nil, exit.Errorf(exit.Usage, "--%s-fd %d: is for output", s.Flag, s.FD)
	}
	f := os.NewFile(uintptr(s.FD), "key descriptor")
	if f == nil {
		return nil, exit.Errorf(exit.Usage, "--%s-fd %d: no such descriptor", s.Flag, s.FD)
	}
	defer f.Close()
	return readAll(f, fmt.Sprintf("key descriptor %d", s.FD))
}

// fromCommand runs the command in a shell; what it says on standard error is
// for the person.
func (s *Source) fromCommand(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.Command)
	cmd.Stderr = s.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, exit.Errorf(exit.OSErr, "key command: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, exit.Errorf(exit.OSErr, "key command: %w", err)
	}
	b, err := readAll(out, "key command")
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		clear(b)
		err = exit.Errorf(exit.NoInput, "key command: %w", ended)
	}
	return b, err
}

func readAll(r io.Reader, what string) ([]byte, error) {
	b := make([]byte, maxSecret+1)
	n, err := io.ReadFull(r, b)
	if err == nil {
		clear(b)
		return nil, exit.Errorf(exit.DataErr, "%s: too long for a passphrase", what)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(b)
		return nil, exit.Errorf(exit.NoInput, "%s: %w", what, err)
	}
	return b[:n], nil
}

// prompt asks the person at the terminal.
func (s *Source) prompt(ctx context.Context, twice bool) ([]byte, error) {
	if s.Stdin == nil || s.Stderr == nil || !term.IsTerminal(int(s.Stdin.Fd())) || !term.IsTerminal(int(s.Stderr.Fd())) {
		return nil, exit.Errorf(exit.Usage, "the %s is needed, and there is no terminal to ask at", s.What).
			WithHint("give --%[1]s-file, --%[1]s-fd or --%[1]s-command", s.Flag)
	}
	first, err := s.ask(ctx, s.What)
	if err != nil || !twice {
		return first, err
	}
	second, err := s.ask(ctx, s.What+", again")
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = exit.Errorf(exit.DataErr, "the passphrases differ")
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

// ask reads one line without showing it. A read from a terminal cannot be
// interrupted: when ctx ends, the goroutine stays until the process does.
func (s *Source) ask(ctx context.Context, what string) ([]byte, error) {
	fd := int(s.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, exit.Errorf(exit.OSErr, "terminal: %w", err)
	}
	defer func() { _ = term.Restore(fd, before) }()
	// Before the prompt: who sees it may begin to type.
	if err := hide(fd); err != nil {
		return nil, exit.Errorf(exit.OSErr, "terminal: %w", err)
	}
	fmt.Fprintf(s.Stderr, "%s: ", what)
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := readLine(s.Stdin)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		fmt.Fprintln(s.Stderr)
		return a.line, exit.Wrap(exit.IOErr, a.err)
	case <-ctx.Done():
		fmt.Fprintln(s.Stderr)
		return nil, context.Cause(ctx)
	}
}

// readLine reads up to the end of a line or of the input, and not further.
func readLine(r io.Reader) (line []byte, err error) {
	line = make([]byte, 0, maxSecret)
	for b := make([]byte, 1); len(line) < maxSecret; line = append(line, b[0]) {
		if _, err := io.ReadFull(r, b); errors.Is(err, io.EOF) || b[0] == '\n' {
			return line, nil
		} else if err != nil {
			clear(line)
			return nil, err
		}
	}
	clear(line)
	return nil, errors.New("too long for a passphrase")
}

// hide stops a terminal from showing what is typed.
func hide(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
