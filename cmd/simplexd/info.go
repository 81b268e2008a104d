package main

import (
	"context"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func infoCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:    "info",
		Aliases: []string{"status"},
		Usage:   "tell what the profile is and whether its daemon runs",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd info",
			"simplexd info --json | jq .unread",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.IOErr, exit.TempFail, exit.NoPerm),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "info takes no arguments")
			}
			return e.with(c.Context, 30*time.Second, e.info)
		},
	}
}

// infoLine is what info says in JSON: the API's answer and what only the
// command knows.
type infoLine struct {
	api.InfoResult
	Home       string   `json:"home"`
	Daemon     bool     `json:"daemon"`
	SMPServers []string `json:"smpServers"`
}

func (e *env) info(ctx context.Context, s *session) error {
	var l infoLine
	if err := s.Call(ctx, "info", nil, &l.InfoResult); err != nil {
		return err
	}
	cfg, err := e.home.ReadConfig()
	if err != nil {
		return err
	}
	l.Home, l.Daemon, l.SMPServers = e.home.Dir, s.daemon, cfg.SMPServers
	if s.local != nil {
		l.SMPServers = s.local.SMPServers()
	}
	if l.Version == "" {
		l.Version = cli.Version()
	}
	if e.json {
		return e.printJSON(l)
	}
	name, daemon, servers := cfg.Name, "not running", strings.Join(l.SMPServers, " ")
	if l.User != nil {
		name = l.User.LocalDisplayName
	}
	if s.daemon {
		daemon = "running"
	}
	if servers == "" {
		servers = "embedded"
		if cfg.Relay == nil {
			servers = "in the encrypted profile"
		}
	}
	return e.print("name:     %s\nhome:     %s\ndaemon:   %s\nrelays:   %s\ncontacts: %d, %d connecting\nunread:   %d",
		printable(name), l.Home, daemon, servers, l.Contacts, l.Pending, l.Unread)
}

func versionCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "version",
		Usage: "tell the program's version",
		CustomHelpTemplate: cli.Help([]string{"simplexd version", "simplexd version --json"},
			exit.Done, exit.Usage, exit.IOErr),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "version takes no arguments")
			}
			return e.result(struct {
				Type     string `json:"type"` // "version"
				Version  string `json:"version"`
				Platform string `json:"platform"`
			}{"version", cli.Version(), cli.Platform()}, "simplexd %s (%s)", cli.Version(), cli.Platform())
		},
	}
}
