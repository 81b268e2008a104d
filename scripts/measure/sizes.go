package main

import (
	"fmt"
	"go/ast"
	"io"
	"slices"

	"github.com/simplexkit/simplexkit/scripts/internal/tree"
)

// sizes is what was counted in a package, or in many.
type sizes struct {
	packages          []int // files of each, without tests
	files, tests      []int // lines of each
	longest           string
	funcs             []int // lines of each, without tests
	exported          tree.Exported
	comments          int // lines
	interfaces        []int
	testFuncs, fuzz   int
	benchmarks        int
	goroutines, panic int
}

func measure(t *tree.Tree, files []*tree.File) *sizes {
	s := &sizes{}
	for _, f := range files {
		if f.Test {
			s.tests = append(s.tests, f.Lines)
			s.testFuncs += tree.CountFuncs(f, "Test")
			s.fuzz += tree.CountFuncs(f, "Fuzz")
			s.benchmarks += tree.CountFuncs(f, "Benchmark")
			continue
		}
		if len(s.files) == 0 || f.Lines > slices.Max(s.files) {
			s.longest = f.Path
		}
		s.files = append(s.files, f.Lines)
		s.funcs = append(s.funcs, t.FuncLengths(f)...)
		s.comments += t.CommentLines(f)
		e := tree.CountExported(f)
		s.exported.Names += e.Names
		s.exported.Explained += e.Explained
		ast.Inspect(f.AST, s.look)
	}
	if len(s.files) > 0 {
		s.packages = []int{len(s.files)}
	}
	return s
}

func (s *sizes) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		s.goroutines++
	case *ast.InterfaceType:
		s.interfaces = append(s.interfaces, len(n.Methods.List))
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "panic" {
			s.panic++
		}
	}
	return true
}

func (s *sizes) add(p *sizes) {
	if len(p.files) > 0 && (len(s.files) == 0 || slices.Max(p.files) > slices.Max(s.files)) {
		s.longest = p.longest
	}
	s.packages = append(s.packages, p.packages...)
	s.files = append(s.files, p.files...)
	s.tests = append(s.tests, p.tests...)
	s.funcs = append(s.funcs, p.funcs...)
	s.interfaces = append(s.interfaces, p.interfaces...)
	s.exported.Names += p.exported.Names
	s.exported.Explained += p.exported.Explained
	s.comments += p.comments
	s.testFuncs += p.testFuncs
	s.fuzz += p.fuzz
	s.benchmarks += p.benchmarks
	s.goroutines += p.goroutines
	s.panic += p.panic
}

func (s *sizes) line(name string) string {
	return fmt.Sprintf("%-36s files %2d lines %5d (%s) functions %s exported %3d (%d%%) tests %3d fuzz %2d test lines %5d",
		name, len(s.files), sum(s.files), spread(s.files), spread(s.funcs),
		s.exported.Names, percent(s.exported.Explained, s.exported.Names), s.testFuncs, s.fuzz, sum(s.tests))
}

func (s *sizes) print(w io.Writer) {
	fmt.Fprintf(w, "packages        %d, files in each %s\n", len(s.packages), spread(s.packages))
	fmt.Fprintf(w, "code            %d lines in %d files, %s, longest %s\n", sum(s.files), len(s.files), spread(s.files), s.longest)
	fmt.Fprintf(w, "functions       %d, %s lines\n", len(s.funcs), spread(s.funcs))
	fmt.Fprintf(w, "exported names  %d, %d%% with a comment\n", s.exported.Names, percent(s.exported.Explained, s.exported.Names))
	fmt.Fprintf(w, "comments        %d lines, %d%% of code\n", s.comments, percent(s.comments, sum(s.files)))
	fmt.Fprintf(w, "interfaces      %d, methods in each %s\n", len(s.interfaces), spread(s.interfaces))
	fmt.Fprintf(w, "tests           %d, fuzz %d, benchmarks %d, %d lines, %d%% of code\n",
		s.testFuncs, s.fuzz, s.benchmarks, sum(s.tests), percent(sum(s.tests), sum(s.files)))
	fmt.Fprintf(w, "go statements   %d\npanics          %d\n", s.goroutines, s.panic)
}

// spread is "median/nine tenths/largest".
func spread(a []int) string {
	if len(a) == 0 {
		return "0/0/0"
	}
	b := slices.Sorted(slices.Values(a))
	return fmt.Sprintf("%d/%d/%d", b[len(b)/2], b[len(b)*9/10], b[len(b)-1])
}

func sum(a []int) (n int) {
	for _, v := range a {
		n += v
	}
	return n
}

func percent(a, b int) int {
	if b == 0 {
		return 100
	}
	return a * 100 / b
}
