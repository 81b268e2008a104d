package box_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

func pad(t *testing.T, c vectors.Case) {
	var v struct {
		Length  int `json:"message_length"`
		Size    int `json:"padded_length"`
		Message vectors.Large
		Padded  vectors.Large
		CanPad  bool `json:"can_pad"`
	}
	c.Decode(t, &v)
	msg, known := []byte(v.Message.Bytes), v.Message.Bytes != nil
	if !known {
		var p struct{ Message vectors.Hex }
		if json.Unmarshal(v.Padded.Raw, &p) == nil && p.Message != nil {
			msg = p.Message
			h := sha256.Sum256(msg)
			same(t, "digest of the message", h[:], v.Message.SHA256)
			known = true
		} else {
			msg = make([]byte, v.Length) // not recorded: only its length counts
		}
	}
	got, err := wire.Pad(nil, msg, v.Size)
	if (err == nil) != v.CanPad {
		t.Errorf("can pad: %v", err)
	}
	if refusal(t, err, wire.ErrPadSize, v.Padded) {
		return
	}
	if len(got) != v.Size {
		t.Errorf("%d bytes, want %d", len(got), v.Size)
	}
	if known {
		if err := v.Padded.Check(got); err != nil {
			t.Error(err)
		}
	}
	back, err := wire.Unpad(got)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unpadded", back, msg)
}

func base64Text(t *testing.T, c vectors.Case) {
	var v struct {
		Bytes vectors.Hex
		Text  string `json:"str_encoded"`
	}
	c.Decode(t, &v)
	got, err := wire.ParseBase64(v.Text)
	if err != nil || wire.Base64(v.Bytes) != v.Text {
		t.Errorf("%q: %v", wire.Base64(v.Bytes), err)
	}
	same(t, "parsed", got, v.Bytes)
}

func base64Edge(t *testing.T, c vectors.Case) {
	var v struct {
		Input  string
		Result vectors.Large
	}
	c.Decode(t, &v)
	got, err := wire.ParseBase64(v.Input)
	if !refusal(t, err, wire.ErrBase64, v.Result) {
		same(t, "parsed", got, v.Result.Bytes)
	}
}

func primitive(t *testing.T, c vectors.Case) {
	var v struct {
		Type  string
		Value json.RawMessage
		Hex   vectors.Hex
	}
	c.Decode(t, &v)
	d := wire.NewDecoder(v.Hex)
	var got []byte
	switch kind, _, _ := strings.Cut(v.Type, " ("); kind {
	case "Bool":
		got = wire.AppendBool(nil, d.Bool())
		expect(t, v.Value, got[0] == 'T')
	case "Word16":
		n := d.Uint16()
		expect(t, v.Value, n)
		got = wire.AppendUint16(nil, n)
	case "Int64":
		n := d.Int64()
		expect(t, v.Value, n)
		got = wire.AppendInt64(nil, n)
	case "ByteString":
		s := d.Short()
		expect(t, v.Value, vectors.Hex(s))
		got = wire.AppendShort(nil, s)
	case "Maybe ByteString":
		var s []byte
		present := d.Maybe()
		if present {
			s = d.Short()
		}
		expect(t, v.Value, vectors.Hex(s))
		got = wire.AppendMaybe(nil, present, func(b []byte) []byte { return wire.AppendShort(b, s) })
	case "Large":
		s := d.Large()
		expect(t, v.Value, vectors.Hex(s))
		got = wire.AppendLarge(nil, s)
	case "list of ByteString":
		items := make([]vectors.Hex, d.ListLen(0))
		got = wire.AppendListLen(nil, len(items))
		for i := range items {
			items[i] = d.Short()
			got = wire.AppendShort(got, items[i])
		}
		expect(t, v.Value, items)
	case "String", "Text":
		got = wire.AppendShort(nil, d.Short())
		var s string
		if err := json.Unmarshal(v.Value, &s); err != nil {
			t.Fatal(err)
		}
		want := []byte(s)
		if kind == "String" { // one byte a character
			want = nil
			for _, r := range s {
				want = append(want, byte(r))
			}
		}
		same(t, "text", got[1:], want)
	default:
		// What the reference writes for a value too long for its length byte
		// is no encoding; here it is refused.
		if !strings.Contains(v.Type, "overflows") {
			t.Fatalf("unknown type %q", v.Type)
		}
		if err := wire.CheckShort("value", len(v.Hex)-1); err == nil {
			t.Error("the value fits")
		}
		if d.Short(); d.Done() == nil {
			t.Error("all of it is read")
		}
		return
	}
	if err := d.Done(); err != nil {
		t.Fatal(err)
	}
	same(t, "encoded", got, v.Hex)
}

func expect[T any](t *testing.T, want json.RawMessage, got T) {
	t.Helper()
	var w T
	if err := json.Unmarshal(want, &w); err != nil {
		t.Fatal(err)
	}
	a, err1 := json.Marshal(w)
	b, err2 := json.Marshal(got)
	if err := errors.Join(err1, err2); err != nil || string(a) != string(b) {
		t.Errorf("got %s, want %s (%v)", b, a, err)
	}
}
