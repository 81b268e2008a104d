package testworld

import (
	"strings"
	"testing"
)

// play makes a history of a script: "a1" attempts message 1, "k1" accepts it,
// "s1" shows it.
func play(script string) *History {
	h := new(History)
	seq := int64(0)
	for _, word := range strings.Fields(script) {
		switch text := word[1:]; word[0] {
		case 'a':
			h.Attempt("alice>bob", text)
		case 'k':
			h.Accept("alice>bob", text)
		case 's':
			seq++
			h.Show("alice>bob", seq, text)
		}
	}
	return h
}

func TestHistoryJudges(t *testing.T) {
	for script, want := range map[string]string{
		"":                              "",
		"a1 k1 s1 a2 k2 s2":             "",
		"a1 a2 k1 k2 s1 s2":             "",
		"a1 s1 k1":                      "", // shown before the sender heard of it
		"a1 a2 k2 s2":                   "", // 1 was not accepted and may be gone
		"a1 a2 k2 s1 s2":                "", // or may not
		"a1 k1":                         "never shown",
		"a1 k1 a2 k2 s2":                "never shown",
		"a1 k1 s1 s1":                   "shown twice",
		"a1 k1 s1 a2 k2 s2 s1":          "shown twice",
		"a1 k1 a2 k2 s2 s1":             "out of order",
		"a1 k1 s1 s9":                   "never sent",
		"a1 k1 a2 k2 a3 k3 s1 s3 s2 s3": "out of order",
	} {
		err := play(script).Check()
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", script, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", script, err, want)
		}
	}
}

func TestHistorySeesNumbersThatDoNotRise(t *testing.T) {
	h := new(History)
	for _, text := range []string{"1", "2"} {
		h.Attempt("s", text)
		h.Accept("s", text)
		h.Show("s", 7, text)
	}
	if err := h.Check(); err == nil || !strings.Contains(err.Error(), "number 7") {
		t.Fatalf("got %v", err)
	}
}

func TestHistoryKeepsStreamsApart(t *testing.T) {
	h := new(History)
	h.Attempt("alice>bob", "x")
	h.Accept("alice>bob", "x")
	h.Attempt("bob>alice", "x")
	h.Show("bob>alice", 1, "x")
	if got := h.Missing(); got != 1 {
		t.Fatalf("missing %d, want 1", got)
	}
	if h.Check() == nil {
		t.Fatal("one stream's message stood for another's")
	}
}

func TestHistoryWritesLines(t *testing.T) {
	h := play("a1 k1 s1")
	h.Fault("kill relay")
	var b strings.Builder
	if _, err := h.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "\n"); got != 4 || !strings.Contains(b.String(), `"kill relay"`) {
		t.Fatalf("got %d lines:\n%s", got, b.String())
	}
}
