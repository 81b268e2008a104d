package main

import (
	"context"
	"strconv"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

var remoteCodes = []int{exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.IOErr, exit.TempFail, exit.NoPerm}

func remoteCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:               "remote",
		Usage:              "show the controllers that use this profile from elsewhere, and end their sessions",
		Description:        "pair connect and pair serve attach controllers.",
		CustomHelpTemplate: cli.GroupHelp,
		Subcommands: []*ucli.Command{
			{
				Name:               "ls",
				Usage:              "list the controllers: those attached, and those that may come again",
				CustomHelpTemplate: cli.Help([]string{"simplexd remote ls", "simplexd --json remote ls"}, remoteCodes...),
				Action: func(c *ucli.Context) error {
					if c.NArg() != 0 {
						return exit.Errorf(exit.Usage, "remote ls takes no arguments")
					}
					return e.with(c.Context, 30*time.Second, e.remoteList)
				},
			},
			remoteEnd(e, "stop", "remoteStop", "end a controller's session; it may come again"),
			remoteEnd(e, "forget", "remoteForget", "forget a controller: it is a stranger again"),
		},
	}
}

func (e *env) remoteList(ctx context.Context, s *session) error {
	var r api.AttachedResult
	if err := s.Call(ctx, "remoteList", nil, &r); err != nil {
		return err
	}
	for _, a := range r.Ctrls {
		where := ""
		if a.Road != "" {
			where = " via " + a.Road + " from " + a.Peer
		}
		ends := "never"
		if !a.ExpiresAt.IsZero() {
			ends = a.ExpiresAt.UTC().Format(time.RFC3339)
		}
		if err := e.result(a, "%d %s %s%s, ends %s", a.Ctrl, printable(a.Name), a.State, where, ends); err != nil {
			return err
		}
	}
	return nil
}

func remoteEnd(e *env, name, method, usage string) *ucli.Command {
	return &ucli.Command{
		Name:               name,
		Usage:              usage,
		ArgsUsage:          "NUMBER",
		CustomHelpTemplate: cli.Help([]string{"simplexd remote " + name + " 1"}, remoteCodes...),
		Action: func(c *ucli.Context) error {
			id, err := strconv.ParseInt(c.Args().First(), 10, 64)
			if c.NArg() != 1 || err != nil {
				return exit.Errorf(exit.Usage, "remote %s takes the NUMBER of a controller", name).WithHint("simplexd remote ls lists them")
			}
			return e.with(c.Context, 30*time.Second, func(ctx context.Context, s *session) error {
				return s.Call(ctx, method, api.RemoteSessionParams{Ctrl: api.RemoteCtrlID(id)}, nil)
			})
		},
	}
}
