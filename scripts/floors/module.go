package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/simplexkit/simplexkit/scripts/internal/tree"
)

// module is the import graph of a Go module: for each package, named by its
// path relative to the module root, what it imports. Imports within the module
// are relative too, and begin with "./".
type module map[string][]string

func readModule(dir string) (module, error) {
	t, err := tree.Read(dir)
	if err != nil {
		return nil, err
	}
	m := module{}
	for pkg, files := range t.Packages(false) {
		m[pkg] = []string{}
		for _, f := range files {
			for _, spec := range f.AST.Imports {
				imp, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return nil, err
				}
				imp = relative(t.Path, imp)
				if !slices.Contains(m[pkg], imp) {
					m[pkg] = append(m[pkg], imp)
				}
			}
		}
	}
	return m, nil
}

func relative(module, imp string) string {
	if imp == module {
		return "./."
	}
	if rel, ok := strings.CutPrefix(imp, module+"/"); ok {
		return "./" + rel
	}
	return imp
}

// floor is the floor of pkg. The compiler forbids import cycles, so the
// recursion ends; memo keeps it linear.
func (m module) floor(pkg string, memo map[string]int) int {
	if n, ok := memo[pkg]; ok {
		return n
	}
	memo[pkg] = 0 // in case the source does not compile and has a cycle
	n := 0
	for _, imp := range m[pkg] {
		if rel, ok := strings.CutPrefix(imp, "./"); ok && rel != pkg {
			n = max(n, m.floor(rel, memo)+1)
		}
	}
	memo[pkg] = n
	return n
}

func (m module) print(w io.Writer) {
	memo := map[string]int{}
	byFloor := map[int][]string{}
	for pkg := range m {
		n := m.floor(pkg, memo)
		byFloor[n] = append(byFloor[n], pkg)
	}
	for _, n := range slices.Sorted(maps.Keys(byFloor)) {
		slices.Sort(byFloor[n])
		fmt.Fprintf(w, "%2d  %s\n", n, strings.Join(byFloor[n], " "))
	}
}
