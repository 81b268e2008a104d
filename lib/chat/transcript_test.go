package chat_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/api"
	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/smp/smptest"
)

var update = flag.Bool("update", false, "rewrite the list of transcript steps that must match")

// supported lists the steps of the transcripts that must match, one a line:
// what must ("type": an answer of the right type, "shape": the same answer up to
// values that differ from run to run), the transcript, and the command without
// links and numbers from earlier answers, with "#2" for the second of the same.
const supported = "testdata/transcripts.txt"

// oneSided are transcripts whose events need the relay they were recorded with.
var oneSided = map[string]bool{"connect_errors": true}

var transcripts = []string{"messages_basic", "connect_errors", "invite_full", "offline_join", "profile_basic", "users",
	"ws_protocol", "chats_paging", "delete_contact", "pending_connections", "address", "own_address", "auto_accept_bot",
	"reactions", "timed_messages", "network_status", "content_types", "profile_propagation", "feed_and_calls"}

type record struct {
	N        int            `json:"n"`
	Profile  string         `json:"profile"`
	Dir      string         `json:"dir"`
	CorrID   string         `json:"corrId"`
	Cmd      string         `json:"cmd"`
	Template string         `json:"cmdTemplate"`
	Resp     map[string]any `json:"resp"`
	Args     []string       `json:"args"`
}

func loadTranscript(t *testing.T, name string) []record {
	var f struct {
		Records []any          `json:"records"`
		Objects map[string]any `json:"objects"`
	}
	if err := json.Unmarshal(vectors.ReadFile(t, "botapi/transcripts/"+name+".json"), &f); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(expand(f.Records, f.Objects))
	if err != nil {
		t.Fatal(err)
	}
	var rs []record
	if err := json.Unmarshal(b, &rs); err != nil {
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

// A replay executes the commands of a transcript against our own people.
type replay struct {
	t       *testing.T
	relay   *smptest.Relay
	people  map[string]*person
	records []record
	events  map[string][]map[string]any // by profile and type: ours, in order
	given   map[int]map[string]any      // our answer or event for a record
	lost    map[string]bool             // profile and type that no longer keeps up
	alone   bool                        // no events are waited for
	keys    map[string]int              // how often a step's key has come
	alike   int                         // events that were as recorded
	unlike  map[string]int              // others, by type and first difference
	names   []string                    // made up then, made up now, and so on
}

func (r *replay) start(name string) {
	if p := r.people[name]; p != nil {
		p.start()
		return
	}
	cards := []api.Profile{{DisplayName: "SimpleX Status", ContactLink: "simplex:/contact#/a", PeerType: "bot"},
		{DisplayName: "Ask SimpleX Team", ContactLink: "simplex:/contact#/b"}}
	r.people[name] = newPerson(r.t, r.relay, name, cards...)
}

// collect takes the events of a person that are there.
func (r *replay) collect(name string) {
	p := r.people[name]
	if p == nil || p.stop == nil {
		return
	}
	for {
		ctx, cancel := context.WithCancel(context.Background())
		last, err := p.LastSeq(ctx)
		if err != nil || last <= p.seen {
			cancel()
			return
		}
		events, err := p.NextEvents(ctx, p.seen, 100)
		cancel()
		if err != nil {
			r.t.Fatal(err)
		}
		for _, e := range events {
			p.seen = e.Seq
			var v map[string]any
			if err := json.Unmarshal(e.Resp, &v); err != nil {
				r.t.Fatal(err)
			}
			k := name + " " + e.Type
			r.events[k] = append(r.events[k], v)
		}
	}
}

// settle waits until our people have had the events recorded before n. Types
// that fall behind once are not waited for again.
func (r *replay) settle(n int) {
	count := map[string]int{}
	for _, rec := range r.records {
		if rec.N >= n || rec.Dir != "event" || r.alone || foreign(rec.Resp) {
			continue
		}
		typ, _ := rec.Resp["type"].(string)
		k := rec.Profile + " " + typ
		count[k]++
		if r.given[rec.N] != nil || r.lost[k] || !emitted[typ] {
			continue
		}
		if !r.wait(rec.Profile, k, count[k]) {
			r.lost[k] = true
			continue
		}
		r.given[rec.N] = r.events[k][count[k]-1]
		if diff := firstDiff("", normal("", r.renamed(rec.Resp)), normal("", r.given[rec.N])); diff != "" {
			r.unlike[fmt.Sprintf("%d %s %s", rec.N, k, diff)]++
		} else {
			r.alike++
		}
	}
}

// foreign tells whether an event is about items that we do not make: of groups
// and calls.
func foreign(resp map[string]any) bool {
	b, err := json.Marshal([]any{resp["chatItems"], resp["chatItem"]})
	return err == nil && regexp.MustCompile(`"type":"(group|local|[a-z]+GroupInvitation|[a-z]+Call)"`).Match(b)
}

// emitted are the types of events that can be waited for.
var emitted = map[string]bool{"contactConnecting": true, "contactConnected": true, "newChatItems": true,
	"chatItemsStatusesUpdated": true, "chatItemUpdated": true, "chatItemsDeleted": true, "contactUpdated": true,
	"contactDeletedByContact": true, "receivedContactRequest": true,
	"acceptingContactRequest": true, "contactSndReady": true, "chatItemReaction": true}

// keepUp is how long the next event of a type is waited for. What comes later,
// or never, costs a step of the replay, not the test.
const keepUp = 3 * time.Second

func (r *replay) wait(profile, k string, n int) bool {
	p := r.people[profile]
	deadline := time.Now().Add(keepUp)
	for {
		r.collect(profile)
		if len(r.events[k]) >= n {
			return true
		}
		if p == nil || p.stop == nil {
			return false
		}
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		_, err := p.NextEvents(ctx, p.seen, 1)
		cancel()
		if err != nil {
			return false
		}
	}
}

var captured = regexp.MustCompile(`\$\{(\d+):([^}]*)\}`)

// fill puts values of our answers into a command; false if one is missing.
func (r *replay) fill(s string) (string, bool) {
	ok := true
	s = captured.ReplaceAllStringFunc(s, func(m string) string {
		x := captured.FindStringSubmatch(m)
		n, _ := strconv.Atoi(x[1])
		var v any = r.given[n]
		for _, k := range strings.Split(x[2], ".") {
			switch c := v.(type) {
			case map[string]any:
				v = c[k]
			case []any:
				if i, err := strconv.Atoi(k); err == nil && i < len(c) {
					v = c[i]
				} else {
					v = nil
				}
			}
		}
		switch v := v.(type) {
		case string:
			return v
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		if k := x[2]; strings.HasSuffix(k, "connShortLink") {
			key, _, _ := strings.Cut(k, ".")
			return r.valueOf(n, key, "connFullLink") // we make none: the full form says the same
		}
		ok = false
		return ""
	})
	return s, ok
}

// madeUp is the name of a profile made up for one contact.
func madeUp(resp map[string]any) string {
	p, _ := resp["customUserProfile"].(map[string]any)
	if resp["type"] == "activeUser" {
		p, _ = resp["user"].(map[string]any)
		p, _ = p["profile"].(map[string]any)
	}
	name, _ := p["displayName"].(string)
	return name
}

// renamed puts the names made up now in the place of those made up then.
func (r *replay) renamed(v map[string]any) map[string]any {
	if len(r.names) == 0 {
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(strings.NewReplacer(r.names...).Replace(string(b))), &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *replay) valueOf(n int, keys ...string) string {
	var v any = r.given[n]
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	s, _ := v.(string)
	return s
}

// answerTo is the recorded answer to a command.
func (r *replay) answerTo(i int) map[string]any {
	for _, rec := range r.records[i:] {
		if rec.Dir == "resp" && rec.Profile == r.records[i].Profile && rec.CorrID == r.records[i].CorrID {
			return rec.Resp
		}
	}
	return nil
}

// respN is the number of the record of the answer.
func (r *replay) respN(i int) int {
	for _, rec := range r.records[i:] {
		if rec.Dir == "resp" && rec.Profile == r.records[i].Profile && rec.CorrID == r.records[i].CorrID {
			return rec.N
		}
	}
	return -1
}

var link = regexp.MustCompile(`(simplex:|https:|smp:)\S*`)

// key names a step by its profile and command.
func (r *replay) key(rec record) string {
	cmd := rec.Cmd
	if rec.Template != "" {
		cmd = captured.ReplaceAllString(rec.Template, "$")
	}
	k := rec.Profile + " " + strconv.Quote(link.ReplaceAllString(cmd, "<link>"))
	r.keys[k]++
	if n := r.keys[k]; n > 1 {
		k += " #" + strconv.Itoa(n)
	}
	return k
}

// run replays a transcript and gives what each step reached, by its key.
func (r *replay) run(verbose bool) (reached map[string]string) {
	reached = map[string]string{}
	for i, rec := range r.records {
		switch p := r.people[rec.Profile]; rec.Dir {
		case "start":
			r.start(rec.Profile)
			if slices.Contains(rec.Args, "--maintenance") || slices.Contains(rec.Args, "-m") {
				r.people[rec.Profile].Exec(ctxFor(r.t), "/_stop")
			}
		case "stop", "closed":
			r.settle(rec.N)
			if p != nil {
				p.halt()
			}
		case "cmd":
			want := r.answerTo(i)
			if want == nil || p == nil || p.stop == nil {
				continue
			}
			key := r.key(rec)
			reached[key] = "none"
			r.settle(rec.N)
			cmd := rec.Cmd
			if rec.Template != "" {
				cmd = rec.Template
			}
			cmd, ok := r.fill(strings.NewReplacer(r.names...).Replace(cmd))
			if !ok {
				continue
			}
			b, err := json.Marshal(p.Exec(ctxFor(r.t), cmd))
			if err != nil {
				r.t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(b, &got); err != nil {
				r.t.Fatal(err)
			}
			r.given[r.respN(i)] = got
			if then, now := madeUp(want), madeUp(got); then != "" && now != "" && then != now {
				r.names = append(r.names, then, now)
			}
			switch diff := firstDiff("", normal("", r.renamed(want)), normal("", got)); {
			case diff == "":
				reached[key] = "shape"
			case got["type"] == want["type"]:
				reached[key] = "type"
				if verbose {
					r.t.Logf("%d %.60s: %s", rec.N, cmd, diff)
				}
			case verbose:
				r.t.Logf("%d %.60s: %v, want %v", rec.N, cmd, got["type"], want["type"])
			}
		}
	}
	return reached
}

func TestVectorTranscripts(t *testing.T) {
	if testing.Short() {
		t.Skip("replays take some seconds each")
	}
	must := readSupported(t)
	var all []string
	for _, name := range transcripts {
		t.Run(name, func(t *testing.T) {
			r := &replay{t: t, alone: oneSided[name], relay: smptest.Start(t), people: map[string]*person{}, records: loadTranscript(t, name),
				events: map[string][]map[string]any{}, given: map[int]map[string]any{}, unlike: map[string]int{}, lost: map[string]bool{}, keys: map[string]int{}}
			reached := r.run(testing.Verbose())
			types, shapes := 0, 0
			for k, level := range reached {
				if level != "none" {
					types++
					all = append(all, level+"\t"+name+"\t"+k)
				}
				if level == "shape" {
					shapes++
				}
				if need := must[name+"\t"+k]; need != "" && level != need && level != "shape" {
					t.Errorf("%s: %s matches no more than %s", k, need, level)
				}
			}
			for k := range r.unlike {
				t.Logf("event %s", k)
			}
			t.Logf("fell behind: %v", r.lost)
			t.Logf("%d events the same, %d not", r.alike, len(r.unlike))
			t.Logf("%d commands: %d answers of the right type, %d of them the same", len(reached), types, shapes)
		})
	}
	if *update {
		slices.SortFunc(all, func(a, b string) int { return strings.Compare(a[strings.Index(a, "\t"):], b[strings.Index(b, "\t"):]) })
		if err := os.WriteFile(supported, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readSupported gives the levels by transcript and key.
func readSupported(t *testing.T) map[string]string {
	b, err := os.ReadFile(supported)
	if err != nil && !*update {
		t.Fatal(err)
	}
	m := map[string]string{}
	for line := range strings.Lines(string(b)) {
		level, key, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		m[key] = level
	}
	return m
}
