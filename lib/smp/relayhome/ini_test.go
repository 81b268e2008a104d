package relayhome

import (
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/exit"
)

// FuzzReadINI reads what an operator may have written. What is refused is
// told with a place; what is taken is good, or refused by name.
func FuzzReadINI(f *testing.F) {
	f.Add("[STORE_LOG]\nenable = on\nexpire_messages_days = 14\n[TRANSPORT]\nhost: relay.example.org\nport = 5223,443\n")
	f.Add("[AUTH]\n; comment\ncreate_password: hush\nnew_queues = off\n[INACTIVE_CLIENTS]\nttl = 21600\n[OTHER]\nx = 1\n")
	f.Add("[TRANSPORT]\nport = 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := defaults()
		notes, err := readINI("f", []byte(text), &s)
		if err != nil {
			if exit.Code(err) != exit.Config || !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, n := range notes {
			if !strings.HasPrefix(n, "f:") {
				t.Fatalf("%q: note %q", text, n)
			}
		}
		if w := s.check(); w != nil {
			return
		}
		b, err := s.encode()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(b) == 0 {
			t.Fatalf("%q: no settings", text)
		}
	})
}
