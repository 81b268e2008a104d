package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func connectCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "connect",
		Usage:     "connect with a link that a contact gave you",
		ArgsUsage: "LINK|-",
		Description: "With - the link is read from standard input. connect waits until both sides are\n" +
			"connected, for at most 5 minutes or --timeout; when the time is over, the\n" +
			"connection goes on whenever the profile is open.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd connect 'simplex:/invitation#/?v=2-7&smp=...'",
			"simplexd connect - <link.txt",
			"simplexd connect --no-wait 'https://simplex.chat/invitation#/?v=2-7&smp=...'",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.NoHost, exit.Unavailable,
			exit.IOErr, exit.TempFail, exit.Protocol, exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "no-wait", Usage: "return as soon as the connection is under way", EnvVars: []string{"SIMPLEXD_NO_WAIT"}},
		},
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 {
				return exit.Errorf(exit.Usage, "connect takes one LINK").WithHint("quote the link: it contains characters that shells read")
			}
			link := c.Args().First()
			if link == "-" {
				var err error
				if link, err = readLink(e.stdin); err != nil {
					return err
				}
			}
			return e.with(c.Context, 5*time.Minute, func(ctx context.Context, s *session) error {
				return e.connect(ctx, s, link, !c.Bool("no-wait"))
			})
		},
	}
}

func (e *env) connect(ctx context.Context, s *session, link string, wait bool) error {
	var r api.ConnectResult
	err := s.Call(ctx, "connect", api.ConnectParams{Link: link, Wait: wait}, &r)
	if errors.Is(err, context.DeadlineExceeded) {
		return exit.Errorf(exit.TempFail, "not connected in time: the other side has not answered").
			WithHint("the connection goes on while simplexd serve runs; simplexd contacts shows it")
	}
	var refused *api.Error
	if errors.As(err, &refused) && refused.Code == api.CodeNotFound {
		return exit.Errorf(exit.NoUser, "the link has been used already, or withdrawn: %w", err).
			WithHint("an invitation connects one contact, once; ask for a new one")
	}
	if err != nil {
		return err
	}
	if r.Contact == nil {
		if !s.daemon {
			e.note("no daemon runs: the connection goes on when simplexd serve, or a command, is running")
		}
		return e.result(r, "%s", r.State)
	}
	return e.result(r, "@%s %s", printable(r.Contact.Name), r.State)
}

// readLink reads the first line of r that is not empty.
func readLink(r io.Reader) (string, error) {
	lines := bufio.NewScanner(io.LimitReader(r, 64<<10))
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		if link := strings.TrimSpace(lines.Text()); link != "" {
			return link, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", exit.Errorf(exit.DataErr, "read the link from standard input: %w", err)
	}
	return "", exit.Errorf(exit.DataErr, "no link on standard input")
}
