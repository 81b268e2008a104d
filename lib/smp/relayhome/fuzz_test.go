package relayhome

import (
	"encoding/base64"
	"testing"

	"github.com/simplexkit/simplexkit/lib/smp"
)

func FuzzParseQueue(f *testing.F) {
	f.Add(base64.URLEncoding.EncodeToString(make([]byte, 24)))
	f.Add("smp://cv8RtjeBRch6jOCl9wiZ8zp2eWdfmHTS5dhBPLcWuQU=@127.0.0.1:5223/ASmKGEdPVQOqqgazbi39DjssogMERwKF" +
		"#/?v=1-4&dh=MCowBQYDK2VuAyEAPlravShCQgwLhNpn1lp-nCdsqsWCpjXDBjQs2ggldko%3D&q=m")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseQueue(text)
		if (err == nil) != (len(id) > 0) {
			t.Fatalf("%q: %q, %v", text, id, err)
		}
		if err != nil {
			return
		}
		again, err := ParseQueue(base64.RawURLEncoding.EncodeToString([]byte(id)))
		if len(id) <= 64 && (err != nil || again != id) {
			t.Fatalf("%q: %x, then %x, %v", text, id, again, err)
		}
	})
}

func FuzzParseBlockList(f *testing.F) {
	f.Add("# ours\n\n" + base64.RawURLEncoding.EncodeToString(make([]byte, 24)) + " content\nAAAA\n")
	f.Add("AAAA mood")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseBlockList(text)
		if err != nil && list != nil {
			t.Fatalf("%q: a list and %v", text, err)
		}
		for _, l := range list {
			if l.Queue == "" || l.Why.Reason != smp.BlockedSpam && l.Why.Reason != smp.BlockedContent {
				t.Fatalf("%q: %+v", text, l)
			}
		}
	})
}
