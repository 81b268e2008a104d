package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
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

// levels are how far a message can get.
var levels = []string{"queued", "sent", "delivered"}

func sendCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "send",
		Usage:     "send a message to a contact",
		ArgsUsage: "@NAME [TEXT]",
		Description: "Without TEXT the message is standard input, less its last newline. send waits\n" +
			"until the message has reached the level of --wait: queued, it is on disk here;\n" +
			"sent, the relay has it; delivered, the contact's program has it. When the time\n" +
			"(--timeout, 1 minute) is over the code is 75 and the message stays queued: do\n" +
			"not send it again. With --idem KEY a repeated send of the same KEY sends nothing\n" +
			"new and answers for the first.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd send @bob 'see you at eight'",
			"make 2>&1 | tail -5 | simplexd send @ops",
			"simplexd send @bob --wait delivered --timeout 10m 'are you there?'",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.Unavailable, exit.IOErr,
			exit.TempFail, exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "wait", Value: "sent", Usage: "`LEVEL` to wait for: queued, sent or delivered", EnvVars: []string{"SIMPLEXD_WAIT"}},
			&ucli.StringFlag{Name: "idem", Usage: "`KEY` that makes repeating this send harmless", EnvVars: []string{"SIMPLEXD_IDEM"}},
		},
		Action: func(c *ucli.Context) error {
			p, err := e.message(c)
			if err != nil {
				return err
			}
			ctx, cancel := e.limit(c.Context, time.Minute)
			defer cancel()
			return classify(e, e.send(ctx, p))
		},
	}
}

// message reads what to send from the arguments and standard input.
func (e *env) message(c *ucli.Context) (p api.SendParams, err error) {
	p.Wait, p.Idem = c.String("wait"), c.String("idem")
	if !slices.Contains(levels, p.Wait) {
		return p, exit.Errorf(exit.Usage, "--wait %s: no such level", p.Wait).WithHint("levels are %s", strings.Join(levels, ", "))
	}
	if p.Idem == "" {
		p.Idem = rand.Text()
	}
	p.To.Name = trimAt(c.Args().First())
	if p.To.Name == "" {
		return p, exit.Errorf(exit.Usage, "send takes @NAME and a text").WithHint("simplexd contacts lists the names")
	}
	if c.NArg() > 1 {
		p.Text = strings.Join(c.Args().Tail(), " ")
	} else {
		b, err := io.ReadAll(io.LimitReader(e.stdin, stdio.MaxLine+1))
		if err != nil {
			return p, exit.Errorf(exit.IOErr, "read the text from standard input: %w", err)
		}
		p.Text = string(bytes.TrimSuffix(b, []byte("\n")))
	}
	switch {
	case p.Text == "":
		return p, exit.Errorf(exit.DataErr, "the message is empty")
	case len(p.Text) > stdio.MaxLine/2:
		return p, exit.Errorf(exit.DataErr, "the message is longer than %d bytes", stdio.MaxLine/2)
	case !utf8.ValidString(p.Text):
		return p, exit.Errorf(exit.DataErr, "the message is not UTF-8 text")
	}
	return p, nil
}

// send sends p and waits. A daemon may end under way: p.Idem makes it safe to
// ask its successor, or the profile itself, again.
func (e *env) send(ctx context.Context, p api.SendParams) error {
	queued := false
	for {
		s, err := e.open(ctx)
		if err == nil {
			err = e.sendOn(ctx, s, p, &queued)
			lost := s.daemon && isLost(err)
			if cerr := s.Close(); err == nil {
				err = cerr
			}
			if lost && ctx.Err() == nil {
				continue
			}
		}
		if errors.Is(err, context.DeadlineExceeded) && queued {
			return &exit.Error{Code: exit.TempFail, Reason: "not_" + p.Wait,
				Err:  exit.Errorf(exit.TempFail, "the message is queued, but not %s in time", p.Wait),
				Hint: e.hint("it is sent when the profile is open and the relay answers; do not send it again")}
		}
		return err
	}
}

// sendOn queues p, then waits for the level asked.
func (e *env) sendOn(ctx context.Context, s *session, p api.SendParams, queued *bool) error {
	var r api.SendResult
	start, level := time.Now(), p.Wait
	if !*queued {
		p.Wait = "queued"
		if err := s.Call(ctx, "send", p, &r); err != nil {
			return err
		}
		*queued = true
	}
	if level != "queued" {
		p.Wait = level
		if err := s.Call(ctx, "send", p, &r); err != nil {
			return err
		}
	}
	r.Elapsed = max(r.Elapsed, time.Since(start).Seconds())
	if e.json {
		return e.printJSON(r)
	}
	return nil
}
