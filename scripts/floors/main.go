// Floors prints or checks the dependency floors of a Go module.
//
// A package's floor is the length of the longest chain of imports, within its
// own module, below it; packages that import nothing of the module are on
// floor 0. Tests are not counted.
//
//	floors [-rules file] [dir]
//
// Without -rules, floors prints each floor with its packages. With -rules, it
// reports every import that the rules forbid and exits 1 if there are any.
//
// A rules file orders the packages. Each line names packages that may import,
// of the module, only packages named on earlier lines. "#" starts a comment,
// and "/..." after a path means that path and everything below it; an exact
// path goes before a pattern, and a longer pattern before a shorter one.
//
//	lib/wire lib/crypto/sntrup
//	lib/crypto/key
//	only lib/store/... : database/sql
//
// What an only line names after its colon may be imported by the packages
// before the colon and by no other.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	rules := flag.String("rules", "", "check the imports against the rules in `file`")
	flag.Parse()
	dir := "."
	if flag.NArg() > 0 {
		dir = flag.Arg(0)
	}
	problems, err := run(dir, *rules)
	if err != nil {
		fmt.Fprintln(os.Stderr, "floors: error:", err)
		os.Exit(1)
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

func run(dir, rulesFile string) (problems []string, err error) {
	m, err := readModule(dir)
	if err != nil {
		return nil, err
	}
	if rulesFile == "" {
		m.print(os.Stdout)
		return nil, nil
	}
	f, err := os.Open(rulesFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := readRules(rulesFile, f)
	if err != nil {
		return nil, err
	}
	return r.check(m), nil
}
