package settings_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/settings"
)

type sample struct {
	Hosts  []string `toml:"hosts" flag:"host" doc:"names"`
	Quota  int      `toml:"queue_quota" doc:"messages"`
	Closed bool     `toml:"closed" doc:"refuse"`
	Pass   string   `toml:"pass" secret:"yes" doc:"password"`
	Store  struct {
		Kind string `toml:"kind" doc:"sqlite or postgres"`
	} `toml:"store"`
	ignored int
}

func TestOrder(t *testing.T) {
	v := sample{Quota: 128}
	_ = v.ignored
	s := settings.Of(&v)
	s.ReadSecret = func(path string) (string, error) { return "from " + path, nil }
	if err := s.File("a.toml", []byte("hosts = [\"h\"]\nqueue_quota = 5\n[store]\nkind = \"x\"\n")); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"T_QUEUE_QUOTA": "7", "T_PASS_FILE": "p", "T_STORE_KIND": "y", "T_CLOSED": ""}
	if err := s.Env("T_", func(k string) (string, bool) { v, ok := env[k]; return v, ok }); err != nil {
		t.Fatal(err)
	}
	if err := s.Flag("queue-quota", "9"); err != nil {
		t.Fatal(err)
	}
	if v.Quota != 9 || v.Pass != "from p" || v.Store.Kind != "y" || len(v.Hosts) != 1 || v.Closed {
		t.Errorf("got %+v", v)
	}
	want := map[string]string{"hosts": "a.toml", "queue_quota": "--queue-quota", "closed": "default", "pass": "$T_PASS_FILE", "store.kind": "$T_STORE_KIND"}
	for _, v := range s.All() {
		if v.Origin != want[v.Key] {
			t.Errorf("%s is from %s, want %s", v.Key, v.Origin, want[v.Key])
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"queue_quota = \"many\"":         "f:1: queue_quota: must be a number",
		"\ncolour = 1":                   "f:2: colour: no such setting",
		"quota = 1":                      "f:1: quota: no such setting; is queue_quota meant?",
		"hosts = [1]":                    "f:1: hosts: must be a list",
		"[store]\n\nkind = 1":            "f:3: store.kind: must be a text",
		"[storage]\nkind = 1":            "f:1: storage: no such setting",
		"hosts = [\"a\"]\nqueue_quota =": "f:2: queue_quota: ",
	} {
		err := settings.Of(&sample{}).File("f", []byte(text))
		var e *settings.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if err := settings.Of(&sample{}).Flag("closed", "perhaps"); err == nil || err.Error() != "--closed: must be true or false" {
		t.Errorf("got %v", err)
	}
	if err := settings.Of(&sample{}).Flag("pass-file", "x"); err == nil {
		t.Error("a secret without a reader is taken")
	}
}

// TestDescribe reads back what it has described.
func TestDescribe(t *testing.T) {
	v := sample{Quota: 1}
	s := settings.Of(&v)
	if err := s.File("f", []byte("closed = true\n[store]\nkind = \"k\"")); err != nil {
		t.Fatal(err)
	}
	text, err := s.Describe()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# messages\n# queue_quota = 1\n", "\nclosed = true\n", "\n[store]\n", "\nkind = \"k\"\n", "# names\n# hosts = []\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var again sample
	if err := settings.Of(&again).File("f", text); err != nil || !again.Closed || again.Store.Kind != "k" || again.Quota != 0 {
		t.Errorf("read back %+v: %v", again, err)
	}
}

// FuzzFile reads any text, which gives settings or an *Error.
func FuzzFile(f *testing.F) {
	for _, text := range []string{"hosts = [\"h\"]\nqueue_quota = 5\n[store]\nkind = \"x\"\n", "quota = 1", "[store", "store = 1", "[queue_quota]\na = 1", "\"store\".kind = 1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v sample
		err := settings.Of(&v).File("f", []byte(text))
		var e *settings.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%T: %v", err, err)
		}
	})
}
