package main

import (
	"context"
	"os"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/swarm"
	"github.com/simplexkit/simplexkit/lib/swarm/commit"
)

func swarmStatusCommand(e *env) *ucli.Command {
	return e.swarm("status", "how the conversations and the connections are", "[CONV]",
		"A line for each conversation: id, commits, head and the time of the last sync; and\none for each device: road (lan, direct or relayed), or when it is tried next and\nwhy. --json has all of it.",
		[]string{"simplexd swarm status", "simplexd swarm status --json | jq .peers"}, 0, 1, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			var r api.SwarmStatus
			if err := s.Call(ctx, "swarm.status", api.SwarmParams{Conv: c.Args().First()}, &r); err != nil {
				return err
			}
			if e.json {
				return e.printJSON(r)
			}
			for _, v := range r.Convs {
				if err := e.swarmConvStatus(v); err != nil {
					return err
				}
			}
			for _, p := range r.Peers {
				road := p.Road
				switch {
				case road == "" && !p.NextTry.IsZero():
					road = "again at " + p.NextTry.Local().Format(time.TimeOnly)
				case road == "":
					road = "away"
				}
				if err := e.print("%s\t%s\t%s", p.Device, road, printable(p.Error)); err != nil {
					return err
				}
			}
			return nil
		})
}

// swarmConvStatus prints how a conversation is.
func (e *env) swarmConvStatus(v api.SwarmConvStatus) error {
	if v.Error != "" {
		return e.print("%s\tdamaged\t\t%s", v.Conv, printable(v.Error))
	}
	synced := "never"
	if !v.Synced.IsZero() {
		synced = v.Synced.Local().Format(time.DateTime)
	}
	if err := e.print("%s\t%d\t%.12s\t%s", v.Conv, v.Commits, v.Head, synced); err != nil {
		return err
	}
	for _, head := range sortedKeys(v.Refused) {
		if err := e.print("%s\trefused\t%.12s\t%s", v.Conv, head, printable(v.Refused[head])); err != nil {
			return err
		}
	}
	return nil
}

func swarmVerifyCommand(e *env) *ucli.Command {
	cmd := e.swarm("verify", "check every commit of a repository", "PATH|CONV",
		"Prints a line for each commit, the oldest first: id, ok or the code of what is\nwrong, and the reason. The code is 0 if all pass, else 65. --as-daemon judges as\nthe daemon of Jami does, which misses some; with --has, what it would look at in a\nfetch by somebody whose head is that commit. A PATH, which has a slash or a dot in\nit, needs no profile.",
		[]string{"simplexd swarm verify 4f1c9a", "simplexd swarm verify --as-daemon ~/.local/share/jami/0a…/conversations/4f…"}, 1, 1,
		[]ucli.Flag{
			&ucli.BoolFlag{Name: "as-daemon", Usage: "judge as the daemon of Jami does", EnvVars: []string{"SIMPLEXD_AS_DAEMON"}},
			&ucli.StringFlag{Name: "has", Usage: "judge what is new to somebody whose head is `COMMIT`; for a PATH", EnvVars: []string{"SIMPLEXD_HAS"}},
		},
		func(ctx context.Context, s *session, c *ucli.Context) error {
			if c.IsSet("has") {
				return exit.Errorf(exit.Usage, "--has goes with a path")
			}
			return e.swarmVerify(ctx, s, "verify", c.Args().First(), c.Bool("as-daemon"))
		})
	ofConversation := cmd.Action
	cmd.Action = func(c *ucli.Context) error {
		if c.NArg() == 1 && strings.ContainsAny(c.Args().First(), "/.") {
			return e.verifyPath(c.Context, c.Args().First(), c.Bool("as-daemon"), c.String("has"))
		}
		return ofConversation(c)
	}
	return cmd
}

// verifyPath judges a repository that need not be one of ours.
func (e *env) verifyPath(ctx context.Context, path string, asDaemon bool, has string) (err error) {
	var local commit.ObjectID
	if has != "" {
		if local, err = commit.ParseObjectID(has); err != nil {
			return exit.Errorf(exit.Usage, "--has wants a commit of 40 digits, not %q", has)
		}
	}
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return exit.Errorf(exit.NoInput, "%s: no repository there", path)
	}
	r, err := swarm.VerifyFetch(ctx, path, asDaemon, local)
	if err != nil {
		return err
	}
	return e.verdicts(r)
}

func swarmFsckCommand(e *env) *ucli.Command {
	return e.swarm("fsck", "check the objects of a conversation's repository", "CONV",
		"Every object is read and hashed, and every commit checked, as git fsck and\nsimplexd swarm verify do; the index is made anew.",
		[]string{"simplexd swarm fsck 4f1c9a"}, 1, 1, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			return e.swarmVerify(ctx, s, "fsck", c.Args().First(), false)
		})
}

func (e *env) swarmVerify(ctx context.Context, s *session, method, what string, asDaemon bool) error {
	p := api.SwarmParams{Conv: what, AsDaemon: asDaemon}
	var r api.SwarmVerify
	if err := s.Call(ctx, "swarm."+method, p, &r); err != nil {
		return err
	}
	return e.verdicts(&r)
}

func (e *env) verdicts(r *api.SwarmVerify) error {
	bad := 0
	for _, v := range r.Verdicts {
		word := "ok"
		if !v.OK {
			word = v.Code
			bad++
		}
		if err := e.result(v, "%s\t%s\t%s", v.Commit, word, printable(v.Reason)); err != nil {
			return err
		}
	}
	if !r.OK {
		return exit.Errorf(exit.DataErr, "%s: %d of %d commits are refused", r.Path, bad, len(r.Verdicts))
	}
	return nil
}

func swarmDoctorCommand(e *env) *ucli.Command {
	return e.swarm("doctor", "find out why members are not reached", "",
		"Checks the account's certificates, the clock, the addresses of this device, the\nLAN's discovery, the bootstrap and relay nodes of the settings, and the\nrepositories; a line each, with what to do. The code is 1 if something is wrong.",
		[]string{"simplexd swarm doctor"}, 0, 0, nil,
		func(ctx context.Context, s *session, _ *ucli.Context) error {
			var r api.SwarmDoctor
			if err := s.Call(ctx, "swarm.doctor", nil, &r); err != nil {
				return err
			}
			bad := 0
			for _, f := range r.Findings {
				word := "ok"
				if !f.OK {
					word, bad = "wrong", bad+1
				}
				if err := e.result(f, "%s\t%s\t%s", word, f.What, printable(f.Detail)); err != nil {
					return err
				}
			}
			if bad > 0 {
				return exit.Errorf(exit.Failed, "%d of %d checks failed", bad, len(r.Findings))
			}
			return nil
		})
}
