package treetest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/scripts/internal/tree"
)

// longest is the number of lines that no file exceeds.
const longest = 800

func read(t *testing.T) *tree.Tree {
	t.Helper()
	root, err := tree.Root(".")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := tree.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func inLib(f *tree.File) bool { return strings.HasPrefix(f.Path, "lib/") }

// Every package has exactly one package comment.
func TestPackageComments(t *testing.T) {
	for pkg, files := range read(t).Packages(false) {
		var with []string
		for _, f := range files {
			if f.AST.Doc != nil && strings.TrimSpace(f.AST.Doc.Text()) != "" {
				with = append(with, f.Path)
			}
		}
		if len(with) != 1 {
			t.Errorf("%s: %d package comments %q, want one", pkg, len(with), with)
		}
	}
}

// Nearly all exported names have a comment.
func TestExportedNamesAreExplained(t *testing.T) {
	var all, with int
	for _, f := range read(t).Files {
		if inLib(f) && !f.Test {
			c := tree.CountExported(f)
			all, with = all+c.Names, with+c.Explained
		}
	}
	if with*100 < all*95 {
		t.Errorf("%d of %d exported names in lib have a comment, want 95%%", with, all)
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, f := range read(t).Files {
		if f.Lines > longest {
			t.Errorf("%s has %d lines, at most %d", f.Path, f.Lines, longest)
		}
	}
}

// Packages in lib are for others to use: they leave the end of the process and
// the default logger to commands.
func TestLibraryLeavesTheProcessAlone(t *testing.T) {
	forbidden := regexp.MustCompile(`^(os\.Exit|log\.Fatal.*|log\.Print.*|slog\.(Debug|Info|Warn|Error|Log|Default).*)$`)
	tr := read(t)
	for _, f := range tr.Files {
		if !inLib(f) || f.Test {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if name := tree.Selector(call.Fun); forbidden.MatchString(name) {
					t.Errorf("%s: %s", tr.Line(call.Pos()), name)
				}
			}
			return true
		})
	}
}

// Error texts read as a path and need no introduction.
func TestErrorTexts(t *testing.T) {
	wordy := regexp.MustCompile(`(?i)failed to|error while|unable to`)
	tr := read(t)
	for _, f := range tr.Files {
		if !inLib(f) || f.Test {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && wordy.MatchString(s) {
					t.Errorf("%s: %q", tr.Line(lit.Pos()), s)
				}
			}
			return true
		})
	}
}

// Every exported Parse function is named in a test file with a fuzz target.
func TestParsersHaveFuzzTargets(t *testing.T) {
	tr := read(t)
	for pkg, files := range tr.Packages(true) {
		if !strings.HasPrefix(pkg, "lib/") {
			continue
		}
		fuzzed := map[string]bool{}
		for _, f := range files {
			if f.Test && tree.HasFunc(f, "Fuzz") {
				ast.Inspect(f.AST, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						fuzzed[id.Name] = true
					}
					return true
				})
			}
		}
		for _, f := range files {
			for _, d := range f.AST.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if ok && !f.Test && strings.HasPrefix(fn.Name.Name, "Parse") && !fuzzed[fn.Name.Name] {
					t.Errorf("%s: no fuzz target of %s names %s", tr.Line(fn.Pos()), pkg, fn.Name.Name)
				}
			}
		}
	}
}

// What is left to do stands in the tracker, not in the code.
func TestNothingLeftOpen(t *testing.T) {
	open := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	tr := read(t)
	for _, f := range tr.Files {
		for _, g := range f.AST.Comments {
			if open.MatchString(g.Text()) {
				t.Errorf("%s: %s", tr.Line(g.Pos()), strings.TrimSpace(g.Text()))
			}
		}
	}
}

// Tests wait for events, not for time to pass; where time itself is tested it
// is testing/synctest's. Only another process may have to be asked again and
// again, and a comment on the line says so.
func TestTestsDoNotSleep(t *testing.T) {
	tr := read(t)
	for _, f := range tr.Files {
		if !f.Test || strings.Contains(string(f.Src), `"testing/synctest"`) {
			continue
		}
		lines := strings.Split(string(f.Src), "\n")
		ast.Inspect(f.AST, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if ok && tree.Selector(call.Fun) == "time.Sleep" &&
				!strings.Contains(lines[tr.Fset.Position(call.Pos()).Line-1], "// another process") {
				t.Errorf("%s: time.Sleep", tr.Line(call.Pos()))
			}
			return true
		})
	}
}
