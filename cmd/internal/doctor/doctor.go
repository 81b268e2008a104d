// Package doctor is what "simplexd doctor" and "pair doctor" have in common: a
// list of findings, each with what to do about it, and what they look at on any
// machine: the disk, the clock, systemd.
//
// The codes are those of the Monitoring Plugins, so that a doctor is also a
// check: 0 all is well, 1 a warning, 2 something does not work, 3 the doctor
// could not look.
package doctor

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/simplexkit/simplexkit/cmd/internal/cli"
	"github.com/simplexkit/simplexkit/lib/exit"
)

// State is how bad a finding is.
type State int

// The states, in the numbers of the Monitoring Plugins, and one for what does
// not apply.
const (
	OK       State = exit.OK
	Warning  State = exit.Warning
	Critical State = exit.Critical
	Unknown  State = exit.Unknown
	Skipped  State = -1
)

var words = map[State]string{OK: "ok", Warning: "warning", Critical: "critical", Unknown: "unknown", Skipped: "skipped"}

// String is the word in reports.
func (s State) String() string { return words[s] }

// MarshalText is the same word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is what was found out about one thing.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Text  string `json:"text"`
	// Hint is what to do, or empty.
	Hint string `json:"hint,omitempty"`
	// Lines are more to read, such as commands to paste.
	Lines []string `json:"lines,omitempty"`
}

// Found makes a finding.
func Found(check string, s State, format string, args ...any) Finding {
	return Finding{Check: check, State: s, Text: fmt.Sprintf(format, args...)}
}

// WithHint is f with what to do.
func (f Finding) WithHint(format string, args ...any) Finding {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// WithLines is f with more to read.
func (f Finding) WithLines(lines ...string) Finding {
	f.Lines = lines
	return f
}

// String is the finding for people, on a line or more.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-9s %-10s %s", f.State, f.Check, clean(f.Text))
	if f.Hint != "" {
		fmt.Fprintf(&b, "\n%21s%s", "-> ", clean(f.Hint))
	}
	for _, l := range f.Lines {
		fmt.Fprintf(&b, "\n%21s%s", "", clean(l))
	}
	return b.String()
}

// clean keeps what others have named from doing things to a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// Report is all findings.
type Report struct {
	Type     string    `json:"type"` // "doctor"
	V        int       `json:"v"`
	State    State     `json:"state"`
	Findings []Finding `json:"findings"`
}

// NewReport sums findings up. Critical is the worst state: what is known not to
// work counts more than what could not be looked at.
func NewReport(all []Finding) Report {
	r := Report{Type: "doctor", V: 1, Findings: all}
	for _, f := range all {
		if weight[f.State] > weight[r.State] {
			r.State = f.State
		}
	}
	return r
}

var weight = map[State]int{Skipped: 0, OK: 0, Warning: 1, Unknown: 2, Critical: 3}

// Text is the report for people.
func (r Report) Text() string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

// JSON is the report for programs, on a line.
func (r Report) JSON() (string, error) {
	b, err := json.Marshal(r)
	return string(b) + "\n", err
}

// Err is the exit code of the report, as an error for [cli.Run]; nil for 0.
func (r Report) Err() error {
	if r.State == OK {
		return nil
	}
	return &cli.Reported{Code: int(r.State)}
}

// Broken is an error that kept the doctor from looking, with its exit code.
func Broken(err error) error {
	if err == nil {
		return nil
	}
	return &exit.Error{Code: exit.Unknown, Err: err, Hint: exit.Hint(err)}
}
