package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/lib/exit"
)

func testApp(action cli.ActionFunc) *cli.App {
	return &cli.App{
		Name: "prog", Writer: io.Discard, ErrWriter: io.Discard,
		Flags: []cli.Flag{&cli.StringFlag{Name: "home"}, &cli.BoolFlag{Name: "json"}},
		Commands: []*cli.Command{{
			Name:   "send",
			Flags:  []cli.Flag{&cli.StringFlag{Name: "wait", Aliases: []string{"w"}}, &cli.BoolFlag{Name: "now"}},
			Action: action,
		}},
	}
}

func TestPermutePutsFlagsFirst(t *testing.T) {
	for in, want := range map[string]string{
		"p":                              "p",
		"p send":                         "p send",
		"p --home A send @bob hi":        "p --home A send -- @bob hi",
		"p send @bob --wait sent hi":     "p send --wait sent -- @bob hi",
		"p send @bob -w=sent hi --now":   "p send -w=sent --now -- @bob hi",
		"p send @bob --json --home A hi": "p --json --home A send -- @bob hi",
		"p send - --now":                 "p send --now -- -",
		"p send @bob -- --now":           "p send -- @bob --now",
		"p send --unknown @bob":          "p send --unknown -- @bob",
		"p send @bob --wait":             "p send --wait -- @bob",
		"p --version":                    "p --version",
		"p nothing --json x":             "p --json nothing -- x",
		"p send --now " + completionFlag: "p send --now " + completionFlag,
	} {
		got := strings.Join(Permute(testApp(nil), strings.Fields(in)), " ")
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRunGivesFlagsAndArguments(t *testing.T) {
	var home, wait string
	var args []string
	app := testApp(func(c *cli.Context) error {
		home, wait, args = c.String("home"), c.String("wait"), c.Args().Slice()
		return nil
	})
	code := Run(t.Context(), app, strings.Fields("p send @bob --wait sent -- -x --home A"), nil)
	if code != 0 || wait != "sent" || home != "" || !slices.Equal(args, []string{"@bob", "-x", "--home", "A"}) {
		t.Errorf("code %d, wait %q, home %q, args %q", code, wait, home, args)
	}
}

func TestRunReports(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		json bool
		code int
		want string
	}{
		"plain":  {errors.New("a\nb"), false, 1, "prog: error: a; b\n"},
		"hint":   {exit.Errorf(75, "busy").WithHint("wait"), false, 75, "prog: error: busy\nprog: hint: wait\n"},
		"json":   {exit.Errorf(75, "busy"), true, 75, `{"type":"exit_error","code":75,"reason":"temp_fail","message":"busy"}` + "\n"},
		"reason": {&exit.Error{Code: 69, Reason: "relay_down"}, true, 69, `{"type":"exit_error","code":69,"reason":"relay_down","message":"relay_down"}` + "\n"},
	} {
		var b strings.Builder
		app := testApp(func(*cli.Context) error { return tt.err })
		app.ErrWriter = &b
		code := Run(t.Context(), app, []string{"p", "send"}, func() bool { return tt.json })
		if code != tt.code || b.String() != tt.want {
			t.Errorf("%s: code %d, output %q", name, code, b.String())
		}
	}
}

func TestRunTurnsAPanicIntoSoftware(t *testing.T) {
	var b strings.Builder
	app := testApp(func(*cli.Context) error { panic("oh") })
	app.ErrWriter = &b
	if code := Run(t.Context(), app, []string{"p", "send"}, nil); code != exit.Software || !strings.HasPrefix(b.String(), "prog: error: bug: oh\n") {
		t.Errorf("code %d, output %q", code, b.String())
	}
}

func TestRunNamesTheSignal(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&Interrupted{syscall.SIGTERM})
	app := testApp(func(c *cli.Context) error { return c.Context.Err() })
	if code := Run(ctx, app, []string{"p", "send"}, nil); code != exit.SIGTERM {
		t.Errorf("code %d", code)
	}
}

func TestUnbuiltSaysSo(t *testing.T) {
	for args, want := range map[string]int{"p": 69, "p x --y": 69, "p --y": 64, "p x": 69, "p --help": 0, "p --version": 0} {
		app := Unbuilt("pair", "pairs")
		app.Writer, app.ErrWriter = io.Discard, io.Discard
		if code := Run(t.Context(), app, strings.Fields(args), nil); code != want {
			t.Errorf("%q: code %d, want %d", args, code, want)
		}
	}
}

func TestJournalLinesCarryPriorities(t *testing.T) {
	var b strings.Builder
	w := journalWriter{&b}
	for _, line := range []string{"level=ERROR msg=a\n", "level=INFO msg=b\n", "other\n"} {
		if n, err := w.Write([]byte(line)); err != nil || n != len(line) {
			t.Fatal(n, err)
		}
	}
	if got := b.String(); got != "<3>msg=a\n<6>msg=b\nother\n" {
		t.Errorf("got %q", got)
	}
}
