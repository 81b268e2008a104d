package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/remote"
)

// record is a step of a recorded session of the reference.
type record struct {
	N        int            `json:"n"`
	Profile  string         `json:"profile"`
	Dir      string         `json:"dir"`
	CorrID   string         `json:"corrId"`
	Cmd      string         `json:"cmd"`
	Template string         `json:"cmdTemplate"`
	Resp     map[string]any `json:"resp"`
	Text     string         `json:"text"` // of a note
}

func loadTranscript(t *testing.T, name string) (rs []record) {
	var f struct {
		Records []any          `json:"records"`
		Objects map[string]any `json:"objects"`
	}
	if err := json.Unmarshal(vectors.ReadFile(t, "botapi/remote_control/"+name+".json"), &f); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(marshal(t, expand(f.Records, f.Objects)), &rs); err != nil {
		t.Fatal(err)
	}
	return rs
}

// expand puts shared objects in the place of references to them.
func expand(v any, objects map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		if k, ok := v["$ref"].(string); ok && len(v) == 1 {
			return expand(objects[k], objects)
		}
		out := map[string]any{}
		for k, x := range v {
			out[k] = expand(x, objects)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = expand(x, objects)
		}
		return out
	}
	return v
}

// program is one of the recorded programs as ours: both sides of it.
type program struct {
	*world
	board *remote.Board
	seen  int // events that were compared
	// skipped tells that some were not since the last note.
	skipped bool
}

func newProgram(t *testing.T, name, dir string) *program {
	w := newWorld(t)
	w.desk.SetName(name)
	w.host.SetName(name)
	p := &program{world: w}
	p.board = remote.NewBoard(remote.BoardConfig{Desk: w.desk, Emit: w.profile.Announce, Dir: dir,
		Mirror: func(context.Context, string, json.RawMessage) error { return nil }})
	p.startBoard()
	return p
}

func (p *program) startBoard() {
	ctx, cancel := context.WithCancel(p.ctx)
	done := make(chan struct{})
	board := p.board
	go func() {
		defer close(done)
		_ = board.Run(ctx)
	}()
	stopHost := p.stop
	p.stop = func() {
		cancel()
		<-done
		stopHost()
	}
}

// again begins anew with what was stored, as the program killed.
func (p *program) again(name, dir string) {
	p.stop()
	p.start()
	p.host.SetName(name)
	p.desk.SetName(name)
	p.board = remote.NewBoard(remote.BoardConfig{Desk: p.desk, Emit: p.profile.Announce, Dir: dir,
		Mirror: func(context.Context, string, json.RawMessage) error { return nil }})
	p.startBoard()
}

func (p *program) exec(cmd string) (api.Response, bool) {
	if name, ok := strings.CutPrefix(cmd, "/set device name "); ok {
		p.host.SetName(name)
		p.desk.SetName(name)
		return api.Response{Type: "cmdOk"}, true
	}
	if r, ok := p.board.Exec(p.ctx, cmd); ok {
		return r, true
	}
	return p.host.Exec(p.ctx, cmd)
}

// forgetSkipped passes over the events of a part in which some were skipped:
// what came instead of them is not what the next part waits for.
func (p *program) forgetSkipped() {
	p.t.Helper()
	if !p.skipped {
		return
	}
	p.skipped = false
	last, err := p.profile.LastSeq(p.ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	p.seen = max(p.seen, int(last))
}

// event waits for the next one that the reference has too.
func (p *program) event(n int) map[string]any {
	p.t.Helper()
	for {
		events, err := p.profile.NextEvents(p.ctx, int64(p.seen), 1)
		if err != nil {
			p.t.Fatalf("record %d: no event comes: %v", n, err)
		}
		p.seen++
		if typ := events[0].Type; typ == "remoteCtrlConnected" || typ == "remoteCtrlApplied" || typ == "remoteCtrlDetached" {
			continue // ours, for our own clients
		}
		var v map[string]any
		if err := json.Unmarshal(events[0].Resp, &v); err != nil {
			p.t.Fatal(err)
		}
		return v
	}
}

// volatile are members whose values differ from run to run.
var volatile = []string{"sessionCode", "invitation", "storePath", "ctrlPort", "fileKey", "fileNonce", "localAddrs", "message",
	"agentError", "remoteHostError"}

// normal is a value without what differs.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if k == "compression" {
				continue // that version of the reference did not compress
			}
			if out[k] = normal(x); slices.Contains(volatile, k) && x != nil {
				out[k] = "…"
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = normal(x)
		}
		return out
	}
	return v
}

// same compares an answer or event with the recorded one: all of it, or only
// the type.
func (r *replay) same(rec record, got any, all bool) {
	r.t.Helper()
	var v any
	if err := json.Unmarshal(marshal(r.t, got), &v); err != nil {
		r.t.Fatal(err)
	}
	m, _ := v.(map[string]any)
	want, have := marshal(r.t, normal(rec.Resp)), marshal(r.t, normal(v))
	if m["type"] != rec.Resp["type"] || all && !bytes.Equal(want, have) {
		r.t.Errorf("record %d of %s:\nwant %s\nhave %s", rec.N, rec.Profile, want, have)
	}
	r.given[rec.N] = m
	r.compared++
}

// replay executes the commands of a transcript.
type replay struct {
	t        *testing.T
	programs map[string]*program
	given    map[int]map[string]any
	compared int
	dir      string
}

var captured = regexp.MustCompile(`\$\{(\d+):([^}]*)\}`)

// fill puts values of our answers into a command.
func (r *replay) fill(rec record) string {
	cmd := rec.Cmd
	if rec.Template != "" {
		cmd = rec.Template
	}
	cmd = captured.ReplaceAllStringFunc(cmd, func(m string) string {
		x := captured.FindStringSubmatch(m)
		n, _ := strconv.Atoi(x[1])
		var v any = r.given[n]
		for k := range strings.SplitSeq(x[2], ".") {
			o, _ := v.(map[string]any)
			v = o[k]
		}
		if v == nil {
			r.t.Fatalf("record %d: nothing was given for %s", rec.N, m)
		}
		if f, ok := v.(float64); ok {
			return strconv.Itoa(int(f))
		}
		return fmt.Sprint(v)
	})
	return strings.ReplaceAll(cmd, "$FILES", r.dir)
}

// about tells whether a record is about remote control.
func about(rec record) bool {
	if rec.Dir == "cmd" {
		return strings.Contains(rec.Cmd, " remote ") || strings.HasPrefix(rec.Cmd, "/crc") || strings.HasPrefix(rec.Cmd, "/set device name")
	}
	typ, _ := rec.Resp["type"].(string)
	return rec.Dir == "event" && (strings.HasPrefix(typ, "remote") || typ == "newRemoteHost")
}

func newReplay(t *testing.T) *replay {
	r := &replay{t: t, given: map[int]map[string]any{}, dir: t.TempDir(), programs: map[string]*program{}}
	for name, device := range map[string]string{"phone": "Phone", "desk": "Desk", "bob": "Bob"} {
		if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		r.programs[name] = newProgram(t, device, filepath.Join(r.dir, name, "remote"))
	}
	if err := os.WriteFile(filepath.Join(r.dir, "desk", "local.txt"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// How a step is replayed.
const (
	whole = iota
	typeOnly
	skipped
)

// run replays all that is about remote control.
func (r *replay) run(rs []record, how func(record) int) {
	r.t.Helper()
	answers := map[string]record{}
	for _, rec := range rs {
		if rec.Dir == "resp" {
			answers[rec.Profile+" "+rec.CorrID] = rec
		}
	}
	note := ""
	for _, rec := range rs {
		p := r.programs[rec.Profile]
		if rec.Dir == "note" {
			note = rec.Text
			for _, p := range r.programs {
				p.forgetSkipped()
			}
		}
		rec.Text = note
		if rec.Dir == "stop" && p != nil {
			p.again(map[string]string{"phone": "Phone", "desk": "Desk"}[rec.Profile], filepath.Join(r.dir, rec.Profile, "remote"))
		}
		if !about(rec) || how(rec) == skipped {
			if rec.Dir == "event" {
				for _, p := range r.programs {
					p.skipped = true
				}
			}
			continue
		}
		if rec.Dir == "event" {
			r.same(rec, p.event(rec.N), how(rec) == whole)
			continue
		}
		got, ok := p.exec(r.fill(rec))
		if !ok {
			r.t.Fatalf("record %d: %s is not known", rec.N, rec.Cmd)
		}
		r.same(answers[rec.Profile+" "+rec.CorrID], got, how(rec) == whole)
	}
}

func TestSessionTranscriptVectors(t *testing.T) {
	r := newReplay(t)
	phone := r.programs["phone"].files
	// It came through the chat.
	if err := os.WriteFile(filepath.Join(phone, "frombob.txt"), []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(loadTranscript(t, "xrcp_session"), func(record) int { return whole })
	if r.compared == 0 {
		t.Error("nothing was compared")
	}
	t.Logf("%d answers and events as recorded", r.compared)
}

func TestFailuresTranscriptVectors(t *testing.T) {
	r := newReplay(t)
	r.run(loadTranscript(t, "xrcp_failures"), func(rec record) int {
		note := func(text string) bool { return strings.Contains(rec.Text, text) }
		switch {
		case note("link with a changed key"):
			return skipped // it is of the day of the recording
		case note("host stops before the verification") && rec.Dir == "event":
			return skipped // it stops before or after the code: who is faster
		case note("controller stops before the verification"):
			if rec.Dir == "cmd" && strings.HasPrefix(rec.Cmd, "/verify") {
				return skipped // we notice at once, the reference after 15 seconds
			}
			return typeOnly
		case note("but the host forgot it") && rec.Dir == "event":
			return skipped // the code may be shown before the other side refuses us
		case note("used again by a second host") && rec.Profile == "bob" && rec.Dir == "event":
			return skipped // our port is closed by then
		}
		return whole
	})
	t.Logf("%d answers and events as recorded", r.compared)
}
