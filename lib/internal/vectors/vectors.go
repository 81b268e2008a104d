package vectors

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Env names the variable that holds a directory of other vectors.
const Env = "SIMPLEXKIT_VECTORS"

// File is one file of vectors.
type File struct {
	Name   string // as given to [Load]
	Path   string // the file that was read
	Origin string // the program that made the values
	What   string
	// Raw is every member of the file's object, also "origin" and "cases".
	Raw   map[string]json.RawMessage
	Cases []Case
}

// Case is one case of a file.
type Case struct {
	ID       string
	Category string
	Raw      json.RawMessage // the whole object of the case
}

// Dir is the directory that Load reads name from, and the path there, with
// ".gz" if only the compressed file exists. The error is fs.ErrNotExist if the
// file is neither in $SIMPLEXKIT_VECTORS nor in testdata/vectors of the
// working directory, which in a test is the package's own.
func Dir(name string) (dir, path string, err error) {
	dirs := []string{filepath.Join("testdata", "vectors")}
	if d := os.Getenv(Env); d != "" {
		dirs = []string{d, dirs[0]}
	}
	for _, dir := range dirs {
		for _, ext := range []string{"", ".gz"} {
			path := filepath.Join(dir, filepath.FromSlash(name)) + ext
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
				return dir, path, nil
			}
		}
	}
	return "", "", fmt.Errorf("vectors: %s in %s: %w", name, strings.Join(dirs, ", "), fs.ErrNotExist)
}

// ReadFile is the content of the file name, decompressed; for files that are
// not made of cases.
func ReadFile(t testing.TB, name string) []byte {
	t.Helper()
	b, _, err := read(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(name string) (content []byte, path string, err error) {
	dir, path, err := Dir(name)
	if err != nil {
		return nil, "", err
	}
	b, err := os.ReadFile(path)
	if err == nil && strings.HasSuffix(path, ".gz") && !strings.HasSuffix(name, ".gz") {
		b, err = gunzip(b)
	}
	if err != nil {
		return nil, "", fmt.Errorf("vectors: reading %s of %s: %w", name, dir, err)
	}
	return b, path, nil
}

func gunzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Load reads a file of cases. The test fails if the file is missing, has no
// cases, or if two cases share an ID.
func Load(t testing.TB, name string) *File {
	t.Helper()
	b, path, err := read(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parse(b)
	if err != nil {
		t.Fatalf("vectors: parsing %s: %v", path, err)
	}
	f.Name, f.Path = name, path
	if dir := os.Getenv(Env); dir != "" && !strings.HasPrefix(path, filepath.Clean(dir)) {
		t.Logf("vectors: %s is not in %s, %s is used", name, dir, path)
	}
	return f
}

func parse(b []byte) (*File, error) {
	f := new(File)
	if err := json.Unmarshal(b, &f.Raw); err != nil {
		return nil, err
	}
	var head struct {
		Origin, What string
		Cases        []json.RawMessage
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, err
	}
	if len(head.Cases) == 0 {
		return nil, errors.New("no cases")
	}
	f.Origin, f.What = head.Origin, head.What
	seen := make(map[string]bool, len(head.Cases))
	for _, raw := range head.Cases {
		var c struct{ ID, Category string }
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, err
		}
		if seen[c.ID] {
			return nil, fmt.Errorf("two cases with ID %q", c.ID)
		}
		seen[c.ID] = true
		f.Cases = append(f.Cases, Case{ID: c.ID, Category: c.Category, Raw: raw})
	}
	return f, nil
}

// Decode unmarshals the member name of the file's object into v. The test
// fails if it is missing.
func (f *File) Decode(t testing.TB, name string, v any) {
	t.Helper()
	raw, ok := f.Raw[name]
	if !ok {
		t.Fatalf("vectors: %s has no %q", f.Path, name)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("vectors: %q of %s: %v", name, f.Path, err)
	}
}

// Run runs fn as a subtest for every case, named by category and ID.
func (f *File) Run(t *testing.T, fn func(t *testing.T, c Case)) {
	t.Helper()
	for _, c := range f.Cases {
		t.Run(c.Category+"/"+c.ID, func(t *testing.T) { fn(t, c) })
	}
}

// Dispatch runs every case with the function of its category; "name/*" stands
// for all categories that begin with "name/". The test fails for a category
// that has no function.
func (f *File) Dispatch(t *testing.T, by map[string]func(t *testing.T, c Case)) {
	t.Helper()
	f.Run(t, func(t *testing.T, c Case) {
		fn, ok := by[c.Category]
		if group, _, cut := strings.Cut(c.Category, "/"); !ok && cut {
			fn, ok = by[group+"/*"]
		}
		if !ok {
			t.Fatalf("unknown category %q", c.Category)
		}
		fn(t, c)
	})
}

// With is the cases for which the category is one of those given; a name that
// ends in "/*" stands for all that begin with what is before the star. It is
// for the tests of packages that share a file; one of them should see to it
// that no category is left out.
func (f *File) With(categories ...string) []Case {
	var out []Case
	for _, c := range f.Cases {
		for _, want := range categories {
			group, star := strings.CutSuffix(want, "*")
			if c.Category == want || star && strings.HasPrefix(c.Category, group) {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// Decode unmarshals the case into v.
func (c Case) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(c.Raw, v); err != nil {
		t.Fatalf("vectors: case %s (%s): %v", c.ID, c.Category, err)
	}
}

// String is "category/id".
func (c Case) String() string { return c.Category + "/" + c.ID }
