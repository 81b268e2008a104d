package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relayhome"
)

// changeCodes are those of commands that change a home.
var changeCodes = slices.Concat(readCodes, []int{exit.Unavailable, exit.TempFail})

// announce has the relay that runs on the home, if any, read it again.
func announce(c *ucli.Context, h *relayhome.Home) error {
	err := relayadmin.Call(c.Context, h.Dir, "reload", "", "", nil)
	if errors.Is(err, relayadmin.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return exit.Errorf(exit.Code(err), "done, but the relay that runs does not know: %w", err).WithHint("send it SIGHUP")
	}
	return nil
}

func userAddCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "user-add", Usage: "give somebody a password for creating queues; prints their address", ArgsUsage: "NAME",
		Description: "As soon as there is a user, queues can only be created with a password. The\n" +
			"relay keeps no passwords, only salted hashes of them: an address that is lost is\n" +
			"replaced by another one. A relay that runs learns of it at once.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp user-add alice", "relayctl smp user-add --password-file secret bob"},
			slices.Concat(changeCodes, []int{exit.CantCreate})...),
		Flags: []ucli.Flag{
			homeFlag, configFlag,
			&ucli.StringFlag{Name: "password-file", Usage: "`FILE` with the password; without it, one is made", EnvVars: []string{"RELAYCTL_PASSWORD_FILE"}},
			&ucli.BoolFlag{Name: "replace", Usage: "give a user another password"},
		},
		Action: func(c *ucli.Context) error { return runUserAdd(c, e) },
	}
}

func runUserAdd(c *ucli.Context, e *env) error {
	if c.NArg() != 1 {
		return exit.Errorf(exit.Usage, "give one NAME")
	}
	password, err := readPassword(c.String("password-file"))
	if err != nil {
		return err
	}
	h, err := load(c)
	if err != nil {
		return err
	}
	p, err := h.AddUser(c.Args().First(), smp.BasicAuth(password), c.Bool("replace"))
	if err != nil {
		return err
	}
	a := h.Address()
	a.BasicAuth = &p
	if err := announce(c, h); err != nil {
		return err
	}
	return print(e, "%s\n", a)
}

func userRmCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "user-rm", Usage: "take a user's password away; the queues stay", ArgsUsage: "NAME",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp user-rm alice"}, slices.Concat(changeCodes, []int{exit.NoUser})...),
		Flags:              []ucli.Flag{homeFlag, configFlag},
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 {
				return exit.Errorf(exit.Usage, "give one NAME")
			}
			h, err := load(c)
			if err != nil {
				return err
			}
			if err := h.RemoveUser(c.Args().First()); err != nil {
				return err
			}
			if left, err := h.Users(); err == nil && len(left) == 0 && h.Settings.Password == "" {
				fmt.Fprintln(e.stderr, "That was the last user: now everybody can create queues.")
			}
			return announce(c, h)
		},
	}
}

func usersCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "users", Usage: "list who has a password for creating queues",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp users", "relayctl smp users --json"}, readCodes...),
		Flags:              []ucli.Flag{homeFlag, configFlag, jsonFlag},
		Action: func(c *ucli.Context) error {
			e.json = c.Bool("json")
			h, err := load(c)
			if err != nil {
				return err
			}
			users, err := h.Users()
			if err != nil {
				return err
			}
			if e.json {
				return printJSON(e, map[string]any{"v": 1, "users": users})
			}
			for _, u := range users {
				if err := print(e, "%s\t%s\n", u.Name, u.Created.UTC().Format(time.RFC3339)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func blockCommand(e *env) *ucli.Command {
	return blocking(&ucli.Command{
		Name: "block", Usage: "refuse a queue that is abused",
		Description: "The queue is named by its address smp://…, as links have it, or by its ID. Senders and\n" +
			"recipient get an error that says why; nothing is deleted.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp block smp://FINGERPRINT@relay.example.org/QUEUE#/?v=1-4&dh=KEY", "relayctl smp block --reason content QUEUE"},
			slices.Concat(changeCodes, []int{exit.NoUser})...),
		Flags: []ucli.Flag{homeFlag, configFlag,
			&ucli.StringFlag{Name: "reason", Value: string(smp.BlockedSpam), Usage: "`REASON` that is told: spam or content", EnvVars: []string{"RELAYCTL_REASON"}}},
	})
}

func unblockCommand(*env) *ucli.Command {
	return blocking(&ucli.Command{
		Name: "unblock", Usage: "let a blocked queue be used again",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp unblock QUEUE"}, slices.Concat(changeCodes, []int{exit.NoUser})...),
		Flags:              []ucli.Flag{homeFlag, configFlag},
	})
}

func blocking(cmd *ucli.Command) *ucli.Command {
	cmd.ArgsUsage = "QUEUE"
	cmd.Action = func(c *ucli.Context) error {
		if c.NArg() != 1 {
			return exit.Errorf(exit.Usage, "give one QUEUE")
		}
		id, err := relayhome.ParseQueue(c.Args().First())
		if err != nil {
			return err
		}
		var why *smp.BlockingInfo
		if cmd.Name == "block" {
			why = &smp.BlockingInfo{Reason: smp.BlockingReason(c.String("reason"))}
			if why.Reason != smp.BlockedSpam && why.Reason != smp.BlockedContent {
				return exit.Errorf(exit.Usage, "--reason %s: must be spam or content", why.Reason)
			}
		}
		h, err := load(c)
		if err != nil {
			return err
		}
		err = relayadmin.Call(c.Context, h.Dir, cmd.Name, c.Args().First(), c.String("reason"), nil)
		if errors.Is(err, relayadmin.ErrNotRunning) {
			return h.SetBlocked(c.Context, id, why)
		}
		return err
	}
	return cmd
}

func certCommand(e *env) *ucli.Command {
	flags := []ucli.Flag{homeFlag, configFlag}
	return group("cert", "smp cert", "the relay's certificates",
		&ucli.Command{
			Name: "show", Usage: "tell the age of the certificates, and where the offline key is",
			CustomHelpTemplate: cli.Help([]string{"relayctl smp cert show --json"}, readCodes...),
			Flags:              append(slices.Clone(flags), jsonFlag),
			Action:             func(c *ucli.Context) error { return runCertShow(c, e) },
		},
		&ucli.Command{
			Name: "rotate", Usage: "make a new online key and certificate; the address stays",
			Description: "The offline key signs the new certificate. It is ca.key in the relay's home, or\n" +
				"better elsewhere. A relay that runs shows the new one to clients from now on, and\n" +
				"keeps its connections.",
			CustomHelpTemplate: cli.Help([]string{"relayctl smp cert rotate", "relayctl smp cert rotate --ca-key /media/safe/ca.key"}, changeCodes...),
			Flags: append(slices.Clone(flags),
				&ucli.StringFlag{Name: "ca-key", Usage: "`FILE` with the offline key, instead of ca.key in the home", EnvVars: []string{"RELAYCTL_CA_KEY"}}),
			Action: func(c *ucli.Context) error {
				h, err := load(c)
				if err != nil {
					return err
				}
				if err := h.Rotate(c.String("ca-key"), time.Now()); err != nil {
					return err
				}
				return announce(c, h)
			},
		})
}

func runCertShow(c *ucli.Context, e *env) error {
	e.json = c.Bool("json")
	h, err := load(c)
	if err != nil {
		return err
	}
	i, err := h.Cert()
	if err != nil {
		return err
	}
	if e.json {
		return printJSON(e, map[string]any{"v": 1, "notBefore": i.NotBefore.UTC(), "notAfter": i.NotAfter.UTC(),
			"caNotAfter": i.CANotAfter.UTC(), "algorithm": i.Algorithm, "caKeyHere": i.CAKeyHere})
	}
	place := "elsewhere"
	if i.CAKeyHere {
		place = "in the relay's home; better take it away, to a safe place"
	}
	return print(e, "online certificate:  %s to %s, %s\noffline certificate: to %s\noffline key:         %s\n",
		i.NotBefore.UTC().Format(time.DateOnly), i.NotAfter.UTC().Format(time.DateOnly), i.Algorithm, i.CANotAfter.UTC().Format(time.DateOnly), place)
}

// liveCodes are those of commands that ask the relay that runs.
var liveCodes = []int{exit.Done, exit.Usage, exit.NoInput, exit.Unavailable, exit.IOErr, exit.NoPerm, exit.Config}

// notRunning adds what to do.
func notRunning(err error) error {
	if !errors.Is(err, relayadmin.ErrNotRunning) {
		return err
	}
	return exit.Errorf(exit.Unavailable, "%w", err).WithHint("start it with relayctl smp serve, or name its --home")
}

func statsCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "stats",
		Usage: "print what the relay has done since its start, and on each day",
		Description: "Without a relay that runs there are only the days; 31 are kept. They begin at\n" +
			"midnight UTC.",
		CustomHelpTemplate: cli.Help([]string{"relayctl smp stats", "relayctl smp stats --json"}, readCodes...),
		Flags:              []ucli.Flag{homeFlag, configFlag, jsonFlag},
		Action:             func(c *ucli.Context) error { return runStats(c, e) },
	}
}

func runStats(c *ucli.Context, e *env) error {
	e.json = c.Bool("json")
	h, err := load(c)
	if err != nil {
		return err
	}
	var s relayadmin.Stats
	err = relayadmin.Call(c.Context, h.Dir, "stats", "", "", &s)
	running := err == nil
	if errors.Is(err, relayadmin.ErrNotRunning) {
		s.V = 1
		if s.Days, err = relayadmin.ReadDays(h.Dir); err != nil {
			return exit.Errorf(exit.DataErr, "relay: numbers of days: %w", err)
		}
	}
	if err != nil {
		return err
	}
	if e.json {
		if running {
			return printJSON(e, s)
		}
		return printJSON(e, map[string]any{"v": 1, "days": s.Days})
	}
	if running {
		err := print(e, "since:         %s\nqueues:        %d\nmessages:      %d\nconnections:   %d\nsubscriptions: %d\n\n",
			s.Since.UTC().Format(time.RFC3339), s.Queues, s.Messages, s.Connections, s.Subscriptions)
		if err != nil {
			return err
		}
		if err := printTotals(e, "", s.Totals); err != nil {
			return err
		}
	}
	for _, d := range s.Days {
		if err := printTotals(e, "\n"+d.Date+"\n", d.Totals); err != nil {
			return err
		}
	}
	return nil
}

func printTotals(e *env, head string, t relayadmin.Totals) error {
	if err := print(e, "%s", head); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err := print(e, "%-18s %d\n", name, t[name]); err != nil {
			return err
		}
	}
	return nil
}

func metricsCommand(e *env) *ucli.Command {
	return group("metrics", "smp metrics", "the running relay's numbers, as Prometheus reads them",
		&ucli.Command{
			Name:               "print",
			Usage:              "print the numbers",
			CustomHelpTemplate: cli.Help([]string{"relayctl smp metrics print | grep messages"}, liveCodes...),
			Flags:              []ucli.Flag{homeFlag, configFlag},
			Action: func(c *ucli.Context) error {
				text, err := metrics(c)
				if err != nil {
					return err
				}
				return print(e, "%s", text)
			},
		},
		&ucli.Command{
			Name: "write", Usage: "write the numbers to a file at once, for a collector of text files", ArgsUsage: "FILE",
			Description: "The file can be read by everybody, and is replaced as a whole.",
			CustomHelpTemplate: cli.Help([]string{"relayctl smp metrics write /var/lib/prometheus/node-exporter/relay.prom"},
				append(slices.Clone(liveCodes), exit.CantCreate)...),
			Flags: []ucli.Flag{homeFlag, configFlag},
			Action: func(c *ucli.Context) error {
				if c.NArg() != 1 {
					return exit.Errorf(exit.Usage, "name one FILE")
				}
				text, err := metrics(c)
				if err != nil {
					return err
				}
				return exit.Wrap(exit.CantCreate, relayadmin.WriteFile(c.Args().First(), []byte(text), 0o644))
			},
		})
}

func metrics(c *ucli.Context) (text string, err error) {
	dir, err := home(c)
	if err != nil {
		return "", err
	}
	return text, notRunning(relayadmin.Call(c.Context, dir, "metrics", "", "", &text))
}
