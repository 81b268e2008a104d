package repo_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/swarm/repo"
)

// A process that is killed at any step leaves a repository that git finds
// sound, whose head is the last that was told of or the next one, and that works
// on.
func TestKilledAtEveryStep(t *testing.T) {
	alice := newPerson("alice")
	base := newRepo(t, alice, repo.Options{})
	write(t, base, alice, "one")
	other := clone(t, base, repo.Options{})
	bob := newPerson("bob")
	for i := range 3 {
		writeFiles(t, other, bob, fmt.Sprint(i), map[string][]byte{"devices/bob.crt": fmt.Appendf(nil, "certificate %d", i)})
	}
	old := head(t, base).String()
	steps := 0
	for k := 1; ; k++ {
		path := filepath.Join(t.TempDir(), base.ID().String())
		if err := os.CopyFS(path, os.DirFS(base.Path())); err != nil {
			t.Fatal(err)
		}
		out, killed := runChild(t, k, path, other.Path())
		checkSurvivor(t, k, path, append([]string{old}, strings.Fields(out)...))
		if !killed {
			break
		}
		steps++
	}
	t.Logf("%d steps", steps)
	if steps < 20 {
		t.Errorf("only %d steps were found", steps)
	}
}

// runChild runs the work up to step k.
func runChild(t *testing.T, k int, path, other string) (out string, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REPO_TEST_MODE=crash", fmt.Sprintf("REPO_TEST_K=%d", k), "REPO_TEST_PATH="+path, "REPO_TEST_OTHER="+other)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		return stdout.String(), true
	}
	if err != nil {
		t.Fatalf("step %d: %v: %s", k, err, stderr.String())
	}
	return stdout.String(), false
}

// checkSurvivor looks at what the process has left; told are the heads that it
// told of.
func checkSurvivor(t *testing.T, k int, path string, told []string) {
	t.Helper()
	if out := git(t, path, "fsck", "--strict", "--full", "--no-dangling"); out != "" {
		t.Fatalf("step %d: git fsck: %s", k, out)
	}
	r, err := repo.Open(t.Context(), path, repo.Options{NoSync: true})
	if err != nil {
		t.Fatalf("step %d: %v", k, err)
	}
	defer r.Close()
	last := told[len(told)-1]
	now := head(t, r).String()
	if now != last {
		if parents := git(t, path, "log", "-1", "--format=%P", now); !strings.Contains(parents, last) {
			t.Errorf("step %d: head %s, which is not the next after %s", k, now, last)
		}
	}
	if report, err := r.Fsck(t.Context()); err != nil || len(report.Problems) > 0 {
		t.Errorf("step %d: fsck %v, %v", k, report, err)
	}
	write(t, r, newPerson("alice"), "after the crash")
}
