// Package exit is the one table of exit codes of the four programs, and an
// error that carries one.
//
// The codes are those of BSD's sysexits.h, so that service managers can name
// them; commands that check something use the codes of the Monitoring Plugins
// (0 to 3) instead, see [OK]. Libraries return ordinary errors; the commands
// give them a code where they know what the error asks of the caller.
package exit

import (
	"errors"
	"fmt"
)

// Exit codes of all commands but checks.
const (
	Done        = 0
	Failed      = 1  // failed, no better code
	Usage       = 64 // wrong flags, or a prompt is needed and there is no terminal
	DataErr     = 65 // bad JSON, link, file or database content
	NoInput     = 66 // a file to read is not there
	NoUser      = 67 // no such contact or group; queue deleted on the relay
	NoHost      = 68 // a relay's name does not resolve
	Unavailable = 69 // a relay or the daemon cannot be reached
	Software    = 70 // a bug
	OSErr       = 71 // the system refused something, such as a port in use
	CantCreate  = 73 // a file exists already or cannot be made
	IOErr       = 74 // reading or writing a file failed, such as a full disk
	TempFail    = 75 // try again: quota, rate limit, database in use, not confirmed in time
	Protocol    = 76 // version or handshake mismatch
	NoPerm      = 77 // wrong fingerprint, password or file mode
	Config      = 78 // bad configuration
	SIGINT      = 130
	SIGTERM     = 143
)

// Exit codes of the check commands, as the Monitoring Plugins have them.
const (
	OK       = 0
	Warning  = 1
	Critical = 2
	Unknown  = 3
)

var names = map[int]string{
	Done: "done", Failed: "failed", Usage: "usage", DataErr: "data", NoInput: "no_input",
	NoUser: "no_user", NoHost: "no_host", Unavailable: "unavailable", Software: "software",
	OSErr: "os", CantCreate: "cant_create", IOErr: "io", TempFail: "temp_fail",
	Protocol: "protocol", NoPerm: "no_perm", Config: "config", SIGINT: "interrupted",
	SIGTERM: "terminated",
}

// Name is the code's word in JSON, such as "temp_fail"; "failed" for a code
// that is not in the table.
func Name(code int) string {
	if n, ok := names[code]; ok {
		return n
	}
	return names[Failed]
}

// Coder is an error that knows the exit code it asks for.
type Coder interface {
	error
	ExitCode() int
}

// Error is an error with its exit code and what a person needs to go on.
type Error struct {
	Code   int
	Reason string // one word for programs, such as "relay_timeout"; empty: [Name] of Code
	Err    error  // what happened; nil: Reason is the text
	Hint   string // the next step for a person, or empty
}

var _ Coder = (*Error)(nil)

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Why()
	}
	return e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is e.Code.
func (e *Error) ExitCode() int { return e.Code }

// Why is the reason's word for programs.
func (e *Error) Why() string {
	if e.Reason != "" {
		return e.Reason
	}
	return Name(e.Code)
}

// Errorf makes an [Error] with the text of fmt.Errorf, which may wrap with %w.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Wrap gives err a code unless it has one; nil stays nil.
func Wrap(code int, err error) error {
	var c Coder
	if err == nil || errors.As(err, &c) {
		return err
	}
	return &Error{Code: code, Err: err}
}

// WithHint adds the next step to e and returns it.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Code is the exit code of err: 0 for nil, that of the first [Coder] in its
// chain, else [Failed].
func Code(err error) int {
	if err == nil {
		return Done
	}
	var c Coder
	if errors.As(err, &c) {
		return c.ExitCode()
	}
	return Failed
}

// Hint is the hint of the first [Error] in err's chain that has one.
func Hint(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
