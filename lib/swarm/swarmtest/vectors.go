package swarmtest

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

//go:embed testdata/vectors/jami
var embedded embed.FS

// source is the folder with the repositories: jami of the directory that
// SIMPLEXKIT_VECTORS names, or else the one that belongs to this package.
func source() fs.FS {
	if d := os.Getenv(vectors.Env); d != "" {
		for _, dir := range []string{filepath.Join(d, "jami"), d} {
			if m, _ := filepath.Glob(filepath.Join(dir, "*.bundle")); len(m) > 0 {
				return os.DirFS(dir)
			}
		}
	}
	sub, err := fs.Sub(embedded, "testdata/vectors/jami")
	if err != nil {
		panic(err) // unreachable: the path is constant
	}
	return sub
}

// ReadFile reads a file of the folder, also if only NAME.gz is there.
func ReadFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := readFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readFile(name string) ([]byte, error) {
	b, err := fs.ReadFile(source(), name)
	if err == nil {
		return b, nil
	}
	z, zerr := fs.ReadFile(source(), name+".gz")
	if zerr != nil {
		return nil, err
	}
	r, zerr := gzip.NewReader(bytes.NewReader(z))
	if zerr != nil {
		return nil, zerr
	}
	return io.ReadAll(r)
}

// Names is the repositories of the folder, in order.
func Names(t testing.TB) []string {
	t.Helper()
	list, err := fs.Glob(source(), "*.bundle")
	if err != nil || len(list) == 0 {
		t.Fatalf("no repositories: %v", err)
	}
	for i, n := range list {
		list[i] = strings.TrimSuffix(path.Base(n), ".bundle")
	}
	sort.Strings(list)
	return list
}

// Repo is a repository in memory.
type Repo struct {
	Name    string
	Objects commit.Mem
	Refs    map[string]commit.ObjectID // by full name
	Head    commit.ObjectID            // refs/heads/main
}

// Load reads a repository.
func Load(t testing.TB, name string) *Repo {
	t.Helper()
	objects, refs, err := readBundle(ReadFile(t, name+".bundle"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	r := &Repo{Name: name, Objects: objects, Refs: refs, Head: refs["refs/heads/main"]}
	if r.Head.IsZero() {
		t.Fatalf("%s: no refs/heads/main among %v", name, refs)
	}
	return r
}

// Case is a repository made by hand and what becomes of it.
type Case struct {
	Name       string
	Head       commit.ObjectID
	Rule       string
	Strict     string           // valid or invalid
	Daemon2026 string           `json:"jami_head"`
	Daemon2023 string           // accepted, rejected, threw or -
	Local      *commit.ObjectID // what the fetching side has, if not nothing
	// Commit is the beginning of the id of the offending commit, Reason why; of
	// what is refused.
	Commit, Reason string `json:"-"`
}

// Cases is the repositories made by hand.
func Cases(t testing.TB) []Case {
	t.Helper()
	var out []Case
	if err := json.Unmarshal(ReadFile(t, "cases.json"), &out); err != nil {
		t.Fatal(err)
	}
	reasons := manifestReasons(t)
	for i, c := range out {
		out[i].Commit, out[i].Reason = reasons[c.Name][0], reasons[c.Name][1]
	}
	return out
}

// manifestReasons reads the column "offending commit: reason" by name.
func manifestReasons(t testing.TB) map[string][2]string {
	out := map[string][2]string{}
	for line := range strings.Lines(string(ReadFile(t, "MANIFEST.md"))) {
		col := strings.Split(line, "|")
		if len(col) < 8 || !strings.HasPrefix(strings.TrimSpace(col[1]), "bad-") {
			continue
		}
		id, reason, _ := strings.Cut(strings.TrimSpace(col[6]), ": ")
		out[strings.TrimSpace(col[1])] = [2]string{id, reason}
	}
	return out
}

// Real is a repository of the daemon and what it said of it.
type Real struct {
	Name, Account, Device string
	Conversation, Head    commit.ObjectID
	Members               []struct{ Role, URI string }
	Infos                 map[string]string
	// Messages is the history, newest first.
	Messages []map[string]any `json:"loadConversationMessages"`
	// Refused is the verdict of the strict rules on a repository that only a
	// daemon can hold: the beginning of the commit's id and the reason, or "".
	Refused string `json:"-"`
}

var validity = regexp.MustCompile(`(?m)^- validity, every commit from the root: (.*)$`)

// Reals is the repositories that the daemon wrote.
func Reals(t testing.TB) []Real {
	t.Helper()
	sections := map[string]string{}
	for _, s := range strings.Split(string(ReadFile(t, "MANIFEST.md")), "\n### ") {
		name, rest, _ := strings.Cut(s, "\n")
		sections[strings.TrimSpace(name)] = rest
	}
	var out []Real
	for _, name := range Names(t) {
		b, err := readFile(name + ".json")
		if err != nil {
			continue
		}
		var r Real
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.Name = name
		if m := validity.FindStringSubmatch(sections[name]); m != nil && m[1] != "valid" {
			r.Refused = m[1]
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		t.Fatal("no repositories of the daemon")
	}
	return out
}
