package profile

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/chat"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/stdio"
	"github.com/simplexkit/simplexkit/lib/swarm"
)

// maxSessions is how many clients the daemon serves at once; more are turned
// away, so that a client gone wild cannot exhaust the daemon's descriptors.
const maxSessions = 256

// Serve runs the profile and serves clients on l until ctx ends, which is no
// error. Beside that it runs the functions given, except nil. It closes l, and
// returns when all it started has ended.
func (p *Profile) Serve(ctx context.Context, l net.Listener, beside ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	beside = append(beside, func(ctx context.Context) error { return p.runSwarm(ctx, p.swarmNet) }, p.takeInvitations)
	errs := make([]error, 2+len(beside))
	for i, fn := range beside {
		if fn != nil {
			all.Go(func() {
				errs[2+i] = fn(ctx)
				cancel(errs[2+i])
			})
		}
	}
	all.Go(func() {
		errs[0] = p.Run(ctx)
		cancel(errs[0])
	})
	all.Go(func() {
		errs[1] = p.accept(ctx, l)
		cancel(errs[1])
	})
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	all.Wait()
	return errors.Join(errs...)
}

// accept serves each client that connects.
func (p *Profile) accept(ctx context.Context, l net.Listener) error {
	var sessions sync.WaitGroup
	defer sessions.Wait()
	free := make(chan struct{}, maxSessions)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case free <- struct{}{}:
		default:
			p.log.Warn("client turned away", "sessions", maxSessions)
			conn.Close()
			continue
		}
		sessions.Go(func() {
			defer func() { <-free }()
			p.ServeConn(ctx, conn, true)
		})
	}
}

// ServeConn serves one client until it leaves or ctx ends, and closes conn.
func (p *Profile) ServeConn(ctx context.Context, conn net.Conn, hello bool) {
	defer conn.Close()
	o := p.SessionOptions()
	o.Hello, o.NoEvents = hello, !hello
	if err := stdio.Serve(ctx, conn, served{p.Core, p}, o); err != nil && ctx.Err() == nil {
		p.log.Debug("client's session ended", "err", err)
	}
}

// ServeStream serves the client at the other end of the standard streams,
// without a greeting.
func (p *Profile) ServeStream(ctx context.Context, rw io.ReadWriteCloser) error {
	return stdio.Serve(ctx, rw, served{p.Core, p}, p.SessionOptions())
}

// Hello is what clients are greeted with.
func (p *Profile) Hello(ctx context.Context) (api.Hello, error) {
	last, err := p.Core.LastSeq(ctx)
	return api.Hello{Type: "hello", V: api.Version, Version: p.version, Profile: p.name, LastSeq: last}, err
}

// SessionOptions is how clients' sessions are served.
func (p *Profile) SessionOptions() stdio.Options {
	return stdio.Options{Version: p.version, Profile: p.name, Log: p.log}
}

// API is what clients talk to.
func (p *Profile) API() stdio.Core { return served{p.Core, p} }

// served is the core with the methods that only a profile has.
type served struct {
	*chat.Core
	p *Profile
}

// Exec implements [stdio.Core], with the commands of remote control.
func (s served) Exec(ctx context.Context, cmd string) api.Response {
	if r, ok := s.p.remote.Exec(ctx, cmd); ok {
		return r
	}
	return s.Core.Exec(ctx, cmd)
}

// Call implements [stdio.Core]. The method "fetch" returns when what the relays
// hold has arrived: see [Profile.Fetch].
func (s served) Call(ctx context.Context, method string, params json.RawMessage) (any, error) {
	if remote.Methods[method] {
		return s.p.remote.Call(ctx, method, params)
	}
	if strings.HasPrefix(method, swarm.MethodPrefix) {
		return s.p.swarm.Call(ctx, method, params)
	}
	if method != "fetch" {
		return s.Core.Call(ctx, method, params)
	}
	if err := s.p.Fetch(ctx); err != nil {
		return nil, &api.Error{Type: "error", Code: api.CodeUnavailable, Message: err.Error()}
	}
	return api.OK{Type: "ok"}, nil
}
