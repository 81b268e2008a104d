package main

import (
	"context"
	"errors"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func recvCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "recv",
		Usage: "print received messages as JSON, one a line",
		Description: "Prints the unread messages and marks each as read after standard output took\n" +
			"it; a message that could not be written stays unread. What the relays hold is\n" +
			"fetched first. --since SEQ prints what came after the line with that \"seq\", read\n" +
			"or not. --follow goes on until SIGINT or SIGTERM and then\n" +
			"ends with code 0; if the daemon ends it waits for the next one.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd recv | jq -r '\"\\(.contact): \\(.text)\"'",
			"simplexd recv --follow | while read -r line; do handle \"$line\"; done",
			"simplexd recv --since 0",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.Unavailable, exit.IOErr, exit.TempFail,
			exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on as messages arrive", EnvVars: []string{"SIMPLEXD_FOLLOW"}},
			&ucli.Int64Flag{Name: "since", Usage: "print what came after `SEQ`, read or not; 0 is from the beginning", EnvVars: []string{"SIMPLEXD_SINCE"}},
			&ucli.StringFlag{Name: "from", Usage: "only messages of `@NAME`", EnvVars: []string{"SIMPLEXD_FROM"}},
		},
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "recv takes no arguments").WithHint("--from @NAME prints the messages of one contact")
			}
			r := &receiver{e: e, p: api.RecvParams{Follow: c.Bool("follow")}}
			r.p.From.Name = trimAt(c.String("from"))
			if c.IsSet("since") {
				since := c.Int64("since")
				if since < 0 {
					return exit.Errorf(exit.Usage, "--since %d: below zero", since)
				}
				r.p.Since = &since
			}
			if r.p.Follow {
				return classify(e, r.follow(c.Context))
			}
			return classify(e, r.unread(c.Context))
		},
	}
}

// receiver prints messages.
type receiver struct {
	e *env
	p api.RecvParams
	// last is the number of the last line that standard output took: a new
	// session does not print it again.
	last int64
}

// unread prints what there is. A daemon may end between a line and its mark:
// the mark is then set with its successor, or on the profile itself.
func (r *receiver) unread(ctx context.Context) error {
	ctx, cancel := r.e.limit(ctx, time.Minute)
	defer cancel()
	for {
		s, err := r.e.open(ctx)
		if err != nil {
			return err
		}
		err = r.fetch(ctx, s)
		if err == nil {
			err = r.recv(ctx, s)
		}
		lost := s.daemon && isLost(err)
		if cerr := s.Close(); err == nil {
			err = cerr
		}
		if !lost || ctx.Err() != nil {
			return err
		}
	}
}

// fetchLimit is how long recv waits for relays: what has arrived is printed
// then, and the rest another time.
const fetchLimit = 10 * time.Second

// fetch waits until what the relays hold has arrived: it belongs to what is
// unread. A daemon has mostly got it already.
func (r *receiver) fetch(ctx context.Context, s *session) error {
	limited, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	err := s.Call(limited, "fetch", nil, nil)
	if err == nil || isLost(err) || ctx.Err() != nil {
		return err
	}
	r.e.note("not all relays could be asked for messages: %v", err)
	return nil
}

// recv prints on one session.
func (r *receiver) recv(ctx context.Context, s *session) error {
	if r.p.Since != nil {
		*r.p.Since = max(*r.p.Since, r.last)
	}
	return s.Recv(ctx, r.p, func(l api.RecvLine) error {
		if l.Seq > r.last {
			if err := r.e.printJSON(l); err != nil {
				return err
			}
			r.last = l.Seq
		}
		// A signal ends the command between two messages, not here.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return s.Call(ctx, "markRead", api.MarkReadParams{Seq: l.Seq}, nil)
	})
}

// follow prints until a signal or the time limit ends it, over the deaths of
// daemons.
func (r *receiver) follow(ctx context.Context) error {
	limited, cancel := r.e.limit(ctx, 0)
	defer cancel()
	s, err := r.e.open(limited)
	for err == nil {
		err = r.recv(limited, s)
		lost := s.daemon && (err == nil || isLost(err))
		if cerr := s.Close(); err == nil {
			err = cerr
		}
		if limited.Err() != nil && !isOutput(err) {
			return nil // the end that --follow waits for
		}
		if !lost {
			return err
		}
		s, err = r.e.nextDaemon(limited)
	}
	if limited.Err() != nil {
		return nil
	}
	return err
}

// nextDaemon waits for a daemon, for at most a minute: the one there was has
// ended, and a restart takes a moment.
func (e *env) nextDaemon(ctx context.Context) (*session, error) {
	e.note("the daemon has ended; waiting for the next")
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := e.dial(ctx)
		if err == nil {
			return newSession(ctx, conn), nil
		}
		if time.Now().After(deadline) {
			return nil, exit.Errorf(exit.Unavailable, "the daemon has ended and has not come back").
				WithHint("simplexd serve starts it")
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// isOutput reports whether err is that standard output did not take a line.
func isOutput(err error) bool {
	var e *exit.Error
	return errors.As(err, &e) && e.Code == exit.IOErr
}
