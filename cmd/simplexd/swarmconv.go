package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func swarmNewCommand(e *env) *ucli.Command {
	return e.swarm("new", "begin a conversation", "",
		"Prints its id. Modes: one-to-one (with --with), admin-invites, invites-only and\npublic. --sealed keeps the text of messages out of the repository's clear.",
		[]string{"simplexd swarm new --title 'Village council'", "simplexd swarm new --mode one-to-one --with 2b0c…"}, 0, 0,
		[]ucli.Flag{
			&ucli.StringFlag{Name: "title", Usage: "`TITLE` of the conversation", EnvVars: []string{"SIMPLEXD_TITLE"}},
			&ucli.StringFlag{Name: "mode", Value: "invites-only", Usage: "`MODE`: one-to-one, admin-invites, invites-only or public", EnvVars: []string{"SIMPLEXD_MODE"}},
			&ucli.StringFlag{Name: "with", Usage: "`URI` or @contact of the other one, with mode one-to-one", EnvVars: []string{"SIMPLEXD_WITH"}},
			&ucli.BoolFlag{Name: "sealed", Usage: "seal the messages with a key that is not in the repository", EnvVars: []string{"SIMPLEXD_SEALED"}},
		},
		func(ctx context.Context, s *session, c *ucli.Context) error {
			var r api.SwarmConv
			p := api.SwarmParams{Title: c.String("title"), Mode: c.String("mode"), Who: c.String("with"), Sealed: c.Bool("sealed")}
			if err := s.Call(ctx, "swarm.new", p, &r); err != nil {
				return err
			}
			return e.result(r, "%s", r.Conv)
		})
}

// swarmConvs prints conversations, one a line.
func (e *env) swarmConvs(ctx context.Context, s *session, method string) error {
	var r api.SwarmConvs
	if err := s.Call(ctx, "swarm."+method, nil, &r); err != nil {
		return err
	}
	for _, v := range r.Convs {
		if err := e.result(v, "%s\t%s\t%s\t%s", v.Conv, v.State, v.Mode, printable(v.Title)); err != nil {
			return err
		}
	}
	return nil
}

func swarmListCommand(e *env) *ucli.Command {
	return e.swarm("ls", "list the conversations", "", "A line is the id, the state, the mode and the title, between tabs.",
		[]string{"simplexd swarm ls", "simplexd swarm ls --json | jq -r 'select(.unread>0).title'"}, 0, 0, nil,
		func(ctx context.Context, s *session, _ *ucli.Context) error { return e.swarmConvs(ctx, s, "list") })
}

func swarmRequestsCommand(e *env) *ucli.Command {
	return e.swarm("requests", "list the invitations", "", "As simplexd swarm ls; with --json also who invites.",
		[]string{"simplexd swarm requests"}, 0, 0, nil,
		func(ctx context.Context, s *session, _ *ucli.Context) error { return e.swarmConvs(ctx, s, "requests") })
}

func swarmInviteCommand(e *env) *ucli.Command {
	return e.swarm("invite", "invite somebody to a conversation", "CONV [URI|@contact]",
		"The invitation goes over libp2p to the account's devices, or, to @contact, as a\nmessage over SimpleX. It is repeated until one of them was reached. With --qr or\nwithout somebody it is printed, to be given by hand: simplexd swarm accept takes\nit in place of the id.",
		[]string{"simplexd swarm invite 4f1c9a 2b0c…", "simplexd swarm invite 4f1c9a @bob", "simplexd swarm invite 4f1c9a 2b0c… --qr"}, 1, 2,
		qrFlags(),
		func(ctx context.Context, s *session, c *ucli.Context) error {
			var r api.SwarmParams
			p := api.SwarmParams{Conv: c.Args().First(), Who: c.Args().Get(1)}
			contact := strings.HasPrefix(p.Who, "@")
			if contact {
				p.Who = "" // an open invitation: whoever has the message is added
			}
			if err := s.Call(ctx, "swarm.invite", p, &r); err != nil {
				return err
			}
			if contact {
				msg := api.SendParams{To: api.ChatTo{Name: trimAt(c.Args().Get(1))}, Text: r.Text, Wait: "queued"}
				if err := s.Call(ctx, "send", msg, nil); err != nil {
					return err
				}
			}
			if err := e.drawQR(c, r.Text); err != nil {
				return err
			}
			return e.result(r, "%s", r.Text)
		})
}

func swarmMembersCommand(e *env) *ucli.Command {
	return e.swarm("members", "list the members of a conversation", "CONV",
		"A line is the URI, the role and the name, between tabs.",
		[]string{"simplexd swarm members 4f1c9a"}, 1, 1, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			var r api.SwarmMembers
			if err := s.Call(ctx, "swarm.members", api.SwarmParams{Conv: c.Args().First()}, &r); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(r)
			}
			for _, m := range r.Members {
				if err := e.print("%s\t%s\t%s", m.URI, m.Role, printable(m.Name)); err != nil {
					return err
				}
			}
			for _, d := range r.Banned {
				if err := e.print("%s\tbanned device\t", d); err != nil {
					return err
				}
			}
			return nil
		})
}

func swarmVoteCommand(e *env) *ucli.Command {
	return e.swarm("vote", "vote on banning, without resolving", "ban|unban CONV URI|DEVICE",
		"What simplexd swarm ban does but for the last step, which needs more than half\nof the admins and which the next vote takes.",
		[]string{"simplexd swarm vote ban 4f1c9a 2b0c…"}, 3, 3, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			var r api.SwarmSent
			p := api.SwarmParams{Text: c.Args().Get(0), Conv: c.Args().Get(1), Who: c.Args().Get(2)}
			if err := s.Call(ctx, "swarm.vote", p, &r); err != nil {
				return err
			}
			return e.result(r, "%s", r.Commit)
		})
}

func swarmProfileCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "profile", Usage: "the title, description and picture of a conversation", CustomHelpTemplate: cli.GroupHelp,
		Subcommands: []*ucli.Command{
			e.swarm("show", "print the title", "CONV", "With --json the rest too.", []string{"simplexd swarm profile show 4f1c9a --json"}, 1, 1, nil,
				func(ctx context.Context, s *session, c *ucli.Context) error {
					var r api.SwarmConv
					if err := s.Call(ctx, "swarm.profile", api.SwarmParams{Conv: c.Args().First()}, &r); err != nil {
						return err
					}
					return e.result(r, "%s", printable(r.Title))
				}),
			e.swarm("set", "change it; admins may", "CONV", "What is not given stays as it is.",
				[]string{"simplexd swarm profile set 4f1c9a --title 'Council' --avatar logo.png"}, 1, 1,
				[]ucli.Flag{
					&ucli.StringFlag{Name: "title", Usage: "`TITLE`", EnvVars: []string{"SIMPLEXD_TITLE"}},
					&ucli.StringFlag{Name: "description", Usage: "`TEXT`", EnvVars: []string{"SIMPLEXD_DESCRIPTION"}},
					&ucli.StringFlag{Name: "avatar", Usage: "`FILE` with a picture", EnvVars: []string{"SIMPLEXD_AVATAR"}},
				}, e.swarmProfileSet),
		},
	}
}

func (e *env) swarmProfileSet(ctx context.Context, s *session, c *ucli.Context) error {
	p := api.SwarmParams{Conv: c.Args().First(), Title: c.String("title")}
	if c.IsSet("description") {
		d := c.String("description")
		p.Description = &d
	}
	if name := c.String("avatar"); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			return exit.Errorf(exit.NoInput, "the picture: %w", err)
		}
		text := base64.StdEncoding.EncodeToString(b)
		p.Avatar = &text
	}
	if p.Title == "" && p.Description == nil && p.Avatar == nil {
		return exit.Errorf(exit.Usage, "nothing to set").WithHint("--title, --description and --avatar are there")
	}
	var r api.SwarmSent
	if err := s.Call(ctx, "swarm.profileSet", p, &r); err != nil {
		return err
	}
	return e.result(r, "%s", r.Commit)
}

func swarmPreferencesCommand(e *env) *ucli.Command {
	return e.swarm("preferences", "print or set our own settings of a conversation", "CONV [KEY=VALUE …]",
		"They are shared by the devices of the account, not with other members. An empty\nVALUE takes the key away.",
		[]string{"simplexd swarm preferences 4f1c9a", "simplexd swarm preferences 4f1c9a color=#ff8800 notifications=off"}, 1, 64, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			p := api.SwarmParams{Conv: c.Args().First(), Set: map[string]string{}}
			for _, kv := range c.Args().Tail() {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return exit.Errorf(exit.Usage, "%q is not KEY=VALUE", kv)
				}
				p.Set[k] = v
			}
			var r api.SwarmParams
			if err := s.Call(ctx, "swarm.preferences", p, &r); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(r.Set)
			}
			for _, k := range sortedKeys(r.Set) {
				if err := e.print("%s", printable(fmt.Sprintf("%s=%s", k, r.Set[k]))); err != nil {
					return err
				}
			}
			return nil
		})
}
