package secret

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/simplexkit/simplexkit/lib/exit"
)

func none() *Source { return &Source{FD: -1, Flag: "key", What: "passphrase"} }

// terminal is a pseudo-terminal: what the person sees and types at, and what
// the program has.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// await reads from the terminal until it shows text.
func await(t *testing.T, person *os.File, text string) string {
	t.Helper()
	var seen []byte
	for b := make([]byte, 256); !bytes.Contains(seen, []byte(text)); {
		n, err := person.Read(b)
		if err != nil {
			t.Fatalf("waiting for %q after %q: %v", text, seen, err)
		}
		seen = append(seen, b[:n]...)
	}
	return string(seen)
}

func TestPrompt(t *testing.T) {
	for name, tt := range map[string]struct {
		typed []string
		code  int
	}{
		"once":   {[]string{"hunter2"}, exit.Done},
		"twice":  {[]string{"hunter2", "hunter2"}, exit.Done},
		"differ": {[]string{"hunter2", "hunter3"}, exit.DataErr},
		"empty":  {[]string{""}, exit.DataErr},
	} {
		t.Run(name, func(t *testing.T) {
			person, program := terminal(t)
			s := none()
			s.Stdin, s.Stderr = program, program
			got := make(chan error, 1)
			go func() {
				secret, err := s.Read(t.Context(), len(tt.typed) > 1)
				secret.Wipe()
				got <- err
			}()
			shown := ""
			for i, line := range tt.typed {
				shown += await(t, person, []string{"passphrase: ", "passphrase, again: "}[i])
				if _, err := person.WriteString(line + "\n"); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-got; exit.Code(err) != tt.code {
				t.Errorf("got %v", err)
			}
			if strings.Contains(shown, "hunter") {
				t.Errorf("the terminal shows %q", shown)
			}
		})
	}
}

func TestPromptIsInterrupted(t *testing.T) {
	person, program := terminal(t)
	s := none()
	s.Stdin, s.Stderr = program, program
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		_, err := s.Read(ctx, false)
		got <- err
	}()
	await(t, person, "passphrase: ")
	cancel()
	if err := <-got; err == nil {
		t.Error("no error")
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is left as %+v, was %+v, %v", after, before, err)
	}
	// Let the read end before the terminal goes.
	if _, err := person.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
}

func TestPromptNeedsBothEnds(t *testing.T) {
	_, program := terminal(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, ends := range map[string][2]*os.File{
		"no input": {r, program}, "no error stream": {program, w}, "neither": {nil, nil},
	} {
		s := none()
		s.Stdin, s.Stderr = ends[0], ends[1]
		if _, err := s.Read(t.Context(), false); exit.Code(err) != exit.Usage || !strings.Contains(exit.Hint(err), "--key-file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsHaveNothingOfTheSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(keyMark+"hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := none()
	s.File = path
	_, err := s.Read(t.Context(), false)
	if exit.Code(err) != exit.DataErr || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
