package main

import (
	"context"
	"errors"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
)

func initCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "init",
		Usage:     "make a profile",
		ArgsUsage: "NAME",
		Description: "NAME is what contacts see. Without --smp-server the profile uses a relay of its\n" +
			"own, which serve runs on this machine; contacts must reach it.\n\n" +
			"With --encrypt the profile's database is encrypted with a passphrase, which all\n" +
			"commands but those that go through the daemon then need: from --key-file,\n" +
			"--key-fd, --key-command, the systemd credential simplexd-key, or the terminal.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd init alice",
			"simplexd --home ~/bot init bot --smp-server smp://FINGERPRINT@relay.example.org",
			"simplexd init alice --encrypt --key-file ~/.alice-key",
		}, exit.Done, exit.Usage, exit.DataErr, exit.CantCreate, exit.IOErr, exit.TempFail, exit.NoPerm),
		Flags: append(networkFlags(),
			&ucli.StringSliceFlag{Name: "smp-server", Usage: "`ADDRESS` of a relay for new queues, smp://fingerprint[:password]@host[:port]; may be repeated", EnvVars: []string{"SIMPLEXD_SMP_SERVER"}},
			&ucli.BoolFlag{Name: "encrypt", Usage: "encrypt the profile's database", EnvVars: []string{"SIMPLEXD_ENCRYPT"}},
			&ucli.StringFlag{Name: "full-name", Usage: "a longer `NAME` shown beside the first", EnvVars: []string{"SIMPLEXD_FULL_NAME"}},
			&ucli.StringFlag{Name: "relay-host", Usage: "`HOST` under which contacts reach the embedded relay (default: this machine's LAN address)", EnvVars: []string{"SIMPLEXD_RELAY_HOST"}},
		),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 || c.Args().First() == "" {
				return exit.Errorf(exit.Usage, "init takes one NAME")
			}
			cfg := &home.Config{Name: c.Args().First(), SMPServers: c.StringSlice("smp-server"), Encrypted: c.Bool("encrypt")}
			var err error
			if cfg.Network, err = networkOf(c); err != nil {
				return err
			}
			if len(cfg.SMPServers) == 0 {
				cfg.Relay = &home.Relay{Host: c.String("relay-host")}
			}
			for _, s := range cfg.SMPServers {
				if _, err := smp.ParseAuthServer(s); err != nil {
					return exit.Errorf(exit.DataErr, "--smp-server %s: %w", s, err).
						WithHint("an address is smp://FINGERPRINT@HOST; relayctl smp init prints it")
				}
			}
			return classify(e, e.create(c.Context, cfg, c.String("full-name")))
		},
	}
}

// create makes the home, its database and its first user, and writes the
// settings last: a home without them is no profile, and init may run again.
func (e *env) create(ctx context.Context, cfg *home.Config, fullName string) (err error) {
	if err := e.home.Make(); err != nil {
		return err
	}
	lock, err := e.home.WaitLock(ctx, home.LockWait, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if there, err := e.home.Exists(); err != nil {
		return err
	} else if there {
		return exit.Errorf(exit.CantCreate, "%s holds a profile already", e.home.Dir).
			WithHint("--home names another directory")
	}
	name := cfg.Name
	o := e.options()
	o.Config = cfg
	if cfg.Encrypted {
		if o.Key, err = e.newKey(ctx, e.key); err != nil {
			return err
		}
	}
	if err := profile.Create(ctx, o, api.InitParams{DisplayName: name, FullName: fullName}); err != nil {
		return err
	}
	if err := e.home.WriteConfig(cfg); err != nil {
		return err
	}
	if cfg.Relay != nil {
		e.note("the profile has a relay of its own; simplexd serve runs it")
	}
	return e.result(initResult{"profile", name, e.home.Dir}, "%s", e.home.Dir)
}

// initResult is what init says in JSON.
type initResult struct {
	Type string `json:"type"` // "profile"
	Name string `json:"name"`
	Home string `json:"home"`
}
