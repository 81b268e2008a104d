package xmsg

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
)

type xmsgs struct {
	Samples map[string][]struct {
		Text     *string         `json:"text"`
		Body     json.RawMessage `json:"body"`
		Encoding string          `json:"encoding"`
	} `json:"samples"`
	Batches []struct {
		Wire   *string  `json:"wire"`
		Count  int      `json:"count"`
		Events []string `json:"events"`
	} `json:"batches"`
	Compressed []struct {
		Hex     vectors.Hex       `json:"hex"`
		Decoded []json.RawMessage `json:"decoded"`
	} `json:"compressed"`
}

func loadXmsgs(t testing.TB) (v xmsgs) {
	name := "botapi/xmsgs.json"
	if dir := os.Getenv(vectors.Env); dir != "" {
		for _, ext := range []string{"", ".gz"} {
			if _, err := os.Stat(filepath.Join(dir, "xmsgs.json"+ext)); err == nil {
				name = "xmsgs.json"
			}
		}
	}
	if err := json.Unmarshal(vectors.ReadFile(t, name), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Samples) == 0 {
		t.Fatal("no samples")
	}
	return v
}

func sameJSON(t testing.TB, got, want []byte) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("got no JSON: %v: %s", err, got)
	}
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// retype reads the parameters as the type of their event, if it has one here,
// and writes them back.
func retype(t testing.TB, m Message) json.RawMessage {
	t.Helper()
	var v any
	var err error
	switch m.Event {
	case EventNew:
		v, err = ParseNew(m.Params)
	case EventUpdate:
		v, err = ParseUpdate(m.Params)
	case EventDel:
		v, err = ParseDel(m.Params)
	case EventReact:
		v, err = ParseReact(m.Params)
	case EventInfo:
		v, err = ParseInfo(m.Params)
	case EventContact:
		v, err = ParseContact(m.Params)
	case EventProbe, EventProbeOk:
		v, err = ParseProbe(m.Params)
	case EventProbeCheck:
		v, err = ParseProbeCheck(m.Params)
	default:
		return m.Params
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := Params(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkPart(t testing.TB, p Part, want []byte) Message {
	t.Helper()
	if p.Err != nil {
		t.Fatal(p.Err)
	}
	m := p.Message
	m.Params = retype(t, m)
	got, err := m.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, got, want)
	return m
}

func TestVectorMessages(t *testing.T) {
	for tag, samples := range loadXmsgs(t).Samples {
		t.Run(tag, func(t *testing.T) {
			for _, s := range samples {
				body := []byte(s.Body)
				if s.Text != nil {
					body = []byte(*s.Text)
				}
				parts := Parse(body)
				if len(parts) != 1 {
					t.Fatalf("%d parts", len(parts))
				}
				m := checkPart(t, parts[0], body)
				if string(m.Event) != tag || !m.Event.Known() {
					t.Errorf("event %q, known %v, want %q", m.Event, m.Event.Known(), tag)
				}
				again := Parse(Compress(body))
				if len(again) != 1 {
					t.Fatalf("compressed: %d parts", len(again))
				}
				checkPart(t, again[0], body)
			}
		})
	}
}

func TestVectorBatches(t *testing.T) {
	for _, b := range loadXmsgs(t).Batches {
		if b.Wire == nil {
			continue // too long to be recorded
		}
		var items []json.RawMessage
		if err := json.Unmarshal([]byte(*b.Wire), &items); err != nil {
			t.Fatal(err)
		}
		parts := Parse([]byte(*b.Wire))
		if len(parts) != b.Count || len(items) != b.Count {
			t.Fatalf("%d parts of %d", len(parts), b.Count)
		}
		for i, p := range parts {
			if m := checkPart(t, p, items[i]); string(m.Event) != b.Events[i] {
				t.Errorf("event %q, want %q", m.Event, b.Events[i])
			}
		}
	}
}

func TestVectorCompressed(t *testing.T) {
	for _, c := range loadXmsgs(t).Compressed {
		parts := Parse(c.Hex)
		if len(parts) != len(c.Decoded) {
			t.Fatalf("%d parts, want %d", len(parts), len(c.Decoded))
		}
		for i, p := range parts {
			checkPart(t, p, c.Decoded[i])
		}
	}
}
