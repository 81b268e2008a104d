package link

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
)

// seedText adds the texts of the cases of links.json, seedBinary their bytes.
func seedText(f *testing.F, categories ...string) {
	for _, c := range vectors.Load(f, "links.json").With(categories...) {
		var m struct{ Input, Str string }
		if json.Unmarshal(c.Raw, &m) == nil {
			f.Add(m.Input + m.Str)
		}
	}
}

func seedBinary(f *testing.F, skip int, categories ...string) {
	for _, c := range vectors.Load(f, "links.json").With(categories...) {
		var m struct {
			Binary vectors.Hex
			Fixed  vectors.Hex `json:"signed_fixed_data"`
			User   vectors.Hex `json:"signed_user_data"`
		}
		if json.Unmarshal(c.Raw, &m) != nil {
			continue
		}
		for _, b := range [][]byte{m.Binary, m.Fixed, m.User} {
			if len(b) > skip && len(b) < 1000 {
				f.Add(b[skip:])
			}
		}
	}
}

func fuzzText[T interface{ String() string }](f *testing.F, parse func(string) (T, error)) {
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parse(s)
		if err != nil {
			return
		}
		out := v.String()
		again, err := parse(out)
		if err != nil || again.String() != out {
			t.Errorf("%q parses as %q, then %q: %v", s, out, again, err)
		}
		if b, ok := any(v).(interface{ Append([]byte) []byte }); ok {
			b.Append(nil)
		}
	})
}

func fuzzBinary[T interface{ Append([]byte) []byte }](f *testing.F, parse func([]byte) (T, error)) {
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parse(b)
		if err != nil {
			return
		}
		out := v.Append(nil)
		again, err := parse(out)
		if err != nil || !bytes.Equal(again.Append(nil), out) {
			t.Errorf("%x parses as %+v, then %x: %v", b, v, out, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	seedText(f, "connection_request", "short_link", "short_link_edge")
	fuzzText(f, Parse)
}

func FuzzParseRequest(f *testing.F) {
	seedText(f, "connection_request", "connection_request_edge")
	fuzzText(f, ParseRequest)
}

func FuzzParseQueueURI(f *testing.F) {
	seedText(f, "queue_uri", "queue_uri_edge")
	fuzzText(f, ParseQueueURI)
}

func FuzzParseShort(f *testing.F) {
	seedText(f, "short_link", "short_link_edge")
	fuzzText(f, ParseShort)
}

func FuzzParseName(f *testing.F) {
	seedText(f, "simplex_name")
	fuzzText(f, ParseName)
}

func FuzzParseRequestBinary(f *testing.F) {
	seedBinary(f, 0, "connection_request")
	fuzzBinary(f, ParseRequestBinary)
}

func FuzzParseQueueInfo(f *testing.F) {
	seedBinary(f, 0, "queue_info_binary")
	fuzzBinary(f, ParseQueueInfo)
}

func FuzzParseShortBinary(f *testing.F) {
	seedBinary(f, 0, "short_link")
	fuzzBinary(f, ParseShortBinary)
}

func FuzzParseFixed(f *testing.F) {
	seedBinary(f, 65, "link_data/*")
	fuzzBinary(f, ParseFixed)
}

func FuzzParseUser(f *testing.F) {
	seedBinary(f, 65, "link_data/*")
	fuzzBinary(f, ParseUser)
}
