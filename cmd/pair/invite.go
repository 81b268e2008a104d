package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/qrterm"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/xrcp"
)

func inviteCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "invite",
		Usage: "show a link and QR code to a host, then speak its API",
		Description: "The host is a phone (\"Use from desktop\"), or pair connect LINK on a machine with\n" +
			"simplexd. Both sides show a session code, which people compare; the host's side\n" +
			"says that it is right. Then invite speaks the host's API, as pair api does, and\n" +
			"ends with standard input; the host stays known.",
		CustomHelpTemplate: cli.Help([]string{
			"pair invite --name phone",
			"pair invite --lifetime 30d --port 5226 --qr png:code.png",
			"pair invite --json --qr none </dev/null | jq -r 'select(.type==\"invitation\").link'",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.Unavailable, exit.OSErr, exit.IOErr, exit.TempFail,
			exit.Protocol, exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: offerFlags(
			&ucli.StringFlag{Name: "name", Usage: "`NAME` to call the host by; without it, the host's own", EnvVars: []string{"PAIR_NAME"}},
			lifetimeFlag(),
			&ucli.StringFlag{Name: "qr", Value: "auto", Usage: "`HOW` to draw the code: auto, half, full, kitty, iterm, sixel, png, png:FILE or none", EnvVars: []string{"PAIR_QR"}},
			&ucli.StringFlag{Name: "expect", Usage: "let the host in only if the session code is `CODE`; - reads it from standard input", EnvVars: []string{"PAIR_EXPECT"}},
		),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "invite takes no arguments")
			}
			return e.withOwn(c.Context, func(o *own) error { return e.invite(c, o) })
		},
	}
}

// status is a line that tells how far a session is.
type status struct {
	Type    string `json:"type"` // "invitation", "state", "session_code", "paired"
	State   string `json:"state,omitempty"`
	Link    string `json:"link,omitempty"`
	Address string `json:"address,omitempty"`
	Port    uint16 `json:"port,omitempty"`
	Code    string `json:"code,omitempty"`
	Host    int64  `json:"host,omitempty"`
	Name    string `json:"name,omitempty"`
	Road    string `json:"road,omitempty"`
	File    string `json:"file,omitempty"`
}

func (e *env) invite(c *ucli.Context, o *own) (err error) {
	ctx, cancel := e.limit(c.Context, 0)
	defer cancel()
	opts, err := offerOptions(c)
	if err != nil {
		return err
	}
	if opts.Lifetime, err = lifetime(c.String("lifetime")); err != nil {
		return err
	}
	screen := qrterm.On(e.stderr)
	if screen.Mode, screen.File, err = qrterm.ParseMode(c.String("qr")); err != nil {
		return exit.Errorf(exit.Usage, "--qr: %w", err)
	}
	opts.Alias = c.String("name")
	var telling sync.Mutex
	tell := func(s status) {
		telling.Lock()
		defer telling.Unlock()
		_ = e.printJSON(s) // a closed output shows when the API is spoken
	}
	opts.Confirm = func(ctx context.Context, code string) error {
		tell(status{Type: "session_code", Code: code})
		e.note("session code: %s\npair: compare it with the one that the host shows, and say yes there", code)
		return e.expect(ctx, c.String("expect"), code)
	}
	opts.OnPhase = func(p xrcp.Phase) {
		if p != xrcp.Code {
			tell(status{Type: "state", State: p.String()})
		}
	}
	opts.OnFailure = func(err error) { e.note("a host did not get in: %v", err) }
	opts.Keep = true
	offer, err := o.Offer(ctx, opts)
	if err != nil {
		return err
	}
	again := &connector{e: e, own: o, on: offer.Station()}
	defer func() { err = errors.Join(err, again.Close()) }()
	_, again.port = offer.Address()
	if err := e.showLink(screen, offer, tell); err != nil {
		return err
	}
	a, err := offer.Accept(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return exit.Errorf(exit.Unavailable, "no host has come in time").WithHint("pair doctor tells whether hosts can reach this machine")
	}
	if err != nil {
		return err
	}
	tell(status{Type: "paired", Host: int64(a.Host.ID), Name: a.Host.Label()})
	e.note("paired with %s; pair api %d connects again", printable(a.Host.Label()), a.Host.ID)
	opts.Alias, opts.Lifetime, opts.Confirm, opts.OnPhase = "", 0, nil, nil
	again.id, again.opts = a.Host, opts
	release, err := o.hold(e.dir, a.Host)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	defer release()
	return e.speak(ctx, o, remote.LinkConfig{Desk: o.Desk, First: a, Connect: again.Connect})
}

// showLink shows the link, as a code if that is possible.
func (e *env) showLink(screen *qrterm.Screen, offer *remote.Offer, tell func(status)) error {
	link := offer.Invitation().String()
	addr, port := offer.Address()
	s := status{Type: "invitation", Link: link, Address: addr.IP.String(), Port: port}
	if e.json && screen.Mode != qrterm.PNG {
		screen.Mode = qrterm.None
	}
	if e.quiet && screen.Mode == qrterm.Auto {
		screen.Mode = qrterm.None
	}
	shown, err := screen.Show(link)
	if err != nil {
		return exit.Errorf(exit.CantCreate, "QR code: %w", err)
	}
	s.File = shown.Path
	tell(s)
	if !e.json {
		fmt.Fprintln(e.stderr, link)
	}
	e.note("hosts connect to %s port %d (%s, %s)", addr.IP, port, addr.Interface, addr.Kind)
	open, failed := offer.Roads()
	e.note("roads: %s", carrier.JoinNames(open))
	for _, err := range failed {
		e.note("not open: %v", err)
	}
	if shown.Path != "" {
		e.note("the code is in %s", shown.Path)
	}
	return nil
}

// expect checks the code if one was given.
func (e *env) expect(ctx context.Context, want, code string) error {
	if want == "" {
		return nil
	}
	if want == "-" {
		var err error
		if want, err = e.line(ctx); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if !xrcp.SameCode(strings.TrimSpace(want), code) {
		return exit.Errorf(exit.NoPerm, "the session code is another one: somebody may be in between").WithHint("pair again on a network that you trust")
	}
	return nil
}
