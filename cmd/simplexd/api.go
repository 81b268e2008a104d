package main

import (
	"context"
	"errors"
	"io"
	"net"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
)

func apiCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "api",
		Usage: "speak the bot API on standard input and output",
		Description: "A line in is {\"corrId\":\"1\",\"cmd\":\"/_contacts 1\"}; lines out are answers,\n" +
			"{\"corrId\":\"1\",\"resp\":{...}}, and events, {\"resp\":{...}}. At the end of input api\n" +
			"answers what is under way and ends with code 0. A line that cannot be read gets\n" +
			"an error for an answer and ends nothing.",
		CustomHelpTemplate: cli.Help([]string{
			"simplexd api",
			`echo '{"corrId":"1","cmd":"/user"}' | simplexd api`,
			`echo '{"corrId":"1","method":"send","params":{"to":"@bob","text":"hi"}}' | simplexd api`,
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.Unavailable, exit.IOErr, exit.TempFail,
			exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "api takes no arguments")
			}
			ctx, cancel := e.limit(c.Context, 0)
			defer cancel()
			return classify(e, e.api(ctx))
		},
	}
}

// api serves the standard streams: as a pipe to the daemon, or from the
// profile in this process.
func (e *env) api(ctx context.Context) error {
	d, lock, err := e.acquire(ctx)
	if err != nil {
		return err
	}
	if d != nil {
		if err := e.greet(d.hello); err != nil {
			return errors.Join(err, d.Close())
		}
		return e.relayLines(ctx, d.Conn)
	}
	s, err := e.openLocal(ctx, lock)
	if err != nil {
		return err
	}
	hello, err := s.local.Hello(ctx)
	if err == nil {
		err = e.greet(hello)
	}
	if err == nil {
		err = s.local.ServeStream(ctx, e.streams())
	}
	return errors.Join(ignoreCanceled(ctx, err), s.Close())
}

// greet writes the hello line. What the bot API's programs look for in a line
// is its resp, so that is there too, with a type that they do not know.
func (e *env) greet(hello api.Hello) error {
	return e.printJSON(struct {
		api.Hello
		Resp api.Hello `json:"resp"`
	}{hello, hello})
}

// stdStreams is standard input and output as one stream. Closing it ends its
// reads, which closing standard input itself would not.
type stdStreams struct {
	*io.PipeReader
	io.Writer
}

// streams copies standard input, which ends with the process at the latest.
func (e *env) streams() stdStreams {
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, e.stdin)
		w.CloseWithError(err) // nil is the end of input
	}()
	return stdStreams{r, e.stdout}
}

// relayLines carries bytes between the standard streams and the daemon.
func (e *env) relayLines(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	go func() {
		// The daemon ends the session when it has answered all that came
		// before the end of input.
		_, _ = io.Copy(conn, e.stdin)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err := io.Copy(e.stdout, conn)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && isLost(err) {
		return exit.Errorf(exit.Unavailable, "the daemon has ended: %w", err)
	}
	return exit.Wrap(exit.IOErr, err)
}

// ignoreCanceled makes a signal or a time limit the error that it causes.
func ignoreCanceled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
