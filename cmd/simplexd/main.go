// Simplexd holds a SimpleX profile: it keeps its connections, receives and
// sends its messages, and serves the bot API on a Unix socket and on standard
// streams. Every command but serve works with the daemon running, through its
// socket, and without it, by opening the profile itself for as long as it
// needs.
package main

import (
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/internal/stdfd"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/secret"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func main() {
	ctx, cancel := cli.SignalContext()
	e := &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	if stdfd.Closed(1) {
		e.stdout = closedOutput{}
	}
	code := cli.Run(ctx, newApp(e), os.Args, func() bool { return e.json })
	cancel()
	os.Exit(code)
}

// closedOutput takes nothing: what cannot be printed is not marked as read.
type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) { return 0, syscall.EBADF }

// env is what all commands share: the streams, and the program's flags.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	home    home.Home
	timeout time.Duration // 0: the command's own
	json    bool
	quiet   bool
	inSwarm bool // the command is one of the swarm's
	log     *slog.Logger
	key     *secret.Source // of an encrypted profile
}

func newApp(e *env) *ucli.App {
	app := &ucli.App{
		Name:      "simplexd",
		Usage:     "a SimpleX messenger without a screen: daemon, commands and bot API",
		Version:   cli.Version(),
		Reader:    e.stdin,
		Writer:    e.stdout,
		ErrWriter: e.stderr,
		CustomAppHelpTemplate: cli.AppHelp([]string{
			"simplexd init alice && simplexd serve &",
			"simplexd invite --qr",
			"echo 'backup done' | simplexd send @ops",
		}),
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "home", Usage: "`DIR` of the profile; without it, the profile named default in the XDG directories", EnvVars: []string{"SIMPLEXD_HOME"}},
			&ucli.StringFlag{Name: "key-file", Usage: "`FILE` with the passphrase or key of an encrypted profile; nobody else may read it", EnvVars: []string{"SIMPLEXD_KEY_FILE"}},
			&ucli.IntFlag{Name: "key-fd", Value: -1, Usage: "read the passphrase or key from descriptor `N`", EnvVars: []string{"SIMPLEXD_KEY_FD"}},
			&ucli.StringFlag{Name: "key-command", Usage: "`COMMAND` for the shell that prints the passphrase or key", EnvVars: []string{"SIMPLEXD_KEY_COMMAND"}},
			&ucli.DurationFlag{Name: "timeout", Usage: "give up after `TIME`, such as 30s; each command has its own default", EnvVars: []string{"SIMPLEXD_TIMEOUT"}},
			&ucli.BoolFlag{Name: "json", Usage: "results and errors as JSON, one object a line", EnvVars: []string{"SIMPLEXD_JSON"}},
			&ucli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "text", Usage: "`FORMAT` of results: text, json or jsonl", EnvVars: []string{"SIMPLEXD_OUTPUT"}},
			&ucli.StringFlag{Name: "log-format", Value: "auto", Usage: "`FORMAT` of logs on standard error: auto, text or json", EnvVars: []string{"SIMPLEXD_LOG_FORMAT"}},
			&ucli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log more; twice for what only developers want", Count: new(int), EnvVars: []string{"SIMPLEXD_VERBOSE"}},
			&ucli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "log errors alone, give no advice", EnvVars: []string{"SIMPLEXD_QUIET"}},
		},
		Before: func(c *ucli.Context) error { return e.read(c) },
	}
	app.Commands = []*ucli.Command{
		initCommand(e), encryptCommand(e), decryptCommand(e), passwdCommand(e), serveCommand(e), inviteCommand(e), connectCommand(e), contactsCommand(e),
		addressCommand(e), requestsCommand(e), acceptCommand(e), rejectCommand(e), renameCommand(e), verifyCommand(e), deleteCommand(e), profileCommand(e),
		sendCommand(e), recvCommand(e), swarmCommand(e), apiCommand(e), infoCommand(e), doctorCommand(e), waitCommand(e), remoteCommand(e), unitCommand(e), versionCommand(e), completionCommand(e),
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
	e.log, err = cli.NewLogger(e.stderr, c.String("log-format"), c.Count("verbose"), e.quiet)
	if err != nil {
		return err
	}
	if e.key, err = e.keySource(c, "key", "passphrase of the profile", "simplexd-key"); err != nil {
		return err
	}
	if dir := c.String("home"); dir != "" {
		e.home = home.In(dir)
		return nil
	}
	e.home, err = home.Default(os.Getenv)
	return exit.Wrap(exit.Config, err)
}
