package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

func initCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "init",
		Usage: "make a relay: keys, certificates, settings; prints its address",
		CustomHelpTemplate: cli.Help([]string{
			"relayctl smp init --host relay.example.org",
			"relayctl smp init --home ./R --host 127.0.0.1 --port 5223",
			"relayctl smp init --host relay.example.org --password-file secret",
			"relayctl smp init --from-ini /etc/opt/simplex",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.CantCreate, exit.IOErr, exit.TempFail, exit.NoPerm, exit.Config),
		Description: "With --from-ini the relay takes the place of an smp-server: it has its keys, so\n" +
			"its address, and its settings. What cannot be taken over is told by name. The old\n" +
			"files are only read. Its queues follow with relayctl smp import --smp-server.",
		Flags: []ucli.Flag{
			homeFlag,
			&ucli.StringSliceFlag{Name: "host", Usage: "`NAME` or address for clients to connect to; again for an onion name", EnvVars: []string{"RELAYCTL_HOST"}},
			&ucli.StringFlag{Name: "port", Value: relayhome.DefaultPort, Usage: "`PORT` for clients to connect to", EnvVars: []string{"RELAYCTL_PORT"}},
			&ucli.StringFlag{Name: "listen", Usage: "`HOST:PORT` to listen on, if it is another", EnvVars: []string{"RELAYCTL_LISTEN"}},
			&ucli.StringFlag{Name: "password-file", Usage: "`FILE` with the password for creating queues", EnvVars: []string{"RELAYCTL_PASSWORD_FILE"}},
			&ucli.StringFlag{Name: "from-ini", Usage: "`DIR` with the smp-server.ini and keys of an smp-server", EnvVars: []string{"RELAYCTL_FROM_INI"}},
			&ucli.BoolFlag{Name: "force", Usage: "replace an existing relay's keys, and so its address"},
		},
		Action: func(c *ucli.Context) error { return runInit(c, e) },
	}
}

func runInit(c *ucli.Context, e *env) error {
	dir, err := home(c)
	if err != nil {
		return err
	}
	if from := c.String("from-ini"); from != "" {
		return initINI(c, e, dir, from)
	}
	if len(c.StringSlice("host")) == 0 {
		return exit.Errorf(exit.Usage, "no --host given").WithHint("--host names the relay to clients: a domain, or an address such as 192.168.1.5")
	}
	password, err := readPassword(c.String("password-file"))
	if err != nil {
		return err
	}
	h, err := relayhome.Init(dir, relayhome.Options{
		Hosts: c.StringSlice("host"), Port: c.String("port"), Listen: c.String("listen"),
		Password: password, Force: c.Bool("force"),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "Relay made in %s; start it with: relayctl smp serve --home %s\n", dir, dir)
	return print(e, "%s\n", h.Address())
}

func initINI(c *ucli.Context, e *env, dir, from string) error {
	for _, name := range []string{"host", "port", "listen", "password-file"} {
		if c.IsSet(name) {
			return exit.Errorf(exit.Usage, "--%s is taken from smp-server.ini", name).WithHint("change it in %s afterwards", filepath.Join(dir, "relay.toml"))
		}
	}
	h, notes, err := relayhome.InitINI(dir, from, c.Bool("force"))
	if err != nil {
		return err
	}
	for _, n := range notes {
		fmt.Fprintf(e.stderr, "relayctl: warning: %s\n", n)
	}
	fmt.Fprintf(e.stderr, "Relay made in %s; stop smp-server, take over its queues with: relayctl smp import --home %s --smp-server /var/opt/simplex\n", dir, dir)
	return print(e, "%s\n", h.Address())
}

// print writes a result; a closed output is an error, not a silent success.
func print(e *env, format string, args ...any) error {
	if _, err := fmt.Fprintf(e.stdout, format, args...); err != nil {
		return exit.Errorf(exit.IOErr, "standard output: %w", err)
	}
	return nil
}

func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	st, err := os.Stat(path)
	if err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0 {
		return "", exit.Errorf(exit.NoPerm, "%s: others may read it", path).WithHint("chmod 600 %s", path)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", exit.Errorf(exit.NoInput, "password: %w", err)
	}
	if err != nil {
		return "", exit.Errorf(exit.IOErr, "password: %w", err)
	}
	p := strings.TrimRight(string(b), "\r\n")
	if p == "" {
		return "", exit.Errorf(exit.DataErr, "%s: no password in it", path)
	}
	return p, nil
}
