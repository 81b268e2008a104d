package main

import (
	"context"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func inviteCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "invite",
		Usage: "make a one-time link for one contact",
		Description: "The link is all that standard output gets. Whoever opens it first becomes the\n" +
			"contact, so give it to one person over a channel that you trust.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd invite",
			"simplexd invite --short",
			"simplexd invite --qr >/dev/null",
			"simplexd invite | ssh bob@example.org simplexd connect -",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoHost, exit.Unavailable, exit.IOErr,
			exit.TempFail, exit.Protocol, exit.NoPerm),
		Flags: append(qrFlags(),
			&ucli.BoolFlag{Name: "short", Usage: "make a short link: the relay keeps the long one and the profile, encrypted", EnvVars: []string{"SIMPLEXD_SHORT"}}),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "invite takes no arguments")
			}
			if _, _, err := qrMode(c); err != nil {
				return err
			}
			return e.with(c.Context, time.Minute, func(ctx context.Context, s *session) error {
				var r api.InviteResult
				if err := s.Call(ctx, "invite", nil, &r); err != nil {
					return err
				}
				link := r.Link
				if c.Bool("short") {
					if link = r.ShortLink; link == "" {
						return exit.Errorf(exit.Protocol, "the relay is too old for short links")
					}
				}
				// The link is lost to nobody if the drawing fails: it comes first.
				if err := e.result(r, "%s", link); err != nil {
					return err
				}
				if err := e.drawQR(c, link); err != nil {
					return err
				}
				if !s.daemon {
					e.note("no daemon runs: the contact is connected when simplexd serve, or a command, is running")
				}
				return nil
			})
		},
	}
}
