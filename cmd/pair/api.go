package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/remote"
)

func apiCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "api",
		Usage:     "connect to a known host and speak its API on standard input and output",
		ArgsUsage: "HOST",
		Description: "A line in is {\"corrId\":\"1\",\"cmd\":\"/_get chats 1\"}; lines out are answers,\n" +
			"{\"corrId\":\"1\",\"resp\":{...}}, and events, {\"resp\":{...},\"seq\":17}. Nobody has to do\n" +
			"anything on the host, where pair serve or the app runs. When the connection ends,\n" +
			"api makes another one: each command is answered once, and no event is left out.\n" +
			"At the end of input it answers what is under way, and ends.",
		CustomHelpTemplate: cli.Help([]string{
			"pair api phone",
			`echo '{"corrId":"1","cmd":"/_get chats 1"}' | pair api phone`,
			`echo '{"corrId":"1","method":"put","params":{"path":"photo.jpg"}}' | pair api phone`,
		}, exit.Done, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.Unavailable, exit.OSErr, exit.IOErr,
			exit.TempFail, exit.Protocol, exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: hostFlags(),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 1 {
				return exit.Errorf(exit.Usage, "api takes one HOST").WithHint("pair ls lists the hosts")
			}
			return e.withOwn(c.Context, func(o *own) (err error) {
				again, err := e.connector(c, o, c.Args().First())
				if err != nil {
					return err
				}
				release, err := o.hold(e.dir, again.id)
				if err != nil {
					return err
				}
				defer release()
				defer func() { err = errors.Join(err, again.Close()) }()
				ctx, cancel := e.limit(c.Context, 0)
				defer cancel()
				return e.speak(ctx, o, remote.LinkConfig{Desk: o.Desk, Connect: again.Connect})
			})
		},
	}
}

// connector is that of a known host, by the command's flags.
func (e *env) connector(c *ucli.Context, o *own, name string) (*connector, error) {
	h, err := o.host(c.Context, name)
	if err != nil {
		return nil, err
	}
	opts, err := offerOptions(c)
	return &connector{e: e, own: o, id: h, opts: opts}, err
}

// maxLine is the longest line, as simplexd has it.
const maxLine = 4 << 20

// spoken is one session of the API on standard streams.
type spoken struct {
	e    *env
	own  *own
	link *remote.Link
	mu   sync.Mutex // held while a line is written
}

func (s *spoken) write(v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // what the host says passes through unchanged
	if err := enc.Encode(v); err != nil {
		return err
	}
	return s.e.write(b.Bytes())
}

// speak speaks the API of a host until the end of input.
func (e *env) speak(ctx context.Context, o *own, cfg remote.LinkConfig) error {
	s := &spoken{e: e, own: o}
	cfg.Event = func(_ context.Context, seq int64, resp json.RawMessage) error {
		return s.write(api.Reply{Resp: resp, Seq: seq})
	}
	cfg.OnState = func(state string, a *remote.Attached, err error) {
		st := status{Type: "state", State: state}
		if a != nil {
			st.Host, st.Name, st.Road = int64(a.Host.ID), a.Host.Label(), string(a.Road())
		}
		if err != nil {
			e.log.Info(state, "err", err)
		}
		_ = s.write(struct {
			status
			Resp status `json:"resp"` // what the bot API's programs look for in a line
		}{st, st}) // a closed output shows when there is an answer
	}
	s.link = remote.NewLink(cfg)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	var runErr error
	running.Go(func() {
		runErr = s.link.Run(ctx)
		cancel()
	})
	err := s.read(ctx)
	cancelled := ctx.Err() != nil
	cancel()
	running.Wait()
	if cancelled && runErr != nil && !errors.Is(runErr, context.Canceled) {
		return runErr
	}
	return err
}

// read answers lines, one after another.
func (s *spoken) read(ctx context.Context) error {
	lines := make(chan []byte)
	failed := make(chan error, 1)
	go func() { // ends with the process, if standard input does not
		in := bufio.NewReaderSize(s.e.stdin, 64<<10)
		for {
			line, err := readLine(in)
			if len(line) > 0 || errors.Is(err, errLong) {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil && !errors.Is(err, errLong) {
				failed <- err
				return
			}
		}
	}()
	for {
		select {
		case line := <-lines:
			if err := s.answer(ctx, line); err != nil {
				return err
			}
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return exit.Errorf(exit.IOErr, "read standard input: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var errLong = errors.New("line too long")

// readLine reads a line without its end; nil for one that is too long.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long {
			return nil, errors.Join(errLong, err)
		}
		return bytes.TrimRight(line, "\r\n"), err
	}
}

func refusal(text string) api.Response {
	return api.Response{Type: "chatCmdError", ChatError: &api.ChatError{Type: "error",
		ErrorType: &api.ErrorType{Type: "commandError", Message: &text}}}
}

// answer does what a line asks for.
func (s *spoken) answer(ctx context.Context, line []byte) error {
	var in api.Request
	if line == nil || json.Unmarshal(line, &in) != nil || in.CorrID == "" || (in.Cmd == "") == (in.Method == "") {
		return s.write(struct {
			CorrID *string      `json:"corrId"`
			Resp   api.Response `json:"resp"`
		}{Resp: refusal("invalid request")})
	}
	var resp any
	var err error
	if in.Cmd != "" {
		resp, err = s.link.Exec(ctx, in.Cmd)
	} else {
		resp, err = s.call(ctx, in)
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		resp = refusal(err.Error())
	}
	return s.write(struct {
		CorrID string `json:"corrId"`
		Resp   any    `json:"resp"`
	}{in.CorrID, resp})
}

// fileParams are the parameters of "put" and "get".
type fileParams struct {
	Path string            `json:"path"`           // of ours: the file to bring, or the folder to put it into
	File remote.RemoteFile `json:"file,omitzero"`  // to get
	Name string            `json:"name,omitempty"` // to get, by its name alone
}

// call executes a method of our own: "put" and "get" carry files.
func (s *spoken) call(ctx context.Context, in api.Request) (any, error) {
	var p fileParams
	if err := json.Unmarshal(in.Params, &p); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	switch in.Method {
	case "put":
		f, err := os.Open(p.Path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		name, err := s.link.Put(ctx, filepath.Base(p.Path), f)
		return map[string]string{"type": "fileStored", "filePath": name}, err
	case "get":
		if p.Name != "" {
			p.File.FileSource.FilePath = p.Name
		}
		name, err := s.link.Get(ctx, p.File, remote.Folder{Dir: p.Path})
		return map[string]string{"type": "file", "filePath": filepath.Join(p.Path, name)}, err
	}
	return nil, fmt.Errorf("no method %q: there are put and get", in.Method)
}

// connectTime is how long a command waits for its host.
const connectTime = time.Minute

// withHost runs fn with a session with a known host.
func (e *env) withHost(c *ucli.Context, name string, fn func(ctx context.Context, l *remote.Link, h *remote.KnownHost) error) error {
	return e.withOwn(c.Context, func(o *own) (err error) {
		again, err := e.connector(c, o, name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, again.Close()) }()
		ctx, cancel := e.limit(c.Context, connectTime)
		defer cancel()
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		l := remote.NewLink(remote.LinkConfig{Desk: o.Desk, Connect: again.Connect})
		var running sync.WaitGroup
		running.Go(func() { stop(l.Run(ctx)) })
		err = fn(ctx, l, again.id)
		if err != nil && context.Cause(ctx) != nil && !errors.Is(err, remote.ErrUnknownOutcome) {
			err = context.Cause(ctx)
		}
		stop(nil)
		running.Wait()
		if errors.Is(err, context.DeadlineExceeded) {
			err = exit.Errorf(exit.Unavailable, "the host has not come in time").
				WithHint("is pair serve, or the app, running there? --call HOST:PORT calls one that listens; --timeout sets how long to wait")
		}
		return err
	})
}

func execCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "exec",
		Usage:     "run one command of a known host's API",
		ArgsUsage: "HOST COMMAND",
		Description: "The answer is printed as JSON. The exit code is 1 if it is an error; when the\n" +
			"connection ended before the answer, and the host cannot tell, it is 75.",
		CustomHelpTemplate: cli.Help([]string{
			"pair exec phone '/_get chats 1'",
			"pair exec bouncer '/user' --call bouncer.example:5226 | jq -r .user.localDisplayName",
		}, exit.Done, exit.Failed, exit.Usage, exit.DataErr, exit.NoInput, exit.NoUser, exit.Unavailable, exit.OSErr,
			exit.IOErr, exit.TempFail, exit.Protocol, exit.NoPerm, exit.SIGINT, exit.SIGTERM),
		Flags: hostFlags(),
		Action: func(c *ucli.Context) error {
			if c.NArg() != 2 {
				return exit.Errorf(exit.Usage, "exec takes a HOST and a COMMAND").WithHint("quote the command: pair exec phone '/_get chats 1'")
			}
			return e.withHost(c, c.Args().First(), func(ctx context.Context, l *remote.Link, _ *remote.KnownHost) error {
				resp, err := l.Exec(ctx, c.Args().Get(1))
				if err != nil {
					return err
				}
				if err := e.write(append(bytes.TrimSpace(resp), '\n')); err != nil {
					return err
				}
				var kind struct {
					Type string `json:"type"`
				}
				if json.Unmarshal(resp, &kind) == nil && kind.Type == "chatCmdError" {
					return &cli.Reported{Code: exit.Failed}
				}
				return nil
			})
		},
	}
}
