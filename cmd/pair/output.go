package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/simplexkit/simplexkit/cmd/simplexd/attach"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/remote"
	"github.com/simplexkit/simplexkit/lib/store"
	"github.com/simplexkit/simplexkit/lib/xrcp"
	"github.com/simplexkit/simplexkit/lib/xrcp/discovery"
	"github.com/simplexkit/simplexkit/lib/xrcp/xrcpctl"
)

// write writes a whole line of results at once.
func (e *env) write(line []byte) error {
	if _, err := e.stdout.Write(line); err != nil {
		return exit.Errorf(exit.IOErr, "write to standard output: %w", err)
	}
	return nil
}

// printJSON writes one object, on a line of its own.
func (e *env) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // links stay as they are
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	return e.write(b.Bytes())
}

// result writes v as JSON if that was asked for, else the text.
func (e *env) result(v any, format string, args ...any) error {
	if e.json {
		return e.printJSON(v)
	}
	return e.write([]byte(fmt.Sprintf(format, args...) + "\n"))
}

// note says something to the person at the terminal.
func (e *env) note(format string, args ...any) {
	if !e.quiet && !e.json {
		fmt.Fprintf(e.stderr, "pair: "+format+"\n", args...)
	}
}

// printable makes a name that somebody else chose safe for a terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, name)
}

// limit bounds a command's time.
func (e *env) limit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if e.timeout > 0 {
		limit = e.timeout
	}
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// person tells whether somebody can be asked.
func (e *env) person() bool {
	in, ok := e.stdin.(*os.File)
	out, ok2 := e.stderr.(*os.File)
	return ok && ok2 && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
}

// line reads a line from standard input. A read cannot be interrupted: when ctx
// ends, the goroutine stays until the process does.
func (e *env) line(ctx context.Context) (string, error) {
	type read struct {
		text string
		err  error
	}
	got := make(chan read, 1)
	go func() {
		var text []byte
		var err error
		for b := make([]byte, 1); err == nil && len(text) < 4096; text = append(text, b[0]) {
			// What follows the line is for others to read.
			if _, err = io.ReadFull(e.stdin, b); b[0] == '\n' || err != nil {
				break
			}
		}
		if errors.Is(err, io.EOF) && len(text) > 0 {
			err = nil
		}
		got <- read{strings.TrimSpace(string(text)), err}
	}()
	select {
	case r := <-got:
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// rules turn causes into codes, the first that fits.
var rules = []struct {
	is   error
	code int
	hint string
}{
	{attach.ErrNoProfile, exit.NoInput, "simplexd init NAME makes a profile; --home names another directory"},
	{attach.ErrLocked, exit.TempFail, "another program uses this profile and does not answer; try again when it has ended"},
	{store.ErrLocked, exit.NoPerm, "give --key-file, --key-fd or --key-command"},
	{store.ErrCorrupt, exit.DataErr, "the list of hosts is damaged; restore a copy of it, or pair anew"},
	{store.ErrNewerSchema, exit.DataErr, "a newer version has used these files; run that version"},
	{store.ErrFull, exit.IOErr, "make room on the disk"},
	{store.ErrBusy, exit.TempFail, "another program has the list of hosts open; try again"},
	{xrcp.ErrStale, exit.DataErr, "compare both clocks, and make a new invitation with pair invite"},
	{xrcp.ErrInvitation, exit.DataErr, "copy all of the link; it is whole when it ends with an idsig"},
	{remote.ErrWrongCode, exit.NoPerm, "pair again on a network that you trust"},
	{xrcp.ErrIdentity, exit.NoPerm, "the other side is not the one paired with, or has forgotten this pairing; pair forget, and pair again"},
	{xrcp.ErrApp, exit.Protocol, "update the older program"},
	{xrcp.ErrVersion, exit.Protocol, "update the older program"},
	{remote.ErrUnknownOutcome, exit.TempFail, "look whether it was done before trying again"},
	{remote.ErrNotFound, exit.NoUser, "pair ls lists the pairings"},
	{xrcpctl.ErrLost, exit.Unavailable, "the host has gone; pair api HOST connects again"},
	{discovery.ErrNoAddress, exit.OSErr, "--addr names an address of this machine"},
	{context.DeadlineExceeded, exit.Unavailable, "is pair serve, or the app, running on the other side? --timeout sets how long to wait"},
}

// apiCodes are the exit codes of the API's errors.
var apiCodes = map[api.ErrorCode]int{
	api.CodeUsage: exit.Usage, api.CodeData: exit.DataErr, api.CodeNotFound: exit.NoUser, api.CodeUnavailable: exit.Unavailable,
	api.CodeTimeout: exit.TempFail, api.CodeProtocol: exit.Protocol, api.CodeRefused: exit.NoPerm, api.CodeIO: exit.IOErr,
}

// apiHints are the next steps for those of a host.
var apiHints = map[api.ErrorCode]string{
	api.CodeData:        "copy all of the link, compare both clocks, and make a new invitation with pair invite",
	api.CodeRefused:     "nothing was paired; pair again on a network that you trust",
	api.CodeUnavailable: "is the controller still waiting, and does a firewall let its port through? pair doctor tells",
	api.CodeNotFound:    "pair ls --home DIR lists the pairings",
}

// classify gives err the exit code and the hint that a caller needs.
func (e *env) classify(err error) error {
	var coder exit.Coder
	if err == nil || errors.As(err, &coder) {
		return err
	}
	out := &exit.Error{Code: exit.Failed, Err: err}
	var refused *api.Error
	if errors.As(err, &refused) {
		if code, ok := apiCodes[refused.Code]; ok {
			out.Code = code
		}
		out.Reason, out.Hint = string(refused.Code), apiHints[refused.Code]
	} else {
		for _, r := range rules {
			if errors.Is(err, r.is) {
				out.Code, out.Hint = r.code, r.hint
				break
			}
		}
	}
	if e.quiet {
		out.Hint = ""
	}
	return out
}
