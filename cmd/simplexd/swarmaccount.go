package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func swarmAccountCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "account", Usage: "the account of the swarm: its keys and certificates", CustomHelpTemplate: cli.GroupHelp,
		Subcommands: []*ucli.Command{
			e.swarm("init", "make an account, with this machine as its device", "",
				"Makes two RSA keys of 4096 bits, which takes some seconds, and prints the\naccount's URI, by which others invite it.",
				[]string{"simplexd swarm account init --name Alice"}, 0, 0,
				[]ucli.Flag{&ucli.StringFlag{Name: "name", Usage: "`NAME` that others see; without it that of the profile", EnvVars: []string{"SIMPLEXD_NAME"}}},
				func(ctx context.Context, s *session, c *ucli.Context) error {
					return e.swarmAccount(ctx, s, "accountInit", api.SwarmParams{Title: c.String("name")})
				}),
			e.swarm("show", "print the account's URI", "", "With --json also the devices and addresses.",
				[]string{"simplexd swarm account show", "simplexd swarm account show --json | jq -r .device"}, 0, 0, nil,
				func(ctx context.Context, s *session, _ *ucli.Context) error {
					return e.swarmAccount(ctx, s, "account", api.SwarmParams{})
				}),
			e.swarm("export", "write the account to a file, sealed with a passphrase", "FILE",
				"The archive has the account's key and the ids of its conversations. Who has the\nfile and the passphrase is the account.",
				[]string{"simplexd swarm account export --passphrase-file pass alice.archive"}, 1, 1, swarmPassFlags(),
				func(ctx context.Context, s *session, c *ucli.Context) error {
					p, err := e.swarmArchive(c)
					if err != nil {
						return err
					}
					return e.swarmAccount(ctx, s, "accountExport", p)
				}),
			e.swarm("import", "make this machine a device of the account in a file", "FILE",
				"Conversations come back when their members invite again or are reached.",
				[]string{"simplexd swarm account import --passphrase-file pass alice.archive"}, 1, 1, swarmPassFlags(),
				func(ctx context.Context, s *session, c *ucli.Context) error {
					p, err := e.swarmArchive(c)
					if err != nil {
						return err
					}
					if _, err := os.Stat(p.Archive); err != nil {
						return exit.Errorf(exit.NoInput, "%w", err)
					}
					return e.swarmAccount(ctx, s, "accountImport", p)
				}),
		},
	}
}

func (e *env) swarmAccount(ctx context.Context, s *session, method string, p api.SwarmParams) error {
	var r api.SwarmAccount
	if err := s.Call(ctx, "swarm."+method, p, &r); err != nil {
		return err
	}
	return e.result(r, "%s", r.URI)
}

func swarmPassFlags() []ucli.Flag {
	return []ucli.Flag{&ucli.StringFlag{Name: "passphrase-file", Usage: "`FILE` with the passphrase of the archive; without it the first line of standard input", EnvVars: []string{"SIMPLEXD_PASSPHRASE_FILE"}}}
}

// swarmArchive reads the archive's path and passphrase.
func (e *env) swarmArchive(c *ucli.Context) (p api.SwarmParams, err error) {
	if p.Archive, err = filepath.Abs(c.Args().First()); err != nil {
		return p, err
	}
	in := e.stdin
	if name := c.String("passphrase-file"); name != "" {
		f, err := os.Open(name)
		if err != nil {
			return p, exit.Errorf(exit.NoInput, "the passphrase: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return p, exit.Errorf(exit.IOErr, "read the passphrase: %w", err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if p.Passphrase = string(line); p.Passphrase == "" {
		return p, exit.Errorf(exit.DataErr, "the passphrase is empty")
	}
	return p, nil
}

func swarmDeviceCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "device", Usage: "the devices of the account", CustomHelpTemplate: cli.GroupHelp,
		Subcommands: []*ucli.Command{
			e.swarm("add", "let another machine become a device of this account", "",
				"Prints a PIN, and with --qr its QR code, that is good for ten minutes and for one\ndevice; the other machine runs simplexd swarm device join PIN. The PIN holds this\ndevice's addresses and a key; both machines must reach each other.",
				[]string{"simplexd swarm device add --qr"}, 0, 0,
				qrFlags(),
				func(ctx context.Context, s *session, c *ucli.Context) error {
					var r api.SwarmParams
					if err := s.Call(ctx, "swarm.deviceAdd", nil, &r); err != nil {
						return err
					}
					if err := e.drawQR(c, r.PIN); err != nil {
						return err
					}
					return e.result(r, "%s", r.PIN)
				}),
			e.swarm("join", "become a device of the account that gave the PIN", "PIN",
				"The profile must have no account of the swarm yet.",
				[]string{"simplexd swarm device join 'swarm:…'"}, 1, 1, nil,
				func(ctx context.Context, s *session, c *ucli.Context) error {
					return e.swarmAccount(ctx, s, "deviceJoin", api.SwarmParams{PIN: c.Args().First()})
				}),
			e.swarm("ls", "list the devices", "", "A line is the device, its state and its name, between tabs.",
				[]string{"simplexd swarm device ls"}, 0, 0, nil, e.swarmDevices),
			e.swarm("revoke", "take a device's right to speak for the account", "DEVICE",
				"Members refuse what the device writes from then on, as soon as they hear of it.",
				[]string{"simplexd swarm device revoke 5e11…"}, 1, 1, nil,
				func(ctx context.Context, s *session, c *ucli.Context) error {
					return e.swarmAccount(ctx, s, "deviceRevoke", api.SwarmParams{Who: c.Args().First()})
				}),
		},
	}
}

// swarmDevices prints the devices of the account.
func (e *env) swarmDevices(ctx context.Context, s *session, _ *ucli.Context) error {
	var r api.SwarmAccount
	if err := s.Call(ctx, "swarm.account", nil, &r); err != nil {
		return err
	}
	for _, d := range r.Devices {
		state := "active"
		switch {
		case d.This:
			state = "this"
		case d.Revoked:
			state = "revoked"
		}
		if err := e.result(d, "%s\t%s\t%s", d.Device, state, printable(d.Name)); err != nil {
			return err
		}
	}
	return nil
}
