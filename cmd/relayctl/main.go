// Relayctl runs and tends a SimpleX message relay: it makes a relay's home,
// serves it, tells its address and its state, and checks relays, its own and
// others', from cron or by hand.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/settings"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

func main() {
	ctx, cancel := cli.SignalContext()
	e := &env{stdout: os.Stdout, stderr: os.Stderr}
	code := cli.Run(ctx, newApp(e), permute(e, os.Args), func() bool { return e.json })
	cancel()
	os.Exit(code)
}

// env is what all commands share: the streams, and the flags.
type env struct {
	stdout, stderr io.Writer
	json           bool
}

func newApp(e *env) *ucli.App {
	return &ucli.App{
		Name:      "relayctl",
		Usage:     "run and tend SimpleX message relays",
		Version:   cli.Version(),
		Writer:    e.stdout,
		ErrWriter: e.stderr,
		CustomAppHelpTemplate: cli.AppHelp([]string{
			"relayctl smp init --host relay.example.org",
			"relayctl smp serve",
			"relayctl smp check smp://FINGERPRINT@relay.example.org",
		}),
		Commands: commands(e),
	}
}

func commands(e *env) []*ucli.Command {
	ucli.SubcommandHelpTemplate = cli.GroupHelp
	return []*ucli.Command{group("smp", "smp", "the message relay (SMP server)",
		initCommand(e), serveCommand(e), configCommand(e), addressCommand(e), infoCommand(e), statsCommand(e),
		metricsCommand(e), checkCommand(e), benchCommand(e), userAddCommand(e), userRmCommand(e), usersCommand(e),
		blockCommand(e), unblockCommand(e), certCommand(e), doctorCommand(e), healthcheckCommand(e), backupCommand(), exportCommand(e), importCommand(e)),
		group("p2p", "p2p", "a node by which devices of conversations without servers find and reach each other",
			p2pServeCommand(e), p2pAddressCommand(e), p2pUnitCommand(e)),
		cli.CompletionCommand("relayctl", e.stdout)}
}

// group is a command of commands; path is what is typed for it.
func group(name, path, usage string, all ...*ucli.Command) *ucli.Command {
	for _, c := range all {
		c.HideHelpCommand = true
		if len(c.Subcommands) == 0 {
			c.OnUsageError = func(_ *ucli.Context, err error, _ bool) error {
				return exit.Errorf(exit.Usage, "%w", err).WithHint("relayctl %s %s --help shows the flags", path, c.Name)
			}
		}
	}
	return &ucli.Command{
		Name: name, Usage: usage, HideHelpCommand: true, Subcommands: all,
		Action: func(c *ucli.Context) error {
			if c.NArg() > 0 {
				return exit.Errorf(exit.Usage, "no command %q", path+" "+c.Args().First()).WithHint("relayctl %s --help lists them", path)
			}
			return exit.Errorf(exit.Usage, "no command given").WithHint("relayctl %s --help lists them", path)
		},
	}
}

// permute lets the flags of commands in groups stand after their arguments.
func permute(e *env, args []string) []string {
	list, i := commands(e), 1
	for i < len(args) {
		at := slices.IndexFunc(list, func(c *ucli.Command) bool { return c.Name == args[i] })
		if at < 0 || len(list[at].Subcommands) == 0 {
			break
		}
		list = list[at].Subcommands
		i++
	}
	if i == 1 || i == len(args) {
		return args
	}
	return append(args[:i-1:i-1], cli.Permute(&ucli.App{Commands: list}, args[i-1:])...)
}

var homeFlag = &ucli.StringFlag{Name: "home", Usage: "`DIR` of the relay; without it, simplexkit/relay in the XDG data directory", EnvVars: []string{"RELAYCTL_HOME"}}

// home is the directory that the flags name.
func home(c *ucli.Context) (string, error) {
	if c.NArg() > 0 && c.Command.ArgsUsage == "" {
		return "", exit.Errorf(exit.Usage, "unexpected argument %q", c.Args().First())
	}
	if dir := c.String("home"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" { // of a systemd unit
		return dir, nil
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", exit.Errorf(exit.Config, "no --home and no home directory: %w", err)
		}
		data = filepath.Join(user, ".local", "share")
	}
	return filepath.Join(data, "simplexkit", "relay"), nil
}

var logFlags = []ucli.Flag{
	&ucli.StringFlag{Name: "log-format", Value: "auto", Usage: "`FORMAT` of logs on standard error: auto, text or json", EnvVars: []string{"RELAYCTL_LOG_FORMAT"}},
	&ucli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log more; twice for what only developers want", Count: new(int), EnvVars: []string{"RELAYCTL_VERBOSE"}},
	&ucli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "log errors alone", EnvVars: []string{"RELAYCTL_QUIET"}},
}

// logger logs what the flags say.
func logger(c *ucli.Context, e *env) (*slog.Logger, error) {
	return cli.NewLogger(e.stderr, c.String("log-format"), c.Count("verbose"), c.Bool("quiet"))
}

// levelLogger logs what level allows, which may change.
func levelLogger(c *ucli.Context, e *env, level *slog.LevelVar) (*slog.Logger, error) {
	log, err := cli.NewLogger(e.stderr, c.String("log-format"), 2, false)
	if err != nil {
		return nil, err
	}
	return slog.New(leveled{log.Handler(), level}), nil
}

// leveled is a handler that leaves out what is below a level.
type leveled struct {
	slog.Handler
	level *slog.LevelVar
}

func (h leveled) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h leveled) WithAttrs(as []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(as), h.level}
}

func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.level}
}

// setLevel sets the level of the flags, else of the settings.
func setLevel(c *ucli.Context, h *relayhome.Home, level *slog.LevelVar) {
	l, _ := h.Settings.Level() // was checked with all settings
	switch {
	case c.Bool("quiet"):
		l = slog.LevelError
	case c.Count("verbose") > 1:
		l = slog.LevelDebug
	case c.Count("verbose") == 1:
		l = slog.LevelInfo
	}
	level.Set(l)
}

var configFlag = &ucli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "`FILE` with settings, instead of the user's simplexkit/relayctl.toml", EnvVars: []string{"RELAYCTL_CONFIG"}}

// settingFlags are a flag for each setting. Their variables are read by
// relayhome, which so knows where a value came from.
func settingFlags() []ucli.Flag {
	var out []ucli.Flag
	for _, v := range relayhome.Known() {
		usage := fmt.Sprintf("%s [$%s]", v.Doc, settings.Variable(relayhome.Prefix, v))
		if v.Secret {
			usage = fmt.Sprintf("file with what is %s [$%s]", v.Doc, settings.Variable(relayhome.Prefix, v))
		}
		switch v.Default.(type) {
		case bool:
			out = append(out, &ucli.BoolFlag{Name: v.Flag, Usage: usage, DisableDefaultText: true})
		case []string:
			out = append(out, &ucli.StringSliceFlag{Name: v.Flag, Usage: usage})
		default:
			out = append(out, &ucli.StringFlag{Name: v.Flag, Usage: usage})
		}
	}
	return out
}

// sources are the places where this command finds settings.
func sources(c *ucli.Context) relayhome.Sources {
	user := c.String("config")
	if user == "" {
		user = filepath.Join(configHome(), "simplexkit", "relayctl.toml")
	}
	system := "/etc/simplexkit"
	if dir := os.Getenv("CONFIGURATION_DIRECTORY"); dir != "" { // of a systemd unit
		system = dir
	}
	return relayhome.Sources{
		Files:      []string{filepath.Join(system, "relayctl.toml"), user},
		Lookup:     lookup,
		ReadSecret: readPassword,
		Flags: func(s *settings.Set) error {
			for _, v := range relayhome.Known() {
				if !c.IsSet(v.Flag) {
					continue
				}
				text := fmt.Sprint(c.Value(v.Flag))
				if _, ok := v.Default.([]string); ok {
					text = strings.Join(c.StringSlice(v.Flag), ",")
				}
				if err := s.Flag(v.Flag, text); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func configHome() string {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir
	}
	if dir, err := os.UserHomeDir(); err == nil {
		return filepath.Join(dir, ".config")
	}
	return "."
}

// lookup finds variables, and the credentials of a systemd unit where a
// variable could name a file with a secret.
func lookup(name string) (string, bool) {
	if v, ok := os.LookupEnv(name); ok {
		return v, true
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	base, secret := strings.CutSuffix(strings.TrimPrefix(name, relayhome.Prefix), "_FILE")
	if dir == "" || !secret || name == relayhome.Prefix+"STORE_DSN_FILE" { // relayhome knows that one
		return "", false
	}
	path := filepath.Join(dir, strings.ToLower(strings.ReplaceAll(base, "_", "-")))
	_, err := os.Stat(path)
	return path, err == nil
}
