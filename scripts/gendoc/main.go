// Command gendoc writes the man pages in docs/man from what the programs say
// with --help, so that they say the same.
//
//	go run ./scripts/gendoc          writes them
//	go run ./scripts/gendoc -check   fails if they are not current
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// programs have a man page each.
var programs = []string{"pair", "relayctl", "simplexd"}

func main() {
	check := flag.Bool("check", false, "compare, write nothing")
	flag.Parse()
	if err := run(".", *check); err != nil {
		fmt.Fprintf(os.Stderr, "gendoc: error: %v\n", err)
		os.Exit(1)
	}
}

// run works on the tree at root.
func run(root string, check bool) error {
	bin, err := os.MkdirTemp("", "gendoc-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	for _, name := range programs {
		build := exec.Command("go", "build", "-o", bin+"/", "./cmd/"+name)
		build.Dir, build.Stderr = root, os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
		page, err := manual(helper(filepath.Join(bin, name)), name)
		if err != nil {
			return err
		}
		path := filepath.Join(root, "docs", "man", name+".1")
		if !check {
			if err := os.WriteFile(path, page, 0o644); err != nil {
				return err
			}
			continue
		}
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(old, page) {
			return fmt.Errorf("%s is not what --help says; run: make man", path)
		}
	}
	return nil
}

// helper gives what a program says with --help, in an environment without
// anything that could show.
func helper(program string) func(args ...string) (string, error) {
	return func(args ...string) (string, error) {
		cmd := exec.Command(program, append(args, "--help")...)
		cmd.Env = []string{"HOME=/nonexistent", "PATH=/usr/bin:/bin"}
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%s %v --help: %w", filepath.Base(program), args, err)
		}
		return string(out), nil
	}
}
