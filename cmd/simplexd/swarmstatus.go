package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
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

func swarmVerifyCommand(e *env) *ucli.Command {
	return e.swarm("verify", "check every commit of a repository", "PATH|CONV",
		"Prints a line for each commit, the oldest first: id, ok or the code of what is\nwrong, and the reason. The code is 0 if all pass, else 65. --as-daemon judges as\nthe daemon of Jami does, which misses some.",
		[]string{"simplexd swarm verify 4f1c9a", "simplexd swarm verify ~/.local/share/jami/0a…/conversations/4f…  --as-daemon"}, 1, 1,
		[]ucli.Flag{&ucli.BoolFlag{Name: "as-daemon", Usage: "judge as the daemon of Jami does", EnvVars: []string{"SIMPLEXD_AS_DAEMON"}}},
		func(ctx context.Context, s *session, c *ucli.Context) error {
			return e.swarmVerify(ctx, s, "verify", c.Args().First(), c.Bool("as-daemon"))
		})
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
	if strings.ContainsAny(what, "/.") {
		path, err := filepath.Abs(what)
		if err != nil {
			return err
		}
		p.Conv, p.File = "", path
	}
	var r api.SwarmVerify
	if err := s.Call(ctx, "swarm."+method, p, &r); err != nil {
		return err
	}
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
