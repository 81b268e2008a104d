// Package report is what relayctl smp check does with what it has found: it
// remembers states between runs, so that people hear of changes alone, and
// passes news on.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp/relayadmin"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
)

// A relay whose state changes often is said to flap, once, and then nothing
// more until it is steady: from flapFrom changes in the last window checks
// on, until there are no more than flapTo.
const (
	window   = 20
	flapFrom = 6
	flapTo   = 2
)

// Rules say what is news.
type Rules struct {
	Confirm int  // how many checks in a row must find a state; 0 is 1
	QuietOK bool // that a relay is OK from the beginning is none
}

// Memory is the state file.
type Memory struct {
	path string
	lock *os.File

	V      int              `json:"v"`
	Relays map[string]*past `json:"relays"`
}

// past is what is known of a relay.
type past struct {
	State    string    `json:"state"` // said last; empty: nothing yet
	Since    time.Time `json:"since"`
	Seen     string    `json:"seen,omitempty"`  // another state, not said yet
	Times    int       `json:"times,omitempty"` // how often in a row
	Recent   string    `json:"recent"`          // a letter for each of the last checks
	Flapping bool      `json:"flapping,omitempty"`
}

// ErrLocked says that another check uses the state file.
var ErrLocked = errors.New("another check with this file is still running")

// Open reads the file, if it is there, and locks it until Close.
func Open(path string) (*Memory, error) {
	m := &Memory{path: path, V: 1, Relays: map[string]*past{}}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, ErrLocked)
		}
		return nil, fmt.Errorf("%s: lock: %w", path, err)
	}
	m.lock = lock
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, m)
	}
	if err == nil && (m.V != 1 || m.Relays == nil) {
		err = errors.New("not a file of states of this release; delete it to begin anew")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, p := range m.Relays {
		if p == nil {
			_ = lock.Close()
			return nil, fmt.Errorf("%s: a relay without states", path)
		}
	}
	return m, nil
}

// Save replaces the file as a whole.
func (m *Memory) Save() error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return relayadmin.WriteFile(m.path, append(text, '\n'), 0o600)
}

// Close gives the lock up.
func (m *Memory) Close() error { return m.lock.Close() }

// Take remembers results, notes which relays flap, and tells whether any of
// it is news.
func (m *Memory) Take(results []relaycheck.Result, r Rules, now time.Time) (news bool) {
	for i := range results {
		p := m.Relays[results[i].Relay.String()]
		if p == nil {
			p = new(past)
			m.Relays[results[i].Relay.String()] = p
		}
		was := p.State
		if p.take(results[i].State.String(), r) {
			news = true
		}
		if p.State != was {
			p.Since = now.UTC().Truncate(time.Second)
		}
		results[i].Flapping = p.Flapping
	}
	return news
}

func (p *past) take(state string, r Rules) (news bool) {
	p.Recent += state[:1]
	p.Recent = p.Recent[max(0, len(p.Recent)-window-1):]
	changes := 0
	for i := 1; i < len(p.Recent); i++ {
		if p.Recent[i] != p.Recent[i-1] {
			changes++
		}
	}
	set := func() { p.State, p.Seen, p.Times = state, "", 0 }
	switch {
	case !p.Flapping && changes >= flapFrom, p.Flapping && changes <= flapTo:
		p.Flapping = !p.Flapping
		set()
		return true
	case p.Flapping:
		return false
	case state == p.State:
		set()
		return false
	case p.State == "" && state == relaycheck.OK.String():
		set()
		return !r.QuietOK
	case state != p.Seen:
		p.Seen, p.Times = state, 0
	}
	if p.Times++; p.Times < r.Confirm {
		return false
	}
	set()
	return true
}

// Words are what a person is sent: a line for each relay.
func Words(results []relaycheck.Result) string {
	var b strings.Builder
	for line := range strings.Lines(relaycheck.Nagios(results)) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\n"), " | ")
		b.WriteString(line + "\n")
	}
	return b.String()
}
