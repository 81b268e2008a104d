package report

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/simplexkit/simplexkit/lib/smp"
	"github.com/simplexkit/simplexkit/lib/smp/relaycheck"
)

var letters = map[byte]relaycheck.State{'O': relaycheck.OK, 'W': relaycheck.Warning, 'C': relaycheck.Critical}

// TestNews runs sequences of states: a capital is a check without news, and
// "!" after it says that there is some.
func TestNews(t *testing.T) {
	for name, c := range map[string]struct {
		rules Rules
		runs  string
	}{
		"each change":              {Rules{}, "O!OOC!CCO!OW!"},
		"not the first OK":         {Rules{QuietOK: true}, "OOC!CO!O"},
		"bad from the beginning":   {Rules{QuietOK: true}, "C!CO!"},
		"confirmed":                {Rules{Confirm: 3, QuietOK: true}, "OCCOOCCC!COOO!"},
		"flapping is said once":    {Rules{}, "O!C!O!C!O!C!O!CCOCOCOC"},
		"and that it is steady":    {Rules{}, "O!C!O!C!O!C!O!" + strings.Repeat("C", 18) + "C!CO!"},
		"though not confirmed":     {Rules{Confirm: 3}, "O!COCOCO!OCO"},
		"first is bad, then is OK": {Rules{Confirm: 2}, "CO!C" + "C!"},
	} {
		m, err := Open(filepath.Join(t.TempDir(), "state"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, b := range []byte(strings.ReplaceAll(c.runs, "!", "")) {
			r := []relaycheck.Result{{Relay: smp.ServerAddr{Hosts: []string{"a"}}, State: letters[b]}}
			got += string(b)
			if m.Take(r, c.rules, time.Unix(0, 0)) {
				got += "!"
			}
		}
		if got != c.runs {
			t.Errorf("%s: %s, want %s", name, got, c.runs)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	bad := []relaycheck.Result{{Relay: smp.ServerAddr{Hosts: []string{"a"}}, State: relaycheck.Critical}}
	if !m.Take(bad, Rules{}, time.Now()) {
		t.Error("no news")
	}
	if err := errors.Join(m.Save(), m.Close()); err != nil {
		t.Fatal(err)
	}
	if m, err = Open(path); err != nil {
		t.Fatal(err)
	}
	if m.Take(bad, Rules{}, time.Now()) {
		t.Error("the same is news")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "[]", `{"v":2,"relays":{}}`, `{"v":1,"relays":{"a":null}}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestPing(t *testing.T) {
	status := http.StatusOK
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.WriteHeader(status)
	}))
	if err := Ping(t.Context(), s.URL+"/secret"); err != nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	status = http.StatusNotFound
	if err := Ping(t.Context(), s.URL+"/secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("404: %v", err)
	}
	s.Close()
	if err := Ping(t.Context(), s.URL+"/secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("nobody there: %v", err)
	}
	for text, ok := range map[string]bool{"http://a/b": true, "https://a": true, "ftp://a": false, "a": false, "http://": false, ":": false} {
		if err := CheckURL(text); ok != (err == nil) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNotify(t *testing.T) {
	dir := t.TempDir()
	program, out := filepath.Join(dir, "simplexd"), filepath.Join(dir, "out")
	script := "#!/bin/sh\necho \"$@\" >" + out + "\ncat >>" + out + "\nif [ \"$2\" = @gone ]; then echo 'no such contact' >&2; exit 67; fi\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Notify(t.Context(), program, "@ops", "CRITICAL a\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "send @ops\nCRITICAL a\n" {
		t.Errorf("simplexd got %q, %v", got, err)
	}
	if err := Notify(t.Context(), program, "@gone", "x"); err == nil || !strings.Contains(err.Error(), "no such contact") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Notify(ctx, program, "@ops", "x"); err == nil {
		t.Error("sent after the end")
	}
}

func TestWords(t *testing.T) {
	all := []relaycheck.Result{
		{Relay: smp.ServerAddr{Hosts: []string{"a"}}, Measures: []relaycheck.Measure{{Name: "roundtrip", Value: time.Second}}},
		{Relay: smp.ServerAddr{Hosts: []string{"b"}}, State: relaycheck.Critical, Err: errors.New("gone"), Flapping: true},
	}
	if got := Words(all); got != "CRITICAL 1 of 2 relays are OK\nOK relay a roundtrip 1.000s\nCRITICAL relay b: gone (flapping)\n" {
		t.Errorf("%q", got)
	}
}
