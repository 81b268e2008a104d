// Package tree reads the Go files of this module, for the tools and tests that
// look at the tree as a whole. Files that are not written by hand (generated
// ones, and the copy of crypto/tls that scripts/tlsfork makes) are left out,
// and so is testdata.
package tree

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Tree is a module.
type Tree struct {
	Dir   string // its root
	Path  string // of the module
	Fset  *token.FileSet
	Files []*File // in the order of their paths
}

// File is one Go file.
type File struct {
	Path  string // from the root, with slashes
	Pkg   string // the directory of Path
	Test  bool   // its name ends in _test.go
	Lines int
	Src   []byte
	AST   *ast.File // with comments
}

// skipped are directories, by path or by name, that are not ours to read.
var skipped = map[string]bool{
	"lib/transport/gotls/internal/tls": true, // made by scripts/tlsfork
	"bin":                              true,
	"vendor":                           true,
	"testdata":                         true,
}

// Root is the directory of go.mod at dir or above.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("tree: no go.mod here or above")
		}
		dir = up
	}
}

// Read parses the module whose root is dir.
func Read(dir string) (*Tree, error) {
	t := &Tree{Dir: dir, Fset: token.NewFileSet()}
	modfile, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(modfile)) {
		if p, ok := strings.CutPrefix(line, "module "); ok {
			t.Path = strings.TrimSpace(p)
			break
		}
	}
	if t.Path == "" {
		return nil, errors.New("tree: go.mod has no module line")
	}
	return t, filepath.WalkDir(dir, t.visit)
}

func (t *Tree) visit(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(t.Dir, path)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	if d.IsDir() {
		if rel != "." && (skipped[rel] || skipped[d.Name()] || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		return nil
	}
	if !strings.HasSuffix(rel, ".go") {
		return nil
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(t.Fset, rel, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if ast.IsGenerated(f) {
		return nil
	}
	t.Files = append(t.Files, &File{
		Path:  rel,
		Pkg:   filepath.ToSlash(filepath.Dir(rel)),
		Test:  strings.HasSuffix(rel, "_test.go"),
		Lines: bytes.Count(src, []byte("\n")),
		Src:   src,
		AST:   f,
	})
	return nil
}

// Packages is the files by package, without tests unless asked for.
func (t *Tree) Packages(tests bool) map[string][]*File {
	m := map[string][]*File{}
	for _, f := range t.Files {
		if !f.Test || tests {
			m[f.Pkg] = append(m[f.Pkg], f)
		}
	}
	return m
}

// Line is the line of a position, for messages "path:line".
func (t *Tree) Line(p token.Pos) string { return t.Fset.Position(p).String() }
