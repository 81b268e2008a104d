package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/relayctl/internal/report"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/queuestore/queuedump"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

func exportCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "export",
		Usage:     "write all queues and messages to a file",
		ArgsUsage: "FILE|-",
		Description: "The relay must be stopped. The file has secrets of the queues; it is readable by\n" +
			"its owner only, and appears under its name when it is whole.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp export queues.jsonl", "relayctl smp export - | ssh other relayctl smp import -"},
			slices.Concat(readCodes, []int{exit.CantCreate, exit.TempFail})...),
		Flags:  []ucli.Flag{homeFlag, &ucli.BoolFlag{Name: "json", Usage: "tell the totals as a JSON object", EnvVars: []string{"RELAYCTL_JSON"}}},
		Action: func(c *ucli.Context) error { return runExport(c, e) },
	}
}

func backupCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "backup",
		Usage:     "copy the store to a file, while the relay runs",
		ArgsUsage: "FILE",
		Description: "FILE is a queues.db as in the relay's home, readable by its owner only: to go back to\n" +
			"it, stop the relay and put it there, without the files queues.db-wal and -shm beside it.\n" +
			"The relay's keys and settings are files that change rarely; copy them once.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp backup /backup/queues-$(date +%F).db"}, slices.Concat(readCodes, []int{exit.CantCreate})...),
		Flags:              []ucli.Flag{homeFlag},
		Action: func(c *ucli.Context) error {
			name, err := fileArgument(c)
			if err == nil && name == "-" {
				err = exit.Errorf(exit.Usage, "a backup is a file, not a pipe").WithHint("relayctl smp export - writes to a pipe")
			}
			if err != nil {
				return err
			}
			h, err := load(c)
			if err != nil {
				return err
			}
			return h.Backup(c.Context, name)
		},
	}
}

func importCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "import",
		Usage:     "store the queues and messages of an export",
		ArgsUsage: "FILE|-",
		Description: "The relay must be stopped, and its store empty. Nothing is stored before the file\n" +
			"was checked as a whole. An import that was interrupted is repeated with --merge.\n\n" +
			"With --smp-server there is no FILE: it reads the queues and messages of an smp-server,\n" +
			"which must be stopped: smp-server-store.log, and smp-server-messages.log or the\n" +
			"journals in messages/. These files stay as they are. What it does not understand is\n" +
			"told by its place, and then nothing is stored, unless --skip-bad is given.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp import queues.jsonl", "relayctl smp import --merge queues.jsonl",
			"relayctl smp import --smp-server /var/opt/simplex"},
			slices.Concat(readCodes, []int{exit.CantCreate, exit.TempFail})...),
		Flags: []ucli.Flag{
			homeFlag,
			&ucli.StringFlag{Name: "smp-server", Usage: "`DIR` with the data of an smp-server, or its store log", EnvVars: []string{"RELAYCTL_SMP_SERVER"}},
			&ucli.BoolFlag{Name: "skip-bad", Usage: "leave out what is not understood of an smp-server's files"},
			&ucli.BoolFlag{Name: "merge", Usage: "into a store that is not empty: add what is missing, change nothing"},
			&ucli.BoolFlag{Name: "json", Usage: "tell the totals as a JSON object", EnvVars: []string{"RELAYCTL_JSON"}},
		},
		Action: func(c *ucli.Context) error { return runImport(c, e) },
	}
}

// fileArgument is the only argument.
func fileArgument(c *ucli.Context) (string, error) {
	if c.NArg() != 1 {
		return "", exit.Errorf(exit.Usage, "one FILE is needed, or - for a pipe")
	}
	return c.Args().First(), nil
}

func runExport(c *ucli.Context, e *env) error {
	e.json = c.Bool("json")
	name, err := fileArgument(c)
	if err != nil {
		return err
	}
	h, err := load(c)
	if err != nil {
		return err
	}
	var n queuedump.Totals
	if name == "-" {
		w := bufio.NewWriter(e.stdout)
		if n, err = h.Export(c.Context, w); err == nil {
			err = w.Flush()
		}
	} else {
		n, err = exportFile(name, func(w io.Writer) (queuedump.Totals, error) { return h.Export(c.Context, w) })
	}
	if err != nil {
		return err
	}
	return tellTotals(e, n, "exported", name == "-")
}

// exportFile makes a file, which has its name once it is whole.
func exportFile(name string, write func(io.Writer) (queuedump.Totals, error)) (n queuedump.Totals, err error) {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return n, exit.Errorf(exit.CantCreate, "%s: is there already", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".export-*") // mode 0600
	if err != nil {
		return n, exit.Errorf(exit.CantCreate, "export: %w", err)
	}
	n, err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return n, errors.Join(err, os.Remove(f.Name()))
	}
	return n, nil
}

func runImport(c *ucli.Context, e *env) error {
	e.json = c.Bool("json")
	if c.String("smp-server") != "" {
		return runTakeover(c, e)
	}
	name, err := fileArgument(c)
	if err != nil {
		return err
	}
	h, err := load(c)
	if err != nil {
		return err
	}
	in := os.Stdin
	if name != "-" {
		if in, err = os.Open(name); errors.Is(err, fs.ErrNotExist) {
			return exit.Errorf(exit.NoInput, "import: %w", err)
		} else if err != nil {
			return exit.Errorf(exit.IOErr, "import: %w", err)
		}
		defer in.Close()
	}
	end := showImport(e, h)
	n, err := h.Import(c.Context, in, c.Bool("merge"))
	end()
	if err != nil {
		return err
	}
	return tellTotals(e, n, "imported", false)
}

// showImport shows how far an import is, until end is called.
func showImport(e *env, h *relayhome.Home) (end func()) {
	f, ok := e.stderr.(*os.File)
	p := report.NewProgress(e.stderr, ok && term.IsTerminal(int(f.Fd())))
	h.Progress = func(read, all queuedump.Totals) {
		p.Tell("%d of %d queues, %d of %d messages", read.Queues, all.Queues, read.Messages, all.Messages)
	}
	return p.End
}

// runTakeover imports from an smp-server's files.
func runTakeover(c *ucli.Context, e *env) error {
	const shown = 50
	if c.NArg() > 0 {
		return exit.Errorf(exit.Usage, "unexpected argument %q beside --smp-server", c.Args().First())
	}
	h, err := load(c)
	if err != nil {
		return err
	}
	end := showImport(e, h)
	n, problems, err := h.Takeover(c.Context, relayhome.Takeover{Dir: c.String("smp-server"), SkipBad: c.Bool("skip-bad"), Merge: c.Bool("merge")})
	end()
	for i, p := range problems {
		if i == shown {
			fmt.Fprintf(e.stderr, "relayctl: warning: and %d more\n", len(problems)-shown)
			break
		}
		fmt.Fprintf(e.stderr, "relayctl: warning: left out: %v\n", p)
	}
	if err != nil {
		return err
	}
	return tellTotals(e, n, "imported", false)
}

// tellTotals prints the totals, on standard error if the output has the data.
func tellTotals(e *env, n queuedump.Totals, verb string, beside bool) error {
	text := fmt.Sprintf("%s %d queues, %d messages, %d services", verb, n.Queues, n.Messages, n.Services)
	if e.json {
		b, err := json.Marshal(struct {
			V int `json:"v"`
			queuedump.Totals
		}{1, n})
		if err != nil {
			return err
		}
		text = string(b)
	}
	if beside {
		fmt.Fprintln(e.stderr, text)
		return nil
	}
	return print(e, "%s\n", text)
}
