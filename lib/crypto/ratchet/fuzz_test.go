package ratchet

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/simplexkit/simplexkit/lib/internal/vectors"
	"github.com/simplexkit/simplexkit/lib/wire"
)

// seeds are the conversations of the vectors, one of each variant.
func seeds(f *testing.F) (out []vectorCase) {
	seen := make(map[string]bool)
	for _, c := range vectors.Load(f, "ratchet.json").With("x3dh", "alternating", "out_of_order") {
		var head struct{ Variant string }
		c.Decode(f, &head)
		if name := c.Category + head.Variant; !seen[name] {
			seen[name] = true
			var v vectorCase
			c.Decode(f, &v)
			out = append(out, v)
		}
	}
	return out
}

func FuzzParseMessage(f *testing.F) {
	for _, v := range seeds(f) {
		for _, s := range v.Steps {
			if s.Op == "send" && s.Ciphertext.Bytes != nil {
				f.Add([]byte(s.Ciphertext.Bytes))
			}
		}
	}
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMessage(b)
		if err != nil {
			return
		}
		again := append(bytes.Clone(b[:len(b)-len(m.tag)-len(m.body)]), append(bytes.Clone(m.tag), m.body...)...)
		if !bytes.Equal(again, b) {
			t.Fatal("the parts of a message are not the whole")
		}
		if _, err := m.open(HeaderKey{}, make([]byte, adSize)); err == nil {
			t.Fatal("opened with a made-up key")
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	for _, v := range seeds(f) {
		for _, s := range v.Steps {
			if s.HeaderPlain != nil {
				f.Add([]byte(s.HeaderPlain), uint16(s.Version))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, v uint16) {
		h, err := parseHeader(b, wire.Version(v))
		if err != nil {
			return
		}
		if again := h.append(nil, wire.Version(v)); !bytes.HasPrefix(b, again) {
			t.Fatalf("%x was read as %x", b, again)
		}
	})
}

func FuzzParseParams(f *testing.F) {
	for _, v := range seeds(f) {
		f.Add([]byte(v.Bob.Params))
		f.Add([]byte(v.Alice.Params))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseParams(b); err == nil && !bytes.Equal(p.Append(nil), b) {
			t.Fatalf("%x was read as %x", b, p.Append(nil))
		}
	})
}

func FuzzParseParamsURIBinary(f *testing.F) {
	for _, v := range seeds(f) {
		f.Add([]byte(v.Bob.URIBinary))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if u, err := ParseParamsURIBinary(b); err == nil && !bytes.Equal(u.Append(nil), b) {
			t.Fatalf("%x was read as %x", b, u.Append(nil))
		}
	})
}

func FuzzParseParamsURI(f *testing.F) {
	for _, v := range seeds(f) {
		f.Add(v.Bob.URI)
	}
	f.Add("v=3&x3dh=,&kem_key=%41")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseParamsURI(s)
		if err != nil {
			return
		}
		if again, err := ParseParamsURI(u.String()); err != nil || !again.Equal(u) {
			t.Fatalf("%q was read as %v", s, u)
		}
	})
}

func FuzzState(f *testing.F) {
	for _, v := range seeds(f) {
		for _, raw := range []json.RawMessage{v.Bob.State, v.Alice.State, v.Final["bob"]} {
			if raw != nil {
				b, _ := parseState(f, raw).state(f).AppendBinary(nil)
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := new(State)
		if s.UnmarshalBinary(b) != nil {
			return
		}
		if again, _ := s.AppendBinary(nil); !bytes.Equal(again, b) {
			t.Fatal("a state is stored in another form")
		}
		if next, out, err := s.Encrypt([]byte("x"), 20, SendOptions{}); err == nil {
			_, _ = next.Decrypt(SkippedMap{}, out)
		}
	})
}

func FuzzPrivate(f *testing.F) {
	for _, v := range seeds(f) {
		b, _ := v.Bob.private(f, v.Version).AppendBinary(nil)
		f.Add(b)
		b, _ = v.Alice.private(f, v.Version).AppendBinary(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := new(Private)
		if p.UnmarshalBinary(b) != nil {
			return
		}
		if again, _ := p.AppendBinary(nil); !bytes.Equal(again, b) {
			t.Fatal("E2E keys are stored in another form")
		}
	})
}

func FuzzSendKey(f *testing.F) {
	alice, _ := pair(f, PQSupportOn)
	_, k, _ := alice.EncryptHeader(SendOptions{})
	b, _ := k.AppendBinary(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		k := new(SendKey)
		if k.UnmarshalBinary(b) != nil {
			return
		}
		if again, _ := k.AppendBinary(nil); !bytes.Equal(again, b) {
			t.Fatal("a message key is stored in another form")
		}
		_, _ = k.Seal([]byte("x"), 20)
	})
}
