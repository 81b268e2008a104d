package main

import (
	"errors"
	"maps"
	"slices"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
)

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
