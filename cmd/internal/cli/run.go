package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// Interrupted is the cause of a context that a signal ended.
type Interrupted struct{ Signal os.Signal }

func (e *Interrupted) Error() string { return "stopped by " + e.Signal.String() }

// ExitCode is 128 and the signal's number, as shells have it.
func (e *Interrupted) ExitCode() int {
	if e.Signal == syscall.SIGTERM {
		return exit.SIGTERM
	}
	return exit.SIGINT
}

// Reported is an exit code without a report: the command's result, which is
// out already, says all.
type Reported struct{ Code int }

func (e *Reported) Error() string { return fmt.Sprintf("result %d", e.Code) }

// ExitCode is e.Code.
func (e *Reported) ExitCode() int { return e.Code }

// SignalContext is a context that SIGINT or SIGTERM ends, with an
// [*Interrupted] as its cause. A second signal kills the process. SIGPIPE does
// not: who writes to a closed pipe gets the error.
func SignalContext() (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case s := <-caught:
			signal.Stop(caught)
			cancel(&Interrupted{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		cancel(nil)
		<-done
	}
}

// Run runs app with args and returns the exit code, after it has reported the
// error if there was one. wantJSON tells whether the report is to be JSON, once
// the flags have been read; nil is never.
func Run(ctx context.Context, app *cli.App, args []string, wantJSON func() bool) (code int) {
	stderr := app.ErrWriter
	if stderr == nil {
		stderr = os.Stderr
	}
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "%s: error: bug: %v\n%s", app.Name, p, debug.Stack())
			code = exit.Software
		}
	}()
	wire(app)
	err := app.RunContext(ctx, Permute(app, args))
	if err == nil {
		return exit.Done
	}
	var told *Reported
	if errors.As(err, &told) {
		return told.Code
	}
	var stop *Interrupted
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &stop) {
		err = stop
	}
	return Report(stderr, app.Name, err, wantJSON != nil && wantJSON())
}

// wire makes app leave errors, and what to do about them, to Run.
func wire(app *cli.App) {
	// -v is for more words, not for the version.
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version and end", DisableDefaultText: true}
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.HideHelpCommand = false
	app.EnableBashCompletion = true
	app.Suggest = true
	app.OnUsageError = refuse(app.Name)
	for _, c := range app.Commands {
		wireCommand(c, app.Name)
	}
	if app.Action == nil {
		app.Action = func(c *cli.Context) error {
			if c.NArg() == 0 {
				c.App.Writer = c.App.ErrWriter
				_ = cli.ShowAppHelp(c)
				return exit.Errorf(exit.Usage, "no command given").WithHint("%s --help lists them", app.Name)
			}
			return exit.Errorf(exit.Usage, "no command %q", c.Args().First()).WithHint("%s --help lists them", app.Name)
		}
	}
}

// refuse is what is said of wrong flags of a command.
func refuse(where string) cli.OnUsageErrorFunc {
	return func(_ *cli.Context, err error, _ bool) error {
		return exit.Errorf(exit.Usage, "%w", err).WithHint("%s --help shows the flags", where)
	}
}

// wireCommand does for a command, and those below it, what wire does for app.
// above is the command that it belongs to.
func wireCommand(c *cli.Command, above string) {
	where := above + " " + c.Name
	if c.OnUsageError == nil {
		c.OnUsageError = refuse(where)
	}
	c.HideHelpCommand = true
	for _, sub := range c.Subcommands {
		wireCommand(sub, where)
	}
	if c.Action != nil || len(c.Subcommands) == 0 {
		return
	}
	c.Action = func(c *cli.Context) error {
		if c.NArg() == 0 {
			return cli.ShowSubcommandHelp(c)
		}
		return exit.Errorf(exit.Usage, "no command %q", c.Args().First()).WithHint("%s --help lists them", where)
	}
}

// exitError is the last line on standard error in JSON mode.
type exitError struct {
	Type    string `json:"type"`
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Report writes err for people, or as JSON for programs, and returns its code.
func Report(w io.Writer, program string, err error, asJSON bool) int {
	code, hint := exit.Code(err), exit.Hint(err)
	if asJSON {
		line := exitError{Type: "exit_error", Code: code, Reason: exit.Name(code), Message: oneLine(err.Error()), Hint: hint}
		var e *exit.Error
		if errors.As(err, &e) {
			line.Reason = e.Why()
		}
		b, _ := json.Marshal(line) // strings and numbers only: cannot fail
		fmt.Fprintf(w, "%s\n", b)
		return code
	}
	fmt.Fprintf(w, "%s: error: %s\n", program, oneLine(err.Error()))
	if hint != "" {
		fmt.Fprintf(w, "%s: hint: %s\n", program, hint)
	}
	return code
}

// oneLine keeps an error a line, whatever a file or a peer put into it.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
