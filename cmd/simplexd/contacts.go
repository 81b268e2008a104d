package main

import (
	"context"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func contactsCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "contacts",
		Usage: "list the contacts, one a line",
		Description: "A line is the name, the state and the number of unread messages, between tabs;\n" +
			"with --json an object.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd contacts",
			"simplexd contacts --json | jq -r 'select(.unread > 0).name'",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.IOErr, exit.TempFail, exit.NoPerm),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "contacts takes no arguments")
			}
			return e.with(c.Context, 30*time.Second, func(ctx context.Context, s *session) error {
				var r api.ContactsResult
				if err := s.Call(ctx, "contacts", nil, &r); err != nil {
					return err
				}
				for _, l := range r.Contacts {
					if err := e.result(l, "@%s\t%s\t%d", printable(l.Name), l.State, l.Unread); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}
