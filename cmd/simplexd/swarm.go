package main

import (
	"context"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

// Commands about conversations that no server keeps. Each is one method of the
// API, "swarm." and its name.

var swarmCodes = []int{exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.Unavailable,
	exit.CantCreate, exit.IOErr, exit.TempFail, exit.NoPerm}

func swarmCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "swarm",
		Usage: "conversations with no server, a git repository each",
		Description: "Members' devices find each other on the LAN and over libp2p and copy a signed\n" +
			"history; plain git log reads it. What is written while nobody can be reached\n" +
			"is merged when they meet.",
		CustomHelpTemplate: cli.GroupHelp,
		Subcommands: []*ucli.Command{
			swarmAccountCommand(e), swarmDeviceCommand(e),
			swarmNewCommand(e), swarmListCommand(e), swarmInviteCommand(e), swarmRequestsCommand(e),
			e.swarmVerb(swarmAccept), e.swarmVerb(swarmDecline), e.swarmVerb(swarmBlock),
			swarmSendCommand(e), swarmEditCommand(e), e.swarmVerb(swarmDelete), swarmReactCommand(e), swarmFileCommand(e),
			swarmTypingCommand(e), swarmReadCommand(e), swarmLogCommand(e),
			swarmMembersCommand(e), e.swarmVerb(swarmBan), e.swarmVerb(swarmUnban), swarmVoteCommand(e), e.swarmVerb(swarmPromote), e.swarmVerb(swarmDemote),
			e.swarmVerb(swarmLeave), e.swarmVerb(swarmRemove), swarmProfileCommand(e), swarmPreferencesCommand(e),
			swarmStatusCommand(e), swarmVerifyCommand(e), swarmDoctorCommand(e), swarmFsckCommand(e), e.swarmVerb(swarmGC),
		},
	}
}

// swarmVerb is a command that takes a conversation and perhaps one thing more.
type swarmVerb struct {
	name, usage, about string
	args               string
	examples           []string
	// set takes the arguments after the conversation, as many as extra.
	extra int
	set   func(p *api.SwarmParams, args []string)
}

var (
	swarmAccept = swarmVerb{name: "accept", usage: "accept an invitation", args: "CONV",
		about:    "Copies the conversation from a member who can be reached, and joins it; until\nthen the conversation's state is cloning. CONV may be the beginning of the id.",
		examples: []string{"simplexd swarm accept 4f1c9a", "simplexd swarm requests | cut -f1 | xargs -n1 simplexd swarm accept"}}
	swarmDecline = swarmVerb{name: "decline", usage: "refuse an invitation", args: "CONV",
		about: "Who invited is not told.", examples: []string{"simplexd swarm decline 4f1c9a"}}
	swarmBlock = swarmVerb{name: "block", usage: "refuse an invitation, and who sent it from now on", args: "CONV",
		about: "Further invitations of the same account are dropped, and its devices refused.", examples: []string{"simplexd swarm block 4f1c9a"}}
	swarmDelete = swarmVerb{name: "delete", usage: "take back a message of our own", args: "CONV MESSAGE", extra: 1,
		about:    "The message is shown as deleted. What is in the history of a repository stays\nthere: a member can read it with git.",
		examples: []string{"simplexd swarm delete 4f1c9a 09ab12"}, set: swarmSetCommit}
	swarmBan = swarmVerb{name: "ban", usage: "vote to ban a member or a device", args: "CONV URI|DEVICE", extra: 1,
		about:    "Admins vote; with more than half of their votes the member or device is banned\nat once, and refused when dialling, called and asked.",
		examples: []string{"simplexd swarm ban 4f1c9a 2b0c…"}, set: swarmSetWho}
	swarmUnban = swarmVerb{name: "unban", usage: "vote to let a banned member or device back in", args: "CONV URI|DEVICE", extra: 1,
		about: "The reverse of ban.", examples: []string{"simplexd swarm unban 4f1c9a 2b0c…"}, set: swarmSetWho}
	swarmPromote = swarmVerb{name: "promote", usage: "make a member an admin", args: "CONV URI", extra: 1,
		about:    "A daemon of Jami has no such commit and refuses the history from there on.",
		examples: []string{"simplexd swarm promote 4f1c9a 2b0c…"}, set: swarmSetWho}
	swarmDemote = swarmVerb{name: "demote", usage: "make an admin a member again", args: "CONV URI", extra: 1,
		about: "A daemon of Jami refuses this commit too.", examples: []string{"simplexd swarm demote 4f1c9a 2b0c…"}, set: swarmSetWho}
	swarmLeave = swarmVerb{name: "leave", usage: "leave a conversation", args: "CONV",
		about: "The others are told when they are reached; the copy here is kept until then.", examples: []string{"simplexd swarm leave 4f1c9a"}}
	swarmRemove = swarmVerb{name: "remove", usage: "leave a conversation and delete what is here of it", args: "CONV",
		about: "The repository is erased as soon as another device has heard that we left.", examples: []string{"simplexd swarm remove 4f1c9a"}}
	swarmGC = swarmVerb{name: "gc", usage: "pack a conversation's repository", args: "CONV",
		about: "Needs no git. The daemon does the same from time to time.", examples: []string{"simplexd swarm gc 4f1c9a"}}
)

func swarmSetCommit(p *api.SwarmParams, args []string) { p.Commit = args[0] }
func swarmSetWho(p *api.SwarmParams, args []string)    { p.Who = args[0] }

func (e *env) swarmVerb(v swarmVerb) *ucli.Command {
	return e.swarm(v.name, v.usage, v.args, v.about, v.examples, 1+v.extra, 1+v.extra, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			p := api.SwarmParams{Conv: c.Args().First()}
			if v.set != nil {
				v.set(&p, c.Args().Tail())
			}
			var r api.SwarmSent
			if err := s.Call(ctx, "swarm."+v.name, p, &r); err != nil {
				return err
			}
			return e.result(r, "%s", r.Conv)
		})
}

// swarm makes a command of the group, with at least min and at most max
// arguments.
func (e *env) swarm(name, usage, argsUsage, about string, examples []string, min, max int, flags []ucli.Flag,
	run func(context.Context, *session, *ucli.Context) error) *ucli.Command {
	return &ucli.Command{
		Name: name, Usage: usage, ArgsUsage: argsUsage, Description: about, Flags: flags,
		CustomHelpTemplate: cli.Help(examples, swarmCodes...),
		Action: func(c *ucli.Context) error {
			if c.NArg() < min || c.NArg() > max {
				takes := argsUsage
				if max == 0 {
					takes = "no arguments"
				}
				return exit.Errorf(exit.Usage, "swarm %s takes %s", name, takes)
			}
			e.inSwarm = true
			return e.with(c.Context, time.Minute, func(ctx context.Context, s *session) error { return run(ctx, s, c) })
		},
	}
}
