// Pair uses a SimpleX profile from another machine, over XRCP: it shows an
// invitation to a host, a phone or a simplexd, and then speaks that host's API;
// or it lets a controller, a SimpleX desktop app or another pair, use a profile
// of simplexd.
package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/simplexd/attach"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func main() {
	ctx, cancel := cli.SignalContext()
	e := &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	code := cli.Run(ctx, newApp(e), os.Args, func() bool { return e.json })
	cancel()
	os.Exit(code)
}

// env is what all commands share: the streams, and the program's flags.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	dir     string // of this controller's own pairings
	home    string // of a simplexd profile; empty: none was named
	timeout time.Duration
	json    bool
	quiet   bool
	name    string // of this device
	log     *slog.Logger
	key     *attach.Secret
}

func newApp(e *env) *ucli.App {
	app := &ucli.App{
		Name:      "pair",
		Usage:     "uses a SimpleX profile from another machine, over XRCP",
		Version:   cli.Version(),
		Reader:    e.stdin,
		Writer:    e.stdout,
		ErrWriter: e.stderr,
		CustomAppHelpTemplate: cli.AppHelp([]string{
			"pair invite --name phone",
			"pair connect 'xrcp:/...' --home ~/bot",
			"pair exec phone '/_get chats 1'",
		}),
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "home", Usage: "`DIR` of the simplexd profile that is to be used from elsewhere; without it, $SIMPLEXD_HOME or the profile named default", EnvVars: []string{"PAIR_HOME"}},
			&ucli.StringFlag{Name: "dir", Usage: "`DIR` of this machine's own list of hosts; without it, simplexkit/pair in the XDG data directory", EnvVars: []string{"PAIR_DIR"}},
			&ucli.StringFlag{Name: "device-name", Usage: "`NAME` of this device, for the other side to show; without it, the host name", EnvVars: []string{"PAIR_DEVICE_NAME"}},
			&ucli.StringFlag{Name: "key-file", Usage: "`FILE` with the passphrase or key of the profile, or of the list of hosts, which it seals when it is made", EnvVars: []string{"PAIR_KEY_FILE"}},
			&ucli.IntFlag{Name: "key-fd", Value: -1, Usage: "read the passphrase or key from descriptor `N`", EnvVars: []string{"PAIR_KEY_FD"}},
			&ucli.StringFlag{Name: "key-command", Usage: "`COMMAND` for the shell that prints the passphrase or key", EnvVars: []string{"PAIR_KEY_COMMAND"}},
			&ucli.DurationFlag{Name: "timeout", Usage: "give up after `TIME`, such as 30s; each command has its own default", EnvVars: []string{"PAIR_TIMEOUT"}},
			&ucli.BoolFlag{Name: "json", Usage: "results and errors as JSON, one object a line", EnvVars: []string{"PAIR_JSON"}},
			&ucli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "text", Usage: "`FORMAT` of results: text, json or jsonl", EnvVars: []string{"PAIR_OUTPUT"}},
			&ucli.StringFlag{Name: "log-format", Value: "auto", Usage: "`FORMAT` of logs on standard error: auto, text or json", EnvVars: []string{"PAIR_LOG_FORMAT"}},
			&ucli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log more; twice for what only developers want", Count: new(int), EnvVars: []string{"PAIR_VERBOSE"}},
			&ucli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "log errors alone, give no advice", EnvVars: []string{"PAIR_QUIET"}},
		},
		Before: func(c *ucli.Context) error { return e.read(c) },
	}
	app.Commands = []*ucli.Command{
		inviteCommand(e), connectCommand(e), serveCommand(e), apiCommand(e), execCommand(e), putCommand(e), getCommand(e),
		lsCommand(e), showCommand(e), verifyCommand(e), renameCommand(e), expireCommand(e), forgetCommand(e), backupCommand(e), doctorCommand(e),
	}
	return app
}

// read takes the program's flags.
func (e *env) read(c *ucli.Context) (err error) {
	switch format := c.String("output"); format {
	case "text":
		e.json = c.Bool("json")
	case "json", "jsonl":
		e.json = true
	default:
		return exit.Errorf(exit.Usage, "-o %s: no such format", format).WithHint("formats are text, json and jsonl")
	}
	e.timeout, e.quiet = c.Duration("timeout"), c.Bool("quiet")
	if e.timeout < 0 {
		return exit.Errorf(exit.Usage, "--timeout %s: below zero", e.timeout)
	}
	if e.log, err = cli.NewLogger(e.stderr, c.String("log-format"), c.Count("verbose"), e.quiet); err != nil {
		return err
	}
	e.key = &attach.Secret{File: c.String("key-file"), FD: c.Int("key-fd"), Command: c.String("key-command"),
		Credential: "pair-key", Flag: "key", What: "passphrase"}
	e.key.Stdin, _ = e.stdin.(*os.File)
	e.key.Stderr, _ = e.stderr.(*os.File)
	if err := e.key.Check(); err != nil {
		return err
	}
	e.home = c.String("home")
	if e.dir, err = ownDir(c.String("dir")); err != nil {
		return err
	}
	if e.name = c.String("device-name"); e.name == "" {
		if e.name, err = os.Hostname(); err != nil || e.name == "" {
			e.name = "pair"
		}
	}
	return nil
}
