package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/stdio"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// swarmText is the text in the arguments from the n-th on, or on standard input.
func (e *env) swarmText(c *ucli.Context, n int) (string, error) {
	text := strings.Join(c.Args().Slice()[min(n, c.NArg()):], " ")
	if c.NArg() <= n {
		b, err := io.ReadAll(io.LimitReader(e.stdin, stdio.MaxLine))
		if err != nil {
			return "", exit.Errorf(exit.IOErr, "read the text from standard input: %w", err)
		}
		text = string(bytes.TrimSuffix(b, []byte("\n")))
	}
	switch {
	case text == "":
		return "", exit.Errorf(exit.DataErr, "the message is empty")
	case !utf8.ValidString(text):
		return "", exit.Errorf(exit.DataErr, "the message is not UTF-8 text")
	}
	return text, nil
}

// swarmWrite calls a method that writes a commit and prints its id.
func (e *env) swarmWrite(ctx context.Context, s *session, method string, p api.SwarmParams) error {
	var r api.SwarmSent
	if err := s.Call(ctx, "swarm."+method, p, &r); err != nil {
		return err
	}
	if err := e.result(r, "%s", r.Commit); err != nil {
		return err
	}
	if !s.daemon {
		e.note("written; the others get it when the daemon runs")
	}
	return nil
}

func swarmSendCommand(e *env) *ucli.Command {
	return e.swarm("send", "write a message", "CONV [TEXT]",
		"Prints the message's id when it is in the history on disk here; members get it\nwhen they are reached. Without TEXT the message is standard input. --idem KEY makes\nrepeating the command harmless.",
		[]string{"simplexd swarm send 4f1c9a 'the meeting is at eight'", "uptime | simplexd swarm send 4f1c9a"}, 1, 1<<16,
		[]ucli.Flag{
			&ucli.StringFlag{Name: "reply-to", Usage: "`ID` of the message that this one answers", EnvVars: []string{"SIMPLEXD_REPLY_TO"}},
			&ucli.StringFlag{Name: "idem", Usage: "`KEY` of this message", EnvVars: []string{"SIMPLEXD_IDEM"}},
		},
		func(ctx context.Context, s *session, c *ucli.Context) error {
			text, err := e.swarmText(c, 1)
			if err != nil {
				return err
			}
			p := api.SwarmParams{Conv: c.Args().First(), Text: text, ReplyTo: c.String("reply-to"), Idem: c.String("idem")}
			if p.Idem == "" {
				p.Idem = rand.Text()
			}
			return e.swarmWrite(ctx, s, "send", p)
		})
}

func swarmEditCommand(e *env) *ucli.Command {
	return e.swarm("edit", "replace the text of a message of our own", "CONV MESSAGE [TEXT]",
		"The earlier text stays in the history. Without TEXT it is standard input.",
		[]string{"simplexd swarm edit 4f1c9a 09ab12 'at nine, not eight'"}, 2, 1<<16, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			text, err := e.swarmText(c, 2)
			if err != nil {
				return err
			}
			return e.swarmWrite(ctx, s, "edit", api.SwarmParams{Conv: c.Args().First(), Commit: c.Args().Get(1), Text: text})
		})
}

func swarmReactCommand(e *env) *ucli.Command {
	return e.swarm("react", "react to a message", "CONV MESSAGE EMOJI", "A reaction is a commit of its own; swarm delete takes it back.",
		[]string{"simplexd swarm react 4f1c9a 09ab12 👍"}, 3, 3, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			return e.swarmWrite(ctx, s, "react", api.SwarmParams{Conv: c.Args().First(), Commit: c.Args().Get(1), Text: c.Args().Get(2)})
		})
}

func swarmFileCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name: "file", Usage: "files that members offer each other", CustomHelpTemplate: cli.GroupHelp,
		Subcommands: []*ucli.Command{
			e.swarm("send", "offer a file", "CONV FILE",
				"The history holds its name, size and SHA3-512; the file goes from device to device\nwhen somebody asks for it, and must stay where it is until then.",
				[]string{"simplexd swarm file send 4f1c9a minutes.pdf"}, 2, 2,
				[]ucli.Flag{&ucli.StringFlag{Name: "reply-to", Usage: "`ID` of the message that this one answers", EnvVars: []string{"SIMPLEXD_REPLY_TO"}}},
				func(ctx context.Context, s *session, c *ucli.Context) error {
					path, err := filepath.Abs(c.Args().Get(1))
					if err != nil {
						return err
					}
					if _, err := os.Stat(path); err != nil {
						return exit.Errorf(exit.NoInput, "%w", err)
					}
					return e.swarmWrite(ctx, s, "fileSend", api.SwarmParams{Conv: c.Args().First(), File: path, ReplyTo: c.String("reply-to")})
				}),
			e.swarm("get", "fetch a file", "CONV MESSAGE [FILE]",
				"Asks all members who can be reached that have it, side by side, goes on where an\nearlier attempt ended, and prints the path when the SHA3-512 is right.",
				[]string{"simplexd swarm file get 4f1c9a 09ab12 minutes.pdf"}, 2, 3, nil,
				func(ctx context.Context, s *session, c *ucli.Context) error {
					p := api.SwarmParams{Conv: c.Args().First(), Commit: c.Args().Get(1)}
					if c.NArg() == 3 {
						path, err := filepath.Abs(c.Args().Get(2))
						if err != nil {
							return err
						}
						p.File = path
					}
					var r api.SwarmTransfer
					if err := s.Call(ctx, "swarm.fileGet", p, &r); err != nil {
						return err
					}
					return e.result(r, "%s", r.Path)
				}),
		},
	}
}

func swarmTypingCommand(e *env) *ucli.Command {
	return e.swarm("typing", "tell the others that we are writing, or no longer", "CONV on|off", "Goes to those who are connected, and into no history.",
		[]string{"simplexd swarm typing 4f1c9a on"}, 2, 2, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			word := c.Args().Get(1)
			if word != "on" && word != "off" {
				return exit.Errorf(exit.Usage, "typing is on or off, not %q", word)
			}
			return s.Call(ctx, "swarm.typing", api.SwarmParams{Conv: c.Args().First(), On: word == "on"}, nil)
		})
}

func swarmReadCommand(e *env) *ucli.Command {
	return e.swarm("read", "mark messages as read", "CONV [MESSAGE]", "All up to the message, or all there are. The others are told if they are connected.",
		[]string{"simplexd swarm read 4f1c9a"}, 1, 2, nil,
		func(ctx context.Context, s *session, c *ucli.Context) error {
			return s.Call(ctx, "swarm.read", api.SwarmParams{Conv: c.Args().First(), Commit: c.Args().Get(1)}, nil)
		})
}

func swarmLogCommand(e *env) *ucli.Command {
	cmd := e.swarm("log", "print the history, the oldest first", "CONV",
		"Edits, reactions and deletions are folded into the messages they are about; --raw\nprints every commit, merges too. --follow goes on as messages come.",
		[]string{"simplexd swarm log 4f1c9a -n 20", "simplexd swarm log 4f1c9a --json --before 09ab12"}, 1, 1,
		[]ucli.Flag{
			&ucli.StringFlag{Name: "before", Usage: "only what is before the message `ID`", EnvVars: []string{"SIMPLEXD_BEFORE"}},
			&ucli.IntFlag{Name: "n", Value: 50, Usage: "at most `N` messages; 0 is all", EnvVars: []string{"SIMPLEXD_N"}},
			&ucli.BoolFlag{Name: "raw", Usage: "every commit", EnvVars: []string{"SIMPLEXD_RAW"}},
			&ucli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on as messages come", EnvVars: []string{"SIMPLEXD_FOLLOW"}},
		}, e.swarmLog)
	return cmd
}

func (e *env) swarmLog(ctx context.Context, s *session, c *ucli.Context) error {
	p := api.SwarmParams{Conv: c.Args().First(), Before: c.String("before"), Limit: c.Int("n"), Raw: c.Bool("raw")}
	if p.Limit < 0 {
		return exit.Errorf(exit.Usage, "-n %d: below zero", p.Limit)
	}
	var r api.SwarmLog
	if err := s.Call(ctx, "swarm.log", p, &r); err != nil {
		return err
	}
	for _, m := range slices.Backward(r.Messages) {
		if err := e.swarmLine(m); err != nil {
			return err
		}
	}
	if !c.Bool("follow") {
		return nil
	}
	ctx, cancel := e.limit(c.Context, 0)
	defer cancel()
	return e.swarmFollow(ctx, s, p, r.Head)
}

// swarmFollow prints what comes after a head of the conversation.
func (e *env) swarmFollow(ctx context.Context, s *session, p api.SwarmParams, head string) error {
	for ctx.Err() == nil {
		p := api.SwarmParams{Conv: p.Conv, Commit: head, Raw: p.Raw, Wait: true}
		var r api.SwarmLog
		if err := s.Call(ctx, "swarm.since", p, &r); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, m := range slices.Backward(r.Messages) {
			if err := e.swarmLine(m); err != nil {
				return err
			}
		}
		head = r.Head
	}
	return nil
}

// swarmLine prints a message.
func (e *env) swarmLine(m api.SwarmMessage) error {
	if e.json {
		return e.printJSON(m)
	}
	name := m.Name
	if name == "" {
		name = m.Author
	}
	text := m.Text
	switch {
	case m.Deleted:
		text = "(deleted)"
	case m.File != nil:
		text = "(file) " + m.File.Name
	case m.Action != "":
		text = "(" + m.Action + ") " + m.Member
	case text == "":
		text = "(" + m.Kind + ")"
	}
	if len(m.Edits) > 0 && !m.Deleted {
		text += " (edited)"
	}
	for _, emoji := range sortedKeys(m.Reactions) {
		text += " " + emoji + strings.Repeat("+", len(m.Reactions[emoji])-1)
	}
	return e.print("%.12s\t%s\t%s\t%s", m.Commit, m.SentAt.Local().Format(time.DateTime), printable(name), printable(text))
}
