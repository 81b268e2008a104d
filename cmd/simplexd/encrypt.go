package main

import (
	"context"
	"errors"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/lib/exit"
)

var keyCodes = []int{exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.IOErr, exit.TempFail, exit.NoPerm}

func encryptCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "encrypt",
		Usage: "encrypt the profile's database",
		Description: "No daemon may run. A new database is written, compared with the old one and put in\n" +
			"its place; the command may be repeated if it was interrupted. The old file is\n" +
			"overwritten, which not all file systems and disks honour. See docs/at-rest.md.",
		CustomHelpTemplate: cli.Help([]string{"simplexd encrypt", "simplexd encrypt --key-file ~/.alice-key"}, keyCodes...),
		Action: func(c *ucli.Context) error {
			return e.alone(c, func(ctx context.Context) error {
				s, err := e.key.Read(ctx, true)
				if err != nil {
					return err
				}
				defer s.Wipe()
				return profile.Encrypt(ctx, e.home, s)
			})
		},
	}
}

func decryptCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "decrypt",
		Usage:              "take the encryption off the profile's database",
		Description:        "No daemon may run. The opposite of encrypt, done in the same way.",
		CustomHelpTemplate: cli.Help([]string{"simplexd decrypt", "simplexd decrypt --key-file ~/.alice-key"}, keyCodes...),
		Action: func(c *ucli.Context) error {
			return e.alone(c, func(ctx context.Context) error {
				if there, err := profile.Encrypted(ctx, e.home); err != nil {
					return err
				} else if !there {
					return profile.Decrypt(ctx, e.home, nil)
				}
				s, err := e.key.Read(ctx, false)
				if err != nil {
					return err
				}
				defer s.Wipe()
				return profile.Decrypt(ctx, e.home, s)
			})
		},
	}
}

func passwdCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "passwd",
		Usage: "change the passphrase of an encrypted profile",
		Description: "No daemon may run. An old copy of the profile still opens with the old passphrase,\n" +
			"and who had both can open the profile as it is now: against them, decrypt and encrypt\n" +
			"make a new data key.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd passwd", "simplexd passwd --key-file ~/.alice-key --new-key-file ~/.alice-key-2",
		}, keyCodes...),
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "new-key-file", Usage: "`FILE` with the new passphrase or key; nobody else may read it", EnvVars: []string{"SIMPLEXD_NEW_KEY_FILE"}},
			&ucli.IntFlag{Name: "new-key-fd", Value: -1, Usage: "read the new passphrase or key from descriptor `N`", EnvVars: []string{"SIMPLEXD_NEW_KEY_FD"}},
			&ucli.StringFlag{Name: "new-key-command", Usage: "`COMMAND` for the shell that prints the new passphrase or key", EnvVars: []string{"SIMPLEXD_NEW_KEY_COMMAND"}},
		},
		Action: func(c *ucli.Context) error {
			fresh, err := e.keySource(c, "new-key", "new passphrase", "")
			if err != nil {
				return err
			}
			return e.alone(c, func(ctx context.Context) error {
				if there, err := profile.Encrypted(ctx, e.home); err != nil {
					return err
				} else if !there {
					return exit.Errorf(exit.Usage, "the profile is not encrypted").WithHint("simplexd encrypt encrypts it")
				}
				from, err := e.key.Read(ctx, false)
				if err != nil {
					return err
				}
				defer from.Wipe()
				to, err := fresh.Read(ctx, true)
				if err != nil {
					return err
				}
				defer to.Wipe()
				return profile.ChangeKey(ctx, e.home, from, to)
			})
		},
	}
}

// alone runs fn while no other process uses the profile.
func (e *env) alone(c *ucli.Context, fn func(context.Context) error) error {
	if c.NArg() != 0 {
		return exit.Errorf(exit.Usage, "%s takes no arguments", c.Command.Name)
	}
	if _, err := e.home.ReadConfig(); err != nil {
		return classify(e, err)
	}
	lock, err := e.home.WaitLock(c.Context, home.LockWait, nil)
	if errors.Is(err, home.ErrLocked) {
		return exit.Errorf(exit.TempFail, "%w", err).WithHint("stop the daemon first")
	}
	if err != nil {
		return classify(e, err)
	}
	return classify(e, errors.Join(fn(c.Context), lock.Close()))
}
