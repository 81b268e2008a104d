package main

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/simplexkit/simplexkit/cmd/simplexd/internal/home"
	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/exit"
	"github.com/simplexkit/simplexkit/lib/store"
)

// codes are the exit codes of the API's errors.
var codes = map[api.ErrorCode]int{
	api.CodeUsage:       exit.Usage,
	api.CodeData:        exit.DataErr,
	api.CodeLineTooLong: exit.DataErr,
	api.CodeNotFound:    exit.NoUser,
	api.CodeExists:      exit.CantCreate,
	api.CodeUnavailable: exit.Unavailable,
	api.CodeNoHost:      exit.NoHost,
	api.CodeTimeout:     exit.TempFail,
	api.CodeProtocol:    exit.Protocol,
	api.CodeRefused:     exit.NoPerm,
	api.CodeIO:          exit.IOErr,
	api.CodeInternal:    exit.Software,
}

// hints are the next steps for the exit codes that have one.
var hints = map[int]string{
	exit.NoUser:      "simplexd contacts lists the contacts",
	exit.NoHost:      "check the relay's name and this machine's DNS",
	exit.Unavailable: "check that the relay runs and that this machine reaches it",
	exit.IOErr:       "make room on the disk, or mend it; nothing that was accepted is lost",
	exit.NoPerm:      "the relay's address names another key than the relay has, or its password is wrong: compare them with what the relay's operator gives out",
}

// rules turn causes into codes, the first that fits; hint may use %s for the home.
var rules = []struct {
	is   error
	code int
	hint string
}{
	{home.ErrLocked, exit.TempFail, "another simplexd uses this profile and does not answer; try again when it has ended"},
	{home.ErrNoProfile, exit.NoInput, "simplexd init NAME makes a profile; --home names another directory"},
	{store.ErrLocked, exit.NoPerm, "give --key-file, --key-fd or --key-command"},
	{store.ErrNotEncrypted, exit.Usage, "simplexd encrypt encrypts a profile"},
	{store.ErrCorrupt, exit.DataErr, "the profile's database is damaged; keep a copy of it and restore a backup"},
	{store.ErrNewerSchema, exit.DataErr, "a newer simplexd has used this profile; run that version"},
	{store.ErrFull, exit.IOErr, "make room on the disk; nothing that was accepted is lost"},
	{store.ErrReadOnly, exit.IOErr, "the profile's files must be writable"},
	{store.ErrBusy, exit.TempFail, "another program has the database open; try again"},
	{syscall.ENOSPC, exit.IOErr, "make room on the disk; nothing that was accepted is lost"},
	{syscall.EPIPE, exit.IOErr, ""},
	{syscall.EADDRINUSE, exit.OSErr, "another program uses the port"},
	{fs.ErrPermission, exit.NoPerm, "the files of a profile belong to the user who made it"},
	{context.DeadlineExceeded, exit.TempFail, "--timeout sets how long to wait"},
}

// classify gives err the exit code and the hint that a caller needs.
func classify(e *env, err error) error {
	if err == nil {
		return nil
	}
	var coder exit.Coder
	if errors.As(err, &coder) {
		return err
	}
	var refused *api.Error
	if errors.As(err, &refused) {
		code, ok := codes[refused.Code]
		if !ok {
			code = exit.Failed
		}
		return &exit.Error{Code: code, Reason: string(refused.Code), Err: err, Hint: e.hint(e.hintFor(code))}
	}
	var settings *home.ConfigError
	if errors.As(err, &settings) {
		return &exit.Error{Code: exit.Config, Err: err, Hint: e.hint("mend the file, or make a new profile with simplexd init")}
	}
	for _, r := range rules {
		if errors.Is(err, r.is) {
			return &exit.Error{Code: r.code, Err: err, Hint: e.hint(r.hint)}
		}
	}
	return err
}

// swarmHints go before hints in the commands of the swarm.
var swarmHints = map[int]string{
	exit.NoUser:      "simplexd swarm ls lists the conversations, swarm members CONV who is in one, swarm log CONV the messages",
	exit.Unavailable: "simplexd swarm doctor finds out why",
	exit.NoPerm:      "simplexd swarm members CONV tells who may do what",
}

func (e *env) hintFor(code int) string {
	if text, ok := swarmHints[code]; ok && e.inSwarm {
		return text
	}
	return hints[code]
}

// hint is nothing with --quiet.
func (e *env) hint(text string) string {
	if e.quiet {
		return ""
	}
	return text
}
