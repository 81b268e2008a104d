package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/profile"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/wsapi"
)

// wsSettings is how the daemon serves the API over WebSocket.
type wsSettings struct {
	addr      string // empty: not at all
	tokenFile string
	origins   []string
	any       bool
}

func wsFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "ws", Usage: "serve the bot API over WebSocket on `ADDR` too, such as 127.0.0.1:5225", EnvVars: []string{"SIMPLEXD_WS"}},
		&ucli.StringFlag{Name: "ws-token-file", Usage: "WebSocket clients must show the token in `FILE`: Authorization: Bearer TOKEN", EnvVars: []string{"SIMPLEXD_WS_TOKEN_FILE"}},
		&ucli.StringSliceFlag{Name: "ws-origin", Usage: "let web pages of `ORIGIN` connect, such as https://bot.example; none else may", EnvVars: []string{"SIMPLEXD_WS_ORIGIN"}},
		&ucli.BoolFlag{Name: "ws-insecure-any", Usage: "let --ws listen on an address that other machines reach; nothing is encrypted there", EnvVars: []string{"SIMPLEXD_WS_INSECURE_ANY"}},
	}
}

func wsSettingsOf(c *ucli.Context) wsSettings {
	return wsSettings{addr: c.String("ws"), tokenFile: c.String("ws-token-file"), origins: c.StringSlice("ws-origin"), any: c.Bool("ws-insecure-any")}
}

// wsServer opens the WebSocket port; nil without one.
func (e *env) wsServer(ctx context.Context, s wsSettings, p *profile.Profile) (func(context.Context) error, error) {
	if s.addr == "" {
		return nil, nil
	}
	o := wsapi.Options{Origins: s.origins, Session: p.SessionOptions(), Log: e.log}
	if s.tokenFile != "" {
		var err error
		if o.Token, err = readToken(s.tokenFile); err != nil {
			return nil, err
		}
	}
	l, err := wsapi.Listen(ctx, s.addr, s.any)
	if errors.Is(err, wsapi.ErrNotLoopback) {
		return nil, exit.Errorf(exit.Usage, "--ws %s: other machines can reach this address, and nothing is encrypted there", s.addr).
			WithHint("use 127.0.0.1 and a proxy with TLS, or say --ws-insecure-any with --ws-token-file")
	}
	var opErr *net.OpError
	if errors.As(err, &opErr) {
		return nil, exit.Errorf(exit.TempFail, "--ws %s: %w", s.addr, err)
	}
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "--ws %s: %w", s.addr, err)
	}
	e.log.Info("serving", "websocket", l.Addr().String())
	return func(ctx context.Context) error { return wsapi.Serve(ctx, l, p.API(), o) }, nil
}

// readToken reads a secret that nobody else can read.
func readToken(path string) (string, error) {
	st, err := os.Stat(path)
	if err == nil && st.Mode().Perm()&0o077 != 0 {
		return "", exit.Errorf(exit.NoPerm, "%s: others can read it (mode %#o)", path, st.Mode().Perm()).WithHint("chmod 600 %s", path)
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", exit.Errorf(exit.NoPerm, "read the token: %w", err)
	}
	if err != nil {
		return "", exit.Errorf(exit.NoInput, "read the token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", exit.Errorf(exit.DataErr, "%s: no token in it", path)
	}
	return token, nil
}
