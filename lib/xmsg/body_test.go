package xmsg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func newText(t testing.TB, text string) Message {
	p, err := Params(New{Content: TextContent(text)})
	if err != nil {
		t.Fatal(err)
	}
	return Message{V: Supported, MsgID: MakeMsgID([12]byte{1, 2, 3}), Event: EventNew, Params: p}
}

func TestEncode(t *testing.T) {
	m := newText(t, "<hi> & \u2028 \"you\"")
	b, err := Encode(m, MaxBody, MaxBody)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":"1-16","msgId":"QVFJREFBQUFBQUFBQUFBQQ==","event":"x.msg.new","params":{"content":{"type":"text","text":"<hi> & \u2028 \"you\""}}}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	n, err := ParseNew(Parse(b)[0].Message.Params)
	if err != nil || n.Content.Text != "<hi> & \u2028 \"you\"" {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestEncodeLimits(t *testing.T) {
	long := newText(t, strings.Repeat("a", 14000))
	for _, c := range []struct {
		max, fit int
		first    byte
		err      error
	}{
		{MaxBody, MaxBody, '{', nil},
		{MaxBody, MaxPQBody, 'X', nil},
		{MaxBody, 20, 0, ErrTooLarge},
		{13000, MaxBody, 0, ErrTooLarge},
	} {
		b, err := Encode(long, c.max, c.fit)
		if !errors.Is(err, c.err) || (err == nil && (b[0] != c.first || len(b) > c.fit)) {
			t.Errorf("max %d fit %d: %d bytes, %v", c.max, c.fit, len(b), err)
		}
		if err == nil && Parse(b)[0].Message.MsgID != long.MsgID {
			t.Errorf("max %d fit %d: lost on the way", c.max, c.fit)
		}
	}
}

func TestExpandIsBounded(t *testing.T) {
	big := bytes.Repeat([]byte("a"), MaxExpanded+1)
	e, _ := zstd.NewWriter(nil)
	frame := e.EncodeAll(big, nil)
	half := e.EncodeAll(big[:MaxExpanded/2+1], nil)
	var stream bytes.Buffer
	s, _ := zstd.NewWriter(&stream, zstd.WithEncoderConcurrency(1))
	_, _ = s.Write(bytes.Repeat([]byte("b"), 300000))
	_ = s.Close()
	part := func(f []byte) []byte { return append([]byte{'1', byte(len(f) >> 8), byte(len(f))}, f...) }
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"one part":     {append([]byte{'X', 1}, part(frame)...), ErrTooLarge},
		"two parts":    {append(append([]byte{'X', 2}, part(half)...), part(half)...), ErrTooLarge},
		"size unknown": {append([]byte{'X', 1}, part(stream.Bytes())...), ErrSyntax},
		"cut":          {append([]byte{'X', 1}, part(half[:len(half)-1])...), ErrSyntax},
		"no parts":     {[]byte{'X', 0}, ErrSyntax},
		"tag":          {[]byte{'X', 1, '2', 0}, ErrSyntax},
		"trailing":     {[]byte{'X', 1, '0', 2, '{', '}', 0}, ErrSyntax},
		"nested":       {[]byte{'X', 1, '0', 4, 'X', 1, '0', 0}, ErrSyntax},
	} {
		parts := Parse(c.body)
		if len(parts) != 1 || !errors.Is(parts[0].Err, c.want) {
			t.Errorf("%s: %d parts, %v", name, len(parts), parts[0].Err)
		}
	}
}

func TestParseOddBodies(t *testing.T) {
	for _, body := range []string{
		"", "x", "[]", "[", "{", `{"v":"2-1","event":"x.ok","params":{}}`, `{"event":"x.ok"}`,
		`{"event":"","params":{}}`, `{"event":"x.ok","params":[]}`, `{"event":1,"params":{}}`,
		`{"msgId":"!","event":"x.ok","params":{}}`, "=\x00", "=\x01\x00\x09{", "/a", ">",
	} {
		if p := Parse([]byte(body)); len(p) != 1 || p[0].Err == nil {
			t.Errorf("%q: %+v", body, p)
		}
	}
	p := Parse([]byte(`[{"event":"x.ok","params":{}},7,{"event":"y.later","params":{"a":1},"new":[2]}]`))
	if len(p) != 3 || p[0].Err != nil || p[1].Err == nil || p[2].Err != nil || p[2].Message.Event.Known() {
		t.Fatalf("%+v", p)
	}
	b, err := p[2].Message.AppendJSON(nil)
	if want := `{"event":"y.later","params":{"a":1},"new":[2]}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
	if p := Parse([]byte("F\x00\x00\x00\x01abc")); p[0].File == nil || string(p[0].File.Body[4:]) != "abc" {
		t.Errorf("file chunk: %+v", p)
	}
	el := `{"event":"x.ok","params":{}}`
	p = Parse([]byte("=\x02\x00\x1c" + el + "\x00\x01/"))
	if len(p) != 2 || p[0].Message.Event != EventOk || !errors.Is(p[1].Err, ErrUnsupported) {
		t.Errorf("binary batch: %+v", p)
	}
}

func TestUnknownFieldsSurvive(t *testing.T) {
	in := `{"content":{"type":"text","text":"a","z":1},"quote":{"msgRef":{"msgId":"YQ==","sentAt":"2026-11-20T16:06:32Z","sent":true,"q":{}},"content":{"type":"new","k":[1]},"p":0},"ttl":60,"live":false,"parent":{"x":"y"}}`
	n, err := ParseNew([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if n.Quote.Content.Text != UnknownText || n.Quote.Content.Known() || *n.TTL != 60 || *n.Live {
		t.Errorf("%+v", n)
	}
	out, err := Params(n)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, out, []byte(in))
}

func TestContentDisplay(t *testing.T) {
	for in, want := range map[string]string{
		`{"type":"text","text":"a"}`:                          "a",
		`{"type":"voice","text":"","duration":65}`:            "voice message (01:05)",
		`{"type":"voice","text":"b","duration":3}`:            "voice message (00:03); b",
		`{"type":"report","text":"","reason":"spam"}`:         "report spam",
		`{"type":"report","text":"look","reason":"content"}`:  "report content: look",
		`{"type":"link","text":"l"}`:                          "l",
		`{"type":"poll"}`:                                     UnknownText,
		`{"type":"poll","text":"q","options":[{"text":"o"}]}`: "q",
	} {
		c, err := ParseContent([]byte(in))
		if err != nil || c.Display() != want {
			t.Errorf("%s: %q, %v", in, c.Display(), err)
		}
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, out, []byte(in))
	}
	for _, in := range []string{`{}`, `{"type":"text"}`, `"text"`, `{"type":""}`, `null`, `{"type":"text","text":1}`} {
		if c, err := ParseContent([]byte(in)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %+v, %v", in, c, err)
		}
	}
}

func TestVersions(t *testing.T) {
	for in, want := range map[string]VersionRange{"1-16": {1, 16}, "7": {7, 7}, "1-1": {1, 1}} {
		if r, err := ParseVersionRange(in); err != nil || r != want {
			t.Errorf("%s: %v, %v", in, r, err)
		}
	}
	for _, in := range []string{"", "-", "1-", "-1", "0", "2-1", "1-2-3", "+1", "99999"} {
		if r, err := ParseVersionRange(in); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, %v", in, r, err)
		}
	}
	if v, ok := Supported.Common(VersionRange{1, 19}); v != 16 || !ok {
		t.Errorf("common %d, %v", v, ok)
	}
	if _, ok := Supported.Common(VersionRange{17, 19}); ok {
		t.Error("common version of ranges apart")
	}
}

func FuzzParse(f *testing.F) {
	v := loadXmsgs(f)
	for _, samples := range v.Samples {
		if samples[0].Text != nil {
			f.Add([]byte(*samples[0].Text))
		}
	}
	for _, c := range v.Compressed {
		f.Add([]byte(c.Hex))
	}
	f.Add([]byte("=\x01\x00\x1c" + `{"event":"x.ok","params":{}}`))
	h, _ := hex.DecodeString("58013105")
	f.Add(h)
	f.Fuzz(func(t *testing.T, b []byte) {
		parts := Parse(b)
		if len(parts) == 0 {
			t.Fatal("no parts")
		}
		for _, p := range parts {
			if p.Err != nil || p.File != nil {
				continue
			}
			out, err := p.Message.AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			again := Parse(out)
			if len(again) != 1 || again[0].Err != nil || again[0].Message.Event != p.Message.Event {
				t.Fatalf("%s: %+v", out, again)
			}
			_, _ = ParseNew(p.Message.Params)
			_, _ = ParseUpdate(p.Message.Params)
			_, _ = ParseDel(p.Message.Params)
			_, _ = ParseReact(p.Message.Params)
			_, _ = ParseInfo(p.Message.Params)
			_, _ = ParseContact(p.Message.Params)
			_, _ = ParseProbe(p.Message.Params)
			_, _ = ParseProbeCheck(p.Message.Params)
		}
	})
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(`{"v":"1-16","msgId":"YQ==","event":"x.later","params":{"a":1},"more":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMessage(b)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatalf("%v is no syntax error", err)
			}
			return
		}
		out, err := m.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseMessage(out); err != nil || again.MsgID != m.MsgID || again.V != m.V {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

func FuzzParseContent(f *testing.F) {
	f.Add([]byte(`{"type":"voice","text":"","duration":65}`))
	f.Add([]byte(`{"type":"poll","x":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseContent(b)
		if err != nil {
			return
		}
		_ = c.Display()
		out, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := ParseContent(out); err != nil || d.Type != c.Type || d.Text != c.Text {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

func FuzzParseVersionRange(f *testing.F) {
	f.Add("1-16")
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseVersionRange(s); err == nil {
			if again, err := ParseVersionRange(r.String()); err != nil || again != r {
				t.Fatalf("%q: %v, %v", s, again, err)
			}
		}
	})
}
