package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

// Commands about the address, who asks through it, contacts and the profile.
// They are made of bot API commands.

var peopleCodes = []int{exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.NoHost, exit.Unavailable,
	exit.IOErr, exit.TempFail, exit.NoPerm}

// people makes a command with args arguments, at least min of them.
func (e *env) people(name, usage, argsUsage, about string, examples []string, min, max int, flags []ucli.Flag,
	run func(context.Context, *session, *ucli.Context) error) *ucli.Command {
	return &ucli.Command{
		Name: name, Usage: usage, ArgsUsage: argsUsage, Description: about, Flags: flags,
		CustomHelpTemplate: cli.Help(examples, peopleCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() < min || c.NArg() > max {
				return exit.Errorf(exit.Usage, "%s takes %s", name, map[bool]string{true: "no arguments", false: argsUsage}[max == 0])
			}
			return e.with(c.Context, time.Minute, func(ctx context.Context, s *session) error { return run(ctx, s, c) })
		},
	}
}

// do executes a bot API command; its errors are those of calls.
func (s *session) do(ctx context.Context, cmd string) (api.Response, error) {
	r, err := s.Exec(ctx, cmd)
	if err != nil || r.ChatError == nil {
		return r, err
	}
	code := api.CodeInternal
	switch {
	case r.ChatError.StoreError != nil:
		code = api.CodeNotFound
	case r.ChatError.ErrorType != nil:
		code = api.CodeUsage
	case r.ChatError.AgentError != nil:
		code = api.CodeUnavailable
	}
	return r, &api.Error{Type: "error", Code: code, Message: r.ChatError.Error()}
}

// quoted is a contact's name as bot API commands take it.
func quoted(name string) string {
	name = strings.TrimPrefix(name, "@")
	if strings.Contains(name, " ") {
		return "'" + strings.ReplaceAll(name, "'", "") + "'"
	}
	return name
}

func addressCommand(e *env) *ucli.Command {
	return e.people("address", "show the address that anybody can ask to connect through", "",
		"Makes the address the first time. Who has it sends a request, which simplexd\naccept answers; --auto accepts all, with a welcome if that is given.",
		[]string{"simplexd address", "simplexd address --qr >/dev/null", "simplexd address --auto --welcome 'Hello, I am a bot'", "simplexd address --delete"},
		0, 0, append(qrFlags(),
			&ucli.BoolFlag{Name: "full", Usage: "the link in its long form, which old programs need", EnvVars: []string{"SIMPLEXD_FULL"}},
			&ucli.BoolFlag{Name: "auto", Usage: "accept all requests from now on", EnvVars: []string{"SIMPLEXD_AUTO"}},
			&ucli.StringFlag{Name: "welcome", Usage: "with --auto, send `TEXT` to each", EnvVars: []string{"SIMPLEXD_WELCOME"}},
			&ucli.BoolFlag{Name: "manual", Usage: "accept no request unasked from now on", EnvVars: []string{"SIMPLEXD_MANUAL"}},
			&ucli.BoolFlag{Name: "delete", Usage: "delete the address", EnvVars: []string{"SIMPLEXD_DELETE"}},
		), e.address)
}

func (e *env) address(ctx context.Context, s *session, c *ucli.Context) error {
	if _, _, err := qrMode(c); err != nil {
		return err
	}
	if c.Bool("delete") {
		_, err := s.do(ctx, "/delete_address")
		return err
	}
	r, err := s.do(ctx, "/show_address")
	if err != nil && r.ChatError != nil && r.ChatError.StoreError != nil {
		if _, err := s.do(ctx, "/address"); err != nil {
			return err
		}
		r, err = s.do(ctx, "/show_address")
	}
	switch {
	case err != nil:
	case c.Bool("manual"):
		_, err = s.do(ctx, "/auto_accept off")
	case c.Bool("auto"):
		cmd := "/auto_accept on"
		if w := c.String("welcome"); w != "" {
			cmd += " text " + w
		}
		_, err = s.do(ctx, cmd)
	}
	if err != nil {
		return err
	}
	link := r.ContactLink.ConnLinkContact.Shortest()
	if c.Bool("full") {
		link = r.ContactLink.ConnLinkContact.ConnFullLink
	}
	if err := e.result(r.ContactLink, "%s", link); err != nil {
		return err
	}
	return e.drawQR(c, link)
}

func requestsCommand(e *env) *ucli.Command {
	return e.people("requests", "list who asks to connect, one a line", "",
		"A line is the request's number and the name, between tabs; with --json an object.",
		[]string{"simplexd requests", "simplexd requests --json | jq -r .name"}, 0, 0, nil,
		func(ctx context.Context, s *session, _ *ucli.Context) error {
			var r api.RequestsResult
			if err := s.Call(ctx, "requests", nil, &r); err != nil {
				return err
			}
			for _, l := range r.Requests {
				if err := e.result(l, "%d\t@%s", l.RequestID, printable(l.Name)); err != nil {
					return err
				}
			}
			return nil
		})
}

// answer is "/accept NAME" or "/_accept N".
func answer(ctx context.Context, s *session, word, who string) (api.Response, error) {
	if _, err := strconv.ParseUint(who, 10, 63); err == nil {
		return s.do(ctx, "/_"+word+" "+who)
	}
	return s.do(ctx, "/"+word+" "+quoted(who))
}

func acceptCommand(e *env) *ucli.Command {
	return e.people("accept", "accept a request to connect", "NAME|NUMBER", "Requests are listed by simplexd requests.",
		[]string{"simplexd accept @carol", "simplexd accept 3"}, 1, 1, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			r, err := answer(ctx, s, "accept", c.Args().First())
			if err != nil {
				return err
			}
			return e.result(r.Contact, "@%s connecting", printable(r.Contact.LocalDisplayName))
		})
}

func rejectCommand(e *env) *ucli.Command {
	return e.people("reject", "forget a request to connect", "NAME|NUMBER", "Who asked is not told.",
		[]string{"simplexd reject @mallory", "simplexd reject 4"}, 1, 1, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			_, err := answer(ctx, s, "reject", c.Args().First())
			return err
		})
}

func renameCommand(e *env) *ucli.Command {
	return e.people("rename", "give a contact a name of your own", "NAME NEW",
		"Only you see it; commands take it too. An empty NEW takes it away.",
		[]string{"simplexd rename @bob bobby", "simplexd rename @bob ''"}, 2, 2, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			id, err := e.contactID(ctx, s, c.Args().First())
			if err != nil {
				return err
			}
			_, err = s.do(ctx, strings.TrimRight("/_set alias @"+id+" "+strings.TrimPrefix(c.Args().Get(1), "@"), " "))
			return err
		})
}

// contactID is the number of the contact with a name, of its own or ours.
func (e *env) contactID(ctx context.Context, s *session, name string) (string, error) {
	var r api.ContactsResult
	if err := s.Call(ctx, "contacts", nil, &r); err != nil {
		return "", err
	}
	name = strings.TrimPrefix(name, "@")
	for _, l := range r.Contacts {
		if l.Name == name || l.Alias != "" && l.Alias == name {
			return strconv.FormatInt(int64(l.ContactID), 10), nil
		}
	}
	return "", exit.Errorf(exit.NoUser, "no contact @%s", printable(name)).WithHint("simplexd contacts lists them")
}

func deleteCommand(e *env) *ucli.Command {
	return e.people("delete", "delete a contact with its messages", "NAME",
		"The contact is told, unless --silent; --keep-chat keeps the messages.",
		[]string{"simplexd delete @bob", "simplexd delete --silent @mallory"}, 1, 1, []ucli.Flag{
			&ucli.BoolFlag{Name: "silent", Usage: "do not tell the contact", EnvVars: []string{"SIMPLEXD_SILENT"}},
			&ucli.BoolFlag{Name: "keep-chat", Usage: "keep the messages", EnvVars: []string{"SIMPLEXD_KEEP_CHAT"}},
		},
		func(ctx context.Context, s *session, c *ucli.Context) error {
			id, err := e.contactID(ctx, s, c.Args().First())
			if err != nil {
				return err
			}
			mode := map[bool]string{true: "entity", false: "full"}[c.Bool("keep-chat")]
			notify := map[bool]string{true: "off", false: "on"}[c.Bool("silent")]
			_, err = s.do(ctx, "/_delete @"+id+" "+mode+" notify="+notify)
			return err
		})
}

func profileCommand(e *env) *ucli.Command {
	return e.people("profile", "show or change the name that contacts see", "[NAME [BIO]]", "Contacts are told of a change.",
		[]string{"simplexd profile", "simplexd profile alice 'backs things up'"}, 0, 2, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			cmd := "/profile"
			if name := c.Args().First(); name != "" {
				cmd += " " + quoted(name)
				if bio := c.Args().Get(1); bio != "" {
					cmd += " " + bio
				}
			}
			r, err := s.do(ctx, cmd)
			if err != nil {
				return err
			}
			p := r.Profile
			if r.ToProfile != nil {
				p = r.ToProfile
			}
			if p == nil && r.User != nil {
				p = &api.Profile{DisplayName: r.User.Profile.DisplayName, ShortDescr: r.User.Profile.ShortDescr}
			}
			return e.result(p, "%s\t%s", printable(p.DisplayName), printable(p.ShortDescr))
		})
}
