package wire

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// FuzzDecoder reads elements as the first bytes of the input say, out of the
// rest.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03"), []byte("\x05hello\x00\x03abcTF"))
	f.Add([]byte("\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d"), []byte("0123456789abcdefghijklmnopqrstuvwxyz T1\x00\x01\x00\x02"))
	f.Fuzz(func(t *testing.T, script, in []byte) {
		d := NewDecoder(in)
		read := 0
		for _, op := range script {
			at := d.Offset()
			switch op % 16 {
			case 0:
				read += len(d.Short())
			case 1:
				read += len(d.Large())
			case 2:
				d.Bool()
			case 3:
				d.Maybe()
			case 4:
				d.Uint16()
			case 5:
				d.Uint32()
			case 6:
				d.Uint64()
			case 7:
				if v := d.Time(); d.Err() == nil && !bytes.Equal(AppendTime(nil, v), in[at:at+8]) {
					t.Fatalf("time %v is written otherwise", v)
				}
			case 8:
				d.ListLen(int(op >> 4))
			case 9:
				read += len(d.Word())
			case 10:
				d.TryLit("T")
			case 11:
				d.Lit("0")
			case 12:
				d.VersionRange()
			case 13:
				read += len(d.Bytes(int(op>>4) - 1))
			case 14:
				read += len(d.Tail())
			case 15:
				d.Byte()
			}
			if d.Err() == nil && d.Offset() < at || d.Offset() > len(in) || read > len(in) {
				t.Fatalf("operation %d went from %d to %d of %d", op%16, at, d.Offset(), len(in))
			}
		}
		if err := d.Done(); err == nil && d.Offset() != len(in) {
			t.Fatal("done before the end")
		}
	})
}

func FuzzUnpad(f *testing.F) {
	f.Add([]byte("\x00\x01a###"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01a###"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if m, err := Unpad(in); err == nil {
			if p, err := Pad(nil, m, len(in)); err != nil || !bytes.Equal(p[:2+len(m)], in[:2+len(m)]) {
				t.Fatal("padded otherwise", err)
			}
		}
		if m, err := UnpadLong(in); err == nil {
			if p, err := PadLong(nil, m, len(in)); err != nil || !bytes.Equal(p[:8+len(m)], in[:8+len(m)]) {
				t.Fatal("padded otherwise", err)
			}
		}
	})
}

func FuzzParseBase64(f *testing.F) {
	for _, s := range []string{"", "AQID", "AQI=", "AQI", "AR==", "A", "-_-_", "+/+/", "AQID\n", "A\rQ="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBase64(s)
		if err == nil && Base64(b) != s && base64.RawURLEncoding.EncodeToString(b) != s {
			t.Fatalf("%q is %x, which is %q", s, b, Base64(b))
		}
	})
}

func FuzzParseVersionRange(f *testing.F) {
	for _, s := range []string{"6-18", "7", "1-", "65536", "007-8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseVersionRange(s)
		if err != nil {
			return
		}
		again, err := ParseVersionRange(r.String())
		if r.Min > r.Max || err != nil || again != r {
			t.Fatalf("%q is %v, then %v", s, r, again)
		}
		if d := NewDecoder(r.Append(nil)); d.VersionRange() != r || d.Done() != nil {
			t.Fatalf("%v is written otherwise", r)
		}
	})
}
