package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

type rules struct {
	line map[string]int // package pattern -> line that names it
	only []onlyRule
}

type onlyRule struct {
	importers []string // package patterns
	imports   []string // import patterns
}

func readRules(name string, text io.Reader) (*rules, error) {
	r := &rules{line: map[string]int{}}
	sc := bufio.NewScanner(text)
	for n := 1; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if words[0] == "only" {
			colon := slices.Index(words, ":")
			if colon < 0 {
				return nil, fmt.Errorf("%s:%d: want \"only packages : imports\"", name, n)
			}
			r.only = append(r.only, onlyRule{words[1:colon], words[colon+1:]})
			continue
		}
		for _, pkg := range words {
			if first, ok := r.line[pkg]; ok {
				return nil, fmt.Errorf("%s:%d: %s is named on line %d already", name, n, pkg, first)
			}
			r.line[pkg] = n
		}
	}
	return r, sc.Err()
}

// lineOf is the line of the rules that names pkg.
func (r *rules) lineOf(pkg string) (line int, ok bool) {
	if line, ok := r.line[pkg]; ok {
		return line, true
	}
	longest := 0
	for pattern, n := range r.line {
		if match(pattern, pkg) && len(pattern) > longest {
			longest, line = len(pattern), n
		}
	}
	return line, longest > 0
}

func (r *rules) check(m module) []string {
	var problems []string
	for _, pkg := range slices.Sorted(maps.Keys(m)) {
		line, ok := r.lineOf(pkg)
		if !ok {
			problems = append(problems, pkg+" is not named")
			continue
		}
		for _, imp := range m[pkg] {
			problems = append(problems, r.checkImport(pkg, line, imp)...)
		}
	}
	return problems
}

func (r *rules) checkImport(pkg string, line int, imp string) (problems []string) {
	rel, internal := strings.CutPrefix(imp, "./")
	if internal {
		if other, ok := r.lineOf(rel); ok && other >= line {
			problems = append(problems, fmt.Sprintf("%s (line %d) imports %s (line %d)", pkg, line, rel, other))
		}
	}
	for _, o := range r.only {
		if matchAny(o.imports, rel) && !matchAny(o.importers, pkg) {
			problems = append(problems, fmt.Sprintf("%s imports %s, which is only for %s", pkg, rel, strings.Join(o.importers, " ")))
		}
	}
	return problems
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

func match(pattern, path string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return pattern == path
}
