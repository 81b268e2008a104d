// Demo builds the programs and shows their main job on real parts: a relay and
// two people's daemons, three processes on this machine, who connect, talk,
// are killed with SIGKILL one after the other, and lose nothing. What it
// prints is what a person would type and see. It ends with code 0 only if
// every message arrived once and in order.
//
//	go run ./scripts/demo [-keep] [-bin DIR]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/testworld"
)

func main() {
	keep := flag.Bool("keep", false, "leave the directory with the three homes")
	bin := flag.String("bin", "", "directory of built programs; without it they are built")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *keep); err != nil {
		fmt.Fprintf(os.Stderr, "\ndemo: error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin string, keep bool) (err error) {
	start := time.Now()
	if bin != "" { // the programs run in a directory of the demo's own
		if bin, err = filepath.Abs(bin); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		return err
	}
	if keep {
		defer fmt.Println("left in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	if bin == "" {
		bin = dir + "/bin"
		fmt.Println("Building relayctl and simplexd …")
		if err := testworld.Build(ctx, bin, "relayctl", "simplexd"); err != nil {
			return err
		}
		fmt.Printf("built in %.1f s\n", time.Since(start).Seconds())
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d := &demo{ctx: ctx, bin: bin, dir: dir, start: time.Now()}
	defer func() {
		for _, p := range d.processes {
			err = errors.Join(err, p.Kill())
		}
	}()
	for _, act := range []func() error{d.setUp, d.meet, d.talk, d.crash, d.stop, d.judge} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// demo is the state of the play.
type demo struct {
	ctx       context.Context
	bin, dir  string
	start     time.Time
	address   string
	processes []*testworld.Process
	history   testworld.History
}

// heading begins an act.
func (d *demo) heading(text string) {
	fmt.Printf("\n── %s\n\n", text)
}

// sh runs a program as a person would and shows both sides of it.
func (d *demo) sh(stdin string, args ...string) (string, error) {
	line := strings.Join(quote(args), " ")
	if stdin != "" {
		line = "echo " + quote([]string{strings.TrimSuffix(stdin, "\n")})[0] + " | " + line
	}
	fmt.Println("$", shorten(line))
	return d.run(stdin, args...)
}

// run runs a program and shows what it prints.
func (d *demo) run(stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(d.ctx, d.bin+"/"+args[0], args[1:]...)
	cmd.Dir = d.dir
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	for _, text := range []string{out.String(), errs.String()} {
		for line := range strings.Lines(text) {
			fmt.Println("  " + shorten(strings.TrimRight(line, "\n")))
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return out.String(), nil
}

// background starts a program that stays.
func (d *demo) background(name string, ready func(context.Context) error, args ...string) (*testworld.Process, error) {
	fmt.Println("$", strings.Join(args, " "), "&")
	home := args
	for i, a := range home {
		if a == "--home" {
			home[i+1] = d.dir + "/" + home[i+1]
		}
	}
	home[0] = d.bin + "/" + home[0]
	p := &testworld.Process{Name: name, Args: home, Ready: ready}
	d.processes = append(d.processes, p)
	if err := p.Start(d.ctx); err != nil {
		return nil, err
	}
	fmt.Printf("  %s runs as process %d\n", name, p.Pid())
	return p, nil
}

// quote puts what a shell would read into quotes.
func quote(args []string) []string {
	var out []string
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, " '\"$&;|<>#?*()!") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out = append(out, a)
	}
	return out
}

// shorten keeps the lines readable: links are long.
func shorten(line string) string {
	start := strings.Index(line, "simplex:/")
	if start < 0 {
		return line
	}
	link, rest := line[start:], ""
	if end := strings.IndexAny(link, "' "); end >= 0 {
		link, rest = link[:end], link[end:]
	}
	if len(link) > 90 {
		link = link[:70] + "…" + link[len(link)-15:]
	}
	return line[:start] + link + rest
}

// received notes the lines of recv in the history.
func (d *demo) received(s testworld.Stream, out string) error {
	for line := range strings.Lines(out) {
		var l api.RecvLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			return fmt.Errorf("recv printed %q: %w", line, err)
		}
		d.history.Show(s, l.Seq, l.Text)
	}
	return nil
}
