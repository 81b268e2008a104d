package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/cmd/simplexd/attach"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/carrier"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/sdnotify"
)

// viaFlag restricts the roads.
func viaFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "via", Usage: "take these `ROADS` only, with commas between: " + carrier.JoinNames(carrier.Names), EnvVars: []string{"PAIR_VIA"}}
}

func via(c *ucli.Context) ([]string, error) {
	if c.String("via") == "" {
		return nil, nil
	}
	names, err := carrier.ParseNames(c.String("via"))
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "--via: %w", err)
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out, nil
}

// serveFlags say how known controllers come in.
func serveFlags(more ...ucli.Flag) []ucli.Flag {
	return append(more,
		&ucli.StringFlag{Name: "listen", Usage: "listen at `HOST:PORT` for controllers that are known and call", EnvVars: []string{"PAIR_SERVE_LISTEN"}},
		&ucli.StringFlag{Name: "public", Usage: "tell controllers to call `HOST:PORT`, which leads to --listen", EnvVars: []string{"PAIR_PUBLIC"}},
		&ucli.StringFlag{Name: "announced", Usage: "hear announcements at `IP:PORT` instead of the multicast group; none is nowhere", EnvVars: []string{"PAIR_ANNOUNCED"}},
		viaFlag(),
	)
}

func serveParams(c *ucli.Context) (p api.RemoteServeParams, err error) {
	p = api.RemoteServeParams{Listen: c.String("listen"), Public: c.String("public"), Announced: c.String("announced")}
	p.Via, err = via(c)
	return p, err
}

func connectCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "connect",
		Usage:     "let the controller that showed a link use a simplexd profile",
		ArgsUsage: "LINK|-",
		Description: "The profile is that of --home; its daemon does the work if it runs. Compare the\n" +
			"session code with the one that the controller shows, and say yes. When the\n" +
			"connection ends, connect waits for the controller to come again, as pair serve\n" +
			"does, until it is stopped; --once ends with the first session.",
		CustomHelpTemplate: cli.Help([]string{
			"pair connect 'xrcp:/...' --home ~/bot",
			"pair connect - --home ~/bot --user 1 --lifetime 30d <link.txt",
			"pair connect 'xrcp:/...' --home ~/bot --expect '24305 81337 ...' --once",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.Unavailable, exit.IOErr, exit.TempFail, exit.Protocol,
			exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: serveFlags(
			lifetimeFlag(),
			&ucli.Int64SliceFlag{Name: "user", Usage: "attach the profile with the number `N` only, as /users shows it; may be repeated", EnvVars: []string{"PAIR_USER"}},
			&ucli.StringFlag{Name: "expect", Usage: "the session code that the controller shows is `CODE`; - reads it from standard input", EnvVars: []string{"PAIR_EXPECT"}},
			&ucli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not compare session codes: for links that nobody else can have changed, such as from another shell of this machine", EnvVars: []string{"PAIR_YES"}},
			&ucli.BoolFlag{Name: "once", Usage: "end when the session ends", EnvVars: []string{"PAIR_ONCE"}},
		),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 {
				return exit.Errorf(exit.Usage, "connect takes one LINK").WithHint("quote the link: it contains characters that shells read")
			}
			if c.String("expect") == "" && !c.Bool("yes") && !e.person() {
				return exit.Errorf(exit.Usage, "there is no terminal to compare session codes at").WithHint("give --expect CODE")
			}
			return e.withProfile(c.Context, func(ctx context.Context, s *attach.Session) error { return e.connect(ctx, c, s) })
		},
	}
}

// withProfile runs fn with the profile.
func (e *env) withProfile(ctx context.Context, fn func(context.Context, *attach.Session) error) error {
	home := e.home
	if home == "" {
		home = os.Getenv("SIMPLEXD_HOME")
	}
	s, err := attach.Open(ctx, attach.Options{Home: home, Key: e.key, Log: e.log})
	if err != nil {
		return e.classify(err)
	}
	err = fn(ctx, s)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	return e.classify(err)
}

// attached calls a method whose result is about one controller.
func attached(ctx context.Context, s *attach.Session, method string, params any) (api.Attached, error) {
	var r api.AttachedResult
	if err := s.Call(ctx, method, params, &r); err != nil {
		return api.Attached{}, err
	}
	if len(r.Ctrls) != 1 {
		return api.Attached{}, fmt.Errorf("%s: %d controllers in the answer", method, len(r.Ctrls))
	}
	return r.Ctrls[0], nil
}

func (e *env) connect(ctx context.Context, c *ucli.Context, s *attach.Session) error {
	link := c.Args().First()
	if link == "-" {
		var err error
		if link, err = e.line(ctx); err != nil || link == "" {
			return exit.Errorf(exit.DataErr, "no link on standard input")
		}
	}
	life, err := lifetime(c.String("lifetime"))
	if err != nil {
		return err
	}
	p := api.RemoteConnectParams{Link: link, Lifetime: life.Seconds()}
	for _, id := range c.Int64Slice("user") {
		p.Users = append(p.Users, api.UserID(id))
	}
	if p.Via, err = via(c); err != nil {
		return err
	}
	serve, err := serveParams(c)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer stop(nil)
	if !c.Bool("once") {
		// From the beginning: the controller is told where it can call.
		serving.Go(func() { e.serveBeside(ctx, s, serve) })
		if serve.Listen != "" {
			if err := e.listening(ctx, s); err != nil {
				return err
			}
		}
	}
	setup, cancel := e.limit(ctx, 3*time.Minute)
	defer cancel()
	a, err := attached(setup, s, "remoteConnect", p)
	if err == nil && a.State == "pendingConfirmation" {
		a, err = e.compare(setup, c, s, a)
	}
	if err != nil {
		return err
	}
	cancel()
	if err := e.show("connected", a); err != nil {
		return err
	}
	return e.hold(ctx, s, a, c.Bool("once"))
}

// listening waits until the profile listens for callers.
func (e *env) listening(ctx context.Context, s *attach.Session) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		var r api.AttachedResult
		err := s.Call(ctx, "remoteList", nil, &r)
		if err != nil {
			return err
		}
		if r.Listen != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return exit.Errorf(exit.OSErr, "--listen: the profile does not listen there").WithHint("another program may have the port")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// serveBeside lets the controller in again.
func (e *env) serveBeside(ctx context.Context, s *attach.Session, p api.RemoteServeParams) {
	err := s.Call(ctx, "remoteServe", p, nil)
	if err != nil && ctx.Err() == nil {
		e.log.Warn("known controllers cannot come in again", "err", err)
	}
}

// compare has the session code compared.
func (e *env) compare(ctx context.Context, c *ucli.Context, s *attach.Session, a api.Attached) (api.Attached, error) {
	code := c.String("expect")
	e.note("%s shows a session code; it must be\n\n    %s\n", printable(a.Name), a.Code)
	var err error
	switch {
	case code == "-":
		code, err = e.line(ctx)
	case code == "" && c.Bool("yes"):
		code = a.Code
	case code == "":
		fmt.Fprintf(e.stderr, "pair: is it the same? [y/N] ")
		var answer string
		if answer, err = e.line(ctx); strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes") {
			code = a.Code
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		return a, err
	}
	return attached(ctx, s, "remoteVerify", api.RemoteSessionParams{Session: a.Session, Code: code})
}

// show writes a state of a controller.
func (e *env) show(state string, a api.Attached) error {
	if e.json {
		return e.printJSON(struct {
			Type string `json:"type"`
			api.Attached
			State string `json:"state"`
		}{"state", a, state})
	}
	text := fmt.Sprintf("%s %d %s", state, a.Ctrl, printable(a.Name))
	if a.Road != "" {
		text += " via " + a.Road
	}
	if state == "lost" && a.Reason != "" {
		text += ": " + printable(a.Reason)
	}
	return e.write([]byte(text + "\n"))
}

// hold shows the controller's sessions until it is stopped, or the first one
// has ended, or the pairing.
func (e *env) hold(ctx context.Context, s *attach.Session, a api.Attached, once bool) error {
	id := a.Ctrl
	for {
		waiting := make(chan error, 1)
		var ended api.Attached
		go func() {
			var err error
			ended, err = attached(context.WithoutCancel(ctx), s, "remoteWait", api.RemoteSessionParams{Session: a.Session})
			waiting <- err
		}()
		select {
		case err := <-waiting:
			var gone *api.Error
			if errors.As(err, &gone) && gone.Code == api.CodeNotFound {
				ended = a
			} else if err != nil {
				return err
			}
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = s.Call(stopping, "remoteStop", api.RemoteSessionParams{Ctrl: id}, nil)
			return context.Cause(ctx)
		}
		if err := e.show("lost", ended); err != nil || once {
			return err
		}
		var err error
		if a, err = e.comesAgain(ctx, s, id); err != nil || a.Session == 0 {
			return err
		}
		if err := e.show("connected", a); err != nil {
			return err
		}
	}
}

// comesAgain waits for a session of a controller; none, if it is forgotten.
func (e *env) comesAgain(ctx context.Context, s *attach.Session, id api.RemoteCtrlID) (api.Attached, error) {
	for {
		var r api.AttachedResult
		if err := s.Call(ctx, "remoteList", nil, &r); err != nil {
			return api.Attached{}, err
		}
		known := false
		for _, a := range r.Ctrls {
			if a.Ctrl == id && a.State == "connected" {
				return a, nil
			}
			known = known || a.Ctrl == id
		}
		if !known {
			e.note("the pairing has ended")
			return api.Attached{}, nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return api.Attached{}, context.Cause(ctx)
		}
	}
}

func serveCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "serve",
		Usage: "let the known controllers of a simplexd profile in whenever they come",
		Description: "Controllers announce themselves in the local network, or call this machine where\n" +
			"--listen says: then it can be anywhere, as a bouncer. Strangers are turned away.\n" +
			"SIGTERM or SIGINT ends it in order. Under systemd use Type=notify.",
		CustomHelpTemplate: cli.Help([]string{
			"pair serve --home ~/bot",
			"pair serve --home ~/bot --listen 0.0.0.0:5226 --public bouncer.example:5226",
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.Unavailable, exit.OSErr, exit.IOErr, exit.TempFail, exit.NoPerm),
		Flags: serveFlags(),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 0 {
				return exit.Errorf(exit.Usage, "serve takes no arguments")
			}
			p, err := serveParams(c)
			if err != nil {
				return err
			}
			return e.withProfile(c.Context, func(ctx context.Context, s *attach.Session) error { return e.serve(ctx, s, p) })
		},
	}
}

// serve shows who comes and goes, until it is stopped.
func (e *env) serve(ctx context.Context, s *attach.Session, p api.RemoteServeParams) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop(nil)
	var at api.InfoResult
	if err := s.Call(ctx, "info", nil, &at); err != nil {
		return err
	}
	all.Go(func() {
		err := s.Subscribe(ctx, api.SubscribeParams{After: &at.LastSeq, Types: []string{"remoteCtrlServing", "remoteCtrlConnected", "remoteCtrlStopped", "remoteCtrlDetached"}}, func(r api.Reply) error {
			return e.told(r.Resp)
		})
		if err != nil && ctx.Err() == nil {
			stop(err)
		}
	})
	err := s.Call(ctx, "remoteServe", p, nil)
	_, _ = sdnotify.Notify(sdnotify.Stopping)
	if cause := context.Cause(ctx); cause != nil {
		var stopped *cli.Interrupted
		if errors.As(cause, &stopped) {
			return nil
		}
		return cause
	}
	return err
}

// told shows an event.
func (e *env) told(resp json.RawMessage) error {
	var ev api.Response
	if err := json.Unmarshal(resp, &ev); err != nil || ev.Remote == nil && ev.Type != "remoteCtrlServing" {
		return nil
	}
	switch ev.Type {
	case "remoteCtrlServing":
		_, _ = sdnotify.Notify(sdnotify.Ready, sdnotify.Status("waiting for controllers"))
		a := api.Attached{}
		if ev.Remote != nil && len(ev.LocalAddrs) > 0 {
			a.Peer = ev.LocalAddrs[0].Address
		}
		if e.json {
			return e.show("waiting", a)
		}
		return e.write([]byte(strings.TrimSpace("waiting "+a.Peer) + "\n"))
	case "remoteCtrlConnected":
		if ev.RemoteCtrl != nil {
			return e.show("connected", api.Attached{Ctrl: ev.RemoteCtrl.RemoteCtrlID, Name: ev.RemoteCtrl.CtrlDeviceName})
		}
	case "remoteCtrlStopped", "remoteCtrlDetached":
		return e.show("lost", api.Attached{Ctrl: ev.RemoteCtrlID})
	}
	return nil
}
