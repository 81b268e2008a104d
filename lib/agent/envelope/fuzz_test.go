package envelope

import (
	"bytes"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
)

func seed(f *testing.F, categories ...string) {
	for _, c := range vectors.Load(f, file).With(categories...) {
		var v struct{ Hex vectors.Hex }
		c.Decode(f, &v)
		f.Add([]byte(v.Hex))
	}
}

func FuzzParse(f *testing.F) {
	seed(f, "envelope/*", "decode_edge")
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Parse(b)
		if err != nil {
			return
		}
		if got, err := Parse(Append(nil, e)); err != nil || !bytes.Equal(Append(nil, got), Append(nil, e)) {
			t.Fatalf("encoded again: %v", err)
		}
	})
}

func FuzzParsePlain(f *testing.F) {
	seed(f, "agent_message", "decode_edge")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePlain(b)
		if err != nil {
			return
		}
		got, err := ParsePlain(AppendPlain(nil, p))
		if err != nil {
			t.Skip() // a queue without mode before bytes that look like one
		}
		_ = AppendPlain(nil, got)
	})
}

func FuzzParseMessage(f *testing.F) {
	seed(f, "a_message/*", "decode_edge")
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		if _, err := ParseMessage(AppendMessage(nil, m)); err != nil {
			t.Skip() // as above
		}
	})
}
